"""Frames of every library: the same rows come back, with the enrichment of each beside it."""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
from decimal import Decimal

import anyio
import duckdb
import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from cleanlist_async import BudgetExceededError, ConfigurationError, Contact
from cleanlist_async.tables import frames
from cleanlist_async.types import TableError
from tests.support.cases import each_case
from tests.support.virtual_sandbox import open_world, people

COLUMNS = {
    "Vorname": ["Ada0", "Ada1", None, "Ada0"],
    "Nachname": ["Lovelace0", "Lovelace1", "Lovelace2", "Lovelace0"],
    "Domain": ["c0.example", "c1.example", "c2.example", "c0.example"],
    "Score": [1.5, None, 3.0, 4.0],
    "Tags": [["a"], [], None, ["b", "c"]],
    "Seen": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None, None, dt.datetime(2026, 2, 1, tzinfo=dt.UTC)],
}
ADDED = [
    *("cleanlist_status", "cleanlist_email", "cleanlist_email_status", "cleanlist_phones"),
    *("cleanlist_credits", "cleanlist_error", "cleanlist_workflow_id", "cleanlist_task_id"),
    "cleanlist_duplicate_of",
]
STATUSES = ["found", "found", "invalid", "found"]


def in_pandas(**options) -> pd.DataFrame:
    return pd.DataFrame(COLUMNS, index=[7, 3, 3, "x"], **options)


KINDS = {
    "polars": lambda: pl.DataFrame(COLUMNS),
    "polars lazy": lambda: pl.LazyFrame(COLUMNS),
    "pandas": in_pandas,
    "pandas of arrow": lambda: pa.table(COLUMNS).to_pandas(types_mapper=pd.ArrowDtype),
    "arrow": lambda: pa.table(COLUMNS),
    "arrow batch": lambda: pa.RecordBatch.from_pydict(COLUMNS),
    "arrow stream": lambda: pa.table(COLUMNS).to_reader(max_chunksize=2),
    "arrow data set": lambda: ds.dataset([pa.table(COLUMNS).slice(0, 1), pa.table(COLUMNS).slice(1)]),
    "narwhals": lambda: nw.from_native(pl.DataFrame(COLUMNS)),
}


def as_rows(frame: object) -> list[dict]:
    """The rows of a frame of any kind, with missing values as None."""
    native = nw.to_native(frame, pass_through=True)
    if isinstance(native, pl.LazyFrame):
        native = native.collect()
    elif isinstance(native, ds.Dataset):
        native = native.to_table()
    elif isinstance(native, pa.RecordBatchReader):
        native = native.read_all()
    elif isinstance(native, pa.RecordBatch):
        native = pa.Table.from_batches([native])
    if isinstance(native, pa.Table):
        return native.to_pylist()
    if isinstance(native, pl.DataFrame):
        return native.to_dicts()
    return [
        {name: None if _is_missing(value) else value for name, value in row.items()}
        for row in native.to_dict("records")
    ]


def _is_missing(value: object) -> bool:
    return not isinstance(value, list) and not hasattr(value, "__len__") and bool(pd.isna(value))


@each_case("kind", KINDS)
async def test_a_frame_comes_back_as_its_own_kind_with_new_columns(kind):
    async with open_world() as world:
        enriched = await world.client.enrich_frame(KINDS[kind]())
    assert type(enriched) is type(KINDS[kind]())
    rows, before = as_rows(enriched), as_rows(KINDS[kind]())
    assert [list(row) for row in rows] == [[*COLUMNS, *ADDED]] * 4
    assert [{name: _plain(row[name]) for name in COLUMNS} for row in rows] == [
        {name: _plain(value) for name, value in row.items()} for row in before
    ]
    assert [row["cleanlist_status"] for row in rows] == STATUSES
    for row, contact in zip(rows[:2], people(2), strict=True):
        truth = world.sandbox.expected(contact, "partial")
        assert (row["cleanlist_email"], list(row["cleanlist_phones"])) == (truth.email, list(truth.phones))
    assert (rows[3]["cleanlist_duplicate_of"], rows[3]["cleanlist_email"]) == (0, rows[0]["cleanlist_email"])
    assert [row["cleanlist_credits"] for row in rows] == [1.0, 1.0, 0.0, 0.0]
    assert not world.ledger.duplicates()


