"""What a value of the caller's data says in a text field: a text, nothing, or neither. Pure.

Frames, databases and files write a missing value as None, NaN, NA or NaT, and ids and codes as numbers.
"""

from __future__ import annotations

from decimal import Decimal
from numbers import Integral, Real
from typing import Final, SupportsInt, cast
from uuid import UUID

_NA: Final = frozenset({"NAType", "NaTType"})
"""Missing values of pandas; one of them refuses to be compared with itself."""
_TIMES: Final = frozenset({"datetime64", "timedelta64"})
"""Types of numpy that have a missing value of their own."""
_MOST_BITS: Final = 1_024
"""Of a number that can be an id. Python refuses to print much longer ones."""


def is_absent(value: object) -> bool:
    """Whether a value stands for none: None, NaN, NA, NaT or blank text."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    if isinstance(value, Decimal):
        return value.is_nan()
    if type(value).__name__ in _NA:
        return True
    # Nothing else is compared, for an array would give an array.
    is_comparable = isinstance(value, Real) or type(value).__name__ in _TIMES
    return is_comparable and bool(value != value)  # noqa: PLR0124 - NaN is not itself


def as_text(value: object) -> str | None:
    """Return the text of a value: text as it is, a whole number in digits, a UUID. None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        whole = int(value)
        return str(whole) if whole.bit_length() <= _MOST_BITS else None
    if isinstance(value, UUID):
        return str(value)
    # 4711.0 is how a column of whole numbers with a gap is read.
    if isinstance(value, Decimal | Real) and (number := _whole(value)) is not None:
        return as_text(number)
    return None


def _whole(value: Decimal | Real) -> int | None:
    try:
        number = int(cast("SupportsInt", value))
    except (ValueError, OverflowError):  # NaN, infinity
        return None
    return number if value == cast("object", number) else None
