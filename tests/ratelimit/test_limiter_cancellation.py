"""A waiter that goes away takes no token with it, and stops nobody."""

from __future__ import annotations

import asyncio
import random

import pytest

from cleanlist_async.errors import RateLimitError
from cleanlist_async.ratelimit import Pace, RateLimiter, RateLimits, Route
from cleanlist_async.testing import StrictServer, run
from tests.support.cases import each_case
from tests.support.limited_wire import (
    INTERACTIVE,
    JWT,
    ROUTE,
    STATUS,
    SUBMIT,
    LimitedWire,
    new_limiter,
)
from tests.support.shared_stores import SHARED_IS_SLOW, flush_reports

pytestmark = pytest.mark.usefixtures("every_store")

ONE = RateLimits(org=1, key=1)
PACES: tuple[Pace, ...] = ("burst", "smooth", "auto")


async def settle(times: int = 10) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


def assert_nothing_is_out(limiter: RateLimiter) -> None:
    assert limiter.waiting() == 0
    flush_reports(limiter)
    assert all(state.in_flight == 0 for state in limiter.states())


@each_case("pace", PACES)
async def test_a_waiter_cancelled_after_the_grant_gives_the_token_to_the_next(pace: Pace) -> None:
    limiter = new_limiter(ONE)
    first = await limiter.acquire(ROUTE, INTERACTIVE)
    granted = asyncio.ensure_future(limiter.acquire(ROUTE, INTERACTIVE, pace))
    following = asyncio.ensure_future(limiter.acquire(ROUTE, INTERACTIVE, pace))
    await settle()
    first.unsent()  # charges the token for `granted`, whose task has not run yet
    granted.cancel()
    (await following).unsent()
    assert granted.cancelled()
    assert_nothing_is_out(limiter)

    # Where turns are spaced, the one that was given to it is past.
    assert asyncio.get_running_loop().time() <= (63.0 if pace == "smooth" else 0.0)


@each_case("pace", PACES)
async def test_a_waiter_cancelled_in_the_instant_of_a_grant_is_passed_over(pace: Pace) -> None:
    limiter = new_limiter(ONE)
    first = await limiter.acquire(ROUTE, INTERACTIVE)
    gone = asyncio.ensure_future(limiter.acquire(ROUTE, INTERACTIVE, pace))
    following = asyncio.ensure_future(limiter.acquire(ROUTE, INTERACTIVE, pace))
    await settle()
    gone.cancel()  # its future is cancelled at once, its task runs later
    first.unsent()
    (await following).unsent()
    assert_nothing_is_out(limiter)


async def test_a_waiter_cancelled_in_the_shaper_frees_the_shaper_and_the_token() -> None:
    limiter = new_limiter()
    (await limiter.acquire(ROUTE, SUBMIT, "smooth")).unsent()
    shaped = asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT, "smooth"))
    await settle()
    assert limiter.states()[0].in_flight == 0  # it waits to be spaced, and takes its token then
    shaped.cancel()
    await settle()
    assert_nothing_is_out(limiter)
    async with asyncio.timeout(3):
        (await limiter.acquire(ROUTE, SUBMIT, "smooth")).unsent()


async def test_cancellation_and_a_refusal_in_the_same_instant_is_a_cancellation() -> None:
    limiter = new_limiter()
    held = [await limiter.acquire(ROUTE, INTERACTIVE) for _ in range(30)]
    waiting = asyncio.ensure_future(limiter.acquire(ROUTE, INTERACTIVE))
    await settle()
    held[0].answered(0.0, rejected=True, asked_s=500.0)  # refuses whoever waits
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for permit in held[1:]:
        permit.unsent()
    assert_nothing_is_out(limiter)


async def test_a_coroutine_that_is_closed_instead_of_cancelled_gives_its_token_back() -> None:
    limiter = new_limiter(ONE)
    first = await limiter.acquire(ROUTE, INTERACTIVE)
    waiting = limiter.acquire(ROUTE, INTERACTIVE)
    waiting.send(None)
    first.unsent()
    assert limiter.states()[0].in_flight == 1
    waiting.close()
    assert_nothing_is_out(limiter)


