"""When requests burst, and when they are spaced evenly."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from itertools import pairwise

import anyio
import pytest

from cleanlist_async.ratelimit import Pace, RateLimiter, RequestClass, dispatcher
from cleanlist_async.ratelimit.wait_queues import Shaper
from cleanlist_async.testing import StrictServer
from tests.support.limited_wire import INTERACTIVE, ROUTE, STATUS, SUBMIT, LimitedWire, new_limiter
from tests.support.shared_stores import SHARED_IS_SLOW

pytestmark = pytest.mark.usefixtures("every_store")

INTERVAL_S = 60 / 29


def now() -> float:
    return asyncio.get_running_loop().time()


async def grants(
    limiter: RateLimiter, count: int, kind: RequestClass, pace: Pace, *, round_trip_s: float = 0.3
) -> list[float]:
    """Queue *count* requests at once; return the seconds at which each was let go.

    No two are answered at the same moment: each takes a millisecond longer than the one before.
    """
    times: list[float] = []

    async def one(number: int) -> None:
        permit = await limiter.acquire(ROUTE, kind, pace)
        times.append(now())
        await asyncio.sleep(round_trip_s + number / 1000)
        permit.answered(now())

    await asyncio.gather(*(one(number) for number in range(count)))
    return times


def is_even(times: list[float]) -> bool:
    return all(later - earlier > INTERVAL_S * 0.999 for earlier, later in pairwise(times))


async def test_an_idle_client_gets_a_full_burst_at_once() -> None:
    assert await grants(new_limiter(), 30, INTERACTIVE, "auto") == [0.0] * 30


async def test_smooth_spaces_from_the_first_request_on() -> None:
    times = await grants(new_limiter(), 90, SUBMIT, "smooth", round_trip_s=0.4)
    assert is_even(times)
    assert times[-1] < 89 * INTERVAL_S + 1


@pytest.mark.parametrize("pace", ["auto", "burst"])
async def test_a_second_burst_follows_a_window_after_the_answers_of_the_first(pace: Pace) -> None:
    times = await grants(new_limiter(), 60, SUBMIT, pace, round_trip_s=2.0)
    assert max(times[:30]) == 0
    assert max(times[30:]) < 63


async def test_a_request_without_an_answer_delays_no_other() -> None:
    limiter = new_limiter()
    await grants(limiter, 30, SUBMIT, "burst")
    unanswered = await limiter.acquire(ROUTE, SUBMIT, "burst")
    times = await grants(limiter, 29, SUBMIT, "burst")
    assert max(times) < 61
    unanswered.lost()


async def test_auto_bursts_bulk_while_nobody_else_is_there() -> None:
    assert max(await grants(new_limiter(), 60, SUBMIT, "auto", round_trip_s=0.3)) < 64


async def test_auto_spaces_bulk_beside_interactive_calls_for_two_windows() -> None:
    limiter = new_limiter()
    (await limiter.acquire(ROUTE, INTERACTIVE)).answered(0.0)
    beside = await grants(limiter, 5, SUBMIT, "auto")
    await asyncio.sleep(130)
    later = await grants(limiter, 5, SUBMIT, "auto")
    assert is_even(beside)
    assert len(set(later)) == 1


@SHARED_IS_SLOW
async def test_an_interactive_call_waits_little_beside_saturated_bulk() -> None:
    rng = random.Random(1)
    server = StrictServer(rows=False)
    wire = LimitedWire(new_limiter(), server, latency=lambda: rng.uniform(0.02, 0.4))
    waits: list[float] = []

    async def bulk(kind: RequestClass) -> None:
        while now() < 2_400:
            await wire.call(ROUTE, kind)

    async def interactive() -> None:
        while now() < 2_400:
            permit = await wire.call(ROUTE, INTERACTIVE)
            if now() > 120:
                waits.append(permit.waited_s)
            await asyncio.sleep(20)

    await asyncio.gather(interactive(), *(bulk(kind) for kind in (SUBMIT, SUBMIT, STATUS, STATUS)))
    assert server.rejections == []
    assert len(server.grants()) > 29 * 40 * 0.96

    waits.sort()
    assert len(waits) > 100
    assert waits[int(len(waits) * 0.99)] <= 4


@pytest.mark.slow
async def test_an_interactive_call_takes_a_turn_of_the_bulk_beside_it() -> None:
    """All together stay even, so that a gateway that estimates its window has nothing to refuse."""
    rng = random.Random(1)
    server = StrictServer(limiter="weighted", phase_s=20.0, rows=False)
    wire = LimitedWire(new_limiter(), server, latency=lambda: rng.uniform(0.02, 0.4))
    waits: list[float] = []

    async def bulk() -> None:
        while now() < 1_200:
            await wire.call(ROUTE, SUBMIT)

    async def interactive() -> None:
        waits.append((await wire.call(ROUTE, INTERACTIVE)).waited_s)

    async with anyio.create_task_group() as group:
        for _ in range(16):
            group.start_soon(bulk)
        while now() < 1_200:
            group.start_soon(interactive)
            await asyncio.sleep(20)
    assert server.rejections == []

    assert max(waits[6:]) < 4


async def test_a_flood_of_interactive_calls_does_not_keep_bulk_out() -> None:
    wire, sent = LimitedWire(new_limiter(), StrictServer(rows=False)), Counter[RequestClass]()

    async def work(kind: RequestClass) -> None:
        while now() < 600:
            await wire.call(ROUTE, kind)
            sent[kind] += 1

    await asyncio.gather(*(work(kind) for kind in [SUBMIT] * 4 + [INTERACTIVE] * 40))
    bulk = sent[SUBMIT]
    everything = sent.total()
    assert bulk > 0.04 * everything


async def test_ten_even_minutes_after_a_429_and_then_bursts_again() -> None:
    limiter = new_limiter()
    (await limiter.acquire(ROUTE, INTERACTIVE)).answered(now(), rejected=True, asked_s=1.0)
    await asyncio.sleep(300)  # the whole limit is tried again, still evenly
    assert is_even(await grants(limiter, 5, INTERACTIVE, "auto"))
    await asyncio.sleep(580 - now())
    assert is_even(await grants(limiter, 5, INTERACTIVE, "auto"))
    await asyncio.sleep(601 + 60 - now())
    assert len(set(await grants(limiter, 20, INTERACTIVE, "auto"))) == 1


async def test_a_queue_learns_of_a_429_that_came_after_it_had_formed() -> None:
    limiter = new_limiter()
    first = await limiter.acquire(ROUTE, SUBMIT)
    queue = asyncio.ensure_future(grants(limiter, 60, SUBMIT, "auto"))
    await asyncio.sleep(10)
    first.answered(now(), rejected=True, asked_s=100.0)
    times = await queue
    later = [at for at in times if at > 100]
    assert len(later) == 31
    assert is_even(later)


async def test_spacing_follows_what_the_server_allows() -> None:
    """A log of half the limit: after the first volley, requests are spaced by what it let through."""
    server = StrictServer(key_limit=15, rows=False)
    wire = LimitedWire(new_limiter(), server)
    await asyncio.gather(*(wire.call(ROUTE, SUBMIT) for _ in range(60)))
    steady = sorted(server.grants())[15:]
    assert len(server.rejections) == 15
    assert min(later - earlier for earlier, later in pairwise(steady)) > 3.9
    assert steady[-1] - steady[0] < 45 * 4.3


async def test_a_turn_that_comes_between_two_looks_at_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real clocks go on while the limiter looks: a turn that comes just then would wake nobody."""

    class ComingShaper(Shaper):
        looks = 0

        @property
        def is_ready(self) -> bool:
            self.looks += 1
            return self._limiter is None or self.looks > 1

        def use(self, interval_s: float) -> None:
            super().use(interval_s)
            self.looks = 0

    monkeypatch.setattr(dispatcher, "Shaper", ComingShaper)
    limiter = new_limiter()
    with anyio.fail_after(1):
        for _ in range(3):
            (await limiter.acquire(ROUTE, SUBMIT, "smooth")).unsent()
