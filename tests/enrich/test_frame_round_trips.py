"""Every other cell of a frame comes back unchanged, whatever its type."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cases import each_case
from tests.support.examples import examples
from tests.support.virtual_sandbox import in_world, people

ADDED = 9
WHEN = dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC)
PERSON = {"first_name": ["Ada", "Bo", None], "last_name": ["L", "B", ""], "company_domain": ["a.example"] * 3}
TYPED = {
    "whole": pa.array([1, None, -(2**63)], pa.int64()),
    "small": pa.array([255, 0, None], pa.uint8()),
    "float": pa.array([float("inf"), float("nan"), None], pa.float32()),
    "flag": pa.array([True, None, False]),
    "text": pa.array(["0071", " =1+1\n", None]),
    "nothing": pa.nulls(3),
    "bytes": pa.array([b"\x00\xff", None, b""]),
    "day": pa.array([dt.date(1969, 12, 31), None, dt.date(9999, 12, 31)]),
    "moment": pa.array([WHEN, None, WHEN], pa.timestamp("us", "Europe/Berlin")),
    "naive": pa.array([WHEN.replace(tzinfo=None), None, None], pa.timestamp("ns")),
    "length": pa.array([dt.timedelta(microseconds=1), None, None]),
    "money": pa.array([Decimal("0.10"), None, Decimal("-99.99")], pa.decimal128(9, 2)),
    "list": pa.array([["a", None], [], None]),
    "object": pa.array([{"a": 1, "b": ["x"]}, {"a": None, "b": []}, None]),
    "kind": pa.array(["x", None, "y"]).dictionary_encode(),
}


def typed() -> pa.Table:
    return pa.table({**PERSON, **TYPED})


def in_pandas_with_an_index() -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2)], names=["x", None])
    frame = pd.DataFrame({**PERSON, 0: [1, 2, 3], None: [pd.NA, pd.NaT, None]}, index=index)
    frame["kind"] = pd.Categorical(["lo", "hi", None], categories=["lo", "mid", "hi"], ordered=True)
    frame["zone"] = pd.to_datetime(["2026-03-29", None, "2026-10-25"]).tz_localize("Europe/Berlin")
    frame["sparse"] = pd.arrays.SparseArray([0, 0, 1])
    frame["own"] = [(1, 2), {1}, np.array([1, 2])]
    frame.attrs["source"] = "crm"
    return frame


FRAMES = {
    "polars": lambda: pl.from_arrow(typed()),
    "polars in chunks": lambda: pl.concat([pl.from_arrow(typed())] * 2, rechunk=False),
    "polars lazy": lambda: pl.from_arrow(typed()).lazy(),
    "polars without rows": lambda: pl.from_arrow(typed()).clear(),
    "pandas": lambda: typed().to_pandas(),
    "pandas of Arrow types": lambda: typed().to_pandas(types_mapper=pd.ArrowDtype),
    "pandas with odd columns and an index": in_pandas_with_an_index,
    "pandas with names twice and on two levels": lambda: pd.DataFrame(
        [["Ada", "L", "a.example", 1, 2]],
        columns=pd.MultiIndex.from_tuples(
            [("first_name", ""), ("last_name", ""), ("company", "domain"), ("x", "y"), ("x", "y")]
        ),
    ),
    "arrow": typed,
    "arrow with a name twice": lambda: pa.Table.from_arrays(
        [*typed().columns, pa.array([1, 2, 3])], names=[*typed().column_names, "whole"]
    ),
    "arrow stream": lambda: typed().to_reader(max_chunksize=1),
    "arrow data set": lambda: ds.dataset(typed()),
}


def enriched(frame, **options):
    return in_world(lambda world: world.client.enrich_frame(frame, **options))


def check_same(after, before) -> None:
    """The columns that the frame had are those that it has, but for the nine after them."""
    if isinstance(before, pl.LazyFrame):
        after, before = after.collect(), before.collect()
    if isinstance(before, pa.RecordBatchReader):
        after, before = after.read_all(), typed()
    if isinstance(before, ds.Dataset):
        after, before = after.to_table(), before.to_table()
    if isinstance(before, pl.DataFrame):
        assert after[:, :-ADDED].schema == before.schema
        assert after[:, :-ADDED].equals(before)
    elif isinstance(before, pa.Table):
        kept = after.select(list(range(after.num_columns - ADDED)))
        assert kept.schema.equals(before.schema, check_metadata=True)
        # As text, in which NaN is NaN.
        assert [repr(column.to_pylist()) for column in kept.columns] == [
            repr(column.to_pylist()) for column in before.columns
        ]
    else:
        pd.testing.assert_frame_equal(after.iloc[:, :-ADDED], before)
        assert after.attrs == before.attrs


@each_case("name", FRAMES)
def test_a_frame_keeps_its_cells_types_names_and_index(name):
    before, given_frame = FRAMES[name](), FRAMES[name]()
    after = enriched(given_frame)
    assert type(after) is type(before)
    check_same(after, before)
    if not isinstance(given_frame, pa.RecordBatchReader):  # which can be read once
        check_same(after, given_frame)


cells = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.string(): st.text(max_size=5),
    pa.bool_(): st.booleans(),
    pa.binary(): st.binary(max_size=3),
    pa.timestamp("us", "UTC"): st.datetimes(timezones=st.just(dt.UTC)),
    pa.date32(): st.dates(),
    pa.list_(pa.string()): st.lists(st.text(max_size=2), max_size=2),
    pa.decimal128(12, 3): st.integers(-(10**9), 10**9).map(lambda n: Decimal(n).scaleb(-3)),
}
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(lambda name: name.isprintable())


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Tables with the columns of a contact and others of any type, also without rows."""
    rows = draw(st.integers(0, 4))
    kinds = draw(st.dictionaries(names.map("x_{}".format), st.sampled_from(list(cells)), max_size=5))
    columns = {
        name: pa.array(draw(st.lists(st.none() | cells[kind], min_size=rows, max_size=rows)), kind)
        for name, kind in kinds.items()
    }
    texts = st.sampled_from([None, "Ada", "Bo", " ", "N/A", "\u200bÉ"])
    contact = {
        field: pa.array(draw(st.lists(texts, min_size=rows, max_size=rows)), pa.string())
        for field in ("first_name", "last_name", "company_name")
    }
    given_as = {field: field for field in contact}
    return pa.table(contact | columns), given_as


