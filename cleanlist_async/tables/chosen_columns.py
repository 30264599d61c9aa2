"""A table of which only some columns are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import cast

from cleanlist_async.tables.csv_source import CsvColumns, CsvSource, T
from cleanlist_async.tables.jsonl_source import JsonlSource, all_headers, json_source
from cleanlist_async.tables.mapping import position_of
from cleanlist_async.tables.output_choice import OutputChoice
from cleanlist_async.tables.reading import ContactTable
from cleanlist_async.tables.records import Record, Source


def as_written(table: ContactTable, choice: OutputChoice) -> ContactTable:
    """Return a table with those of its columns that are written, to be written and not to be read.

    Raises TableError for a column that it does not have.
    """
    if choice.input_columns is None:
        return table
    source = table.source
    headers = all_headers(source)
    positions = list(
        dict.fromkeys(
            # The name of a field stands for its column, unless a column has that name itself.
            table.columns[name].column
            if name in table.columns and name not in headers
            else position_of(source.file, headers, name)
            for name in choice.input_columns
        )
    )
    written = copy(table)
    if isinstance(source, CsvSource):
        chosen: Source = _CsvChosen(source, positions)
    else:
        chosen = _JsonlChosen(cast("JsonlSource", source), [headers[position] for position in positions])
    written.source, written.headers = chosen, tuple(chosen.headers)
    return written


class _CsvChosen(CsvColumns):
    """The contacts of a CSV file with some of its columns, without what stands above and below them."""

    def __init__(self, whole: CsvSource, positions: Sequence[int]) -> None:
        self._positions = positions
        super().__init__(whole)
        # Its rows are still counted, by what reads the typed rows of a workbook.
        self.dialect = replace(whole.dialect, preamble=replace(whole.dialect.preamble, text=""))

    def of_row(self, row: Sequence[T]) -> list[T]:
        """Return the chosen cells of a whole row of the file."""
        cells = self._whole.of_row(row)
        return [cells[position] for position in self._positions if position < len(cells)]

    def _cells(self, cells: Sequence[str]) -> tuple[str, ...]:
        # A row that is too short has blanks in its place: a column is written wherever it is chosen.
        return tuple(cells[position] if position < len(cells) else "" for position in self._positions)


class _JsonlChosen(JsonlSource):
    """The objects of a JSON lines file with some of their members."""

    def __init__(self, whole: JsonlSource, names: Sequence[str]) -> None:
        # Without super(): the whole file was opened and checked already.
        self._whole, self.file, self.headers = whole, whole.file, tuple(names)

    def all_keys(self) -> tuple[str, ...]:
        """Return the names of the members, in their order."""
        return self.headers

    def records(self) -> Iterator[Record]:
        """Read all lines, in one pass."""
        for record in self._whole.records():
            if not isinstance(record.cells, dict) or not record.is_contact:
                yield record
                continue
            cells = {name: record.cells[name] for name in self.headers if name in record.cells}
            yield record._replace(cells=cells, raw=json_source(cells))
