"""Write the output in a format that is not text: the rows with their own types, and their enrichment."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias, cast

from cleanlist_async.tables.csv_source import CsvSource, Source
from cleanlist_async.tables.formats import TableFormat, cell_json
from cleanlist_async.tables.formats.arrow import (
    PHONES,
    ROWS_AT_ONCE,
    ArrowKind,
    enrichment_fields,
    enrichment_value,
    writer_of,
)
from cleanlist_async.tables.formats.excel import padded, write_workbook
from cleanlist_async.tables.formats.location import needed
from cleanlist_async.tables.formats.original import Original, write_array
from cleanlist_async.tables.headers import addressable
from cleanlist_async.tables.records import JsonlSource, NumberText, Record, json_text
from cleanlist_async.types import JSON

Scalar: TypeAlias = Literal["nothing", "flag", "short", "whole", "number", "text"]
"""A short number is whole, and exact as a float too, so it can stand among numbers with a point."""

_EXACT_AS_FLOAT: Final = 2**53
_EXACT_AS_WHOLE: Final = 2**63
_TOGETHER: Final[dict[frozenset[Scalar], Scalar]] = {
    frozenset[Scalar](("short", "whole")): "whole",
    frozenset[Scalar](("short", "number")): "number",
}

Enrichment = Mapping[str, str]
"""The added column to its text."""
_SAME: Final = ("parquet", "arrow")
TEXT_OF_JSON: Final = ("json", "jsonl")


@dataclass(frozen=True, slots=True)
class Kind:
    """What all values of a column of JSON are, besides null, for Parquet and Arrow.

    What no type holds exactly (a long number, an object, values of several kinds) is text.
    """

    of: Scalar = "nothing"
    is_list: bool = False

    @property
    def arrow_type(self) -> Any:
        """Its type of Arrow."""
        arrow = needed("pyarrow", "files")
        types = {"flag": arrow.bool_(), "number": arrow.float64()}
        types |= dict.fromkeys(("short", "whole"), arrow.int64())
        one = types.get(self.of, arrow.string())
        return arrow.list_(one) if self.is_list else one

    def value(self, value: JSON) -> object:
        """Return a value of the column with its type."""
        if value is None:
            return None
        if self.is_list and isinstance(value, list):
            item = Kind(self.of)
            return [item.value(each) for each in value]
        if self.of in {"short", "whole"}:
            return int(str(value))
        if self.of == "number":
            return float(str(value))
        return value if self.of == "flag" else as_utf_8(json_text(value))


_NOTHING: Final = Kind()
_TEXT: Final = Kind("text")


def as_utf_8(text: str) -> str:
    """Return text that a data file can hold: JSON can have half a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def kinds_of(records: Iterable[Record]) -> dict[str, Kind]:
    """Return the kind of each column, in the order in which they appear."""
    kinds: dict[str, Kind] = {}
    for record in records:
        for key, value in cast("Mapping[str, JSON]", record.cells).items():
            kinds[key] = _together(kinds.get(key, _NOTHING), _kind(value))
    return kinds


def column_of(kind: Kind, rows: Sequence[Record], key: str) -> Any:
    """Return values of a column as an array of Arrow."""
    values = [kind.value(cast("Mapping[str, JSON]", row.cells).get(key)) for row in rows]
    return needed("pyarrow", "files").array(values, kind.arrow_type)


def _kind(value: JSON) -> Kind:
    if value is None:
        return _NOTHING
    if isinstance(value, bool):
        return Kind("flag")
    if isinstance(value, NumberText):
        return Kind(_number(value))
    if not isinstance(value, list):
        return _TEXT
    if any(isinstance(item, list | dict) for item in value):
        return _TEXT
    return Kind(reduce(_together, map(_kind, value), _NOTHING).of, is_list=True)


