"""The types that columns have in JSON, for Parquet and Arrow: numbers, flags, text, and lists of these.

What a type of columns cannot hold exactly (a long number, an object, values of several kinds) is text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import Any, Final, Literal, TypeAlias

from cleanlist_async.tables.formats.location import needed
from cleanlist_async.tables.jsonl_source import json_text
from cleanlist_async.tables.records import NumberText, Record
from cleanlist_async.types import JSON

Scalar: TypeAlias = Literal["nothing", "flag", "short", "whole", "number", "text"]
"""A short number is whole, and exact as a float too, so that it can stand among numbers with a point."""

_EXACT_AS_FLOAT: Final = 2**53
_EXACT_AS_WHOLE: Final = 2**63
_TOGETHER: Final[dict[frozenset[Scalar], Scalar]] = {
    frozenset[Scalar](("short", "whole")): "whole",
    frozenset[Scalar](("short", "number")): "number",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What all values of a column are, besides null."""

    of: Scalar = "nothing"
    is_list: bool = False

    @property
    def arrow_type(self) -> Any:
        """The type of Arrow that holds them."""
        arrow = needed("pyarrow", "files")
        types = {"flag": arrow.bool_(), "number": arrow.float64()}
        types |= dict.fromkeys(("short", "whole"), arrow.int64())
        one = types.get(self.of, arrow.string())
        return arrow.list_(one) if self.is_list else one

    def value(self, value: JSON) -> object:
        """Return a value of the column with its type."""
        if value is None:
            return None
        if self.is_list and isinstance(value, list):
            item = Kind(self.of)
            return [item.value(each) for each in value]
        if self.of in {"short", "whole"}:
            return int(str(value))
        if self.of == "number":
            return float(str(value))
        return value if self.of == "flag" else as_utf_8(json_text(value))


_NOTHING: Final = Kind()
_TEXT: Final = Kind("text")


def as_utf_8(text: str) -> str:
    """Return plain text that a data file can hold: JSON can have half a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def kinds_of(records: Iterable[Record]) -> dict[str, Kind]:
    """Return the kind of each column, in the order in which the columns appear. Reads all *records*."""
    kinds: dict[str, Kind] = {}
    for record in records:
        if isinstance(record.cells, tuple):
            continue
        for key, value in record.cells.items():
            kinds[key] = _together(kinds.get(key, _NOTHING), _kind(value))
    return kinds


def column_of(kind: Kind, rows: Sequence[Record], key: str) -> Any:
    """Return some values of a column as an array of Arrow."""
    values = [None if isinstance(row.cells, tuple) else kind.value(row.cells.get(key)) for row in rows]
    return needed("pyarrow", "files").array(values, kind.arrow_type)


def _kind(value: JSON) -> Kind:
    if value is None:
        return _NOTHING
    if isinstance(value, bool):
        return Kind("flag")
    if isinstance(value, NumberText):
        return Kind(_number(value))
    if not isinstance(value, list):
        return _TEXT
    if any(isinstance(item, list | dict) for item in value):
        return _TEXT
    return Kind(reduce(_together, map(_kind, value), _NOTHING).of, is_list=True)


def _number(text: str) -> Scalar:
    if text.lstrip("-").isdigit():
        size = abs(int(text)) if len(text) < 20 else _EXACT_AS_WHOLE  # Python refuses to read long ones
        if size < _EXACT_AS_WHOLE:
            return "short" if size <= _EXACT_AS_FLOAT else "whole"
        return "text"
    number = float(text)
    # As programs write a float: the shortest text that is read as it, or 17 digits.
    is_exact = math.isfinite(number) and Decimal(text) in {Decimal(repr(number)), Decimal(f"{number:.17g}")}
    return "number" if is_exact else "text"


def _together(one: Kind, other: Kind) -> Kind:
    """Return what holds values of both kinds."""
    if other in {one, _NOTHING}:
        return one
    if one == _NOTHING:
        return other
    if one.is_list != other.is_list:
        return _TEXT
    pair = frozenset[Scalar]((one.of, other.of)) - {"nothing"}
    return Kind(next(iter(pair)) if len(pair) == 1 else _TOGETHER.get(pair, "text"), one.is_list)
