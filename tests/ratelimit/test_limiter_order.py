"""Who goes first: classes, ageing, kept tokens, idle keys."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import anyio
import pytest

from cleanlist_async.ratelimit import Pace, Permit, RateLimiter, RateLimits, RequestClass, Route
from cleanlist_async.testing import StrictServer, run
from tests.support.cases import each_case
from tests.support.limited_wire import (
    INTERACTIVE,
    JWT_ROUTE,
    ROUTE,
    STATUS,
    SUBMIT,
    LimitedWire,
    new_limiter,
)

pytestmark = pytest.mark.usefixtures("every_store")

A, B = Route(("a",), "org"), Route(("b",), "org")


def now() -> float:
    return asyncio.get_running_loop().time()


async def served(limiter: RateLimiter, route: Route, kind: RequestClass, pace: Pace = "burst") -> float:
    """Send one request that takes no time; return when."""
    permit = await limiter.acquire(route, kind, pace)
    permit.answered(now())
    return now()


async def take(limiter: RateLimiter, route: Route, count: int) -> list[Permit]:
    return [await limiter.acquire(route, SUBMIT, "burst") for _ in range(count)]


async def test_both_tokens_are_taken_or_none() -> None:
    limiter = new_limiter(RateLimits(org=2, key=2))
    held = await take(limiter, A, 2)
    waiting = asyncio.ensure_future(limiter.acquire(B, SUBMIT, "burst"))  # the organization is spent
    await asyncio.sleep(1)
    in_flight = {state.name: state.in_flight for state in limiter.states()}
    assert in_flight == {"a": 2, "org": 2, "b": 0}
    held[0].unsent()
    (await waiting).unsent()
    held[1].unsent()


async def test_an_idle_key_is_not_delayed_by_a_busy_one() -> None:
    limiter = new_limiter()
    busy = [asyncio.ensure_future(served(limiter, A, SUBMIT)) for _ in range(300)]
    await asyncio.sleep(1)
    assert await asyncio.gather(*(served(limiter, B, SUBMIT) for _ in range(10))) == [1.0] * 10
    for task in busy:
        task.cancel()


async def test_status_requests_of_one_key_leave_nothing_for_the_submits_of_another() -> None:
    limiter = new_limiter()
    busy = [asyncio.ensure_future(served(limiter, A, SUBMIT)) for _ in range(100)]
    await asyncio.sleep(1)
    polls = [asyncio.ensure_future(served(limiter, B, STATUS)) for _ in range(30)]
    assert set(await asyncio.gather(*polls)) == {1.0}
    for task in busy:
        task.cancel()


@pytest.mark.parametrize("count", [3, 20])
async def test_several_keys_are_used_evenly(count: int) -> None:
    keys = tuple(f"clapi_{number}" for number in range(count))
    limiter = new_limiter()
    permits = await take(limiter, Route(keys, "org"), 60)

    assert Counter(permit.key for permit in permits) == dict.fromkeys(keys, 60 // count)


async def test_a_jwt_needs_no_key_token() -> None:
    limiter = new_limiter()
    await take(limiter, ROUTE, 30)
    permits = await take(limiter, JWT_ROUTE, 30)
    assert all(permit.key is None for permit in permits)
    assert limiter.available(JWT_ROUTE) == 0


def test_a_route_is_narrowed_to_a_key_of_its_own_only() -> None:
    route = Route(("a", "b"), "org")
    assert route.only("b") == Route(("b",), "org")
    assert route.only("stranger") is route


async def test_interactive_before_submit_before_status() -> None:
    limiter = new_limiter(RateLimits(org=8, key=8))
    order: list[str] = []

    async def one(kind: RequestClass) -> None:
        await served(limiter, ROUTE, kind)
        order.append(kind.name)

    held = await take(limiter, ROUTE, 8)
    async with asyncio.TaskGroup() as group:
        for kind in (STATUS, SUBMIT, INTERACTIVE, STATUS, SUBMIT, INTERACTIVE):
            group.create_task(one(kind))
            await asyncio.sleep(0)
        for permit in held:
            permit.unsent()
            await asyncio.sleep(0.01)

    assert order == [*["INTERACTIVE"] * 2, *["SUBMIT"] * 2, *["STATUS"] * 2]


def first_served(older: RequestClass, younger: RequestClass, later_s: float) -> RequestClass:
    """Which of two gets the one token that comes back, when the younger came so much later."""

    async def main() -> RequestClass:
        limiter = new_limiter(RateLimits(org=4, key=4))
        held = await take(limiter, ROUTE, 4)
        old = asyncio.ensure_future(served(limiter, ROUTE, older))
        await asyncio.sleep(later_s)
        young = asyncio.ensure_future(served(limiter, ROUTE, younger))
        await asyncio.sleep(0.01)
        held[0].unsent()
        await asyncio.sleep(0.01)
        assert old.done() != young.done()
        first = older if old.done() else younger
        for permit in held[1:]:
            permit.unsent()
        await asyncio.gather(old, young)
        return first

    return run(main())


def test_a_status_request_ages_past_later_submits() -> None:
    assert first_served(STATUS, SUBMIT, 59) is SUBMIT
    assert first_served(STATUS, SUBMIT, 61) is STATUS


@each_case("older", [SUBMIT, STATUS])
def test_no_age_lets_bulk_overtake_an_interactive_call(older: RequestClass) -> None:
    assert first_served(older, INTERACTIVE, 1_000) is INTERACTIVE


async def test_beside_interactive_calls_bulk_gets_at_least_half() -> None:
    limiter = new_limiter(RateLimits(org=10, key=10))
    granted = Counter[RequestClass]()

    async def work(kind: RequestClass) -> None:
        while now() < 1_200:
            await served(limiter, ROUTE, kind)
            granted[kind] += 1

    with anyio.move_on_after(1_200):
        await asyncio.gather(*(work(kind) for kind in [SUBMIT] * 5 + [INTERACTIVE] * 20))
    assert granted[SUBMIT] >= 0.45 * granted.total()
    assert granted.total() > 190


@pytest.mark.slow
@each_case("pace", ["auto", "smooth", "burst"])
async def test_interactive_calls_wait_little_beside_a_long_queue_of_submits(pace: Pace) -> None:
    rng = random.Random(1)
    wire = LimitedWire(new_limiter(), StrictServer(rows=False), latency=lambda: rng.uniform(0.02, 0.4))
    waits: list[float] = []

    async def submit() -> None:
        while now() < 2_400:
            await wire.call(ROUTE, SUBMIT, pace)

    async def call() -> None:
        permit = await wire.call(ROUTE, INTERACTIVE, pace)
        if now() > 62:
            waits.append(permit.waited_s)

    with anyio.move_on_after(2_400):
        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(submit)
            while True:
                group.start_soon(call)
                await asyncio.sleep(20)
    assert wire.server.rejections == []
    assert len(wire.server.grants()) > 0.93 * 30 * 40
    assert len(waits) > 110
    assert sorted(waits)[int(len(waits) * 0.99) - 1] <= 4


async def test_three_tokens_are_kept_from_status_requests_while_submits_wait() -> None:
    limiter = new_limiter()
    submits = [asyncio.ensure_future(served(limiter, ROUTE, SUBMIT, "smooth")) for _ in range(3)]
    polls = [asyncio.ensure_future(served(limiter, ROUTE, STATUS)) for _ in range(40)]
    await asyncio.sleep(1)
    # one submit is served, the next waits for its turn, and the polls leave three tokens
    assert sum(poll.done() for poll in polls) == 30 - 1 - 3
    assert limiter.available(ROUTE) == 3
    await asyncio.gather(*submits)
    await asyncio.sleep(1)
    assert sum(poll.done() for poll in polls) == 30 - 3
    await asyncio.gather(*polls)


async def test_status_requests_get_their_share_beside_endless_submits() -> None:
    """Under saturating polls a submit waits little, and the polls do not starve."""
    limiter = new_limiter()
    waits: list[float] = []
    polled = 0

    async def submitter() -> None:
        while now() < 1_000:
            permit = await limiter.acquire(ROUTE, SUBMIT, "burst")
            waits.append(permit.waited_s)
            await asyncio.sleep(0.3)
            permit.answered(now())
            await asyncio.sleep(10)

    async def poller() -> None:
        nonlocal polled
        while now() < 1_000:
            permit = await limiter.acquire(ROUTE, STATUS, "burst")
            await asyncio.sleep(0.3)
            permit.answered(now())
            polled += 1

    await asyncio.gather(submitter(), *(poller() for _ in range(50)))
    submit_p99_s = sorted(waits)[int(len(waits) * 0.99)]
    assert submit_p99_s < 60
    assert polled > 300