def _number(text: str) -> Scalar:
    if text.lstrip("-").isdigit():
        size = abs(int(text)) if len(text) < 20 else _EXACT_AS_WHOLE  # Python refuses to read long ones
        if size < _EXACT_AS_WHOLE:
            return "short" if size <= _EXACT_AS_FLOAT else "whole"
        return "text"
    number = float(text)
    # As programs write a float: the shortest text that is read as it, or 17 digits.
    is_exact = math.isfinite(number) and Decimal(text) in {Decimal(repr(number)), Decimal(f"{number:.17g}")}
    return "number" if is_exact else "text"


def _together(one: Kind, other: Kind) -> Kind:
    if other in {one, _NOTHING}:
        return one
    if one == _NOTHING:
        return other
    if one.is_list != other.is_list:
        return _TEXT
    pair = frozenset[Scalar]((one.of, other.of)) - {"nothing"}
    return Kind(next(iter(pair)) if len(pair) == 1 else _TOGETHER.get(pair, "text"), one.is_list)


class Packer:
    """Writes *source* with its enrichment, of which a part holds a line for each contact.

    A blank line stands for a contact that is left out, as are all rows of no contact unless *is_whole*.
    """

    def __init__(
        self, source: Source, kind: TableFormat, names: Mapping[str, str], path: str, *, is_whole: bool = True
    ) -> None:
        self._source = source
        self._original = source.file.original
        self._kind = kind
        self._names = names
        self._path = path
        self._is_whole = is_whole
        if kind not in TEXT_OF_JSON:
            needed("xlsxwriter" if kind == "xlsx" else "pyarrow", "files")  # before anything is bought

    def write(self, part: Path, stream: BinaryIO) -> None:
        """Write the whole output."""
        with part.open(encoding="utf-8") as lines:
            if self._kind == "json":
                write_array(stream, self._json_lines(lines))
            elif self._kind == "jsonl":
                stream.writelines(line.encode() for line in self._json_lines(lines))
            elif self._kind == "xlsx":
                sheet = self._original.sheet_name if self._original else "Contacts"
                write_workbook(stream, self._sheet_rows(lines), sheet, self._path)
            elif self._original is not None and self._original.kind in _SAME:
                self._write_columns(lines, stream, self._original)
            else:
                self._write_rows(lines, stream)

    # -- JSON -------------------------------------------------------------------------------------

    def _json_lines(self, lines: Iterator[str]) -> Iterator[str]:
        """Yield an object for each contact. Of a table of text the part holds the whole objects."""
        _, typed = self._typed_rows()
        if typed is None:
            yield from lines
            return
        names = addressable([*self._source.headers, *self._names.values()])
        for record, enrichment in self._enriched(lines):
            cells = padded(next(typed, ()), len(self._source.headers))[: len(self._source.headers)]
            if record.is_contact and enrichment is not None:
                added = [enrichment.get(column, "") for column in self._names]
                row = dict(zip(names, [*map(cell_json, cells), *added], strict=True))
                yield json.dumps(row, ensure_ascii=False) + "\n"

    # -- workbooks --------------------------------------------------------------------------------

    def _sheet_rows(self, lines: Iterator[str]) -> Iterator[Sequence[object]]:
        """Yield what stood above the header, the header, then all rows."""
        headers = self._headers()
        width = len(headers)
        above, typed = self._typed_rows()
        if self._is_whole:
            yield from above
        if self._source.has_header:
            yield [*headers, *self._names.values()]
        for record, enrichment in self._enriched(lines):
            cells = self._cells(record, headers) if typed is None else next(typed, ())
            if enrichment is None:
                continue
            if not record.is_contact:
                yield cells
                continue
            values = [enrichment_cell(column, enrichment.get(column, "")) for column in self._names]
            row = padded(cells, width)
            yield [*row[:width], *values, *row[width:]]

    # -- columns ----------------------------------------------------------------------------------

    def _write_columns(self, lines: Iterator[str], stream: BinaryIO, original: Original) -> None:
        """Write the columns of a data file as they are, with those of the enrichment after them."""
        arrow = needed("pyarrow", "files")
        file, fields = original.columns(), enrichment_fields(self._names)
        own, columns_of = file.plain(self._arrow_kind)
        schema = arrow.schema([*self._kept(own), *fields], metadata=own.metadata)
        writer = writer_of(stream, self._arrow_kind, schema)
        enriched = self._enriched(lines)
        for batch in file.batches():
            rows = [enrichment for _, enrichment in islice(enriched, batch.num_rows)]
            columns = self._kept(columns_of(batch))
            if None in rows:
                are_written = arrow.array([row is not None for row in rows])
                columns = [column.filter(are_written) for column in columns]
            arrays = [*columns, *self._added([row for row in rows if row is not None], fields)]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))
        writer.close()

    def _write_rows(self, lines: Iterator[str], stream: BinaryIO) -> None:
        """Write text as columns of text, and objects as columns of their types."""
        arrow = needed("pyarrow", "files")
        fields = enrichment_fields(self._names)
        columns = kinds_of(self._source.records()) if isinstance(self._source, JsonlSource) else None
        own = (
            [arrow.field(name, arrow.string()) for name in self._headers()]
            if columns is None
            else [arrow.field(as_utf_8(name), kind.arrow_type) for name, kind in columns.items()]
        )
        schema = arrow.schema([*own, *fields])
        writer = writer_of(stream, self._arrow_kind, schema)
        contacts = (
            (record, row) for record, row in self._enriched(lines) if record.is_contact and row is not None
        )
        while batch := list(islice(contacts, ROWS_AT_ONCE)):
            records = [record for record, _ in batch]
            arrays = (
                self._texts(records)
                if columns is None
                else [column_of(kind, records, name) for name, kind in columns.items()]
            )
            arrays = [*arrays, *self._added([row for _, row in batch], fields)]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))
        writer.close()

    def _texts(self, records: Sequence[Record]) -> list[Any]:
        arrow, headers = needed("pyarrow", "files"), self._headers()
        width = len(headers)
        rows = [padded(self._cells(record, headers), width) for record in records]
        return [arrow.array([row[at] or None for row in rows], arrow.string()) for at in range(width)]

    @property
    def _arrow_kind(self) -> ArrowKind:
        return "parquet" if self._kind == "parquet" else "arrow"

    def _added(self, rows: Sequence[Enrichment], fields: Sequence[Any]) -> list[Any]:
        arrow = needed("pyarrow", "files")
        return [
            arrow.array([enrichment_value(column, row.get(column, "")) for row in rows], field.type)
            for column, field in zip(self._names, fields, strict=True)
        ]

    # -- rows -------------------------------------------------------------------------------------

    def _enriched(self, lines: Iterator[str]) -> Iterator[tuple[Record, Enrichment | None]]:
        """Yield each record with its enrichment; None for one that is left out."""
        others: Enrichment | None = {} if self._is_whole else None
        for record in self._source.records():
            yield record, (json.loads(next(lines).strip() or "null") if record.is_contact else others)

    def _typed_rows(self) -> tuple[Sequence[Sequence[object]], Iterator[Sequence[object]] | None]:
        """Return the rows above the header, and those below it; None of a table of text."""
        rows = self._original.rows() if self._original else None
        if rows is None or not isinstance(self._source, CsvSource):
            return (), None
        typed = map(self._kept, rows)
        above = [*islice(typed, self._source.dialect.preamble.rows)]
        return above, islice(typed, int(self._source.has_header), None)

    def _kept(self, row: Iterable[Any]) -> list[Any]:
        """Leave out the columns of an earlier enrichment."""
        source = self._source
        return source.of_row([*row]) if isinstance(source, CsvSource) else [*row]

    def _headers(self) -> Sequence[str]:
        source = self._source
        return source.given_headers if isinstance(source, CsvSource) else source.all_headers()

    def _cells(self, record: Record, headers: Sequence[str]) -> Sequence[str]:
        if isinstance(record.cells, tuple):
            return record.cells
        return [json_text(record.cells.get(header)) for header in headers]


def enrichment_cell(column: str, text: str) -> object:
    """Return the value of an added column as a cell of a workbook."""
    return text if column == PHONES else enrichment_value(column, text)
