"""The layout of a CSV file: its encoding, delimiter, line ends and quoting, and what precedes the header."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import accumulate
from typing import Final, Literal, TypeAlias

from cleanlist_async.tables import values
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.formats import TableFormat
from cleanlist_async.tables.headers import known_as

LineEnd: TypeAlias = Literal["\r\n", "\n", "\r"]

CSV_DELIMITERS: Final = (",", ";", "\t", "|")
TSV_DELIMITERS: Final = ("\t",)
LARGEST_CELL: Final = 1 << 20
"""Characters of one cell."""

_SEPARATOR_HINT: Final = re.compile(r'"?sep=(.)"?[\r\n]+')
_MOST_ROWS_ABOVE: Final = 20
"""Rows among which a header is looked for; a report may have titles, notes and dates above it."""
_SAMPLE_ROWS: Final = 40

_DELIMITER_NAMES: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
# Little-endian, as `chosen_encoding` takes these names.
_MARKS: Final = {
    "utf-8-sig": codecs.BOM_UTF8,
    "utf-16": codecs.BOM_UTF16_LE,
    "utf-32": codecs.BOM_UTF32_LE,
}

_BYTE_ORDER_MARKS: Final = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITHOUT_MARK: Final = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


@dataclass(frozen=True, slots=True)
class Preamble:
    """Lines before the header, as they are. A spreadsheet counts *rows* of them."""

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

    It is read while parsing, so putting it back would break a reader in another thread.
    """
    if csv.field_size_limit() < LARGEST_CELL:
        csv.field_size_limit(LARGEST_CELL)


def detect_dialect(start: str, candidates: Sequence[str], *, has_header: bool) -> Dialect:
    """Detect the layout from the first few thousand characters of a file.

    The delimiter is the one with the most known headers (or e-mail addresses and the like), then rows of one
    width, then most columns, then the first of *candidates*.
    """
    hint = _SEPARATOR_HINT.match(start)
    if hint and len(candidates) > 1:  # unless the caller named the one delimiter
        candidates = (hint[1],)
    skipped = len(hint[0]) if hint else 0
    # Not the most frequent sign: a header such as "Company, Inc" has commas in a file of semicolons.
    layouts = [_layout(start[skipped:], candidate, has_header=has_header) for candidate in candidates]
    best = max(layouts, key=lambda layout: layout.score)
    header = best.rows[best.first]
    end = skipped + header.start
    body = start[end:]
    return Dialect(
        delimiter=best.delimiter,
        line_end=_line_end(header.last_line),
        quote_all=_all_quoted(body, header.cells, best.delimiter),
        skip_space=_has_space_before_quote(body, best.delimiter),
        # Excel hides its sep= line, so it is no row.
        preamble=Preamble(start[:end], best.first),
    )


@dataclass(frozen=True, slots=True)
class _FirstRow:
    """Its cells, the offset of its text, and the last line of that."""

    cells: Sequence[str]
    start: int
    last_line: str

    @property
    def filled(self) -> Sequence[str]:
        return [cell for cell in self.cells if cell.strip()]

    def is_contact(self, width: int) -> bool:
        """Whether this is no header, and no title of a table of *width* columns."""
        # "Exported by,ada@acme.example" is a title of a table that has more columns.
        has_email = len(self.filled) * 2 > width and any(map(values.is_email, self.cells))
        return has_email or any(map(values.is_person_page, self.cells))

    @property
    def known(self) -> int:
        return len({found[0] for cell in self.cells if (found := known_as(cell))})


@dataclass(frozen=True, slots=True)
class _Layout:
    """The first rows as a delimiter splits them; *first* is the header, or the first contact."""

    delimiter: str
    rows: Sequence[_FirstRow]
    first: int
    score: tuple[int, bool, int]


def _layout(text: str, delimiter: str, *, has_header: bool) -> _Layout:
    rows = list(_first_rows(text, delimiter)) or [_FirstRow((), 0, "")]
    filled = [number for number, row in enumerate(rows) if row.filled] or [0]
    first = _header_among(rows, filled) if has_header else filled[0]
    below = [rows[number].cells for number in filled if number >= first]
    telling = rows[first].known if has_header else sum(_is_telling(cell) for row in below for cell in row)
    widths = set(map(len, below))
    is_even = len(widths) == 1 and widths != {1}
    return _Layout(delimiter, rows, first, (telling, is_even, len(rows[first].cells)))


def _header_among(rows: Sequence[_FirstRow], filled: Sequence[int]) -> int:
    """Return the number of the header: the first row, or one below it that is better known."""
    first = filled[0]
    best = max(filled[:_MOST_ROWS_ABOVE], key=lambda number: rows[number].known)  # the first of them
    # What stands above contacts is their header, known or not.
    if any(rows[number].is_contact(len(rows[best].cells)) for number in filled if number <= best):
        return first
    if rows[best].known > (1 if rows[first].known == 0 else 2):
        return best
    below = next((rows[number].cells for number in filled if number > best), ())
    # One known header can be a coincidence, but not above a value that fits.
    is_sure = any(
        known_as(cell) and _is_telling(value) for cell, value in zip(rows[best].cells, below, strict=False)
    )
    return best if is_sure else first


