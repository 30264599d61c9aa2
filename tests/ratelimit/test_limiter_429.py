"""What a 429 does to the buckets."""

from __future__ import annotations

import asyncio

import pytest

from cleanlist_async.errors import RateLimitError
from cleanlist_async.ratelimit import BucketState, RateLimiter, Route
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


@each_case("asked_s", [0.2, 2.0, 37.5, 3_600.0])
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
        assert expected <= pause <= expected + 0.5


async def test_a_volley_of_429s_counts_as_one() -> None:
    limiter = new_limiter()
    volley = [await limiter.acquire(ROUTE, SUBMIT, "burst") for _ in range(16)]
    for permit in volley:
        permit.answered(now(), rejected=True)
    assert limiter.rejections == 16
    assert state(limiter).capacity == 21

    assert 2 <= await opened_after(limiter) <= 2.5


async def test_without_a_name_all_buckets_of_the_request_pause() -> None:
    limiter = new_limiter()
    await reject(limiter, 30.0)
    assert await opened_after(limiter, OTHER) > 30  # the organization's is one of them


@pytest.mark.parametrize(("named", "other_waits"), [("key", False), ("organization", True)])
async def test_only_the_bucket_that_is_named_pauses(named: str, other_waits: bool) -> None:  # noqa: FBT001
    limiter = new_limiter()
    await reject(limiter, 30.0, named)
    assert (await opened_after(limiter, OTHER) > 30) is other_waits
    assert state(limiter, KEY).capacity == (30 if named == "organization" else 21)
    assert state(limiter, "org_test").capacity == (42 if named == "organization" else 60)


async def test_a_429_shrinks_the_limit_once_a_window_to_no_less_than_three() -> None:
    limiter = new_limiter()
    capacities: list[int] = []
    for _ in range(12):
        await reject(limiter, 0.1, "key")
        await asyncio.sleep(1)
        await reject(limiter, 0.1, "key")
        capacities.append(state(limiter).capacity)
        await asyncio.sleep(61)

    assert capacities == [21, 15, 11, 8, 6, 4, 3, 3, 3, 3, 3, 3]


async def test_it_grows_back_by_one_a_window() -> None:
    limiter = new_limiter()
    await reject(limiter, 0.1)
    seen: list[tuple[int, int]] = []
    for _ in range(11):
        await asyncio.sleep(60.01)
        seen.append((state(limiter).capacity, limiter.available(ROUTE)))
    assert [capacity for capacity, _ in seen] == [*range(22, 31), 30, 30]
    assert seen[-1] == (30, 30)


async def test_waiters_wake_for_the_token_that_grows_back() -> None:
    limiter = new_limiter()
    held = [await limiter.acquire(ROUTE, SUBMIT, "burst") for _ in range(22)]
    held[0].answered(0.0, rejected=True, asked_s=1.0, named="key")
    (await limiter.acquire(ROUTE, SUBMIT, "burst")).unsent()  # 21 in flight, 1 returning, 21 allowed

    assert 60 <= now() <= 121


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
    first = await limiter.acquire(ROUTE, SUBMIT, "burst")
    waiting = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT, "smooth"))
    await asyncio.sleep(0)  # granted: its task runs in the next iteration
    first.answered(0.0, rejected=True, asked_s=10.0)
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
