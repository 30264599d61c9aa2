"""Operations that write nothing: they may take long, because no other waits for their end."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, GeneratorType
from typing import Any, Final, ParamSpec, TypeVar, cast

from cleanlist_async.storage.store.statements import Answer, Operation, Statement

T = TypeVar("T")
P = ParamSpec("P")

_READING: Final[set[CodeType]] = set()


def reading(function: Callable[P, Operation[T]]) -> Callable[P, Operation[T]]:
    """Mark an operation that writes nothing. Its statements all see the store as it was at the beginning.

    All others take turns. As a part of one of these it takes part in its turn.
    """
    _READING.add(function.__code__)
    return function


def is_reading(operation: Operation[Any]) -> bool:
    """Whether an operation is one of those."""
    return cast("GeneratorType[Statement, Answer, Any]", operation).gi_code in _READING