def _first_rows(text: str, delimiter: str) -> Iterator[_FirstRow]:
    """Parse the first rows as far as possible, at least one."""
    lines = StringIO(text, newline="").readlines()
    ends = [0, *accumulate(map(len, lines))]
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    read = filled = 0
    try:
        for cells in reader:
            row = _FirstRow(cells, ends[read], lines[reader.line_num - 1])
            yield row
            filled += bool(row.filled)
            if filled >= _SAMPLE_ROWS:
                return
            read = reader.line_num
    except csv.Error:  # the reader will name the fault; until then the first line must do
        if not read:
            yield _FirstRow(next(csv.reader(lines[:1], delimiter=delimiter)), 0, lines[0])


def _line_end(line: str) -> LineEnd:
    if line.endswith("\r\n"):
        return "\r\n"
    return "\r" if line.endswith("\r") else "\n"


def _is_telling(cell: str) -> bool:
    """Whether a cell is unmistakably a value, and whole: with another delimiter in it, it may be two."""
    is_value = values.is_email(cell) or values.is_person_page(cell) or values.is_domain(cell)
    return is_value and not any(sign in cell for sign in CSV_DELIMITERS)


def _has_space_before_quote(text: str, delimiter: str) -> bool:
    """Whether the first row is written ``"a", "b"``, which is not CSV but common."""
    cell = rf' *"(?:[^"]|"")*"|[^"\r\n{re.escape(delimiter)}]*'
    return re.match(rf'(?:(?:{cell}){re.escape(delimiter)})* +"', text) is not None


def _all_quoted(text: str, header: Sequence[str], delimiter: str) -> bool:
    cells = ['"' + cell.replace('"', '""') + '"' for cell in header]
    return bool(cells) and text.startswith(delimiter.join(cells))


@dataclass(frozen=True, slots=True)
class OutputLayout:
    """The encoding and the delimiter that a caller chose for a CSV; None for what the input decides.

    *is_of_texts*: the input is a CSV of ours, made of texts that are to become no formulas.
    """

    encoding: Encoding | None = None
    delimiter: str | None = None
    is_of_texts: bool = False

    def refuse_other_format(self, path: str, table_format: TableFormat | None) -> None:
        """Raise TableError where the output has no such layout, as all formats but CSV."""
        if table_format not in {None, "csv"} and (
            self.encoding or (self.delimiter and table_format != "tsv")
        ):
            raise TableError(
                path=path,
                problem="has no encoding or delimiter to choose, and neither has the input",
                fix="leave out --encoding and --delimiter, or write a .csv",
            )


AS_THE_INPUT: Final = OutputLayout()


def written_encoding(path: str, name: str) -> Encoding:
    """Return the encoding to write; UTF-16 and ``utf-8-sig`` with a byte order mark."""
    try:
        encoding = chosen_encoding(name, b"")
    except LookupError:
        problem = f'cannot be written as "{name}": no text encoding has that name'
        raise TableError(path=path, problem=problem, fix="try utf-8-sig, utf-8 or cp1252") from None
    return Encoding(encoding.name, _MARKS.get(codecs.lookup(name).name, b""))


def delimiter_named(path: str, name: str) -> str:
    """Return the delimiter that a caller named or typed. Raises TableError."""
    given = _DELIMITER_NAMES.get(name, name)
    if len(given) != 1 or given in '"\r\n\0':
        raise TableError(
            path=path, problem=f"{name!r} is not a delimiter", fix="pass one character, such as ; or tab"
        )
    return given


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec, and the byte order mark before the text, maybe empty."""

    name: str
    mark: bytes = b""


UTF_8: Final = Encoding("utf-8")
UTF_8_MARKED: Final = Encoding("utf-8", codecs.BOM_UTF8)


def declared_encoding(start: bytes) -> Encoding | None:
    """Return the encoding that a byte order mark declares."""
    for mark, name in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return Encoding(name, mark)
    return None


def wide_encoding(start: bytes) -> str | None:
    """Return the encoding of a text without a mark whose characters take two or four bytes; else None.

    It shows by the place of the zero bytes in delimiters, line ends and Latin letters.
    """
    zeros = [start[place::4].count(0) for place in range(4)]
    nearly_all = len(start) // 4 * 0.9
    if min(zeros[2:]) > nearly_all:
        return "utf-32-le"
    if min(zeros[:2]) > nearly_all:
        return "utf-32-be"
    big, little = zeros[0] + zeros[2], zeros[1] + zeros[3]
    # Of a table in any script, an eighth is delimiters and the like; a stray NUL is rarer.
    if max(big, little) * 16 < len(start):
        return None
    return "utf-16-be" if big > little else "utf-16-le"


def chosen_encoding(name: str, start: bytes) -> Encoding:
    """Return the caller's encoding, with the file's byte order mark if that is of the same family.

    Raises LookupError for what is no text encoding of Python.
    """
    "".encode(name)  # codecs.lookup also knows codecs that are no text encodings, such as hex
    canonical = codecs.lookup(name).name
    declared = declared_encoding(start)
    family = _WITHOUT_MARK.get(canonical, canonical)
    if canonical in {"utf-16", "utf-32"} and (wide := wide_encoding(start)) and wide.startswith(canonical):
        family = wide  # without a mark Python would take the byte order of this machine
    if declared and declared.name.startswith(canonical.removesuffix("-sig")):
        return declared
    return Encoding(family)