def _plain(value: object) -> object:
    return list(value) if hasattr(value, "tolist") else value


async def test_the_new_columns_of_polars_are_typed(world):
    enriched = await world.client.enrich_frame(pl.DataFrame(COLUMNS))
    assert dict(zip(ADDED, enriched.select(ADDED).dtypes, strict=True)) == {
        "cleanlist_status": pl.Enum(["found", "not_found", "invalid", "pending", "unknown", "failed"]),
        "cleanlist_phones": pl.List(pl.String),
        "cleanlist_credits": pl.Float64,
        "cleanlist_duplicate_of": pl.Int64,
        **{f"cleanlist_{name}": pl.String for name in ("email", "email_status", "error")},
        **{f"cleanlist_{name}": pl.String for name in ("workflow_id", "task_id")},
    }


async def test_the_new_columns_of_pandas_are_typed_and_the_index_is_kept(world):
    given = in_pandas()
    enriched = await world.client.enrich_frame(given)
    assert list(enriched.index) == [7, 3, 3, "x"]
    assert enriched["cleanlist_status"].dtype == pd.CategoricalDtype(
        ["found", "not_found", "invalid", "pending", "unknown", "failed"]
    )
    assert enriched["cleanlist_credits"].dtype == "float64"
    assert enriched["cleanlist_duplicate_of"].dtype == "Int64"
    assert isinstance(enriched["cleanlist_phones"].iloc[0], list)
    assert list(given.columns) == list(COLUMNS)  # what was given is not changed


async def test_the_new_columns_of_arrow_are_typed(world):
    enriched = await world.client.enrich_frame(pa.table(COLUMNS))
    assert enriched.schema.field("cleanlist_status").type == pa.dictionary(pa.int8(), pa.string())
    assert enriched.schema.field("cleanlist_phones").type == pa.list_(pa.string())
    assert enriched.schema.field("cleanlist_credits").type == pa.float64()


@each_case(
    "frame",
    [
        pd.DataFrame(
            [["Ada0", "Lovelace0", "c0.example", 1, 2]], columns=["First", "Last", "Domain", "x", "x"]
        ),
        pa.table(
            [["Ada0"], ["Lovelace0"], ["c0.example"], [1], [2]], names=["First", "Last", "Domain", "x", "x"]
        ),
    ],
)
async def test_columns_of_one_name_are_kept(world, frame):
    enriched = await world.client.enrich_frame(frame)
    assert list(enriched.to_pandas().columns if isinstance(enriched, pa.Table) else enriched.columns) == [
        *("First", "Last", "Domain", "x", "x"),
        *ADDED,
    ]
    assert [str(status) for status in enriched["cleanlist_status"]] == ["found"]


async def test_columns_are_chosen_by_any_name(world):
    frame = pd.DataFrame({0: ["Ada0"], 1: ["Lovelace0"], ("a", "b"): ["c0.example"], "Company": ["Other"]})
    columns = {0: "first_name", 1: "last_name", "a b": "company_domain", "Company": None}
    enriched = await world.client.enrich_frame(frame, columns=columns)
    assert list(enriched.columns)[:4] == [0, 1, ("a", "b"), "Company"]
    assert b"Other" not in world.bodies[-1]
    assert list(enriched["cleanlist_status"]) == ["found"]


async def test_a_second_enrichment_keeps_the_columns_of_the_first(world):
    once = await world.client.enrich_frame(pl.DataFrame(COLUMNS))
    twice = await world.client.enrich_frame(once)
    assert twice.columns == [*COLUMNS, *ADDED, *(f"{name} (2)" for name in ADDED)]
    assert twice.select(once.columns).equals(once)


async def test_another_prefix(world):
    enriched = await world.client.enrich_frame(pl.DataFrame(COLUMNS), prefix="cl_")
    assert enriched.columns[-9:] == [name.replace("cleanlist", "cl") for name in ADDED]


