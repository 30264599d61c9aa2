"""A table that is not text: read as text, and once more with its types when the output is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final

from cleanlist_async.tables.formats import TableFormat
from cleanlist_async.tables.formats.arrow import ColumnFile
from cleanlist_async.tables.formats.excel import Sheet
from cleanlist_async.tables.formats.formula_cells import FormulaCells
from cleanlist_async.tables.formats.json_array import lines_of
from cleanlist_async.tables.formats.number_columns import NumberColumns

PACKED: Final[tuple[TableFormat, ...]] = ("xlsx", "parquet", "arrow", "json")
"""Formats that are no text with a row on each line."""


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
        self._formula_cells = FormulaCells()
        if kind == "xlsx":
            read = self._sheet(sheet)
            self.sheet_name, self.other_sheets = read.name, read.others
            if read.others and sheet is None:
                others = ", ".join(read.others)
                self._sheet_notes.append(f'sheet "{read.name}" is read and written, not {others} (--sheet)')
        self._chosen = self.sheet_name

    @property
    def notes(self) -> list[str]:
        """What the user should know about how it is read; grows while it is read."""
        return [*self._sheet_notes, *self._formula_cells.notes, *self._number_columns.notes]

    def lines(self) -> Iterator[bytes]:
        """Yield its text: CSV, or lines of JSON."""
        if self.kind == "json":
            return lines_of(self._open(), self._path)
        if self.kind != "xlsx":
            return self.columns().lines()
        self._formula_cells.look_at(self._open(), self._chosen)
        return self._sheet(self._chosen).lines(self._number_columns.look_at)

    def rows(self) -> Iterator[Sequence[object]] | None:
        """Yield all its rows with their types, from the first of the file; None for JSON, which is text."""
        if self.kind == "json":
            return None
        return self._sheet(self._chosen).rows() if self.kind == "xlsx" else self.columns().rows()

    def columns(self) -> ColumnFile:
        """Return a data file by its columns."""
        return ColumnFile(self._open(), "parquet" if self.kind == "parquet" else "arrow", self._path)

    def _sheet(self, name: str | None) -> Sheet:
        return Sheet(self._open(), self._path, name)
