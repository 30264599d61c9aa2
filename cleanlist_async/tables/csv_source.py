"""Read the rows of a CSV file exactly, or name the row and column that cannot be read."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar, cast

from cleanlist_async.tables.dialect import LARGEST_CELL, Dialect, allow_large_cells, detect_dialect
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.headers import addressable
from cleanlist_async.tables.input import DAMAGE, InputFile
from cleanlist_async.tables.odd_rows import OddRows
from cleanlist_async.tables.records import JsonlSource, Record

if TYPE_CHECKING:
    from _csv import Reader

T = TypeVar("T")
MOST_LINES_OF_A_ROW: Final = 1_000
"""A longer row holds a quote that was never closed."""
_DETECT_FROM: Final = 1 << 16
_OPEN_QUOTE: Final = (
    "a quote opens here and is not closed",
    'close it, and write "" for a quote inside a quoted cell',
)
_STRAY_QUOTE: Final = (
    "a quoted cell goes on after its closing quote",
    'write "" for a quote inside a quoted cell, or close the quote that was left open',
)
_TOO_LARGE: Final = (
    f"the cell is larger than {LARGEST_CELL >> 20} MiB",
    "shorten it, or check for a missing quote",
)


class CsvSource:
    """The header and the rows of a CSV file.

    A row that cannot be read exactly is a :class:`TableError`: a quote that is not doubled or never closed, a
    cell of more than 1 MiB, a NUL, a byte that does not decode.
    """

    def __init__(self, file: InputFile, delimiters: Sequence[str], *, has_header: bool = True) -> None:
        allow_large_cells()
        self.file = file
        self.has_header = has_header
        with file.text() as text:
            self.dialect: Dialect = detect_dialect(text.read(_DETECT_FROM), delimiters, has_header=has_header)
        self.raw_headers: tuple[str, ...] = ()  # an error in the first row asks for them
        with file.text() as text:
            _, first = next(self._rows(text), (0, ()))
        self.raw_headers = tuple(first)
        numbers = tuple(str(number) for number in range(1, len(self.raw_headers) + 1))  # for --map email=2
        self.headers = addressable(self.raw_headers) if has_header else numbers
        self._odd_rows = OddRows(len(self.headers), self.raw_headers if has_header else None)
        if file.damage:
            raise self._damaged()

    @property
    def given_headers(self) -> Sequence[str]:
        """The headers as they stand in the file: of two called ``Email`` neither has a number."""
        return self.raw_headers if self.has_header else self.headers

    @property
    def notes(self) -> list[str]:
        """What was noticed while reading."""
        notes: list[str] = []
        above = self.dialect.preamble.rows
        if above and self.has_header and self.dialect.preamble.text.strip():
            rows = f"rows 1 to {above} stand" if above > 1 else "row 1 stands"
            notes.append(f"{rows} above the column headers: kept, not taken for a contact")
        if self.dialect.skip_space:
            notes.append("spaces before quotes are not part of the cells")
        return [*notes, *self._odd_rows.notes]

    def records(self) -> Iterator[Record]:
        """Read all rows after the header."""
        with self.file.text() as text:
            yield from self._odd_rows.records(islice(self._rows(text), 1 if self.has_header else 0, None))

    def all_headers(self) -> tuple[str, ...]:
        """Return the name of each column, no two alike."""
        return self.headers

    def texts(self, record: Record, columns: Sequence[int]) -> Sequence[str]:
        """Return the text of some cells of a row."""
        cells = cast("tuple[str, ...]", record.cells)
        return [cells[column] for column in columns]

    def of_row(self, row: Sequence[T]) -> list[T]:
        """Return what of a row of the file is part of the table."""
        return [*row]

    def _rows(self, text: TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
        """Read all rows with their numbers, the header's too."""
        reader = self._reader(text)
        # The limit belongs to the whole process, so another library may have raised it above ours.
        others_raised_the_limit = csv.field_size_limit() > LARGEST_CELL
        number, line = self.dialect.preamble.rows + 1, 0
        try:
            for cells in reader:
                end = reader.line_num
                # An open quote may find its end in a later cell, which would swallow all rows between them.
                if end - line > MOST_LINES_OF_A_ROW:
                    raise self._fault(number, line, _OPEN_QUOTE)
                if others_raised_the_limit and max(map(len, cells), default=0) > LARGEST_CELL:
                    raise self._fault(number, line, _TOO_LARGE)
                line = end
                yield number, cells
                number += 1
        except csv.Error as error:
            lines = reader.line_num - line
            raise self._fault(number, line, _reason(str(error), lines)) from error

    def _reader(self, text: TextIOWrapper) -> Reader | SpacedRows:
        text.read(len(self.dialect.preamble.text))
        if self.dialect.skip_space:
            return SpacedRows(text, self.dialect.delimiter)
        # Strict, because the lenient reader joins the rest of the file to a cell whose quote stays open.
        return csv.reader(text, delimiter=self.dialect.delimiter, strict=True)

    def _fault(self, number: int, line: int, reason: tuple[str, str]) -> TableError:
        """Name the column by reading the row once more, character by character."""
        with self.file.text() as text:
            text.read(len(self.dialect.preamble.text))
            column = column_of_fault(chain.from_iterable(islice(text, line, None)), self.dialect)
        return self.file.error(*reason, row=number, column=self._column_name(column))

    def _column_name(self, column: int) -> str:
        known = column < len(self.raw_headers) and self.has_header
        return self.headers[column] if known else f"Column {column + 1}"

    def _damaged(self) -> TableError:
        with self.file.text() as text:
            for number, cells in self._rows(text):
                for column, cell in enumerate(cells):
                    if DAMAGE in cell or "\0" in cell:
                        name = self._column_name(column) if number > self.dialect.preamble.rows + 1 else None
                        return self.file.damage_at(row=number, column=name)
        return self.file.damage_at()


