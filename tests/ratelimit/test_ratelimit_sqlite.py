"""The file in which processes share their tokens: restarts, forks, clocks, damage, and several loops."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import anyio
import pytest

from cleanlist_async import AsyncCleanlist
from cleanlist_async.errors import ConfigurationError, RateLimitError
from cleanlist_async.ratelimit import Permit, RateLimiter, RateLimits, Route
from cleanlist_async.ratelimit.shared.backend import SyncAnswer, SyncRequest, boot_clock
from cleanlist_async.ratelimit.shared.store import SharedStore
from cleanlist_async.ratelimit.sqlite import LimitsFile
from cleanlist_async.testing import MemoryNetwork, StrictServer, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.forks import check_that_a_fork_inherits_no_token
from tests.support.limited_wire import INTERACTIVE, JWT_ROUTE, KEY, ROUTE, STATUS, SUBMIT, LimitedWire
from tests.support.shared_stores import LoopSyncWorker, flush_reports, sqlite_limiter

FEW = RateLimits(org=4, key=3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.db"


def worker_of(limiter: RateLimiter) -> LoopSyncWorker:
    assert isinstance(limiter.store, SharedStore)
    assert isinstance(limiter.store.worker, LoopSyncWorker)
    return limiter.store.worker


def simulate(path: Path, seed: int, processes: int, requests: int, *, crashes: int = 0) -> StrictServer:
    """Several stores on one file, as several processes have, each with a queue; some crash on the way."""
    rng = Random(seed)
    server = StrictServer(keys={KEY: "org_test"}, rows=False)

    async def main() -> None:
        limiters = [sqlite_limiter(path) for _ in range(processes)]
        doomed = limiters[:crashes]

        async def process(limiter: RateLimiter) -> None:
            wire = LimitedWire(limiter, server, latency=lambda: rng.uniform(0.02, 0.4))
            calls = [wire.call(ROUTE, rng.choice((INTERACTIVE, SUBMIT, STATUS))) for _ in range(requests)]
            group = asyncio.gather(*calls)
            if limiter in doomed:
                await asyncio.sleep(rng.uniform(0, 90))
                worker_of(limiter).crash()
                group.cancel()
            await asyncio.gather(group, return_exceptions=True)

        await asyncio.gather(*(process(limiter) for limiter in limiters))

    run(main())
    return server


@pytest.mark.parametrize("crashes", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_stores_on_one_file_keep_the_limit_together(path: Path, crashes: int) -> None:
    server = simulate(path, crashes, 4, 30, crashes=crashes)
    assert server.rejections == []
    assert len(server.grants()) >= 30 * (4 - crashes)


async def test_stores_on_two_files_would_not(path: Path) -> None:
    server = StrictServer(keys={KEY: "org_test"}, rows=False)
    for name in ("one.db", "two.db"):
        wire = LimitedWire(sqlite_limiter(path.with_name(name)), server)
        await asyncio.gather(*(wire.call(ROUTE, SUBMIT) for _ in range(20)))
    assert server.rejections


def test_a_second_run_within_the_minute_knows_of_the_first(path: Path) -> None:
    async def first() -> None:
        limiter = sqlite_limiter(path, FEW, lambda: 1_000.0)
        for _ in range(3):
            (await limiter.acquire(ROUTE, SUBMIT, "burst")).answered(1_000.0)
        flush_reports(limiter)

    async def second(now: float) -> bool:
        limiter = sqlite_limiter(path, FEW, lambda: now)
        waiting = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT, "burst"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        granted = waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return granted

    run(first())
    assert not run(second(1_059.0))
    assert run(second(1_060.1))


def test_a_machine_that_was_started_anew_waits_for_the_rest_of_a_window(path: Path) -> None:
    def granted_at(now: float) -> bool:
        async def main() -> bool:
            limiter = sqlite_limiter(path, RateLimits(org=1, key=1), lambda: now)
            waiting = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT, "burst"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if waiting.done():
                waiting.result().answered(now)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            flush_reports(limiter)
            return not waiting.cancelled()

        return run(main())

    assert granted_at(90_000.0)
    assert not granted_at(5.0)
    assert not granted_at(59.0)
    assert granted_at(60.1)


def test_the_clock_is_that_of_the_machine_and_not_the_one_people_set() -> None:
    assert boot_clock() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1)


def test_the_file_is_private_and_names_no_key(path: Path) -> None:
    secret = "clapi_" + "s3cr3t" * 8

    async def main() -> None:
        limiter = RateLimiter.sqlite(path)
        client = AsyncCleanlist(secret, limiter=limiter, base_url="http://127.0.0.1:9")
        (await limiter.acquire(client._runtime.pipeline.route, SUBMIT)).answered(boot_clock())
        await asyncio.to_thread(limiter.store.worker.flush)  # type: ignore[attr-defined]
        await client.aclose()

    asyncio.run(main())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = b"".join(file.read_bytes() for file in path.parent.glob("limits.db*"))
    assert b"holdings" in written
    assert b"s3cr3t" not in written


@pytest.mark.parametrize("content", [b"not a database at all" * 100, None], ids=["damaged", "of another"])
def test_a_file_that_is_no_limits_file_is_one_clear_error(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE mine (x)")
        connection.close()
    with pytest.raises(ConfigurationError, match=r"limits\.db"):
        RateLimiter.sqlite(path)


@pytest.mark.parametrize("state", ["{", "{}", "[]", "7", '{"keys": 7}'])
async def test_a_damaged_pool_is_one_clear_error(path: Path, state: str) -> None:
    await sqlite_limiter(path).acquire(ROUTE, SUBMIT)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE pools SET state = ?", (state,))
    connection.close()
    with pytest.raises(ConfigurationError, match="a pool in it is damaged"):
        LimitsFile(path, RateLimits()).pools()[0].pool(0.0)
    with pytest.raises(ConfigurationError, match="a pool in it is damaged"):
        await sqlite_limiter(path).acquire(ROUTE, SUBMIT)


def test_a_directory_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"limits\.db cannot be used"):
        RateLimiter.sqlite(tmp_path / "nowhere" / "limits.db")


async def test_damage_on_the_way_ends_every_call_that_waits(path: Path) -> None:
    limiter = sqlite_limiter(path, RateLimits(org=1, key=1))
    (await limiter.acquire(ROUTE, SUBMIT)).answered(0.0)
    waiting = [asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT)) for _ in range(3)]
    await asyncio.sleep(5)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE names")
    connection.close()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {ConfigurationError}
    with pytest.raises(ConfigurationError):
        await limiter.acquire(ROUTE, INTERACTIVE)


async def test_while_processes_have_other_limits_all_keep_to_the_smaller(path: Path) -> None:
    """A rolling deployment raises the limits: one process is old, and one is new."""
    clock = [1_000.0]
    old = sqlite_limiter(path, RateLimits(org=3, key=2), lambda: clock[0])
    new = sqlite_limiter(path, RateLimits(org=5, key=4), lambda: clock[0])
    for limiter in (new, old):
        (await limiter.acquire(ROUTE, SUBMIT)).answered(clock[0])
        flush_reports(limiter)
    with anyio.move_on_after(1) as scope:
        await new.acquire(ROUTE, SUBMIT)
    assert scope.cancelled_caught
    assert [state.limit for state in new.states(ROUTE)] == [2, 3]


async def test_the_limits_of_a_process_that_is_gone_no_longer_count(path: Path) -> None:
    clock = [1_000.0]
    old = sqlite_limiter(path, RateLimits(org=3, key=2), lambda: clock[0])
    (await old.acquire(ROUTE, SUBMIT)).answered(clock[0])
    flush_reports(old)
    clock[0] += 121
    new = sqlite_limiter(path, RateLimits(org=5, key=4), lambda: clock[0])
    for _ in range(4):
        with anyio.fail_after(10):
            (await new.acquire(ROUTE, SUBMIT)).answered(clock[0])
        flush_reports(new)
    assert [state.limit for state in new.states(ROUTE)] == [4, 5]


async def test_a_429_in_one_process_reaches_an_interactive_call_in_another(path: Path) -> None:
    one, two = sqlite_limiter(path), sqlite_limiter(path)
    held = await one.acquire(ROUTE, SUBMIT)
    rest = [await two.acquire(ROUTE, SUBMIT, "burst") for _ in range(29)]
    waiting = asyncio.ensure_future(two.acquire(ROUTE, INTERACTIVE))
    await asyncio.sleep(0.5)
    held.answered(0.5, rejected=True, asked_s=500.0)
    with pytest.raises(RateLimitError):
        async with asyncio.timeout(3):
            await waiting
    for permit in rest:
        permit.unsent()


@pytest.mark.parametrize("named", [None, "key", "organization"])
async def test_a_429_pauses_in_all_processes_what_it_names_and_all_where_that_is_nothing_we_know(
    path: Path, named: str | None
) -> None:
    one, two = sqlite_limiter(path), sqlite_limiter(path)
    permit = await one.acquire(JWT_ROUTE, SUBMIT)
    permit.answered(0.0, rejected=True, asked_s=30.0, named=named)
    (await two.acquire(JWT_ROUTE, SUBMIT)).unsent()
    assert 30 < asyncio.get_running_loop().time() < 32


async def test_a_permit_that_was_held_through_a_long_sleep_is_taken_anew(path: Path) -> None:
    """The machine slept between the grant and its use: others may have the token by now."""
    clock = [1_000.0]
    limiter = sqlite_limiter(path, RateLimits(org=1, key=1), lambda: clock[0])
    first = await limiter.acquire(ROUTE, SUBMIT, "burst")
    holder = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT, "burst"))
    await asyncio.sleep(0)
    first.unsent()  # the token is the holder's, whose task has not run
    clock[0] += 3_600
    other = sqlite_limiter(path, RateLimits(org=1, key=1), lambda: clock[0])
    rival = asyncio.ensure_future(other.acquire(ROUTE, SUBMIT, "burst"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not rival.done()  # for all it knows the holder is sending right now
    assert holder.result().lease.good_until > clock[0]  # type: ignore[attr-defined]
    rival.cancel()


async def test_a_request_may_take_longer_than_a_lease_while_its_process_lives(path: Path) -> None:
    one, two = (
        sqlite_limiter(path, RateLimits(org=1, key=1)),
        sqlite_limiter(path, RateLimits(org=1, key=1)),
    )
    permit = await one.acquire(ROUTE, SUBMIT)
    waiting = asyncio.ensure_future(two.acquire(ROUTE, SUBMIT))
    await asyncio.sleep(300)
    assert not waiting.done()
    permit.answered(300.0)
    (await waiting).unsent()
    assert 360 < asyncio.get_running_loop().time() < 362


async def test_a_process_that_waits_looks_at_the_file_once_a_second(path: Path) -> None:
    one, two = (sqlite_limiter(path, RateLimits(org=1, key=1)) for _ in range(2))
    permit = await one.acquire(ROUTE, SUBMIT)
    waiting = [asyncio.ensure_future(two.acquire(ROUTE, SUBMIT)) for _ in range(100)]
    await asyncio.sleep(0.5)
    worker, looks = worker_of(two), 0
    request = worker.backend.sync

    async def counted(asked: SyncRequest) -> SyncAnswer:
        nonlocal looks
        looks += 1
        return await request(asked)

    worker.backend.sync = counted  # type: ignore[method-assign]
    await asyncio.sleep(100)
    assert 99 <= looks <= 101
    permit.unsent()
    for waiter in waiting:
        waiter.cancel()


@pytest.mark.slow
def test_two_runs_of_a_loop_far_apart_each_start_the_sync_worker(path: Path) -> None:
    limiter = RateLimiter.sqlite(path, RateLimits(org=1, key=1))
    others = set(threading.enumerate())

    async def main() -> None:
        async with asyncio.timeout(60):
            (await limiter.acquire(ROUTE, SUBMIT)).unsent()

    asyncio.run(main())
    started = set(threading.enumerate()) - others
    workers = [thread for thread in started if thread.name == "cleanlist-limits"]
    assert workers
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()  # nothing to tell, nothing to wait for
    asyncio.run(main())


async def test_a_waiter_that_goes_while_its_token_is_on_its_way_leaves_it_to_the_next(path: Path) -> None:
    limiter = sqlite_limiter(path, RateLimits(org=1, key=1))
    worker, loop = worker_of(limiter), asyncio.get_running_loop()
    deliver = worker._deliver
    worker._deliver = lambda lease: void(loop.call_soon(deliver, lease))  # as from another thread
    gone = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    (await limiter.acquire(ROUTE, SUBMIT)).unsent()
    assert loop.time() == 0


def void(_: object) -> None:
    """Return nothing."""


async def test_a_client_sends_nothing_with_a_lease_that_ran_out(path: Path) -> None:
    server = StrictServer(keys={"clapi_0": "org"}, rows=False)
    limiter = sqlite_limiter(path)
    acquire, permits = limiter.acquire, []

    async def late(*args: object, **options: object) -> Permit:
        permit = await acquire(*args, **options)  # type: ignore[arg-type]
        permits.append(permit)
        if len(permits) == 1:
            permit.lease.good_until = -1.0  # type: ignore[attr-defined]
        return permit

    limiter.acquire = late  # type: ignore[method-assign,assignment]
    async with (
        MemoryNetwork(server) as network,
        VirtualCleanlist(network, "clapi_0", limiter=limiter) as client,
    ):
        await client.public.validate_key()
    assert len(permits) == 2
    assert len(server.requests) == 1


async def test_a_lease_that_was_taken_for_lost_meanwhile_stays_void(path: Path) -> None:
    clock = [1_000.0]
    one, two = (sqlite_limiter(path, RateLimits(org=1, key=1), lambda: clock[0]) for _ in range(2))
    permit = await one.acquire(ROUTE, SUBMIT)
    clock[0] += 61  # its process was stopped for so long
    waiting = asyncio.ensure_future(two.acquire(ROUTE, SUBMIT))
    await asyncio.sleep(0)
    worker_of(one).flush()
    assert one.store.is_stale(permit.lease, clock[0])
    waiting.cancel()


async def test_a_429_that_the_pool_has_not_heard_of_yet_is_not_forgotten(path: Path) -> None:
    limiter = sqlite_limiter(path)
    permit = await limiter.acquire(ROUTE, SUBMIT)
    worker = worker_of(limiter)
    assert isinstance(worker.backend, LimitsFile)
    before = worker.backend.pools()[0].state
    worker.crash()  # a sync is on its way, and no other can be made
    permit.answered(0.0, rejected=True, asked_s=30.0)
    worker._local.copy(ROUTE.organization, before, 0.0)
    assert limiter.store.paused_for_s(ROUTE, 1.0) > 28


async def test_names_joined_in_one_process_are_one_in_the_other(path: Path) -> None:
    one_route, two_route = Route(("a",), "of a"), Route(("b",), "of b")
    limits = RateLimits(org=2, key=2)
    one, two = sqlite_limiter(path, limits), sqlite_limiter(path, limits)
    await one.acquire(one_route, SUBMIT)
    await two.acquire(two_route, SUBMIT)
    one.join("of a", "acme")
    two.join("of b", "acme")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await two.acquire(two_route, SUBMIT)


# -- real threads and real time ----------------------------------------------------------------------


def in_thread(main: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=main)
    thread.start()
    return thread


@pytest.mark.slow
def test_two_loops_of_one_process_ask_with_one_voice(path: Path) -> None:
    limits = RateLimits(org=20, key=10, window_s=0.3)
    limiter = RateLimiter.sqlite(path, limits)
    arrivals: list[float] = []

    async def caller() -> None:
        for kind in (SUBMIT, STATUS, INTERACTIVE):
            permit = await limiter.acquire(ROUTE, kind, "burst")
            arrivals.append(boot_clock())
            await asyncio.sleep(0.002)
            permit.answered(boot_clock())

    async def main() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(caller())

    threads = [in_thread(lambda: asyncio.run(main())) for _ in range(2)]
    for thread in threads:
        thread.join(20)
    arrivals.sort()
    assert len(arrivals) == 36
    assert all(later - earlier >= 0.3 for earlier, later in zip(arrivals, arrivals[10:], strict=False))


def test_a_loop_that_ends_with_a_token_on_its_way_gives_it_back(path: Path) -> None:
    limiter = RateLimiter.sqlite(path, RateLimits(org=1, key=1))

    async def leave_in_the_middle() -> None:
        waiting = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT))
        await asyncio.sleep(0)
        waiting.cancel()

    async def main() -> None:
        async with asyncio.timeout(60):
            (await limiter.acquire(ROUTE, SUBMIT)).unsent()

    for _ in range(10):
        asyncio.run(leave_in_the_middle())
    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_shares_the_file_and_inherits_no_token(path: Path) -> None:
    limits = RateLimits(org=3, key=3, window_s=600.0)
    limiter = RateLimiter.sqlite(path, limits)
    check_that_a_fork_inherits_no_token(limiter, patience_s=0.3)