@each_case("kind", KINDS)
async def test_a_frame_without_rows_gets_the_columns_and_buys_nothing(world, kind):
    schema = pa.table(COLUMNS).slice(0, 0)
    empty = {
        "polars": lambda: pl.from_arrow(schema),
        "polars lazy": lambda: pl.from_arrow(schema).lazy(),
        "pandas": schema.to_pandas,
        "arrow": lambda: schema,
        "arrow stream": schema.to_reader,
        "arrow data set": lambda: ds.dataset(schema),
    }
    if kind in empty:
        enriched = await world.client.enrich_frame(empty[kind]())
        assert as_rows(enriched) == []
    assert world.submits() == 0


async def test_a_frame_with_no_column_that_is_known_is_refused(world):
    with pytest.raises(TableError, match=r'the frame: none of the columns is known .*columns=\{"Profile"'):
        await world.client.enrich_frame(pl.DataFrame({"a": [1], "b": ["x"]}))


async def test_two_columns_that_could_be_one_field_are_refused_with_the_way_out(world):
    frame = pl.DataFrame({"First Name": ["Ada"], "first_name": ["Bo"], "last": ["L"], "company": ["X"]})
    with pytest.raises(TableError, match=r"choose one: columns=\{'First Name': 'first_name'\}"):
        await world.client.plan_frame(frame)


async def test_extra_columns_can_be_forbidden(world):
    with pytest.raises(TableError, match='the frame, column "Score": is no field of a contact'):
        await world.client.enrich_frame(pl.DataFrame(COLUMNS), extra="forbid")
    with pytest.raises(ConfigurationError, match="extra must be 'ignore' or 'forbid'"):
        await world.client.enrich_frame(pl.DataFrame(COLUMNS), extra="allow")


@each_case("columns", [{"Vorname": "name"}, {"Vorname": "email", "Domain": "email"}, ["Vorname"]])
async def test_columns_that_cannot_be_are_refused(world, columns):
    with pytest.raises(ConfigurationError, match="columns must be"):
        await world.client.enrich_frame(pl.DataFrame(COLUMNS), columns=columns)


async def test_a_plan_of_a_frame_is_that_of_its_contacts(world):
    made = await world.client.plan_frame(pl.DataFrame(COLUMNS))
    assert (made.contacts, made.unique, made.duplicates, made.invalid) == (4, 2, 1, 1)
    assert await world.client.plan_frame(pl.LazyFrame(COLUMNS)) == made
    assert world.submits() == 0


@each_case("kind", ["polars", "polars lazy", "pandas", "arrow", "arrow data set"])
async def test_a_frame_given_as_the_contacts_is_read(world, kind):
    report = await world.client.enrich(KINDS[kind]())
    assert [result.status for result in report.results] == STATUSES
    async with world.client.stream(KINDS[kind]()) as results:
        assert sorted([result.index async for result in results]) == [0, 1, 2, 3]


@each_case(
    "given", [pl.Series(["a", "b"]), pd.Series(["a", "b"]), pa.array(["a", "b"]), "ada@x.example", b"a"]
)
async def test_what_is_no_frame_is_refused_in_a_sentence(world, given):
    with pytest.raises(ConfigurationError):
        await world.client.enrich(given)
    with pytest.raises(ConfigurationError, match="frame must be a frame of"):
        await world.client.enrich_frame(given)


@pytest.mark.slow
@pytest.mark.world(workflow_s=lambda random: random.uniform(1, 90))  # so that later ones end earlier
@each_case("kind", ["polars", "polars lazy", "pandas", "arrow data set"])
async def test_a_stream_gives_the_parts_in_their_order(world, monkeypatch, kind):
    monkeypatch.setattr(frames, "PART", 500)
    count = 1_500
    contacts = people(count)
    columns = {
        "first": [c.first_name for c in contacts],
        "last": [c.last_name for c in contacts],
        "company_domain": [c.company_domain for c in contacts],
        "n": list(range(count)),
    }
    frame = {
        "polars": pl.DataFrame,
        "polars lazy": pl.LazyFrame,
        "pandas": pd.DataFrame,
        "arrow data set": lambda data: ds.dataset(pa.table(data)),
    }[kind](columns)
    numbers: list[int] = []
    async with world.client.stream_frame(frame) as parts:
        async for part in parts:
            rows = as_rows(part)
            assert len(rows) <= 500
            numbers += [row["n"] for row in rows]
            for row in rows[::99]:
                truth = world.sandbox.expected(contacts[row["n"]], "partial")
                assert row["cleanlist_email"] == truth.email
    assert numbers == list(range(count))
    assert parts.summary.contacts == count