@settings(max_examples=examples(60))
@given(tables(), st.sampled_from(["polars", "pandas", "arrow"]))
def test_any_table_keeps_its_cells(table_and_columns, library):
    table, columns = table_and_columns
    convert = {"polars": pl.from_arrow, "pandas": pa.Table.to_pandas, "arrow": lambda same: same}[library]
    before = convert(table)
    said = {**columns, **{name: None for name in table.column_names if name not in columns}}
    check_same(enriched(convert(table), columns=said), before)


@pytest.mark.slow
@each_case("library", ["polars", "pandas", "arrow"])
def test_a_frame_of_ten_thousand_columns_keeps_them(library):
    columns = {**PERSON, **{f"c{n}": [n, None, -n] for n in range(10_000)}}
    frame = {"polars": pl.DataFrame, "pandas": pd.DataFrame, "arrow": pa.table}[library](columns)
    check_same(enriched(frame), frame)


@pytest.mark.slow
@pytest.mark.timeout(1_800)  # one that is busy takes ten times as long
@each_case("library", ["polars", "pandas"])
def test_a_frame_of_a_million_rows_keeps_them(library):
    contacts, count = people(250), 1_000_000
    frame = pl.DataFrame(
        {
            "first_name": [contacts[n % 250].first_name for n in range(count)],
            "last_name": [contacts[n % 250].last_name for n in range(count)],
            "company_domain": [contacts[n % 250].company_domain for n in range(count)],
            "n": range(count),
        }
    )
    frame = frame if library == "polars" else frame.to_pandas()
    after = enriched(frame)
    check_same(after, frame)
    emails = after["cleanlist_email"].to_list()
    assert emails[:250] * 4_000 == emails
