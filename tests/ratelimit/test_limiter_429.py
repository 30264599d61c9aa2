"""What a 429 does to the buckets."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import anyio
import pytest

from cleanlist_async.errors import RateLimitError
from cleanlist_async.ratelimit import BucketState, RateLimiter, RateLimits, Route
from cleanlist_async.sandbox.limits import SlidingLog
from cleanlist_async.testing import StrictServer
from tests.support.cases import each_case
from tests.support.limited_wire import (
    INTERACTIVE,
    JWT_ROUTE,
    KEY,
    ROUTE,
    STATUS,
    SUBMIT,
    LimitedWire,
    new_limiter,
)
from tests.support.shared_stores import SHARED_IS_SLOW

pytestmark = pytest.mark.usefixtures("every_store")

OTHER = Route(("other",), "org_test")


def now() -> float:
    return asyncio.get_running_loop().time()


async def reject(limiter: RateLimiter, asked_s: float | None, named: str | None = None) -> None:
    permit = await limiter.acquire(ROUTE, SUBMIT, "burst")
    permit.answered(now(), rejected=True, asked_s=asked_s, named=named)


async def opened_after(limiter: RateLimiter, route: Route = ROUTE) -> float:
    """Seconds until the next request of *route* may go."""
    asked_at = now()
    (await limiter.acquire(route, SUBMIT, "burst")).unsent()
    return now() - asked_at


def state(limiter: RateLimiter, name: str = KEY) -> BucketState:
    return next(state for state in limiter.states() if state.name == name)


@each_case("asked_s", [0.2, 2.0, 37.5, 3_500.0])
async def test_the_pause_is_what_the_server_asks_for_and_a_little_more(asked_s: float) -> None:
    limiter = new_limiter()
    await reject(limiter, asked_s)

    assert asked_s + 0.05 <= await opened_after(limiter) <= asked_s + 0.35


async def test_the_form_without_a_word_doubles_the_pause_with_each_429_in_a_row() -> None:
    limiter = new_limiter()
    pauses: list[float] = []
    for _ in range(8):
        await reject(limiter, None)
        pauses.append(await opened_after(limiter))
    (await limiter.acquire(ROUTE, SUBMIT, "burst")).answered(now())
    await reject(limiter, None)
    pauses.append(await opened_after(limiter))
    for pause, expected in zip(pauses, [2, 4, 8, 16, 32, 64, 64, 64, 2], strict=True):
        assert expected <= pause <= expected + 1  # or until the next turn of the even spacing


async def test_a_volley_of_429s_counts_as_one() -> None:
    limiter = new_limiter()
    volley = [await limiter.acquire(ROUTE, SUBMIT, "burst") for _ in range(16)]
    for permit in volley:
        permit.answered(now(), rejected=True)
    assert limiter.rejections == 16

    assert 2 <= await opened_after(limiter) <= 2.5


@pytest.mark.parametrize(("named", "other_waits"), [("key", False), ("organization", True)])
async def test_only_the_bucket_that_is_named_pauses(named: str, other_waits: bool) -> None:  # noqa: FBT001
    limiter = new_limiter()
    await reject(limiter, 30.0, named)
    assert (await opened_after(limiter, OTHER) > 30) is other_waits
    assert (state(limiter, KEY).capacity < 30) is (named == "key")
    assert (state(limiter, "org_test").capacity < 60) is (named == "organization")


async def test_without_a_name_the_key_pauses_alone_until_another_is_refused_too() -> None:
    limiter = new_limiter()
    other = await limiter.acquire(OTHER, SUBMIT, "burst")
    await reject(limiter, 30.0)
    assert await opened_after(limiter, OTHER) == 0.0
    other.answered(now(), rejected=True, asked_s=30.0)
    assert await opened_after(limiter, Route(("third",), "org_test")) > 30


async def test_a_session_token_that_is_refused_pauses_the_organization() -> None:
    limiter = new_limiter()
    (await limiter.acquire(JWT_ROUTE, SUBMIT, "burst")).answered(now(), rejected=True, asked_s=30.0)
    assert await opened_after(limiter) > 30


@SHARED_IS_SLOW
async def test_a_healthy_key_goes_on_beside_one_whose_limit_is_lower() -> None:
    server = StrictServer(keys={KEY: "org_test", "other": "org_test"}, rows=False)
    server._limits["org_test"]._keys[KEY] = SlidingLog(10, 60.0)
    wire = LimitedWire(new_limiter(), server)

    async def work() -> None:
        while now() < 900:
            await wire.call(Route((KEY, "other"), "org_test"), SUBMIT)

    with anyio.move_on_after(960):
        await asyncio.gather(*(work() for _ in range(16)))
    late = [at for at in server.grants() if at > 300]
    assert len(late) > 0.9 * 40 * 10
    assert len([request for request in server.rejections if request.arrived_at > 60]) <= 4


async def test_what_is_left_to_others_is_there_for_their_bursts() -> None:
    server = StrictServer(rows=False)
    ours, theirs = (LimitedWire(new_limiter(limits), server) for limits in (RateLimits(leave=0.5), None))

    async def work() -> None:
        while True:
            await ours.call(ROUTE, SUBMIT)

    with anyio.move_on_after(600):
        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(work)
            while True:
                await asyncio.sleep(65)
                for _ in range(15):
                    group.start_soon(theirs.call, ROUTE, SUBMIT, "burst")
    assert server.rejections == []
    assert len(server.grants()) >= 15 * 9 + 15 * 9


async def slow_down(limiter: RateLimiter) -> None:
    """Let the server show that the key has a few requests a minute."""
    for _ in range(4):
        (await limiter.acquire(ROUTE, SUBMIT, "burst")).answered(now())
        await reject(limiter, 50.0, "key")
        await asyncio.sleep(70)
    assert state(limiter).capacity < 8


async def test_of_two_keys_the_turn_that_comes_first_is_waited_for() -> None:
    """Also by a request that waits alone, so that no answer to another has the limiter look again."""
    limiter = new_limiter()
    await slow_down(limiter)
    times: list[float] = []
    for _ in range(20):
        permit = await limiter.acquire(Route((KEY, "other"), "org_test"), SUBMIT)
        times.append(now())
        permit.answered(now())
    assert max(later - earlier for earlier, later in pairwise(times)) < 2.1


async def test_a_token_that_comes_before_the_turn_that_is_waited_for_is_used_at_once() -> None:
    limiter = new_limiter()
    await slow_down(limiter)
    both = Route((KEY, "other"), "org_test")
    held = [await limiter.acquire(Route(("other",), "org_test"), SUBMIT, "burst") for _ in range(30)]
    (await limiter.acquire(Route((KEY,), "org_test"), SUBMIT)).answered(now())
    waiting = asyncio.ensure_future(limiter.acquire(both, SUBMIT))  # for the turn of the first key
    await asyncio.sleep(2)
    assert not waiting.done()
    held[0].unsent()
    await asyncio.sleep(0.2)
    assert waiting.done()
    (await waiting).unsent()
    for permit in held[1:]:
        permit.unsent()


async def test_a_limit_of_one_a_minute_works() -> None:
    server = StrictServer(key_limit=1, rows=False)
    wire = LimitedWire(new_limiter(RateLimits(org=1, key=1)), server)
    await asyncio.gather(*(wire.call(ROUTE, SUBMIT) for _ in range(10)))
    assert server.rejections == []
    assert max(server.grants()) < 10 * 61


async def test_interactive_calls_wait_up_to_120_seconds_and_then_say_when_to_come_back() -> None:
    async def hold_and_queue(limiter: RateLimiter) -> None:
        held = [await limiter.acquire(ROUTE, SUBMIT, "burst") for _ in range(30)]
        waiting = asyncio.ensure_future(limiter.acquire(ROUTE, INTERACTIVE))
        await asyncio.sleep(0)
        held[0].answered(now(), rejected=True, asked_s=299.5)
        for permit in held[1:]:
            permit.unsent()
        await waiting

    limiter = new_limiter()
    queued = asyncio.ensure_future(hold_and_queue(limiter))
    await asyncio.sleep(0.1)
    with pytest.raises(RateLimitError, match=r"Call again in 3\d\d s"):
        await queued
    with pytest.raises(RateLimitError) as caught:
        await limiter.acquire(ROUTE, INTERACTIVE)
    assert caught.value.retry_after_s == pytest.approx(300, abs=1)
    assert caught.value.billed == "no"
    bulk = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT))
    await asyncio.sleep(180)
    assert not bulk.done()
    (await limiter.acquire(ROUTE, INTERACTIVE)).unsent()  # less than 120 s are left: it waits
    (await bulk).unsent()


async def test_a_pause_of_the_key_alone_does_not_stop_a_jwt() -> None:
    limiter = new_limiter()
    await reject(limiter, 500.0, "key")
    (await limiter.acquire(JWT_ROUTE, INTERACTIVE)).unsent()
    with pytest.raises(RateLimitError):
        await limiter.acquire(ROUTE, INTERACTIVE)
    (await limiter.acquire(Route((KEY, "fresh"), "org_test"), INTERACTIVE)).unsent()


async def test_tokens_granted_but_not_yet_used_when_a_429_comes_wait_for_its_end() -> None:
    limiter = new_limiter()
    held = [await limiter.acquire(ROUTE, SUBMIT, "burst") for _ in range(30)]
    waiting = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT, "burst"))
    await asyncio.sleep(0)
    held[0].unsent()  # granted: its task runs in the next iteration
    held[1].answered(0.0, rejected=True, asked_s=10.0)
    for permit in held[2:]:
        permit.unsent()
    (await waiting).unsent()

    assert now() >= 10.05


@pytest.mark.slow
@SHARED_IS_SLOW
@each_case("envelope", ["error", "detail"])
@each_case("count_rejected", [False, True])
async def test_with_a_stranger_on_the_same_key_it_still_gets_through(
    envelope: str,
    count_rejected: bool,  # noqa: FBT001
) -> None:
    """A second limiter that shares nothing: few 429s, and none once both have learnt."""
    server = StrictServer(envelope=envelope, count_rejected=count_rejected, rows=False)  # type: ignore[arg-type]
    wires = [LimitedWire(new_limiter(), server) for _ in range(2)]
    calls = [wire.call(ROUTE, kind) for wire in wires for kind in (SUBMIT, STATUS) for _ in range(100)]
    await asyncio.gather(*calls)
    assert len(server.grants()) == 400
    assert len(server.rejections) < 100
