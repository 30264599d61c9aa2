"""How a record and its enrichment are written: as a CSV row, or as a JSON object on a line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from typing import Final, TypeAlias

from cleanlist_async.tables.csv_source import CsvSource, Source
from cleanlist_async.tables.dialect import AS_THE_INPUT, UTF_8, Dialect, OutputLayout
from cleanlist_async.tables.formats.arrow import PHONES
from cleanlist_async.tables.headers import free_name
from cleanlist_async.tables.records import JsonlSource, Record, json_text
from cleanlist_async.types import JSON

_LEADS: Final = frozenset("=+-@\t\r\n\0＝＋－＠")  # noqa: RUF001 - the full-width signs start a formula too
_PHONE: Final = r"[+(]?[0-9][0-9 ().-]*(?:x ?[0-9]{1,8})?"
_NUMBER: Final = re.compile(r"[+-]?[.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?")
_PHONES: Final = re.compile(rf"{_PHONE}(?:; ?{_PHONE})*")


def new_names(names: Iterable[str], existing: Iterable[str]) -> tuple[str, ...]:
    """Name the columns to append so that none doubles another one: ``cleanlist_email (2)``."""
    taken, new = [*existing], list[str]()
    for name in names:
        new.append(free_name(name, (*taken, *new)))
    return tuple(new)


class _RowText:
    """Renders cells as CSV, without a line end."""

    def __init__(self, dialect: Dialect) -> None:
        self._rendered = ""
        # With \r\n as its line end csv.writer quotes both characters wherever they stand in a cell.
        self._write = csv.writer(
            self,
            delimiter=dialect.delimiter,
            lineterminator="\r\n",
            quoting=csv.QUOTE_ALL if dialect.quote_all else csv.QUOTE_MINIMAL,
        ).writerow

    def write(self, rendered: str) -> None:
        self._rendered = rendered

    def __call__(self, cells: Sequence[str]) -> str:
        self._write(cells)
        return self._rendered[:-2]


class CsvRendering:
    """CSV: the cells of the record, the enrichment, then what a long row has beyond the header.

    Text that was no formula in a file of another format does not become one.
    """

    left_out = ""
    """Stands in place of a contact that is left out."""

    def __init__(
        self,
        source: Source,
        columns: Mapping[str, str],
        dialect: Dialect,
        *,
        excel_safe: bool,
        layout: OutputLayout = AS_THE_INPUT,
    ) -> None:
        self._dialect = dialect
        self._row = _RowText(dialect)
        is_csv = isinstance(source, CsvSource) and source.file.original is None
        self._is_guarded = excel_safe and (layout.is_of_texts or not is_csv)
        # As it is, unless it is to have another delimiter.
        read_as = source.dialect.delimiter if isinstance(source, CsvSource) else dialect.delimiter
        self._preamble = dialect.preamble.text
        if self._preamble and (self._is_guarded or dialect.delimiter != read_as):
            rows = csv.reader(StringIO(self._preamble, newline=""), delimiter=read_as)
            lines = (self._row(self._own(row)) if row else "" for row in rows)
            self._preamble = "".join(line + dialect.line_end for line in lines)
        self._columns = columns
        self._guards = [_guard(column, excel_safe=excel_safe) for column in columns]
        self._has_header = source.has_header
        self._headers = source.raw_headers if isinstance(source, CsvSource) else source.all_headers()
        self.encoding = layout.encoding or source.file.encoding

    def head(self) -> str:
        """Return what stood before the header, and the header with the new columns."""
        if not self._has_header:
            return self._preamble
        new = new_names(self._columns.values(), self._headers)
        names = tuple(map(_cell, (*self._own(self._headers), *new)))
        return f"{self._preamble}{self._row(names)}{self._dialect.line_end}"

    def enrichment(self, values: Sequence[str]) -> str:
        """Render the values, each guarded against formulas."""
        guarded = [guard(value) for guard, value in zip(self._guards, values, strict=True)]
        return self._row(list(map(_cell, guarded)))

    def line(self, record: Record, enrichment: str) -> str:
        """Render a row; one that is no contact gets no enrichment, and a footer stays as it is."""
        cells, width = self._cells(record), len(self._headers)
        if not record.is_contact:
            blank = [""] * len(self._columns) if len(cells) == width else []
            return (self._row([*cells, *blank]) if cells else "") + self._dialect.line_end
        parts = [self._row(cells[:width]), enrichment]
        if len(cells) > width:  # after the enrichment, so that every column stays under its header
            parts.append(self._row(cells[width:]))
        return self._dialect.delimiter.join(parts) + self._dialect.line_end

    def _cells(self, record: Record) -> Sequence[str]:
        if isinstance(record.cells, tuple):
            return self._own(record.cells)
        if not record.raw:  # a blank line
            return ()
        return self._own([_cell(json_text(record.cells.get(header))) for header in self._headers])

    def _own(self, cells: Sequence[str]) -> Sequence[str]:
        return [*map(text_without_formula, cells)] if self._is_guarded else cells


class EnrichmentRendering:
    """The enrichment alone, as an object for each contact: for formats that are written at the end."""

    encoding = UTF_8
    left_out = "\n"  # the part keeps a line for each contact

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = tuple(columns)

    def head(self) -> str:
        """Return nothing: JSON lines have no header."""
        return ""

    def enrichment(self, values: Sequence[str]) -> str:
        """Render the values as members of an object."""
        return _members(self._columns, values)

    def line(self, record: Record, enrichment: str) -> str:
        """Render the enrichment of a contact, and nothing of its row."""
        return f"{{{enrichment}}}\n" if record.is_contact else ""


class JsonlRendering(EnrichmentRendering):
    """JSON lines: an object is kept to the byte and extended; a CSV row becomes an object."""

    left_out = ""

    def __init__(self, source: Source, columns: Mapping[str, str]) -> None:
        self._headers = source.headers
        self._wished = tuple(columns.values())
        super().__init__(new_names(self._wished, source.headers))
        self._extends = isinstance(source, JsonlSource)
        if self._extends:
            self.encoding = source.file.encoding

    def line(self, record: Record, enrichment: str) -> str:
        """Render an object; one that is no contact stays as it is, unless it comes from CSV."""
        if not record.is_contact:
            return f"{record.raw}\n" if self._extends else ""
        if isinstance(record.cells, tuple):
            return f"{{{self._row(record.cells)}, {enrichment}}}\n"
        body = record.raw[:-1].rstrip()  # the object without its brace: its bytes stay as they are
        return f"{body}{', ' if record.cells else ''}{self._free(record.cells, enrichment)}}}\n"

    def _row(self, cells: tuple[str, ...]) -> str:
        names = list(self._headers)
        for number in range(len(names) + 1, len(cells) + 1):
            names.append(free_name(f"Column {number}", (*names, *self._columns)))
        return _members(names, cells)

    def _free(self, cells: Mapping[str, JSON], enrichment: str) -> str:
        """Rename members that this object has already: other objects may have other keys."""
        if cells.keys().isdisjoint(self._columns):
            return enrichment
        values: dict[str, str] = json.loads(f"{{{enrichment}}}")
        return _members(new_names(self._wished, (*self._headers, *cells)), tuple(values.values()))


Rendering: TypeAlias = CsvRendering | EnrichmentRendering
"""A format of output. An enrichment becomes one compact string when it arrives."""


def _members(names: Sequence[str], values: Sequence[str]) -> str:
    # ASCII escapes: whatever a value holds, it can be written in any encoding.
    return json.dumps(dict(zip(names, values, strict=True)))[1:-1]


def _cell(text: str) -> str:
    """Replace NUL, which JSON can hold, and our own reader refuses in CSV."""
    return text.replace("\0", "\ufffd")


def _guard(column: str, *, excel_safe: bool) -> Callable[[str], str]:
    if not excel_safe:
        return str
    return phones_without_formula if column == PHONES else without_formula


def without_formula(value: str) -> str:
    """Put ``'`` before a value that a spreadsheet would take for a formula."""
    return f"'{value}" if value[:1] in _LEADS and value else value


def phones_without_formula(value: str) -> str:
    """Do the same for phone numbers: ``+1 555 0100`` is no formula."""
    return value if _PHONES.fullmatch(value) else without_formula(value)


def text_without_formula(value: str) -> str:
    """Do the same for any cell: numbers, phone numbers and signs alone stay."""
    if value[:1] not in _LEADS or not any(map(str.isalnum, value)):  # nearly always the first
        return value
    return value if _NUMBER.fullmatch(value) or _PHONES.fullmatch(value) else without_formula(value)


def text_with_formula(value: str) -> str:
    """Return a cell as it was before :func:`text_without_formula`."""
    return value[1:] if value[:1] == "'" and text_without_formula(value[1:]) == value else value
