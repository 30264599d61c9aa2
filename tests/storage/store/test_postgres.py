"""A store in PostgreSQL whose server fails: typed errors in bounded time, and no word of the password."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

import pytest

from cleanlist_async import Budget, ConfigurationError, Store, StoreError, StoreUnavailableError, facts
from cleanlist_async.storage.store import opening, postgres_transaction, schema, spending
from cleanlist_async.storage.store.statements import Operation, Statement
from tests.support.leaks import assert_hidden, deep_text, shown
from tests.support.store_owners import Owner, found, people, workflow
from tests.support.struck_store import COMMIT, StruckStore

psycopg = pytest.importorskip("psycopg")

from tests.support.postgres_server import PASSWORD, USER, PostgresServer  # noqa: E402  # which needs psycopg
from tests.support.tcp_proxy import TCPProxy, tcp_proxy  # noqa: E402

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

EVE = people([0])
TABLES = ("store", "organizations", "owners", "submits", "purchases", "budgets", "spending", "audit")


@pytest.fixture
def store_url(postgres, database) -> str:
    return postgres.url(database)


@pytest.fixture
async def store(store_url) -> AsyncIterator[StruckStore]:
    async with StruckStore(store_url) as store:
        yield store


@pytest.fixture
def proxy(postgres) -> Iterator[TCPProxy]:
    with tcp_proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture
async def proxied(postgres, database, proxy) -> AsyncIterator[StruckStore]:
    """A store that is reached through the proxy."""
    async with StruckStore(postgres.url(database, proxy.port)) as store:
        yield store


@pytest.fixture
def briefly(monkeypatch) -> None:
    """Wait for an answer for less than anybody would, and longer than a busy machine takes for one."""
    monkeypatch.setattr(facts, "STORE_ANSWER_S", 1.0)


def contents(server: PostgresServer, database: str) -> list[tuple]:
    rows = (f"SELECT '{name}', to_jsonb(t)::text FROM cleanlist_{name} t" for name in TABLES)
    return server.execute(" UNION ALL ".join(rows) + " ORDER BY 1, 2", database)


def assert_secret(error: BaseException) -> None:
    for word in (PASSWORD, USER):
        assert_hidden(shown(error, foreign=True), word)


async def fails_at_each_statement(
    owner: Owner, strike: Callable[[], object], check: Callable[[], object], recover: Callable[[], object]
) -> int:
    """Do all that a purchase needs, and let each statement and commit fail; return how many there are."""
    store, record = owner.store, owner.submit(EVE)
    steps: list[Callable[[], Awaitable[object]]] = [
        owner.renew,
        lambda: owner.claim(EVE),
        record.intend,
        lambda: record.accepted(workflow("wf-1", EVE)),
        lambda: record.settle([found(EVE[0])]),
        store.counts,
        store.purge,
    ]
    failures, store.strike = 0, strike
    for step in steps:
        for store.strike_at in count():
            store.has_struck, before = False, check()
            try:
                await step()
            except StoreUnavailableError as error:
                recover()
                assert_secret(error)
                assert check() == before
                failures += 1
            else:
                assert not store.has_struck
                break
    return failures


# -- failures at each statement --------------------------------------------------------------------


async def test_a_backend_that_is_terminated_at_a_statement_undoes_its_transaction(postgres, database, ann):
    terminate = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    failures = await fails_at_each_statement(
        ann, lambda: postgres.execute(terminate), lambda: contents(postgres, database), lambda: None
    )
    assert failures >= 20  # every statement of all steps, and each commit


@pytest.mark.slow
async def test_a_server_that_restarts_at_a_statement_undoes_its_transaction(postgres, database, ann):
    def restart() -> None:
        postgres.stop()
        postgres.start()

    failures = await fails_at_each_statement(ann, restart, lambda: contents(postgres, database), lambda: None)
    assert failures >= 20  # every statement of all steps, and each commit


async def test_a_network_that_breaks_at_a_statement_undoes_its_transaction(
    postgres, database, proxy, proxied
):
    ann = await Owner.begin(proxied, "ann")
    failures = await fails_at_each_statement(
        ann, proxy.cut, lambda: contents(postgres, database), lambda: None
    )
    assert failures >= 20  # every statement of all steps, and each commit


@pytest.mark.slow
async def test_a_network_that_swallows_a_statement_ends_its_transaction_in_time(proxy, proxied, briefly):
    ann = await Owner.begin(proxied, "ann")
    failures = await fails_at_each_statement(ann, proxy.black_hole, lambda: None, proxy.pass_on)
    assert failures >= 12  # fewer than there are statements: a commit that was sent with some arrives late


async def test_an_intent_whose_commit_arrives_late_can_be_taken_back(proxy, proxied, briefly, bob):
    ann = await Owner.begin(proxied, "ann")
    await ann.claim(EVE)
    record = ann.submit(EVE)
    proxied.strike, proxied.strike_at = proxy.black_hole, COMMIT
    with pytest.raises(StoreUnavailableError):
        await record.intend()
    proxy.pass_on()
    proxied.strike_at = None
    await record.refused("nothing was sent")
    await ann.pause()
    assert await bob.claims_all(EVE)


async def test_a_submit_takes_few_round_trips(proxy, proxied):
    ann = await Owner.begin(proxied, "ann")
    await ann.store.run(spending.set_budget(ann.buyer.organization, Budget(per_day=1_000), ""))
    taken = []
    for at in range(4):
        chunk = people(range(at * 250, at * 250 + 250))
        before = proxy.round_trips
        record = await ann.buy(chunk, f"wf-{at}")  # claims, intends and accepts
        await record.settle([found(contact) for contact in chunk])
        taken.append(proxy.round_trips - before)
    # Two for each, and one that reads what the budget has left. The proxy counts one more where the server
    # answers the first of two statements before the proxy has read the second.
    assert min(taken) <= 9, taken


async def test_a_slow_network_is_no_failure(proxy, proxied):
    proxy.delay_s = 0.02
    ann = await Owner.begin(proxied, "ann")
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0])])
    assert (await proxied.counts()).results == 1


# -- failures between transactions -----------------------------------------------------------------


async def test_a_connection_that_ended_between_transactions_is_replaced(postgres, database, ann):
    for pid in postgres.backends(database):
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
    assert await ann.claims_all(EVE)


async def test_a_server_that_is_away_for_a_moment_is_waited_for(postgres, ann):
    postgres.stop()
    restart = threading.Timer(0.3, postgres.start)
    restart.start()
    try:
        assert await ann.claims_all(EVE)
    finally:
        restart.join()


async def test_a_server_that_stays_away_is_an_error_that_names_no_user(postgres, ann, briefly, caplog):
    postgres.stop()
    try:
        with caplog.at_level(logging.WARNING), pytest.raises(StoreUnavailableError) as caught:
            await ann.claim(EVE)
    finally:
        postgres.start()
    assert_secret(caught.value)
    assert_hidden(caplog.text, USER)


async def test_a_server_that_stands_still_holds_up_its_caller_for_a_time_and_nobody_else(
    postgres, ann, briefly
):
    with stopped(postgres):
        claiming = asyncio.create_task(ann.claim(EVE))
        for _ in range(20):  # others have their turns meanwhile
            await asyncio.sleep(0.005)
        assert not claiming.done()
        with pytest.raises(StoreUnavailableError) as caught:
            await claiming
    assert_secret(caught.value)
    assert await ann.claims_all(EVE)


async def test_a_cancelled_caller_of_a_server_that_stands_still_is_held_up_no_longer(postgres, ann, briefly):
    with stopped(postgres), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ann.claim(EVE)
    assert await ann.claims_all(EVE)


async def test_of_many_callers_of_a_server_that_stands_still_each_is_held_up_once(postgres, ann, briefly):
    with stopped(postgres):
        ends = await asyncio.gather(*(ann.claim(people([n])) for n in range(8)), return_exceptions=True)
    assert {type(end) for end in ends} == {StoreUnavailableError}


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    """Let all processes of a server stand still."""
    backends = [pid for (pid,) in server.execute("SELECT pid FROM pg_stat_activity")]
    pids = [server.process.pid, *backends]
    for pid in pids:
        signal_if_there(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            signal_if_there(pid, signal.SIGCONT)


def signal_if_there(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # the connection that asked for the list
        os.kill(pid, number)


async def test_a_process_that_pauses_in_its_transaction_loses_it_and_holds_up_nobody(
    postgres, database, monkeypatch, ann, store
):
    monkeypatch.setattr(postgres_transaction, "_PAUSED_S", 0.1)

    def pause() -> None:
        until = time.monotonic() + 30  # generous
        while time.monotonic() < until and postgres.backends(database):
            time.sleep(0.02)

    store.strike, store.strike_at = pause, 0
    with pytest.raises(StoreUnavailableError):
        await ann.claim(EVE)
    assert postgres.execute("SELECT pg_try_advisory_lock(hashtext('cleanlist_store'))", database) == [(True,)]
    store.strike_at = None
    assert await ann.claims_all(EVE)


# -- what is refused -------------------------------------------------------------------------------


async def test_a_database_that_forgets_its_last_commits_is_refused(postgres, database, store_url):
    postgres.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    store = Store(store_url)
    with pytest.raises(ConfigurationError, match="forgets the last commits"):
        await store.open()
    await store.aclose()


@pytest.mark.parametrize("wrong", ["password", "database", "user"])
async def test_an_address_that_is_wrong_is_a_configuration_error(postgres, wrong):
    url = {
        "password": postgres.url().replace(PASSWORD, "wrong-" + PASSWORD),
        "database": postgres.url("no_such_database"),
        "user": postgres.url().replace(USER, "nobody_" + USER),
    }[wrong]
    store = Store(url)
    with pytest.raises(ConfigurationError, match="not for the user and password") as caught:
        await store.open()
    assert_secret(caught.value)
    for word in (USER, PASSWORD):
        assert_hidden(deep_text(store) + repr(store) + store.name, word)


async def test_an_address_that_is_none_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        Store(f"postgresql://{USER}:{PASSWORD}@localhost/name?nonsense=1")
    assert_secret(caught.value)


async def test_a_store_that_is_there_needs_no_right_to_make_tables(postgres, database, store):
    postgres.execute(
        "DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN PASSWORD 'a password';"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk",
        database,
    )
    try:
        url = postgres.url(database).replace(f"{USER}:{PASSWORD}", "clerk:a%20password")
        async with Store(url) as other:
            owner = await Owner.begin(other, "clerk")
            await (await owner.buy(EVE, "wf-1")).settle([found(EVE[0])])
    finally:
        postgres.execute("DROP OWNED BY clerk; DROP ROLE clerk", database)
    assert (await store.counts()).results == 1


async def test_a_table_that_lacks_a_column_is_a_store_error(postgres, database, ann):
    postgres.execute("ALTER TABLE cleanlist_purchases DROP COLUMN task_id", database)
    with pytest.raises(StoreError, match="refused a statement") as caught:
        await ann.claim(EVE)
    assert not isinstance(caught.value, StoreUnavailableError)
    assert_secret(caught.value)


async def test_the_change_to_another_version_may_take_longer_than_an_answer(store, store_url, briefly):
    """New indexes of a long store take minutes: were it cut off, it could never be opened again."""
    await store.run(one("UPDATE cleanlist_store SET version = 3"))
    await store.run(one("DROP INDEX cleanlist_job_rows_open, cleanlist_purchases_by_earlier"))
    await store.run(
        one(
            "CREATE FUNCTION slow(text) RETURNS text IMMUTABLE LANGUAGE plpgsql"
            " AS 'BEGIN PERFORM pg_sleep(2); RETURN $1; END'"
        )
    )
    await store.run(one("INSERT INTO cleanlist_owners (id, place, pid, lease_until) VALUES ('a', 'b', 1, 0)"))
    with pytest.MonkeyPatch.context() as patch:
        slow = f"CREATE INDEX slow_one ON cleanlist_owners (slow(id)); {schema.MIGRATIONS[4]}"
        patch.setattr(opening, "MIGRATIONS", {**schema.MIGRATIONS, 4: slow})
        async with Store(store_url) as other:
            assert await other.run(version()) == 4


def one(text: str) -> Operation[None]:
    yield Statement(text)


def version() -> Operation[int]:
    return (yield Statement("SELECT version FROM cleanlist_store")).one
