"""Workbooks: read by calamine, written by XlsxWriter (extra ``files``); notes on cells that are odd."""

from __future__ import annotations

import csv
import io
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from html import unescape
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final
from zipfile import BadZipFile, ZipFile

from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.formats import MOST_EXACT, cell_text
from cleanlist_async.tables.formats.location import needed
from cleanlist_async.tables.headers import words

_MOST_ROWS: Final = 1_048_576
_LONGEST_CELL: Final = 32_767
"""Rows of a sheet, and characters of a cell, that Excel can hold."""
_BLANK: Final = ("", None)
_FIRST_YEAR: Final = 1900
"""An earlier day would come back as another, or as a time."""

_ROWS_LOOKED_AT: Final = 100
_CODES: Final = frozenset(
    words(
        "phone telephone tel telefon telefonnummer mobile mobil handy cell cellphone fax téléphone teléfono"
        " telefono móvil zip zipcode plz postleitzahl postal postcode cap cep id ids nummer nr code"
        " kundennummer siren siret"
    )
)
"""Words of headers below which leading zeros count."""

_CHUNK: Final = 1 << 20
_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_TAG: Final = re.compile(r"<(?:\w+:)?(?:sheet|Relationship)\s([^>]*)>")
_ATTRIBUTE: Final = re.compile(r"""(?<![\w:])([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_CELL: Final = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)>\s*<(?:\w+:)?f(?:\s[^>]*/>|/>|(?:\s[^>]*)?>[^<]*</(?:\w+:)?f>)(.*?)</(?:\w+:)?c>",
    re.DOTALL,
)
"""A cell with a formula: its attributes, and what stands behind the formula."""
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[\s/>]")
_VALUE: Final = re.compile(rb"<(?:\w+:)?(?:v(?:\s[^>]*)?>[^<]|is[\s>])")
_BLANK_TEXT: Final = re.compile(rb"<(?:\w+:)?v[\s/>]")


class Sheet:
    """One sheet of a workbook: by its name or number (from 1), else the first."""

    def __init__(self, stream: BinaryIO, path: str, sheet: str | None = None) -> None:
        calamine = needed("python_calamine", "files")
        try:
            self._workbook: Any = calamine.CalamineWorkbook.from_filelike(stream)
            names: list[str] = self._workbook.sheet_names
        except calamine.CalamineError as error:
            problem = f"is no workbook that can be read ({error})"
            raise TableError(path=path, problem=problem, fix="save it again as .xlsx, or as CSV") from error
        self.name = _chosen(names, sheet, path)
        self.others = [name for name in names if name != self.name]

    def rows(self) -> Iterator[Sequence[object]]:
        """Yield all rows, each as wide as the sheet. Blank cells are None."""
        sheet = self._workbook.get_sheet_by_name(self.name)
        for row in sheet.to_python(skip_empty_area=False):
            yield [None if cell in _BLANK else cell for cell in row]

    def lines(self, look_at: Callable[[Sequence[object]], None]) -> Iterator[bytes]:
        """Yield the rows as CSV, one record for each; show each to *look_at*."""
        out = io.StringIO()
        write = csv.writer(out, lineterminator="\n").writerow
        for row in self.rows():
            look_at(row)
            write([cell_text(cell) for cell in row])
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()


def _chosen(names: Sequence[str], sheet: str | None, path: str) -> str:
    if not names:
        raise TableError(path=path, problem="has no sheet", fix="save it again with one")
    if sheet is None:
        return names[0]
    if sheet in names:
        return sheet
    alike = [name for name in names if name.casefold() == sheet.strip().casefold()]  # as Excel compares them
    if len(alike) == 1:
        return alike[0]
    if sheet.isdecimal() and 0 < int(sheet) <= len(names):
        return names[int(sheet) - 1]
    raise TableError(path=path, problem=f'has no sheet "{sheet}"', fix=f"it has: {', '.join(names)}")


def write_workbook(stream: BinaryIO, rows: Iterable[Sequence[object]], name: str, path: str) -> None:
    """Write the only sheet of a workbook. Text stays text, also if it looks like a formula."""
    options: dict[str, object] = {
        "constant_memory": True,  # rows are written in order, so none needs to stay
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
        "default_date_format": "yyyy-mm-dd",
    }
    # XlsxWriter leaves its temporary files behind where a disk is full.
    with TemporaryDirectory(prefix="cleanlist-") as folder:
        workbook = needed("xlsxwriter", "files").Workbook(stream, {**options, "tmpdir": folder})
        sheet = workbook.add_worksheet(name)
        formats: Mapping[type, object] = {
            datetime: workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            time: workbook.add_format({"num_format": "hh:mm:ss"}),
            timedelta: workbook.add_format({"num_format": "[h]:mm:ss"}),
        }
        for number, row in enumerate(rows):
            if number >= _MOST_ROWS:
                problem = "needs more rows than a sheet can have"
                raise TableError(path=path, problem=problem, fix="write .csv or .parquet")
            for column, cell in enumerate(row):
                _write(sheet, (number, column), cell, formats)
        workbook.close()


def _write(sheet: Any, place: tuple[int, int], cell: object, formats: Mapping[type, object]) -> None:
    if cell is None or cell == "":
        return
    if isinstance(cell, bool):  # before the numbers, of which it is one
        sheet.write_boolean(*place, cell)
    elif isinstance(cell, date) and cell.year < _FIRST_YEAR:
        sheet.write_string(*place, cell_text(cell))
    elif isinstance(cell, int | float) and math.isfinite(cell) and abs(cell) < MOST_EXACT:
        sheet.write_number(*place, cell)
    elif isinstance(cell, datetime) and cell.tzinfo is None:
        sheet.write_datetime(*place, cell, None if cell.time() == time() else formats[datetime])
    elif isinstance(cell, date | time | timedelta) and not isinstance(cell, datetime):
        sheet.write_datetime(*place, cell, formats.get(type(cell)))
    else:
        sheet.write_string(*place, cell_text(cell)[:_LONGEST_CELL])


def padded(row: Sequence[object], width: int) -> list[object]:
    """Return a row with at least *width* cells."""
    return [*row, *[None] * (width - len(row))]


class NumberColumns:
    """Columns whose numbers are codes: what Excel shows of them is more than the file's value."""

    def __init__(self) -> None:
        self._rows = 0
        self._headers: dict[int, str] = {}
        self._found: dict[str, None] = {}

    def look_at(self, row: Sequence[object]) -> None:
        """Take the next row; only the first ones count."""
        if self._rows >= _ROWS_LOOKED_AT:
            return
        self._rows += 1
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                if column not in self._headers and _CODES & {*words(cell)}:
                    self._headers[column] = cell
            elif isinstance(cell, int | float) and not isinstance(cell, bool) and column in self._headers:
                self._found[self._headers[column]] = None

    @property
    def notes(self) -> list[str]:
        """A line that names the columns, if there are any."""
        if not self._found:
            return []
        names = ", ".join(self._found)
        hold = "holds" if len(self._found) == 1 else "hold"
        note = (
            f"{names} {hold} numbers: zeros in front that only Excel's number format shows are not read"
            " or written; format the column as text to keep them"
        )
        return [note]


def formulas_without_value(stream: BinaryIO, sheet: str) -> Iterator[str]:
    """Yield the addresses of such cells, which programs write that cannot calculate; none if it is odd."""
    try:
        with ZipFile(stream) as archive:
            if name := _file_of(archive, sheet):
                yield from _without_value(archive, name)
    # RuntimeError: encrypted. NotImplementedError: a compression that zipfile does not know.
    except (BadZipFile, KeyError, UnicodeError, NotImplementedError, RuntimeError, zlib.error):
        return


def _file_of(archive: ZipFile, sheet: str) -> str | None:
    targets = {tag.get("Id"): tag.get("Target", "") for tag in _tags(archive.read(_RELATIONS))}
    for tag in _tags(archive.read(_WORKBOOK)):
        if tag.get("name") == sheet:
            key = next((value for name, value in tag.items() if name.endswith(":id")), None)
            target = targets.get(key)
            return target and (target[1:] if target.startswith("/") else f"xl/{target}")
    return None


def _tags(content: bytes) -> Iterator[dict[str, str]]:
    for tag in _TAG.finditer(content.decode("utf-8")):
        yield {name: unescape(one or other) for name, one, other in _ATTRIBUTE.findall(tag[1])}


def _without_value(archive: ZipFile, name: str) -> Iterator[str]:
    """Yield the addresses of the cells, in flat memory."""
    rest = b""
    with archive.open(name) as file:
        while chunk := file.read(_CHUNK):
            text = rest + chunk
            end = max(text.rfind(b"<row"), text.rfind(b":row"), 0)  # no cell spans it
            yield from _in_rows(text[:end])
            rest = text[end:]
    yield from _in_rows(rest)


def _in_rows(text: bytes) -> Iterator[str]:
    if _FORMULA.search(text) is None:  # nearly always: most sheets have none
        return
    for attributes, content in _CELL.findall(text):
        if not _has_value(attributes, content):
            found = {name: one or other for name, one, other in _ATTRIBUTE.findall(attributes.decode())}
            yield found.get("r", "?")


def _has_value(attributes: bytes, content: bytes) -> bool:
    if _VALUE.search(content) is not None:
        return True
    # A formula whose value is the empty text has an empty <v>, and the type str.
    return (
        re.search(rb"\bt\s*=\s*[\"']str", attributes) is not None and _BLANK_TEXT.search(content) is not None
    )
