"""How much a test tries: a part by default, all of it with the slow tests.

Property tests do so by the profiles of conftest.py. Others that ask here carry the marker `scaled`: the slow
tests run them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")

_WHOLE = 100
"""Examples of a property in the profile that tries all: Hypothesis's own default."""


def examples(number: int) -> int:
    """Return *number*, or the share of it that is tried by default."""
    return max(1, number * settings.default.max_examples // _WHOLE)


def some(cases: Iterable[T]) -> list[T]:
    """Return all cases, or those evenly spread ones that are tried by default."""
    return list(cases)[:: _WHOLE // settings.default.max_examples]
