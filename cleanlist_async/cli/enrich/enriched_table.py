"""A file that an enrichment wrote, read back: the table as it was, and the enrichment of each row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, cast, get_args

from cleanlist_async.cli.enrich.inputs import TableOptions
from cleanlist_async.results import ResultStatus
from cleanlist_async.tables import ENRICHMENT_COLUMNS, ContactTable, Row, TableError
from cleanlist_async.tables.csv_source import CsvColumns, CsvSource, Source, T
from cleanlist_async.tables.input import InputFile
from cleanlist_async.tables.mapping import Mapper
from cleanlist_async.tables.reading import known_format, open_source, output_layout, resolve, survey_of
from cleanlist_async.tables.records import JsonlColumns, JsonlSource, Record, json_source
from cleanlist_async.types import JSON

_SAMPLE_ROWS: Final = 100
_NEEDED: Final = frozenset({"cleanlist_status", "cleanlist_workflow_id"})
_COMPLETE: Final = _NEEDED | {"cleanlist_email", "cleanlist_email_status", "cleanlist_phones"}
"""Columns that say of each row what was bought for it."""


@dataclass(frozen=True, slots=True)
class EnrichedTable:
    """`table` is the file without its enrichment, so writing it with `columns` again doubles none of them."""

    table: ContactTable
    whole: Source
    columns: tuple[str, ...]
    positions: tuple[int, ...]

    @classmethod
    def open(cls, path: str, options: TableOptions, names: Mapping[str, str] | None = None) -> EnrichedTable:
        """Open a file that `enrich` wrote, also one whose columns have other *names*.

        Raises TableError for any other file.
        """
        table_format = options.format or known_format(path)
        if table_format is None:
            raise TableError(path=path, problem="was not written by enrich", fix="name a file that was")
        file = InputFile(path, encoding=options.encoding, kind=table_format, sheet=options.sheet)
        whole = open_source(file, table_format, delimiter=options.delimiter, has_header=options.has_header)
        found = _enrichment_positions(whole) if names is None else _positions(whole, names)
        if lacking := (_NEEDED if names is None else names.keys()) - found.keys():
            fix = "collect needs a file that enrich wrote"
            raise file.error(f"has no column {' or '.join(sorted(lacking))}", fix)
        before = _before(whole, found)
        mapper = Mapper(file.name, before.headers, survey_of(before))
        layout = output_layout(file, table_format, options.encoding, options.delimiter)
        table = ContactTable(before, table_format, mapper.columns(options.mapping), (), layout)
        return cls(table, whole, tuple(found), tuple(found.values()))

    @classmethod
    def within(
        cls, table: ContactTable, options: TableOptions, *, is_bought_anew: bool = False
    ) -> EnrichedTable | None:
        """Return *table* without the enrichment that an earlier run added; None if it has none.

        Raises TableError for a part of an enrichment, unless *is_bought_anew*: what it does not say may have
        been bought.
        """
        whole = table.source
        found = _enrichment_positions(whole)
        if found and not is_bought_anew and (lacking := _COMPLETE - found.keys()):
            raise whole.file.error(
                f"has columns of an enrichment without {', '.join(sorted(lacking))},"
                " so it does not say what was bought",
                "enrich the file that it was made from, or rename those columns",
            )
        if not found.keys() >= _NEEDED or not _has_statuses(whole, found["cleanlist_status"]):
            return None
        before = _before(whole, found)
        resolved = resolve(before, options.mapping, has_header=options.has_header)
        without = ContactTable(before, table.format, *resolved, table.layout)
        return cls(without, whole, tuple(found), tuple(found.values()))

    def rows(self) -> Iterator[tuple[Row, dict[str, str]]]:
        """Read each row as it was before, and its enrichment."""
        filled = (record for record in self.whole.records() if record.is_contact)
        for row, record in zip(self.table.rows(), filled, strict=True):
            yield row, dict(zip(self.columns, self.whole.texts(record, self.positions), strict=True))


class _CsvBefore(CsvColumns):
    def __init__(self, whole: CsvSource, without: Sequence[int]) -> None:
        self._without = frozenset(without)
        super().__init__(whole)

    def of_row(self, row: Sequence[T]) -> list[T]:
        return [cell for position, cell in enumerate(row) if position not in self._without]


class _JsonlBefore(JsonlColumns):
    def __init__(self, whole: JsonlSource, without: Sequence[int]) -> None:
        self._names = [whole.headers[position] for position in without]
        super().__init__(whole, [name for name in whole.headers if name not in self._names])

    def part_of(self, record: Record) -> Record:
        given = cast("dict[str, JSON]", record.cells)
        cells = {name: value for name, value in given.items() if name not in self._names}
        return record._replace(cells=cells, raw=self._cut(record.raw) or json_source(cells))

    def _cut(self, raw: str) -> str | None:
        """Return the line without its last members, otherwise byte for byte, if those are to be left out."""
        # Enrich wrote its members last, so the text before them is the line as it was.
        start = re.search(rf',? ?{re.escape(json.dumps(self._names[0]))}: "', raw)
        if start is None:
            return None
        try:
            tail: dict[str, object] = json.loads("{" + raw[start.start() :].lstrip(", "))
        except ValueError:
            return None
        return raw[: start.start()] + "}" if list(tail) == self._names else None


def _before(whole: Source, found: Mapping[str, int]) -> Source:
    if isinstance(whole, CsvSource):
        return _CsvBefore(whole, tuple(found.values()))
    return _JsonlBefore(whole, tuple(found.values()))


def _has_statuses(source: Source, position: int) -> bool:
    """Whether a column holds what an enrichment writes there, which a table without headers must show."""
    filled = (record for record in source.records() if record.is_contact)
    sample = [source.texts(record, [position])[0] for record in islice(filled, _SAMPLE_ROWS)]
    return set(sample) <= {"", *get_args(ResultStatus)}


def _positions(source: Source, names: Mapping[str, str]) -> dict[str, int]:
    """Return the positions of columns by their *names*; where there are no headers, the last columns."""
    headers = list(source.headers)
    if not source.has_header:
        # Without names, columns are known only by their place: enrich adds its own at the end.
        first = len(headers) - len(names)
        return {column: first + place for place, column in enumerate(names)} if first > 0 else {}
    return {column: headers.index(name) for column, name in names.items() if name in headers}


def _enrichment_positions(source: Source) -> dict[str, int]:
    """Return the positions of the latest enrichment: a second one has ``(2)`` in its headers."""
    numbers = [
        int(again[1])
        for header in source.headers
        if (again := re.fullmatch(r"cleanlist_status \((\d+)\)", header))
    ]
    suffix = f" ({max(numbers)})" if numbers else ""
    return _positions(source, {name: name + suffix for name in ENRICHMENT_COLUMNS})
