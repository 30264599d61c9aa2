"""Frames of any library as tables of contacts. Needs the extra ``frames``.

Narwhals reads all kinds but frames with two columns of one name, which pandas and Arrow have: those two are
read by position.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal, cast

import anyio.lowlevel

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.tables.contact_rows import SAMPLE, BuildRow, RowFormat, field_columns, row_builder
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.formats.location import needed
from cleanlist_async.tables.headers import addressable

PART: Final = 10_000
"""Rows that are read at once: in a few milliseconds."""
_READAHEAD: Final = {"batch_size": PART, "batch_readahead": 4, "fragment_readahead": 1}
"""By default Arrow reads 16 batches of 131,072 rows, and four files, ahead."""
BETWEEN_CHECKPOINTS: Final = 250
"""Contacts that are made of them before other tasks have their turn."""


def narwhals() -> Any:
    """Import narwhals. Raises ConfigurationError where it is not installed."""
    return needed("narwhals", "frames", ", or pass a list of mappings: df.to_dict('records')")


def is_pandas(frame: Any) -> bool:
    """Whether a frame has the interface of pandas: its rows have an index, and columns may share a name."""
    return bool(narwhals().dependencies.is_pandas_like_dataframe(frame))


def is_arrow(frame: Any) -> bool:
    """Whether a frame is a table of Arrow, whose columns may share a name."""
    return bool(narwhals().dependencies.is_pyarrow_table(frame))


def opened(frame: Any) -> Any:
    """Return a frame as its library has it, in memory unless it is lazy; None for what cannot be read."""
    given = narwhals().to_native(frame, pass_through=True)
    return given if is_lazy(given) else _in_memory(given)


def is_lazy(frame: Any) -> bool:
    """Whether a frame is read as it is computed: a query, a data set, a stream of batches."""
    return _is_query(frame) or _is_data_set(frame) or _is_stream(frame)


def _is_query(frame: Any) -> bool:
    return bool(narwhals().dependencies.is_polars_lazyframe(frame))


def _is_data_set(frame: Any) -> bool:
    return hasattr(frame, "to_batches") and hasattr(frame, "scanner")


def _is_stream(frame: Any) -> bool:
    return hasattr(frame, "read_next_batch")


def parts(frame: Any) -> Iterator[Any]:
    """Yield an opened frame in parts of at most some thousand rows, at least one."""
    is_empty = True
    for batch in _batches(frame) if is_lazy(frame) else [frame]:
        if len(batch) or not is_lazy(frame):
            is_empty = False
            yield from _slices(batch)
    if is_empty:  # it has columns all the same
        yield frame.limit(0).collect() if _is_query(frame) else frame.schema.empty_table()


def _batches(frame: Any) -> Iterator[Any]:
    if not _is_query(frame):
        return map(_in_memory, frame if _is_stream(frame) else frame.to_batches(**_READAHEAD))
    if hasattr(frame, "collect_batches"):
        return iter(frame.collect_batches(chunk_size=PART, maintain_order=True))
    return iter([frame.collect()])  # of an older polars


def _in_memory(frame: Any) -> Any:
    """Return a frame that narwhals knows, also of one that only exports Arrow data; None for any other."""
    nw = narwhals()
    if nw.dependencies.is_into_dataframe(frame):
        return frame
    if _is_batch(frame):
        return import_module("pyarrow").Table.from_batches([frame])
    read = nw.from_native(frame, pass_through=True)
    if isinstance(read, nw.LazyFrame):
        return read.collect().to_native()
    if not hasattr(frame, "__arrow_c_stream__"):
        return None
    try:
        return import_module("pyarrow").table(frame)
    except Exception:  # noqa: BLE001  # whatever its library raises: it is no table
        return None


def _is_batch(frame: Any) -> bool:
    return hasattr(frame, "num_rows") and hasattr(frame, "to_pylist") and not hasattr(frame, "to_batches")


def _slices(frame: Any) -> Iterator[Any]:
    rows = len(frame)
    for start in range(0, max(rows, 1), PART):
        yield slice_of(frame, start, PART) if rows > PART else frame


def slice_of(frame: Any, start: int, length: int) -> Any:
    """Return some rows of a frame in memory."""
    return frame.iloc[start : start + length] if is_pandas(frame) else frame[start : start + length]


def headers_of(frame: Any) -> list[str]:
    """Return the names of the columns as text; names on several levels are joined."""
    if is_pandas(frame):
        return [_header(name) for name in frame.columns]
    if is_arrow(frame):
        return list(frame.column_names)
    return list(narwhals().from_native(frame).columns)


def _header(name: Any) -> str:
    levels = cast("tuple[object, ...]", name) if isinstance(name, tuple) else (name,)
    return " ".join(str(level) for level in levels if str(level))


def values_of(frame: Any, position: int) -> list[Any]:
    """Return the values of a column."""
    if is_pandas(frame):
        return list(frame.iloc[:, position].tolist())
    if is_arrow(frame):
        return list(frame.column(position).to_pylist())
    return list(narwhals().from_native(frame)[:, position].to_list())


def concatenated(frames: Sequence[Any], like: Any) -> Any:
    """Return frames as one, of the kind of *like*: of a query a query, of a data set a data set."""
    nw = narwhals()
    whole = frames[0] if len(frames) == 1 else nw.concat([nw.from_native(one) for one in frames]).to_native()
    given = nw.to_native(like, pass_through=True)
    if _is_query(given):
        whole = whole.lazy()
    elif _is_data_set(given):
        whole = import_module("pyarrow.dataset").dataset(whole)
    elif _is_stream(given):
        whole = whole.to_reader()
    elif _is_batch(given):
        whole = whole.combine_chunks().to_batches()[0] if len(whole) else whole  # no rows, no batch
    return whole if given is like else nw.from_native(whole)


class FrameReader:
    """Makes the contacts of a frame's parts; the first part tells which columns they are in."""

    def __init__(self, spec: RowFormat) -> None:
        self._spec = spec
        self._build: BuildRow | None = None
        self._positions: list[int] = []

    def contacts(self, part: Any) -> Iterator[Contact]:
        """Yield the contact of each row. Raises TableError if no column is known."""
        if self._build is None:
            self._positions, self._build = self._resolve(part)
        for some in _slices(part):
            cells = [values_of(some, position) for position in self._positions]
            yield from map(self._build, zip(*cells, strict=True))

    def _resolve(self, part: Any) -> tuple[list[int], BuildRow]:
        headers = headers_of(part)
        head = slice_of(part, 0, SAMPLE)
        rows = zip(*(values_of(head, position) for position in range(len(headers))), strict=True)
        said = {str(header): field for header, field in (self._spec.columns or {}).items()}
        columns = field_columns(headers, rows, said, "the frame")
        if not columns and len(part):
            known = ", ".join(f'"{header[:40]}"' for header in headers[:6])
            raise TableError(
                path="the frame",
                problem=f"none of the columns is known ({known})",
                fix='name them: columns={"Profile": "linkedin_url"}',
            )
        if self._spec.extra == "forbid":
            self._refuse_others(headers, {guess.column for guess in columns.values()})
        return row_builder(columns)

    def _refuse_others(self, headers: list[str], used: set[int]) -> None:
        said = self._spec.columns or {}
        for position, name in enumerate(addressable(headers)):
            # One for which the caller said None is no mistake.
            if position not in used and said.get(name, "") is not None:
                problem = "is no field of a contact"
                raise TableError(path="the frame", column=name, problem=problem, fix="drop the column")


