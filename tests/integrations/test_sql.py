"""Contacts from databases, and results into them."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from cleanlist_async import BudgetExceededError, ConfigurationError, Contact, EnrichmentResult
from cleanlist_async.integrations.sql import contacts_from, results_to
from tests.support.cases import each_case
from tests.support.virtual_sandbox import open_world, people

QUERY = "SELECT id AS key, first, last, domain, score FROM leads WHERE id >= :least ORDER BY id"
EVERYBODY = {"least": 0}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.sockets, pytest.mark.slow])])
def url(request, tmp_path):
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'leads.db'}"
    server = request.getfixturevalue("postgres")
    return server.url(request.getfixturevalue("database"))


@pytest.fixture
def engine(url):
    made = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    yield made
    made.dispose()


def fill(engine: sa.Engine, count: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE leads (id INTEGER, first TEXT, last TEXT, domain TEXT, score REAL)")
        )
        rows = [
            {"id": n, "first": c.first_name, "last": c.last_name, "domain": c.company_domain, "score": n / 2}
            for n, c in enumerate(people(count))
        ]
        connection.execute(sa.text("INSERT INTO leads VALUES (:id, :first, :last, :domain, :score)"), rows)


def rows_of(engine: sa.Engine, table: str) -> list[dict]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()]


def by_key(engine: sa.Engine, table: str, key: str = "key") -> dict:
    return {row[key]: row for row in rows_of(engine, table)}


async def test_a_query_is_enriched_into_a_table(engine, url):
    fill(engine, 2_300)
    async with open_world() as world:
        contacts = contacts_from(url, QUERY, {"least": 300})
        async with world.client.stream(contacts) as results:
            count = await results_to(engine, "enriched", key="lead").write(results)
        assert count == 2_000
        assert not world.ledger.duplicates()
        written = by_key(engine, "enriched", "lead")
        assert sorted(written, key=int) == [str(n) for n in range(300, 2_300)]
        for n in (300, 999, 2_299):
            truth = world.sandbox.expected(people(1, n)[0], "partial")
            assert written[str(n)]["cleanlist_email"] == truth.email
            assert written[str(n)]["cleanlist_credits"] == 1.0


async def test_a_second_run_updates_the_rows(engine):
    results = [EnrichmentResult(n, people(1)[0], "pending", key=str(n)) for n in range(3)]
    table = results_to(engine, "enriched")
    assert await table.write(results) == 3
    found = [EnrichmentResult(1, people(1)[0], "found", key="1", email="a@x.example", phones=("+1", "+2"))]
    assert await table.write([*found, *found]) == 2
    rows = by_key(engine, "enriched")
    assert [rows[key]["cleanlist_status"] for key in "012"] == ["pending", "found", "pending"]
    phones = rows["1"]["cleanlist_phones"]
    assert phones in (["+1", "+2"], '["+1", "+2"]')  # as the database shows JSON


@each_case("key_type", ["INTEGER PRIMARY KEY", "BIGINT UNIQUE", "INTEGER", "TEXT"])
def test_a_table_of_the_callers_own_keeps_its_other_columns(key_type, engine):
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS own"))
        connection.execute(sa.text(f"CREATE TABLE own (id {key_type}, email TEXT, cleanlist_email TEXT)"))
        connection.execute(sa.text("INSERT INTO own VALUES (7, 'old@x.example', NULL)"))
    results = [
        EnrichmentResult(0, people(1)[0], "found", key="7", email="new@x.example"),
        EnrichmentResult(1, people(1)[0], "not_found", key="8"),
    ]
    asyncio.run(results_to(engine, "own", key="id").write(results))
    assert sorted(rows_of(engine, "own"), key=str) == sorted(
        [
            {"id": _as(key_type, 7), "email": "old@x.example", "cleanlist_email": "new@x.example"},
            {"id": _as(key_type, 8), "email": None, "cleanlist_email": None},
        ],
        key=str,
    )


def _as(key_type: str, key: int) -> object:
    return str(key) if key_type == "TEXT" else key


async def test_the_results_before_a_stop_are_written(engine):
    fill(engine, 600)
    async with open_world() as world:
        with pytest.raises(BudgetExceededError):
            async with world.client.stream(
                contacts_from(engine, QUERY, EVERYBODY), max_credits=250
            ) as results:
                await results_to(engine, "enriched").write(results)
        written = by_key(engine, "enriched")
        bought = [row for row in written.values() if row["cleanlist_status"] in {"found", "not_found"}]
        assert len(bought) == len(world.ledger.times_accepted())


async def test_a_result_without_a_key_is_refused(engine):
    with pytest.raises(
        ConfigurationError, match=r"The result at index 4 has no key\. .*columns=\{'id': 'key'\}"
    ):
        await results_to(engine, "enriched").write([EnrichmentResult(4, people(1)[0], "found")])


async def test_who_was_deleted_from_a_job_is_passed_over(engine):
    deleted = EnrichmentResult(0, Contact(), "invalid")
    assert await results_to(engine, "enriched").write([deleted]) == 0


async def test_a_key_that_its_column_cannot_hold_is_refused(engine):
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE own (id INTEGER PRIMARY KEY, cleanlist_email TEXT)"))
    with pytest.raises(ConfigurationError, match="A key is no int, as the column id is"):
        await results_to(engine, "own", key="id").write([EnrichmentResult(0, people(1)[0], "found", key="x")])
    with pytest.raises(ConfigurationError, match="key must be a column of own, not 'lead'"):
        await results_to(engine, "own", key="lead").write(
            [EnrichmentResult(0, people(1)[0], "found", key="1")]
        )


async def test_a_job_reads_a_query_and_is_resumed_from_it(engine, tmp_path):
    fill(engine, 300)
    contacts = contacts_from(engine, QUERY, EVERYBODY)
    async with open_world() as world:
        async with await world.client.job(tmp_path / "a.journal", contacts, max_credits=250) as job:
            await job.run()
        async with await world.client.job(tmp_path / "a.journal", contacts, max_credits=10**6) as job:
            keys = [result.key async for result in job]
        assert sorted(keys, key=int) == [str(n) for n in range(300)]
        assert not world.ledger.duplicates()


def test_a_table_in_memory_is_the_one_of_its_engine():
    engine = sa.create_engine("sqlite://")
    fill(engine, 3)

    async def read():
        return [row async for row in contacts_from(engine, QUERY, EVERYBODY)]

    assert [row["key"] for row in asyncio.run(read())] == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.sockets
def test_an_async_engine_reads_and_writes(postgres, database):
    url = postgres.url(database).replace("postgresql://", "postgresql+psycopg://")
    direct = sa.create_engine(url, poolclass=sa.NullPool)
    fill(direct, 5)

    async def main():
        engine = create_async_engine(url)
        contacts = contacts_from(engine, QUERY, EVERYBODY)
        rows = [row async for row in contacts]
        with pytest.raises(ConfigurationError, match="Pass an engine that is not async"):
            list(contacts)
        await results_to(engine, "enriched").write([EnrichmentResult(0, people(1)[0], "found", key="1")])
        await engine.dispose()
        return rows

    assert [row["key"] for row in asyncio.run(main())] == [0, 1, 2, 3, 4]
    assert list(by_key(direct, "enriched")) == ["1"]


@pytest.mark.slow
@pytest.mark.sockets
def test_a_query_is_streamed_by_a_server_side_cursor(postgres, database):
    url = postgres.url(database)
    rows = iter(contacts_from(url, "SELECT n AS key FROM generate_series(1, 20000000) AS n"))
    assert next(rows) == {"key": 1}  # at once, which all rows would not be
    rows.close()


@pytest.mark.slow
@pytest.mark.sockets
async def test_keys_may_be_uuids(postgres, database):
    url = postgres.url(database).replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE own (id UUID PRIMARY KEY, cleanlist_status TEXT)"))
    key = str(UUID(int=5))
    await results_to(engine, "own", key="id").write([EnrichmentResult(0, people(1)[0], "found", key=key)])
    assert rows_of(engine, "own") == [{"id": UUID(int=5), "cleanlist_status": "found"}]


@each_case("database", [7, None, "no address", "oracle+nothing://scott:tiger@host/x"])
def test_what_is_no_database_is_refused_without_its_password(database):
    with pytest.raises(ConfigurationError) as refused:
        contacts_from(database, "SELECT 1")
    assert "tiger" not in str(refused.value)