class CsvColumns(CsvSource):
    """Some columns of a CSV file that was opened and checked already; `of_row` says which."""

    def __init__(self, whole: CsvSource) -> None:
        # Without super(), which would open the file again.
        self._whole = whole
        self.file, self.dialect, self.has_header = whole.file, whole.dialect, whole.has_header
        self.raw_headers = self._cells(whole.raw_headers)
        self.headers = addressable(self.raw_headers) if self.has_header else self._cells(whole.headers)

    @property
    def notes(self) -> list[str]:
        """What was noticed while reading."""
        return self._whole.notes

    def records(self) -> Iterator[Record]:
        """Read all rows after the header."""
        for record in self._whole.records():
            yield record._replace(cells=self._cells(cast("tuple[str, ...]", record.cells)))

    def _cells(self, cells: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.of_row(cells))


Source: TypeAlias = CsvSource | JsonlSource
"""The records of a file, which can be read any number of times."""


def _reason(message: str, lines: int) -> tuple[str, str]:
    # The csv module has one class for all its errors; only their text tells them apart.
    if "field limit" in message:
        return _OPEN_QUOTE if lines > MOST_LINES_OF_A_ROW else _TOO_LARGE
    if "unexpected end of data" in message:
        return _OPEN_QUOTE
    if "expected after" in message:
        return _STRAY_QUOTE
    return message, "check the quotes and delimiters of this row"


def column_of_fault(characters: Iterable[str], dialect: Dialect) -> int:
    """Return the 0-based column of a cell that is too large, never closed, or closed too early."""
    column = size = 0
    state: Literal["start", "bare", "quoted", "closed"] = "start"
    for character in characters:
        if character == '"' and state == "quoted":
            state = "closed"
        elif character == '"' and state != "bare":
            size += state == "closed"  # the second of two, which stand for one
            state = "quoted"
        elif state == "quoted":
            size += 1
        elif character == dialect.delimiter:
            column, size, state = column + 1, 0, "start"
        elif state == "closed":
            return column  # text after a closing quote
        elif state == "bare" or not (character == " " and dialect.skip_space):
            size, state = size + 1, "bare"
        if size > LARGEST_CELL:
            return column
    return column


class SpacedRows:
    """Reads rows as :func:`csv.reader` does, less spaces before quotes, as in ``"a", "b"``; others stay."""

    def __init__(self, text: TextIOWrapper, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter
        self._lines: list[str] = []
        self._cell = re.compile(rf' *"((?:[^"]|"")*)"|([^{re.escape(delimiter)}]*)')
        self._reader = csv.reader(self._read(), delimiter=delimiter, skipinitialspace=True, strict=True)

    @property
    def line_num(self) -> int:
        """How many lines were read."""
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        for cells in self._reader:
            row = "".join(self._lines).rstrip("\r\n")
            self._lines.clear()
            yield self._with_spaces(cells, row)

    def _read(self) -> Iterator[str]:
        for line in self._text:
            self._lines.append(line)
            yield line

    def _with_spaces(self, cells: list[str], row: str) -> list[str]:
        """Split a row once more, since the csv module drops spaces before all cells or none."""
        found: list[str] = []
        position = -1  # of the delimiter before a cell
        while position < len(row) and (cell := self._cell.match(row, position + 1)):
            found.append(cell[2] if cell[1] is None else cell[1].replace('""', '"'))
            position = cell.end()
            if row[position : position + 1] not in {"", self._delimiter}:
                return cells
        is_same = [cell.lstrip(" ") for cell in found] == [cell.lstrip(" ") for cell in cells]
        return found if is_same else cells
