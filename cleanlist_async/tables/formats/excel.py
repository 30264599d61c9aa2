"""Workbooks: read by calamine, written by XlsxWriter. Both are in the extra ``files``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.formats.cells import MOST_EXACT, cell_text
from cleanlist_async.tables.formats.location import needed

_MOST_ROWS: Final = 1_048_576
_LONGEST_CELL: Final = 32_767
"""Rows of a sheet, and characters of a cell, that Excel can hold."""
_BLANK: Final = ("", None)
_FIRST_YEAR: Final = 1900
"""Of the calendar of Excel: an earlier day would come back as another, or as a time."""


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
        """Yield the rows from the first of the sheet, each as wide as the sheet. Blank cells are None."""
        sheet = self._workbook.get_sheet_by_name(self.name)
        for row in sheet.to_python(skip_empty_area=False):
            yield [None if cell in _BLANK else cell for cell in row]

    def lines(self, look_at: Callable[[Sequence[object]], None]) -> Iterator[bytes]:
        """Yield the rows as CSV, one record for each row; show each to *look_at*."""
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
    """Write *rows* as the only sheet of a workbook. Text stays text, also if it looks like a formula."""
    # XlsxWriter leaves its temporary files behind where a disk is full.
    with TemporaryDirectory(prefix="cleanlist-") as folder:
        _write_sheet(stream, rows, name, path, folder)


def _write_sheet(
    stream: BinaryIO, rows: Iterable[Sequence[object]], name: str, path: str, folder: str
) -> None:
    xlsxwriter = needed("xlsxwriter", "files")
    workbook = xlsxwriter.Workbook(
        stream,
        {
            "constant_memory": True,  # rows are written in order, so none needs to stay
            "tmpdir": folder,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
            "default_date_format": "yyyy-mm-dd",
        },
    )
    sheet = workbook.add_worksheet(name)
    formats: Mapping[type, object] = {
        datetime: workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        time: workbook.add_format({"num_format": "hh:mm:ss"}),
        timedelta: workbook.add_format({"num_format": "[h]:mm:ss"}),
    }
    for number, row in enumerate(rows):
        if number >= _MOST_ROWS:
            raise TableError(
                path=path, problem="needs more rows than a sheet can have", fix="write .csv or .parquet"
            )
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
