"""Pipelines of dlt load enriched contacts, and buy each of them once."""

from datetime import timedelta
from functools import partial

import dlt
import polars as pl
import pytest
from anyio.from_thread import start_blocking_portal

from cleanlist_async import AsyncCleanlist, ConfigurationError
from cleanlist_async.integrations.dlt import enriched_contacts
from cleanlist_async.sandbox import Sandbox
from tests.support.cases import each_case
from tests.support.virtual_sandbox import people

pytestmark = [pytest.mark.slow, pytest.mark.sockets, pytest.mark.filterwarnings("ignore")]

COUNT = 620
ROWS = [
    {
        "id": n,
        "first_name": c.first_name,
        "last_name": c.last_name,
        "domain": c.company_domain,
        "score": n / 2,
    }
    for n, c in enumerate(people(COUNT))
]


@pytest.fixture
def sandbox():
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(workflow_s=0.1)) as served,
    ):
        yield served


@pytest.fixture
def client(sandbox, tmp_path):
    """What makes a client of the sandbox, all with one store."""
    return partial(AsyncCleanlist, sandbox.api_key, base_url=sandbox.base_url, store=tmp_path / "store.db")


@pytest.fixture(params=["duckdb", "filesystem", "postgres"])
def pipeline(request, tmp_path):
    if request.param == "duckdb":
        destination = dlt.destinations.duckdb(str(tmp_path / "warehouse.duckdb"))
    elif request.param == "filesystem":
        destination = dlt.destinations.filesystem(f"file://{tmp_path}/lake", loader_file_format="parquet")
    else:
        server = request.getfixturevalue("postgres")
        destination = dlt.destinations.postgres(server.url(request.getfixturevalue("database")))
    return dlt.pipeline(
        "leads", destination=destination, dataset_name="crm", pipelines_dir=str(tmp_path / "pipelines")
    )


def leads(*pages):
    @dlt.resource(name="leads")
    def read():
        yield from pages

    return read()


def rows_of(pipeline, table, columns):
    with pipeline.sql_client() as sql:
        query = f"SELECT {', '.join(columns)} FROM {sql.make_qualified_table_name(table)}"
        with sql.execute_query(query) as found:
            return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def test_rows_are_loaded_with_what_was_found_and_receipts(sandbox, client, pipeline):
    pipeline.run(leads(ROWS[:300], ROWS[300:], []) | enriched_contacts(client, key="id"))
    columns = ["key", "id", "score", "cleanlist_status", "cleanlist_email", "cleanlist_credits"]
    loaded = {row["key"]: row for row in rows_of(pipeline, "enriched_contacts", columns)}
    assert len(loaded) == COUNT
    for n in (0, 299, 300, COUNT - 1):
        truth = sandbox.expected(people(1, n)[0], "partial")
        row = loaded[str(n)]
        assert (row["id"], row["score"], row["cleanlist_email"]) == (n, n / 2, truth.email)
        assert row["cleanlist_status"] == ("found" if truth.successful else "not_found")
    receipts = rows_of(pipeline, "cleanlist_receipts", ["key", "status", "credits", "billed"])
    assert len(receipts) == COUNT
    assert sum(row["credits"] for row in receipts) == sandbox.ledger.credits_charged
    assert not sandbox.ledger.duplicates()


def test_a_second_run_asks_only_for_new_rows(sandbox, client, pipeline):
    pipeline.run(leads(ROWS[:20]) | enriched_contacts(client, key="id"))
    pipeline.run(leads(ROWS[:30]) | enriched_contacts(client, key="id"))
    assert len(rows_of(pipeline, "enriched_contacts", ["key"])) == 30
    assert len(rows_of(pipeline, "cleanlist_receipts", ["key"])) == 30
    assert not sandbox.ledger.duplicates()


def test_rows_that_are_old_are_bought_again(sandbox, client, pipeline):
    again = partial(enriched_contacts, client, key="id")
    pipeline.run(leads(ROWS[:3]) | again(refresh_after=timedelta(days=1)))
    pipeline.run(leads(ROWS[:3]) | again(refresh_after=timedelta(days=1)))
    assert not sandbox.ledger.duplicates()
    pipeline.run(leads(ROWS[:3]) | again(refresh_after=timedelta(microseconds=1)))
    assert set(sandbox.ledger.times_accepted().values()) == {2}
    is_lake = pipeline.destination.destination_name == "filesystem"  # which can only append
    assert len(rows_of(pipeline, "enriched_contacts", ["key"])) == (6 if is_lake else 3)


@pytest.fixture
def duckdb(tmp_path):
    return dlt.pipeline(
        "leads",
        destination=dlt.destinations.duckdb(str(tmp_path / "warehouse.duckdb")),
        dataset_name="crm",
        pipelines_dir=str(tmp_path / "pipelines"),
    )


def test_a_run_that_failed_before_it_loaded_costs_nothing_when_it_is_repeated(sandbox, client, duckdb):
    def fails():
        yield ROWS[:10]
        raise LookupError("the CRM is away")

    with pytest.raises(Exception, match="the CRM is away"):
        duckdb.run(dlt.resource(fails, name="leads") | enriched_contacts(client, key="id"))
    duckdb.run(leads(ROWS[:10]) | enriched_contacts(client, key="id"))
    assert len(rows_of(duckdb, "enriched_contacts", ["key"])) == 10
    assert not sandbox.ledger.duplicates()


def test_a_page_may_be_a_row_a_list_or_a_frame(client, duckdb):
    pages = [ROWS[0], ROWS[1:2], pl.DataFrame(ROWS[2:3]), pl.DataFrame(ROWS[3:4]).to_arrow()]
    duckdb.run(leads(*pages) | enriched_contacts(client, key="id"))
    loaded = rows_of(duckdb, "enriched_contacts", ["key", "score"])
    assert sorted((row["key"], row["score"]) for row in loaded) == [
        ("0", 0),
        ("1", 0.5),
        ("2", 1),
        ("3", 1.5),
    ]


def test_what_is_suppressed_is_loaded_as_invalid(sandbox, client, duckdb):
    duckdb.run(leads(ROWS[:7]) | enriched_contacts(client, key="id", suppress=["c3.example"]))
    rows = rows_of(duckdb, "enriched_contacts", ["key", "cleanlist_status", "cleanlist_error"])
    assert [row for row in rows if row["cleanlist_status"] == "invalid"] == [
        {"key": "3", "cleanlist_status": "invalid", "cleanlist_error": "suppressed"}
    ]
    assert len(sandbox.ledger.times_accepted()) == 6


def test_a_client_without_a_store_is_refused_before_anything_is_sent(sandbox, client, duckdb):
    storeless = partial(client, store=None)
    with pytest.raises(Exception, match="A pipeline buys through the client's store"):
        duckdb.run(leads(ROWS[:1]) | enriched_contacts(storeless, key="id"))
    with pytest.raises(Exception, match="A row has no key in its column 'lead'"):
        duckdb.run(leads(ROWS[:1]) | enriched_contacts(client, key="lead"))
    assert not sandbox.ledger.times_accepted()


@each_case("options", [{"key": ""}, {"key": "id", "refresh_after": 5}, {"key": "id", "table": " "}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigurationError):
        enriched_contacts(AsyncCleanlist, **options)
