"""Cells of workbooks and data files, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

from cleanlist_async.checks import is_any

MOST_EXACT: Final = 10**15
"""Smaller whole numbers are exact as floats, and in a workbook."""


def cell_text(value: object) -> str:
    """Return a cell as the text of CSV: blank for nothing, whole numbers without a point, ISO dates."""
    if isinstance(value, str):
        return value
    text = next((text for kind, text in _TEXTS.items() if isinstance(value, kind)), str)
    return text(value)


def _nested(value: Any) -> str:
    if not is_any(value, Mapping) and all(isinstance(item, str) for item in value):
        return "; ".join(value)
    return json.dumps(cell_json(value), ensure_ascii=False)


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < MOST_EXACT else repr(value)


def _moment(value: datetime) -> str:
    is_day = value.time() == time() and value.tzinfo is None
    return value.date().isoformat() if is_day else value.isoformat(" ")


def _bytes(value: bytes) -> str:
    return value.decode("utf-8", "replace")


# In this order: a datetime is a date, and bytes are a sequence.
_TEXTS: Final[Mapping[type, Callable[[Any], str]]] = {
    type(None): lambda _: "",
    bool: lambda value: "TRUE" if value else "FALSE",
    float: _number,
    datetime: _moment,
    date: date.isoformat,
    time: time.isoformat,
    bytes: _bytes,
    Mapping: _nested,
    Sequence: _nested,
}


def cell_json(value: Any) -> Any:
    """Return a cell as a value of JSON, by default as text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if number - number == 0 else None  # neither NaN nor infinite
    if is_any(value, Mapping):
        return {str(key): cell_json(item) for key, item in value.items()}
    if is_any(value, Sequence) and not isinstance(value, bytes):
        return [cell_json(item) for item in value]
    return cell_text(value)
