"""Tokens in a PostgreSQL: what only this server can do to them, or must be spared."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest

from cleanlist_async import AsyncCleanlist, RateLimiter, RateLimits
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.ratelimit.postgres import PostgresLimits
from cleanlist_async.ratelimit.shared.backend import (
    BackendUnavailableError,
    Process,
    SyncRequest,
    TokenRequest,
    boot_clock,
)
from tests.ratelimit.test_pool import Actor, actor
from tests.support.crowd import LIMITS, WINDOW_S, Crowd
from tests.support.leaks import assert_hidden, deep_text, shown
from tests.support.limited_wire import SUBMIT
from tests.support.postgres_server import PASSWORD, USER, PostgresServer, postgres_server
from tests.support.remote_limits import LoopInThread
from tests.support.remote_stores import PostgresStore
from tests.support.shared_stores import finish
from tests.support.tcp_proxy import TCPProxy, tcp_proxy

pytest.importorskip("psycopg")
pytestmark = [pytest.mark.sockets, pytest.mark.slow]

CAUTION_S = 120.0
"""A lease and a window."""
ONE = TokenRequest(("a",), SUBMIT)


@pytest.fixture
def store(postgres: PostgresServer, loop_in_thread: LoopInThread) -> Iterator[PostgresStore]:
    with postgres.database() as name:
        store = PostgresStore(postgres.url(name), "", loop_in_thread)
        yield store
        store.close()


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[TCPProxy]:
    with tcp_proxy(postgres.port) as proxy:
        yield proxy


def visited(who: Actor, times: int = 1) -> list[bool]:
    return [who.sync(ONE) is not None for _ in range(times)]


def silent(name: str) -> SyncRequest:
    return SyncRequest(Process(name, 1, "elsewhere"), "org", f"{name}-1")


# -- restarts and failovers --------------------------------------------------------------------------


def test_a_restart_loses_nothing_and_nobody_waits_for_it(
    postgres: PostgresServer, store: PostgresStore
) -> None:
    one, two = actor(store.open(), store.clock), actor(store.open(), store.clock, "two")
    assert visited(one) == [True]
    postgres.stop()
    with pytest.raises(BackendUnavailableError):
        two.sync(ONE)
    postgres.start()
    time.sleep(0.1)  # the backoff goes by the real clock
    assert visited(two, 2) == [True, False]


def test_a_crash_loses_nothing_also_where_the_database_forgets_its_last_commits(
    loop_in_thread: LoopInThread,
) -> None:
    forgetful = (
        "synchronous_commit=off",
        "wal_writer_delay=10s",
        "default_transaction_isolation=serializable",
    )
    with postgres_server(forgetful) as server:
        store = PostgresStore(server.url(), "", loop_in_thread)
        one, two = actor(store.open(), store.clock), actor(store.open(), store.clock, "two")
        one.sync()  # makes the tables, which waits for the disk
        assert visited(one) == [True]
        server.stop(signal.SIGQUIT)
        server.start()
        time.sleep(0.1)  # the backoff goes by the real clock
        assert visited(two, 2) == [True, False]
        store.close()


def test_a_standby_that_takes_over_may_lack_the_last_commits(loop_in_thread: LoopInThread) -> None:
    with postgres_server() as server:
        store = PostgresStore(server.url(), "", loop_in_thread)
        one, newcomer = actor(store.open(), store.clock), actor(store.open(), store.clock, "newcomer")
        assert visited(one) == [True]
        server.stop()
        (server.folder / "data" / "standby.signal").touch()
        server.start()
        with pytest.raises(BackendUnavailableError):  # it cannot be written to
            newcomer.sync(ONE)
        server.execute("SELECT pg_promote()")
        time.sleep(0.1)  # the backoff goes by the real clock
        assert visited(newcomer) == [False]
        store.clock.now += CAUTION_S - 1
        assert visited(newcomer) == [False]
        store.clock.now += 1.1
        assert visited(newcomer) == [True]
        store.close()


# -- transactions ------------------------------------------------------------------------------------


def test_a_process_that_stands_still_in_its_sync_holds_up_others_for_a_second(store: PostgresStore) -> None:
    visited(actor(store.open(), store.clock))
    stuck, thread, goes_on = store.open(), LoopInThread(), threading.Event()
    store.opened.remove(stuck)  # it is closed here, with its thread
    stuck._thread = thread
    read = stuck.backend.read

    def stand_still(*args: object) -> object:
        goes_on.wait(30)
        return read(*args)  # type: ignore[arg-type]

    stuck.backend.read = stand_still  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        sync = pool.submit(actor(stuck, store.clock, "stuck").sync, ONE)
        while not store.execute("SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'"):
            time.sleep(0.01)
        assert visited(actor(store.open(), store.clock, "other")) == [True]
        goes_on.set()
        with pytest.raises(BackendUnavailableError):
            sync.result(60)
    finish(stuck.aclose())
    thread.close()


def test_many_that_come_first_at_once_make_the_tables_once(store: PostgresStore) -> None:
    async def main() -> None:
        backends = [PostgresLimits(store.url, RateLimits(), boot_clock) for _ in range(8)]
        answers = await asyncio.gather(
            *(backend.sync(silent(f"p{number}")) for number, backend in enumerate(backends))
        )
        assert {tuple(answer.pool["limits"]) for answer in answers} == {(60, 30, 60.0, 0.05, 5.0)}
        for backend in backends:
            await backend.aclose()

    asyncio.run(main())
    assert store.execute("SELECT count(*) FROM cleanlist_limit_pools") == [(1,)]


def test_a_sync_takes_two_round_trips(
    postgres: PostgresServer, store: PostgresStore, proxy: TCPProxy
) -> None:
    url = store.url.replace(str(postgres.port), str(proxy.port))
    backend = PostgresLimits(url, RateLimits(), boot_clock)

    async def main() -> int:
        await backend.sync(silent("one"))
        before = proxy.round_trips
        for _ in range(10):
            await backend.sync(silent("one"))
        after = proxy.round_trips
        await backend.aclose()
        return after - before

    assert asyncio.run(main()) == 20


def test_a_pool_that_nobody_used_for_a_day_is_removed(store: PostgresStore) -> None:
    visited(actor(store.open(), store.clock))
    store.execute("UPDATE cleanlist_limit_pools SET synced_at = now() - interval '25 hours'")
    finish(store.open().sync(SyncRequest(Process("two", 1, "elsewhere"), "another", "two-1")))
    assert store.execute("SELECT name FROM cleanlist_limit_names") == [("another",)]


# -- what it says ------------------------------------------------------------------------------------


def test_without_psycopg_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"limits database .* needs psycopg") as caught:
        RateLimiter.postgres("postgresql://localhost")
    assert "with the extra [postgres]" in str(caught.value.fix)


@pytest.mark.parametrize("url", [f"postgresql://u:{PASSWORD}@host/x?nonsense=1", f"nonsense {PASSWORD}"])
def test_an_address_that_is_none_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="limits database") as caught:
        RateLimiter.postgres(url)
    assert_hidden(shown(caught.value, foreign=True), PASSWORD)


@pytest.mark.parametrize("failure", ["away", "wrong password", "no database", "no rights"])
def test_no_failure_shows_the_password_or_the_user(
    postgres: PostgresServer, store: PostgresStore, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = {
        "away": store.url.replace(str(postgres.port), "9"),
        "wrong password": store.url.replace(PASSWORD, f"wrong-{PASSWORD}"),
        "no database": store.url + "x",
        "no rights": store.url.replace(f"{USER}:{PASSWORD}", f"clerk_of_limits:{PASSWORD}"),
    }[failure]
    if failure == "no rights":
        store.execute(f"CREATE ROLE clerk_of_limits LOGIN PASSWORD '{PASSWORD}'")

    async def main() -> Exception:
        limiter, backend = RateLimiter.postgres(url), PostgresLimits(url, RateLimits(), boot_clock)
        with pytest.raises(CleanlistError) as caught:
            await backend.sync(silent("x"))
        assert_hidden(deep_text([limiter, backend]), PASSWORD)
        await backend.aclose()
        return caught.value

    try:
        error = asyncio.run(main())
    finally:
        if failure == "no rights":
            store.execute("DROP ROLE clerk_of_limits")
    kind = BackendUnavailableError if failure == "away" else ConfigurationError
    assert isinstance(error, kind)
    for secret in (PASSWORD, USER):
        assert_hidden(shown(error, foreign=True), secret)
        assert secret not in caplog.text


def test_a_user_who_may_not_make_tables_may_use_them(store: PostgresStore) -> None:
    visited(actor(store.open(), store.clock))
    store.execute(
        f"CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}';"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk"
    )

    async def main() -> None:
        url = store.url.replace(f"{USER}:{PASSWORD}", f"clerk:{PASSWORD}")
        backend = PostgresLimits(url, RateLimits(org=2, key=2), boot_clock)
        await backend.join("one", "other")
        await backend.aclose()

    try:
        asyncio.run(main())
    finally:
        store.execute("DROP OWNED BY clerk; DROP ROLE clerk")


def test_the_tables_hold_no_key(store: PostgresStore, wait_for_workers: Callable[[], None]) -> None:
    secret = "clapi_" + "s3cr3t" * 8

    async def main() -> None:
        limiter = store.limiter(RateLimits(window_s=0.2))
        async with AsyncCleanlist(secret, limiter=limiter, base_url="http://127.0.0.1:9") as client:
            (await limiter.acquire(client._runtime.pipeline.route, SUBMIT)).answered(boot_clock())
        await asyncio.to_thread(limiter.store.worker.flush)  # type: ignore[attr-defined]

    asyncio.run(main())
    wait_for_workers()
    assert b'"returning":[' in store.content()
    assert b"s3cr3t" not in store.content()


# -- trouble while limiters are at work ---------------------------------------------------------------


@pytest.mark.parametrize("fail", ["closed", "local"])
def test_a_database_that_does_not_answer_for_a_while(
    postgres: PostgresServer, store: PostgresStore, proxy: TCPProxy, fail: Literal["closed", "local"]
) -> None:
    url = store.url.replace(str(postgres.port), str(proxy.port))
    crowd = Crowd([RateLimiter.postgres(url, LIMITS, fail=fail) for _ in range(3)])

    async def main() -> int:
        async with crowd.at_work():
            await crowd.send(90)
            proxy.black_hole()
            before = len(crowd.arrivals)
            if fail == "local":
                await crowd.send(40)
            else:
                await asyncio.sleep(3 * WINDOW_S)
            meanwhile = len(crowd.arrivals) - before
            proxy.pass_on()
            await crowd.send(60)
            return meanwhile

    meanwhile = asyncio.run(main())
    assert crowd.busiest() <= 30
    assert fail == "local" or meanwhile <= 5  # what was granted before


def test_a_restart_while_limiters_are_at_work(postgres: PostgresServer, store: PostgresStore) -> None:
    crowd = Crowd([RateLimiter.postgres(store.url, LIMITS) for _ in range(3)])

    async def main() -> None:
        async with crowd.at_work():
            for _ in range(3):
                await crowd.send(40)
                await asyncio.to_thread(postgres.stop)
                await asyncio.to_thread(postgres.start)
            await crowd.send(60)

    asyncio.run(main())
    assert crowd.busiest() <= 30
