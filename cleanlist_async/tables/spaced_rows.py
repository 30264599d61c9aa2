"""Rows with spaces before quotes, ``"a", "b"``, which is not CSV but common."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from io import TextIOWrapper


class SpacedRows:
    """Reads rows as :func:`csv.reader` does. Spaces before a quoted cell go, those of any other cell stay."""

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
        """Split a row that was read once more, since the csv module drops spaces before all cells or none."""
        found: list[str] = []
        position = -1  # of the delimiter before a cell
        while position < len(row) and (cell := self._cell.match(row, position + 1)):
            found.append(cell[2] if cell[1] is None else cell[1].replace('""', '"'))
            position = cell.end()
            if row[position : position + 1] not in {"", self._delimiter}:
                return cells
        is_same = [cell.lstrip(" ") for cell in found] == [cell.lstrip(" ") for cell in cells]
        return found if is_same else cells
