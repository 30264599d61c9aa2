from __future__ import annotations

import asyncio
import socket

import anyio
import pytest
from aiolimiter import AsyncLimiter

from cleanlist_async.testing import DeadlockError, VirtualTimeLoop, run
from tests.support.cases import each_case


def now() -> float:
    return asyncio.get_running_loop().time()


def test_run_returns_the_value_and_starts_at_zero():
    async def main() -> float:
        return now()

    assert run(main()) == 0.0


async def test_sleepers_wake_in_the_order_of_their_times():
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, now()))

    async with anyio.create_task_group() as tasks:
        for name, seconds in [("c", 3.3), ("a", 0.1), ("b", 2.0)]:
            tasks.start_soon(sleeper, name, seconds)
    assert woken == [("a", 0.1), ("b", 2.0), ("c", 3.3)]


async def test_timers_due_at_the_same_time_run_in_the_order_in_which_they_were_set():
    ran: list[int] = []

    loop = asyncio.get_running_loop()
    for n in range(200):
        loop.call_at(5.0, ran.append, n)
    await asyncio.sleep(6)
    assert ran == list(range(200))


@each_case("start", [0.0, 0.1, 1e6 / 3, 1e9, 1e15])
async def test_the_clock_lands_exactly_on_each_timer_however_late_it_is(start: float):
    loop = asyncio.get_running_loop()
    seen: list[float] = []
    for when in (start, start + 1.0):
        loop.call_at(when, lambda: seen.append(now()))
    await asyncio.sleep(start + 2.0)
    assert seen == [start, start + 1.0]


async def test_a_timer_never_runs_early_not_even_by_a_nanosecond():
    loop = asyncio.get_running_loop()
    seen: list[float] = []
    for when in (1.0, 1.0 + 1e-10):
        loop.call_at(when, lambda: seen.append(now()))
    await asyncio.sleep(2.0)
    assert seen == [1.0, 1.0 + 1e-10]


async def test_cancelled_timers_neither_run_nor_move_the_clock():
    loop = asyncio.get_running_loop()
    for _ in range(1_000):
        loop.call_later(50.0, pytest.fail, "ran").cancel()
    await asyncio.sleep(10.0)
    assert now() == 10.0


async def test_cancelled_timers_are_cleared_from_the_heap():
    loop = asyncio.get_running_loop()
    for _ in range(1_000):
        loop.call_later(1e6, print).cancel()
    loop.call_later(5.0, print)  # stands before them, so that they do not just fall off the heap's top
    await asyncio.sleep(1.0)
    assert len(loop._scheduled) < 100


async def test_work_that_never_sleeps_takes_no_time():
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert now() == 0.0


async def test_move_on_after_cuts_at_its_virtual_deadline():
    with anyio.move_on_after(7.5) as scope:
        await anyio.sleep(3_600)
    assert (scope.cancelled_caught, now()) == (True, 7.5)


async def test_asyncio_timeout_works():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await asyncio.Event().wait()
    assert now() == 2.0


async def test_a_year_of_seconds_passes():
    for _ in range(365):
        await asyncio.sleep(86_400)
    assert now() == 365 * 86_400


async def test_aiolimiter_lets_59_in_during_the_first_minute():
    limiter = AsyncLimiter(30, 60)
    admitted = 0
    with anyio.move_on_after(60):
        while True:
            await limiter.acquire()
            admitted += 1
    assert admitted == 59


@pytest.mark.parametrize("wait", [lambda: asyncio.Event().wait(), anyio.sleep_forever])
def test_a_deadlock_is_reported_with_the_place(wait):
    async def stuck_here() -> None:
        await wait()

    with pytest.raises(DeadlockError, match=r"virtual time 4 s(.|\n)*stuck_here"):
        run(_after(4, stuck_here))


async def _after(seconds: float, what) -> None:
    await asyncio.sleep(seconds)
    await what()


def test_a_deadlock_runs_the_finally_blocks():
    cleaned: list[bool] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(DeadlockError):
        run(main())
    assert cleaned == [True]


def test_an_exception_comes_out_of_run():
    async def main() -> None:
        await asyncio.sleep(1)
        raise LookupError("from main")

    with pytest.raises(LookupError, match="from main"):
        run(main())


def test_left_over_tasks_are_cancelled_and_generators_closed():
    ended: list[str] = []

    async def leftover() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append("task")

    async def generator():
        try:
            yield 1
        finally:
            ended.append("generator")

    async def main() -> None:
        nonlocal kept
        tasks.append(asyncio.create_task(leftover()))
        kept = generator()
        await anext(kept)

    tasks: list[asyncio.Task[None]] = []
    kept = None
    run(main())
    assert sorted(ended) == ["generator", "task"]


def test_real_sockets_are_refused():
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0)
            await asyncio.get_running_loop().sock_accept(listener)

    with pytest.raises(RuntimeError, match="no real I/O"):
        run(main())


def test_a_closed_loop_sets_no_timers():
    loop = VirtualTimeLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, print)
