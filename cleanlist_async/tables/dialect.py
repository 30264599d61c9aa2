"""The layout of a CSV file: delimiter, line ends, quoting, and what precedes the header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Final, Literal, TypeAlias

from cleanlist_async.tables import values
from cleanlist_async.tables.headers import known_as

LineEnd: TypeAlias = Literal["\r\n", "\n", "\r"]

CSV_DELIMITERS: Final = (",", ";", "\t", "|")
TSV_DELIMITERS: Final = ("\t",)
LARGEST_CELL: Final = 1 << 20
"""Characters of one cell."""

_SEPARATOR_HINT: Final = re.compile(r'"?sep=(.)"?[\r\n]+')
_BLANK_LINES: Final = re.compile(r"[\r\n]+")
_NOTES_BLOCK: Final = re.compile(r"Notes:[ ,;]*(?:\r\n?|\n)(?:[^\r\n]+(?:\r\n?|\n))*[ ,;]*(?:\r\n?|\n)")


@dataclass(frozen=True, slots=True)
class Preamble:
    """Lines before the header, kept as they are. A spreadsheet counts *rows* of them."""

    text: str = ""
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Dialect:
    """Layout of one CSV file."""

    delimiter: str = ","
    line_end: LineEnd = "\r\n"
    quote_all: bool = False
    skip_space: bool = False
    preamble: Preamble = field(default_factory=Preamble)


def allow_large_cells() -> None:
    """Raise the csv module's limit to :data:`LARGEST_CELL`, once for the process.

    The limit is global and read while parsing, so putting it back would break a reader in another thread.
    It is never lowered: that could break someone else's.
    """
    if csv.field_size_limit() < LARGEST_CELL:
        csv.field_size_limit(LARGEST_CELL)


def detect_dialect(start: str, candidates: Sequence[str], *, has_header: bool) -> Dialect:
    """Detect the layout from the first few thousand characters of a file.

    The delimiter is the one that makes most sense of the first row: known headers (or, without a header,
    e-mail addresses and the like), then most columns, then the order of *candidates*.
    """
    preamble, hinted = _preamble(start)
    body = start[len(preamble.text) :]
    if hinted and len(candidates) > 1:  # unless the caller named the one delimiter
        candidates = (hinted,)
    # Not the most frequent sign: a header such as "Company, Inc" has commas in a file of semicolons.
    recognised = _is_known_header if has_header else _is_telling_value
    first = max(
        (_first_row(body, candidate) for candidate in candidates),
        key=lambda row: (sum(map(recognised, row.cells)), len(row.cells)),
    )
    return Dialect(
        delimiter=first.delimiter,
        line_end=first.line_end,
        quote_all=_all_quoted(body, first),
        skip_space=_has_space_before_quote(body, first.delimiter),
        preamble=preamble,
    )


@dataclass(frozen=True, slots=True)
class _FirstRow:
    delimiter: str
    cells: Sequence[str]
    line_end: LineEnd


def _first_row(text: str, delimiter: str) -> _FirstRow:
    """Parse the first row as far as possible."""
    lines = _Lines(text)
    try:
        for cells in csv.reader(lines, delimiter=delimiter, strict=True):
            return _FirstRow(delimiter, cells, _line_end(lines.last))
    except csv.Error:  # the reader will name the fault; until then the first line must do
        line = StringIO(text, newline="").readline()
        return _FirstRow(delimiter, next(csv.reader([line], delimiter=delimiter)), _line_end(line))
    return _FirstRow(delimiter, (), "\n")


class _Lines:
    """The lines of a text; remembers the last one read, whose end is the line end of the file."""

    def __init__(self, text: str) -> None:
        self._text = StringIO(text, newline="")
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.last = line
            yield line


def _line_end(line: str) -> LineEnd:
    if line.endswith("\r\n"):
        return "\r\n"
    return "\r" if line.endswith("\r") else "\n"


def _is_known_header(cell: str) -> bool:
    return known_as(cell) is not None


def _is_telling_value(cell: str) -> bool:
    return values.is_email(cell) or values.is_person_page(cell) or values.is_domain(cell)


def _preamble(start: str) -> tuple[Preamble, str | None]:
    """Find Excel's ``sep=;`` line, the notes above LinkedIn's export of connections, or blank lines."""
    if hint := _SEPARATOR_HINT.match(start):
        return Preamble(hint[0]), hint[1]  # Excel hides this line, so it is no row
    if other := _NOTES_BLOCK.match(start) or _BLANK_LINES.match(start):
        return Preamble(other[0], sum(1 for _ in StringIO(other[0], newline=""))), None
    return Preamble(), None


def _has_space_before_quote(text: str, delimiter: str) -> bool:
    """Whether the first row is written ``"a", "b"``, which is not CSV but common."""
    cell = rf' *"(?:[^"]|"")*"|[^"\r\n{re.escape(delimiter)}]*'
    return re.match(rf'(?:(?:{cell}){re.escape(delimiter)})* +"', text) is not None


def _all_quoted(text: str, first: _FirstRow) -> bool:
    cells = ['"' + cell.replace('"', '""') + '"' for cell in first.cells]
    return bool(cells) and text.startswith(first.delimiter.join(cells))
