"""Whether a value is of the type that a signature promises. Knows nothing of the package's own checks."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import os
import pkgutil
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import httpx

import cleanlist_async
from tests.arguments.odd_values import Frame


class _Json:
    """Stands for the alias JSON."""


_RECURSIVE = {
    "JSON": _Json,
    "HTTPClient": httpx.AsyncClient,
    "OnUnknown": Literal["hold", "resubmit"] | Callable[[object], str],
}
"""Aliases that are text, which cannot be looked into at run time."""
_CONTACTS = {"contacts", "source", "pending"}
"""Each of these is judged for itself: a bad one is a result."""


@cache
def _names() -> dict[str, Any]:
    """Every name of the package: annotations hold some that are imported for type checking only."""
    found: dict[str, Any] = {}
    for module in pkgutil.walk_packages(cleanlist_async.__path__, "cleanlist_async."):
        if not module.name.startswith(("cleanlist_async.cli", "cleanlist_async.__main__")):
            found |= vars(importlib.import_module(module.name))
    return found


def hints_of(function: Callable[..., object]) -> dict[str, Any]:
    """The types of the parameters."""
    plain: Any = inspect.unwrap(function)
    plain = getattr(plain, "__func__", plain)
    plain = plain.__init__ if inspect.isclass(plain) else plain
    return typing.get_type_hints(plain, localns={**_names(), **plain.__globals__, **_RECURSIVE})


def fits(value: object, hint: Any, parameter: str = "") -> bool:
    """Whether *value* is of type *hint*; items are looked at in lists and mappings."""
    if hint is _Json:
        return _is_json(value)
    if hint in (Any, object):
        return True
    if hint is None or hint is types.NoneType:
        return value is None
    if isinstance(hint, typing.NewType):
        return fits(value, hint.__supertype__, parameter)
    if isinstance(hint, typing.TypeVar):
        return True
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, types.UnionType):
        return any(fits(value, one, parameter) for one in inner)
    if kind is Literal:
        return isinstance(value, str | inner[0].__class__) and value in inner
    return _is_of_class(value, kind or hint, inner, parameter)


def _is_of_class(value: object, kind: Any, inner: tuple[Any, ...], parameter: str) -> bool:
    if kind is Callable:
        may_be_async = "Awaitable" in str(inner[-1:])
        return callable(value) and not inspect.isclass(value) if may_be_async else _is_plain_function(value)
    if typing.is_typeddict(kind):
        kind = dict
    if kind is float:
        return type(value) in (int, float)
    if kind in (int, bool):
        return type(value) is kind
    if kind is os.PathLike:
        return isinstance(value, os.PathLike)
    if getattr(kind, "_is_protocol", False) and "collections" not in kind.__module__:
        return False  # none of the odd values is one
    if not isinstance(value, kind):
        return False
    return not inner or _items_fit(value, kind, inner, parameter)


def _items_fit(value: object, kind: Any, inner: tuple[Any, ...], parameter: str) -> bool:
    if issubclass(kind, Mapping):
        if parameter == "contact":
            return True
        items = typing.cast("Mapping[object, object]", value).items()
        return all(fits(key, inner[0]) and fits(item, inner[-1]) for key, item in items)
    if isinstance(value, str | bytes | bytearray | memoryview | Mapping | Frame):
        return False  # its characters, keys or columns are not meant
    if parameter in _CONTACTS or not isinstance(value, list | tuple | set):
        return True
    return all(fits(item, inner[0]) for item in value)


def _is_plain_function(value: object) -> bool:
    calls = (value, getattr(value, "__call__", None))  # noqa: B004
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)
    return (
        callable(value)
        and not inspect.isclass(value)
        and not any(is_(call) for is_ in kinds for call in calls)
    )


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, float) or math.isfinite(value)