class FrameContacts:
    """The contacts of a frame, read anew each time."""

    def __init__(self, frame: Any, spec: RowFormat) -> None:
        self._frame = frame
        self._spec = spec

    def __iter__(self) -> Iterator[Contact]:
        reader = FrameReader(self._spec)
        for part in parts(self._frame):
            yield from reader.contacts(part)


class SizedFrameContacts(FrameContacts):
    """The contacts of a frame in memory."""

    def __len__(self) -> int:
        return len(self._frame)


class LazyFrameContacts(FrameContacts):
    """The contacts of a lazy frame, computed in a thread where they are awaited."""

    async def __aiter__(self) -> AsyncIterator[Contact]:
        reader, unread = FrameReader(self._spec), parts(self._frame)
        while (part := await next_part(unread)) is not None:
            for number, contact in enumerate(reader.contacts(part)):
                yield contact
                if number % BETWEEN_CHECKPOINTS == 0:
                    await anyio.lowlevel.checkpoint()


async def next_part(unread: Iterator[Any]) -> Any:
    """Return the next part of a frame, or None after the last: a query computes, a data set reads files."""
    # With a default: a future cannot raise StopIteration.
    return await get_running_loop().run_in_executor(None, next, unread, None)


def frame_contacts(frame: Any, spec: RowFormat) -> FrameContacts | None:
    """Return the contacts of a frame, or None for what narwhals cannot read."""
    if (given := opened(frame)) is None:
        return None
    return LazyFrameContacts(given, spec) if is_lazy(given) else SizedFrameContacts(given, spec)


