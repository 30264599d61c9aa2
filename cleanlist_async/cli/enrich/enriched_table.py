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
from cleanlist_async.tables.csv_source import CsvSource
from cleanlist_async.tables.headers import addressable
from cleanlist_async.tables.input import InputFile, is_stream
from cleanlist_async.tables.jsonl_source import JsonlSource, json_source
from cleanlist_async.tables.mapping import Mapper
from cleanlist_async.tables.reading import known_format, open_source, resolve, survey_of
from cleanlist_async.tables.records import Record, Source

_SAMPLE_ROWS: Final = 100
_NEEDED: Final = frozenset({"cleanlist_status", "cleanlist_workflow_id"})


@dataclass(frozen=True, slots=True)
class EnrichedTable:
    """`table` is the file without its enrichment, so writing it with `columns` again doubles none of them."""

    table: ContactTable
    whole: Source
    columns: tuple[str, ...]
    positions: tuple[int, ...]

    @classmethod
    def open(cls, path: str, options: TableOptions) -> EnrichedTable:
        """Open a file that `enrich` wrote. Raises TableError for any other file."""
        table_format = options.format or known_format(path)
        # It is read twice, and replaced.
        if table_format is None or is_stream(path):
            raise TableError(path=path, problem="was not written by enrich", fix="name a file that was")
        file = InputFile(path, encoding=options.encoding)
        whole = open_source(file, table_format, delimiter=options.delimiter, has_header=options.has_header)
        found = _enrichment_positions(whole)
        if not found.keys() >= _NEEDED:
            raise file.error("has no column cleanlist_status", "collect needs a file that enrich wrote")
        before = _before(whole, found)
        mapper = Mapper(file, before.headers, survey_of(before))
        table = ContactTable(before, table_format, mapper.columns(options.mapping), ())
        return cls(table, whole, tuple(found), tuple(found.values()))

    @classmethod
    def within(cls, table: ContactTable, options: TableOptions) -> EnrichedTable | None:
        """Return *table* without the enrichment that an earlier run added; None if it has none."""
        whole = table.source
        found = _enrichment_positions(whole)
        if not found.keys() >= _NEEDED or not _has_statuses(whole, found["cleanlist_status"]):
            return None
        before = _before(whole, found)
        resolved = resolve(before, options.mapping, has_header=options.has_header)
        without = ContactTable(before, table.format, *resolved)
        return cls(without, whole, tuple(found), tuple(found.values()))

    def rows(self) -> Iterator[tuple[Row, dict[str, str]]]:
        """Read each row as it was before, and its enrichment."""
        filled = (record for record in self.whole.records() if record.is_contact)
        for row, record in zip(self.table.rows(), filled, strict=True):
            yield row, dict(zip(self.columns, self.whole.texts(record, self.positions), strict=True))


class _CsvBefore(CsvSource):
    """The rows of a CSV file without some of its columns."""

    def __init__(self, whole: CsvSource, without: Sequence[int]) -> None:
        # Without super(): the whole file was opened and checked already.
        self._whole, self._without = whole, frozenset(without)
        self.file, self.dialect, self.has_header = whole.file, whole.dialect, whole.has_header
        self.raw_headers = self._kept(whole.raw_headers)
        self.headers = addressable(self.raw_headers) if self.has_header else self._kept(whole.headers)

    @property
    def notes(self) -> list[str]:
        """What was noticed while reading."""
        return self._whole.notes

    def records(self) -> Iterator[Record]:
        """Read all rows after the header, in one pass."""
        for record in self._whole.records():
            yield record._replace(cells=self._kept(cast("tuple[str, ...]", record.cells)))

    def _kept(self, cells: Sequence[str]) -> tuple[str, ...]:
        return tuple(cell for position, cell in enumerate(cells) if position not in self._without)


class _JsonlBefore(JsonlSource):
    """The objects of a JSON lines file without some of their members."""

    def __init__(self, whole: JsonlSource, without: Sequence[int]) -> None:
        # Without super(): the whole file was opened and checked already.
        self._whole = whole
        self._names = [whole.headers[position] for position in without]
        self.file = whole.file
        self.headers = tuple(name for name in whole.headers if name not in self._names)

    def records(self) -> Iterator[Record]:
        """Read all lines, in one pass."""
        for record in self._whole.records():
            if not isinstance(record.cells, dict) or not record.is_contact:
                yield record
                continue
            cells = {name: value for name, value in record.cells.items() if name not in self._names}
            yield Record(record.number, cells, self._cut(record.raw) or json_source(cells))

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
    return _JsonlBefore(cast("JsonlSource", whole), tuple(found.values()))


def _has_statuses(source: Source, position: int) -> bool:
    """Whether a column holds what an enrichment writes there, which a table without headers must show."""
    filled = (record for record in source.records() if record.is_contact)
    sample = [source.texts(record, [position])[0] for record in islice(filled, _SAMPLE_ROWS)]
    return set(sample) <= {"", *get_args(ResultStatus)}


def _enrichment_positions(source: Source) -> dict[str, int]:
    """Return the positions of the latest enrichment: a second one has ``(2)`` in its headers."""
    headers = list(source.headers)
    if isinstance(source, CsvSource) and not source.has_header:
        # Without names, columns are known only by their place: enrich adds its own at the end.
        first = len(headers) - len(ENRICHMENT_COLUMNS)
        return {name: first + place for place, name in enumerate(ENRICHMENT_COLUMNS)} if first > 0 else {}
    numbers = [
        int(again[1]) for header in headers if (again := re.fullmatch(r"cleanlist_status \((\d+)\)", header))
    ]
    suffix = f" ({max(numbers)})" if numbers else ""
    return {name: headers.index(name + suffix) for name in ENRICHMENT_COLUMNS if name + suffix in headers}
