"""Parquet and Arrow files, in batches of rows, by PyArrow (extra ``files``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, Literal

from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.formats import cell_text
from cleanlist_async.tables.formats.location import needed

ROWS_AT_ONCE: Final = 10_000
ArrowKind = Literal["parquet", "arrow"]
PHONES: Final = "cleanlist_phones"


class ColumnFile:
    """A file of typed columns."""

    def __init__(self, stream: BinaryIO, kind: ArrowKind, path: str) -> None:
        self._arrow = needed("pyarrow", "files")
        self._kind = kind
        try:
            self._file = self._open(stream)
        except (self._arrow.ArrowInvalid, OSError) as error:
            problem = f"is no {'Parquet' if kind == 'parquet' else 'Arrow'} file that can be read ({error})"
            raise TableError(path=path, problem=problem, fix="save it again, or as CSV") from error
        self.schema: Any = self._file.schema_arrow if kind == "parquet" else self._file.schema

    def _open(self, stream: BinaryIO) -> Any:
        if self._kind == "parquet":
            return needed("pyarrow.parquet", "files").ParquetFile(stream)
        return needed("pyarrow.ipc", "files").open_file(stream)

    def plain(self, kind: ArrowKind) -> tuple[Any, Callable[[Any], list[Any]]]:
        """Return the schema that a file of *kind* can have, and what makes its columns of a batch.

        An Arrow file has one dictionary for each column, a Parquet file one for each group of rows.
        """
        if kind in {self._kind, "parquet"}:
            return self.schema, lambda batch: list(batch.columns)
        is_dictionary = self._arrow.types.is_dictionary
        fields = [f.with_type(f.type.value_type) if is_dictionary(f.type) else f for f in self.schema]

        def columns(batch: Any) -> list[Any]:
            return [c.dictionary_decode() if is_dictionary(c.type) else c for c in batch.columns]

        return self._arrow.schema(fields, metadata=self.schema.metadata), columns

    def batches(self) -> Iterator[Any]:
        """Yield record batches in order."""
        if self._kind == "parquet":
            yield from self._file.iter_batches(ROWS_AT_ONCE)
        else:
            for index in range(self._file.num_record_batches):
                # Sliced, since one batch of an Arrow file may be the whole table.
                batch = self._file.get_batch(index)
                for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                    yield batch.slice(start, ROWS_AT_ONCE)

    def rows(self) -> Iterator[Sequence[object]]:
        """Yield the names of the columns, then each row."""
        yield self.schema.names
        for batch in self.batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def lines(self) -> Iterator[bytes]:
        """Yield the table as CSV, one record for each row."""
        arrow, write_csv = self._arrow, needed("pyarrow.csv", "files").write_csv
        names = [f"c{index}" for index in range(len(self.schema))]  # any names: the header is written below
        yield (",".join(_quoted(name) for name in self.schema.names) + "\n").encode()
        options = needed("pyarrow.csv", "files").WriteOptions(include_header=False)
        for batch in self.batches():
            texts = arrow.Table.from_arrays([self._text(column) for column in batch.columns], names=names)
            out = arrow.BufferOutputStream()
            write_csv(texts, out, options)
            yield out.getvalue().to_pybytes()

    def _text(self, column: Any) -> Any:
        arrow, kind = self._arrow, column.type
        if arrow.types.is_dictionary(kind):
            column = column.dictionary_decode()
            kind = column.type
        if arrow.types.is_string(kind) or arrow.types.is_large_string(kind):
            return column
        if arrow.types.is_integer(kind):
            return column.cast(arrow.string())
        return arrow.array([cell_text(value) for value in column.to_pylist()], arrow.string())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def writer_of(stream: BinaryIO, kind: ArrowKind, schema: Any) -> Any:
    """Return what writes batches of rows into a file, and has to be closed."""
    if kind == "parquet":
        return needed("pyarrow.parquet", "files").ParquetWriter(stream, schema)
    return needed("pyarrow.ipc", "files").new_file(stream, schema)


def enrichment_fields(names: Mapping[str, str]) -> list[Any]:
    """Return the fields of the added columns: *names* goes from column to name."""
    arrow = needed("pyarrow", "files")
    types = {PHONES: arrow.list_(arrow.string()), "cleanlist_credits": arrow.float64()}
    return [arrow.field(name, types.get(column, arrow.string())) for column, name in names.items()]


def enrichment_value(column: str, text: str) -> object:
    """Return the value of an added column with its type."""
    if column == PHONES:
        return [phone for phone in map(str.strip, text.split(";")) if phone]
    if not text:
        return None
    return float(text) if column == "cleanlist_credits" else text