@dataclass(frozen=True, slots=True)
class NewColumn:
    """A column of one kind of values or None: one of *choices*, text, texts or numbers."""

    name: str
    kind: Literal["choice", "text", "texts", "number", "whole"]
    values: Sequence[object]
    choices: tuple[str, ...] = ()


def with_columns(frame: Any, columns: Sequence[NewColumn]) -> Any:
    """Return a frame with columns after its own, which are not copied; rows and index are kept."""
    if is_pandas(frame):
        grown = frame.copy(deep=False)
        levels = frame.columns.nlevels  # pandas warns of names that have fewer
        for column in columns:
            name = column.name if levels == 1 else (column.name, *[""] * (levels - 1))
            grown[name] = _pandas_values(column, frame.index)
        return grown
    if is_arrow(frame):
        # By Arrow itself: narwhals refuses a table with two columns of one name.
        for column in columns:
            frame = frame.append_column(column.name, _arrow_array(column))
        return frame
    read = narwhals().from_native(frame)
    return read.with_columns(*_series(columns, read.implementation)).to_native()


def rows_where(frame: Any, are_kept: list[bool]) -> Any:
    """Return some rows of a frame, with their index."""
    if is_pandas(frame):
        return frame.loc[are_kept]
    if is_arrow(frame):
        return frame.filter(import_module("pyarrow").array(are_kept, "bool"))
    return narwhals().from_native(frame).filter(are_kept).to_native()


def new_frame(columns: Sequence[NewColumn], backend: Literal["polars", "pandas", "pyarrow"]) -> Any:
    """Return a frame of these columns. Raises ModuleNotFoundError where the library is missing."""
    narwhals()
    library = import_module(backend)
    rows = len(columns[0].values)
    if backend == "pandas":
        return with_columns(library.DataFrame(index=range(rows)), columns)
    if backend == "pyarrow":
        return library.table({column.name: _arrow_array(column) for column in columns})
    return library.DataFrame([series.to_native() for series in _series(columns, backend)])


def _series(columns: Sequence[NewColumn], backend: Any) -> list[Any]:
    new_series = narwhals().new_series
    return [new_series(column.name, column.values, _dtype(column), backend=backend) for column in columns]


def _dtype(column: NewColumn) -> Any:
    nw = narwhals()
    if column.kind == "choice":
        return nw.Enum(column.choices)
    return {"text": nw.String, "texts": nw.List(nw.String), "number": nw.Float64, "whole": nw.Int64}[
        column.kind
    ]


def _pandas_values(column: NewColumn, index: Any) -> Any:
    pd = import_module("pandas")
    values = list(column.values)
    if column.kind == "choice":
        data: Any = pd.Categorical(values, categories=list(column.choices))
    elif column.kind == "texts":  # lists are objects, as pandas has no type for them
        data = values
    else:
        data = pd.array(values, dtype={"text": "str", "number": "float64", "whole": "Int64"}[column.kind])
    return pd.Series(data, index=index, dtype=object if column.kind == "texts" else None)


def _arrow_array(column: NewColumn) -> Any:
    pa = import_module("pyarrow")
    values = list(column.values)
    if column.kind == "choice":
        numbers = {choice: number for number, choice in enumerate(column.choices)}
        indices = pa.array([numbers.get(str(value)) for value in values], pa.int8())
        return pa.DictionaryArray.from_arrays(indices, pa.array(column.choices, pa.string()))
    kinds = {"text": pa.string(), "texts": pa.list_(pa.string()), "number": pa.float64(), "whole": pa.int64()}
    return pa.array(values, kinds[column.kind])
