"""Formats of files of contacts, and their cells.

Inside, every table is text: a workbook and a Parquet file are read as CSV, an array of JSON as lines. Their
cells go from the original to the output with their own types.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final, Literal, TypeAlias, get_args

from cleanlist_async.checks import is_any
from cleanlist_async.tables.formats.location import COMPRESSIONS, Compression

TableFormat: TypeAlias = Literal["csv", "tsv", "jsonl", "json", "xlsx", "parquet", "arrow"]
TextFormat: TypeAlias = Literal["csv", "tsv", "jsonl"]

FORMATS: Final[tuple[TableFormat, ...]] = get_args(TableFormat)
SUFFIXES: Final[Mapping[str, TableFormat]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
READ_ONLY: Final = frozenset({".xlsm"})
"""Of workbooks with macros: Excel refuses one without."""
TEXT_OF: Final[Mapping[TableFormat, TextFormat]] = {
    "csv": "csv",
    "tsv": "tsv",
    "jsonl": "jsonl",
    "json": "jsonl",
    "xlsx": "csv",
    "parquet": "csv",
    "arrow": "csv",
}
"""The text that a format is read as."""

MOST_EXACT: Final = 10**15
"""Smaller whole numbers are exact as floats, and in a workbook."""


def format_of(path: str | os.PathLike[str]) -> TableFormat | None:
    """Return the format that a name says, compressed or not."""
    return SUFFIXES.get(_suffixes(path)[0])


def is_read_only(path: str | os.PathLike[str]) -> bool:
    """Whether files of such a name are only read."""
    return _suffixes(path)[0] in READ_ONLY


def compression_of(path: str | os.PathLike[str]) -> Compression | None:
    """Return the compression that a name says."""
    return COMPRESSIONS.get(_suffixes(path)[1])


def _suffixes(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the suffixes of the format and of the compression, each maybe empty."""
    name = PurePath(os.fspath(path))
    last = name.suffix.lower()
    return (name.with_suffix("").suffix.lower(), last) if last in COMPRESSIONS else (last, "")


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


# In this order: a datetime is a date, and bytes are a sequence.
_TEXTS: Final[Mapping[type, Callable[[Any], str]]] = {
    type(None): lambda _: "",
    bool: lambda value: "TRUE" if value else "FALSE",
    float: _number,
    datetime: _moment,
    date: date.isoformat,
    time: time.isoformat,
    bytes: lambda value: value.decode("utf-8", "replace"),
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
