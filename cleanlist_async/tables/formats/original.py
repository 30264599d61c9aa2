"""A table that is not text: read as text, and once more with its types when the output is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import TextIOWrapper
from typing import BinaryIO, Final

from cleanlist_async.tables.errors import TableError, Tally
from cleanlist_async.tables.formats import TableFormat
from cleanlist_async.tables.formats.arrow import ColumnFile
from cleanlist_async.tables.formats.excel import NumberColumns, Sheet, formulas_without_value

PACKED: Final[tuple[TableFormat, ...]] = ("xlsx", "parquet", "arrow", "json")
"""Formats that are no text with a row on each line."""

_NO_VALUE: Final = (
    "read and written as blank; open the workbook in Excel and save it, to have them calculated"
)
_CHUNK: Final = 1 << 18
_SPACE: Final = " \t\r\n"
_LONGEST_OBJECT: Final = 16 << 20
"""Characters of one object: a longer one is no contact, and would be held in memory."""


class Original:
    """The bytes of a workbook, a data file or an array of JSON."""

    def __init__(
        self, open_stream: Callable[[], BinaryIO], kind: TableFormat, path: str, sheet: str | None
    ) -> None:
        self._open = open_stream
        self._path = path
        self.kind = kind
        self.sheet_name = "Contacts"
        self._sheet_notes: list[str] = []
        self.other_sheets: list[str] = []
        self._number_columns = NumberColumns()
        self._formulas = Tally("with a formula and no value", _NO_VALUE, "cell")
        if kind == "xlsx":
            read = self._sheet(sheet)
            self.sheet_name, self.other_sheets = read.name, read.others
            if read.others and sheet is None:
                others = ", ".join(read.others)
                self._sheet_notes.append(f'sheet "{read.name}" is read and written, not {others} (--sheet)')

    @property
    def notes(self) -> list[str]:
        """What the user should know about how it is read; grows while it is read."""
        return [*self._sheet_notes, *self._formulas.notes, *self._number_columns.notes]

    def lines(self) -> Iterator[bytes]:
        """Yield its text: CSV, or lines of JSON."""
        if self.kind == "json":
            return lines_of(self._open(), self._path)
        if self.kind != "xlsx":
            return self.columns().lines()
        for address in formulas_without_value(self._open(), self.sheet_name):
            self._formulas.add(address)
        return self._sheet(self.sheet_name).lines(self._number_columns.look_at)

    def rows(self) -> Iterator[Sequence[object]] | None:
        """Yield all rows of the file with their types; None for JSON, which is text."""
        if self.kind == "json":
            return None
        return self._sheet(self.sheet_name).rows() if self.kind == "xlsx" else self.columns().rows()

    def columns(self) -> ColumnFile:
        """Return a data file by its columns."""
        return ColumnFile(self._open(), "parquet" if self.kind == "parquet" else "arrow", self._path)

    def _sheet(self, name: str | None) -> Sheet:
        return Sheet(self._open(), self._path, name)


def lines_of(stream: BinaryIO, path: str) -> Iterator[bytes]:
    """Yield the objects of an array, each on a line as it is written. Raises TableError."""
    # Bytes that do not decode are passed on as they are: the reader of the lines names their place.
    text = TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")
    decode = json.JSONDecoder().raw_decode
    buffer, number, expects_comma = text.read(_CHUNK).lstrip(_SPACE), 0, False
    if not buffer.startswith("["):
        raise TableError(path=path, problem="holds no array", fix='it must be [{"linkedin_url": "..."}, ...]')
    buffer = buffer[1:]
    while True:
        buffer = buffer.lstrip(_SPACE)
        if expects_comma and buffer.startswith(","):
            buffer, expects_comma = buffer[1:].lstrip(_SPACE), False
        if buffer.startswith("]"):
            return
        start = len(buffer)
        try:
            value, end = decode(buffer) if buffer and not expects_comma else (None, start)
        except (ValueError, RecursionError):
            end, value = start, None
        if end == start:  # more text is needed, or there is none
            more = text.read(_CHUNK)
            if not more or start > _LONGEST_OBJECT:
                problem = "is not JSON, or the file is cut short"
                raise TableError(path=path, row=number + 1, problem=problem, fix="save it again")
            buffer += more
            continue
        number += 1
        if not isinstance(value, dict):
            raise TableError(path=path, row=number, problem="is no object", fix="each item must be one")
        # A string holds no raw line end, so all of them, and the indents, stand between members.
        line = " ".join(part.strip(_SPACE) for part in buffer[:end].split("\n"))
        yield f"{line}\n".encode("utf-8", "surrogateescape")
        buffer, expects_comma = buffer[end:], True


def write_array(stream: BinaryIO, lines: Iterable[str]) -> None:
    """Write lines of JSON as one array."""
    separator = "[\n"
    for line in lines:
        stream.write(f"{separator}{line.rstrip()}".encode())
        separator = ",\n"
    stream.write(b"[]\n" if separator == "[\n" else b"\n]\n")