async def test_rows_that_a_stopped_run_did_not_reach_say_why(world):
    frame = pl.DataFrame(
        [{"first": c.first_name, "last": c.last_name, "domain": "x.example"} for c in people(600)]
    )
    enriched = await world.client.enrich_frame(frame, max_credits=250)
    counts = dict(enriched["cleanlist_status"].value_counts().iter_rows())
    assert len(enriched) == 600
    assert counts["failed"] == 600 - len(world.ledger.times_accepted())
    assert "max_credits" in enriched["cleanlist_error"].drop_nulls()[-1]


async def test_a_stream_that_is_stopped_gives_all_rows_and_then_the_error(world):
    contacts = people(600)
    frame = pl.DataFrame(
        [{"first": c.first_name, "last": c.last_name, "domain": "x.example"} for c in contacts]
    )
    rows = 0
    with pytest.raises(BudgetExceededError):
        async with world.client.stream_frame(frame.lazy(), max_credits=250) as parts:
            async for part in parts:
                rows += len(part)
    assert rows == 600


async def test_progress_knows_the_rows_of_a_frame_in_memory(world):
    totals = []
    await world.client.enrich_frame(pl.DataFrame(COLUMNS), progress=lambda now: totals.append(now.total))
    assert set(totals) == {4}


async def test_a_run_of_which_nothing_was_accepted_raises(world):
    with pytest.raises(ConfigurationError):
        await world.client.enrich_frame(pl.DataFrame(COLUMNS), max_credits=-1)


async def test_an_odd_value_makes_its_row_invalid(world):
    frame = pl.DataFrame({"linkedin_url": ["linkedin.com/in/ada"] * 2, "email": [["a"], None]})
    enriched = await world.client.enrich_frame(frame, columns={"email": "email"})
    assert enriched["cleanlist_status"].to_list()[0] == "invalid"
    assert enriched["cleanlist_error"][0] == "email must be text, not a list"


async def test_a_report_is_a_frame_of_any_library(world):
    report = await world.client.enrich([*people(2, key="k"), Contact(email="a@x.example")])
    rows = report.to_dicts()
    assert [row["status"] for row in rows] == ["found", "found", "invalid"]
    assert rows[0]["contact_first_name"] == "Ada0"
    assert report.to_polars().to_dicts() == rows
    assert report.to_arrow().to_pylist() == rows
    assert report.to_pandas()["email"].tolist()[:2] == [row["email"] for row in rows[:2]]
    assert list(report.to_pandas().columns) == list(rows[0])


async def test_decimals_and_whole_floats_are_keys(world):
    frame = pd.DataFrame({"Id": [Decimal(7), 8.0], "URL": ["linkedin.com/in/ada", "linkedin.com/in/bo"]})
    report = await world.client.enrich(frame, columns={"Id": "key"})
    assert [result.key for result in report.results] == ["7", "8"]


async def test_what_only_exports_arrow_data_is_read_as_a_table(world):
    relation = duckdb.from_arrow(pa.table(COLUMNS))
    enriched = await world.client.enrich_frame(relation)
    assert [row["cleanlist_status"] for row in enriched.to_pylist()] == STATUSES


async def test_an_enrichment_that_is_cancelled_leaves_what_was_bought(world):
    async def enrich():
        await world.client.enrich_frame(pl.DataFrame(COLUMNS))

    run = asyncio.ensure_future(enrich())
    await anyio.sleep(2)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert [result.status for result in world.client.abandoned] == ["invalid", *["pending"] * 3]


@pytest.mark.slow
@pytest.mark.sockets  # a process
def test_without_the_extra_a_frame_says_what_to_install():
    code = (
        "import sys, asyncio, polars; sys.modules['narwhals'] = None; from cleanlist_async import *\n"
        "client = AsyncCleanlist('clapi_x', base_url='http://127.0.0.1:9')\n"
        "asyncio.run(client.enrich(polars.DataFrame({'email': []})))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "install cleanlist-async with the extra [frames], or pass a list" in shown.stderr
