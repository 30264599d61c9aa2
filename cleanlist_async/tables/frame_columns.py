"""Columns that are added to a frame, in the types of its library. Needs the extra ``frames``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from cleanlist_async.tables.frames import is_arrow, is_pandas, narwhals


@dataclass(frozen=True, slots=True)
class NewColumn:
    """A column of one kind of values, each of which may be None: one of *choices*, text, texts or numbers."""

    name: str
    kind: Literal["choice", "text", "texts", "number", "whole"]
    values: Sequence[object]
    choices: tuple[str, ...] = ()


def with_columns(frame: Any, columns: Sequence[NewColumn]) -> Any:
    """Return a frame in memory with columns after its own, which are not copied; rows and index are kept."""
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
    """Return some rows of a frame in memory, with their index."""
    if is_pandas(frame):
        return frame.loc[are_kept]
    if is_arrow(frame):
        return frame.filter(import_module("pyarrow").array(are_kept, "bool"))
    return narwhals().from_native(frame).filter(are_kept).to_native()


def new_frame(columns: Sequence[NewColumn], backend: Literal["polars", "pandas", "pyarrow"]) -> Any:
    """Return a frame of these columns alone. Raises ModuleNotFoundError where the library is missing."""
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