@SHARED_IS_SLOW
@each_case("pace", PACES)
@each_case("after", range(40))
async def test_cancellation_at_every_iteration_of_the_loop(pace: Pace, after: int) -> None:
    """The victim goes after so many iterations, wherever it stands then; all others are served."""
    limiter = new_limiter(RateLimits(org=2, key=2))
    server = StrictServer(organization_limit=2, key_limit=2)
    wire = LimitedWire(limiter, server, latency=lambda: 0.0)
    calls = [
        asyncio.ensure_future(wire.call(ROUTE, kind, pace))
        for kind in (INTERACTIVE, SUBMIT, STATUS, SUBMIT, INTERACTIVE)
    ]
    victim = calls[after % len(calls)]
    await settle(after)
    victim.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) <= 1
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    assert server.rejections == []
    assert_nothing_is_out(limiter)


async def test_a_thousand_waiters_cancelled_at_once_are_cancelled_and_nothing_else() -> None:
    limiter = new_limiter(ONE)
    held = await limiter.acquire(ROUTE, INTERACTIVE)
    waiting = [asyncio.ensure_future(limiter.acquire(ROUTE, SUBMIT)) for _ in range(1_500)]
    await settle()
    for waiter in waiting:
        waiter.cancel()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {asyncio.CancelledError}
    held.unsent()
    assert_nothing_is_out(limiter)


def fuzz_run(seed: int) -> StrictServer:
    rng = random.Random(seed)
    routes = [Route((f"clapi_{n}",), "org") for n in range(3)]
    routes += [Route(("clapi_0", "clapi_1"), "org"), Route((), "org")]
    server = StrictServer(
        keys={"clapi_0": "org", "clapi_1": "org", "clapi_2": "org", JWT: "org"},
        organization_limit=6,
        key_limit=3,
    )

    async def main() -> None:
        limiter = new_limiter(RateLimits(org=6, key=3))
        wire = LimitedWire(
            limiter,
            server,
            latency=lambda: rng.choice((0.0, rng.uniform(0.02, 0.4))),
            outcome=lambda: rng.choices(("answered", "lost", "unsent"), (8, 1, 1))[0],
        )

        async def caller() -> None:
            await asyncio.sleep(rng.choice((0.0, rng.uniform(0, 200))))
            await wire.call(rng.choice(routes), rng.choice((INTERACTIVE, SUBMIT, STATUS)), rng.choice(PACES))

        async def assassin(victim: asyncio.Task[None]) -> None:
            await asyncio.sleep(rng.choice((0.0, rng.uniform(0, 300), 60.05, 60.25)))
            await settle(rng.randrange(6))
            victim.cancel()

        calls = [asyncio.ensure_future(caller()) for _ in range(40)]
        killers = [asyncio.ensure_future(assassin(victim)) for victim in rng.sample(calls, 20)]
        await asyncio.gather(*calls, *killers, return_exceptions=True)
        assert not any(call.exception() for call in calls if not call.cancelled())
        assert_nothing_is_out(limiter)
        await asyncio.sleep(1_000)  # and every token comes back
        assert all(
            state.available == state.limit for state in limiter.states() if state.capacity == state.limit
        )
        async with asyncio.timeout(200):
            for route in routes:
                for pace in PACES:
                    (await limiter.acquire(route, SUBMIT, pace)).unsent()

    run(main())
    return server


@pytest.mark.slow
def test_many_runs_of_random_cancellation_lose_no_token_and_leave_nobody_waiting(every_store: str) -> None:
    runs = {"memory": 300, "shared": 40}[every_store]
    rejections = [len(fuzz_run(seed).rejections) for seed in range(runs)]
    assert sum(rejections) == 0


async def test_an_interactive_call_that_would_wait_too_long_is_told_so_and_costs_nothing() -> None:
    limiter = new_limiter()
    (await limiter.acquire(ROUTE, INTERACTIVE)).answered(0.0, rejected=True, asked_s=121.0)
    with pytest.raises(RateLimitError) as caught:
        await limiter.acquire(ROUTE, INTERACTIVE)
    assert 121 <= (caught.value.retry_after_s or 0) <= 122
    assert caught.value.retryable
    assert_nothing_is_out(limiter)


async def test_thousands_that_are_cancelled_at_once_stop_nobody() -> None:
    limiter = new_limiter(ONE)
    first = await limiter.acquire(ROUTE, INTERACTIVE)
    leaving = [asyncio.ensure_future(limiter.acquire(ROUTE, INTERACTIVE)) for _ in range(3_000)]
    await settle()
    following = asyncio.ensure_future(limiter.acquire(ROUTE, INTERACTIVE))
    await settle()
    for task in leaving:
        task.cancel()
    first.unsent()
    (await following).unsent()
    assert_nothing_is_out(limiter)
