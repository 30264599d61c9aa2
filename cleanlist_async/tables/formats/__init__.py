"""Formats of files of contacts, and how those that are not text are read and written.

Inside, every table is text: a workbook and a Parquet file are read as CSV, an array of JSON as lines. Their
cells go from the original to the output with their own types.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final, Literal, TypeAlias, get_args

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
