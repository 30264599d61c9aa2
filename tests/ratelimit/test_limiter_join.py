"""Two names of one organization become one bucket, with all that is out under either."""

from __future__ import annotations

import asyncio

from cleanlist_async.ratelimit import Permit, RateLimiter, RateLimits, Route
from cleanlist_async.testing import StrictServer, run
from tests.support.limited_wire import INTERACTIVE, SUBMIT, LimitedWire, new_limiter

HOMES = tuple(Route((f"clapi_{number}",), f"home_{number}") for number in range(3))


async def take(limiter: RateLimiter, route: Route, count: int) -> list[Permit]:
    return [await limiter.acquire(route, SUBMIT, "burst") for _ in range(count)]


def organizations(limiter: RateLimiter) -> list[tuple[int, int]]:
    """Tokens available and in flight of each organization's bucket."""
    return [(state.available, state.in_flight) for state in limiter.states() if state.limit == 60]


def test_what_was_sent_under_either_name_counts_for_both() -> None:
    async def main() -> None:
        limiter = new_limiter()
        first, second = await take(limiter, HOMES[0], 30), await take(limiter, HOMES[1], 20)
        assert sorted(organizations(limiter)) == [(30, 30), (40, 20)]
        limiter.join("home_0", "org")
        limiter.join("home_1", "org")
        assert organizations(limiter) == [(10, 50)]
        assert limiter.available(HOMES[1]) == 10
        for permit in (*first, *second):
            permit.unsent()
        assert organizations(limiter) == [(60, 0)]
        limiter.join("org", "home_1")
        limiter.join("home_0", "home_0")
        assert organizations(limiter) == [(60, 0)]

    run(main())


def test_leases_survive_a_chain_of_joins() -> None:
    async def main() -> None:
        limiter = new_limiter()
        permits = [permit for home in HOMES for permit in await take(limiter, home, 5)]
        limiter.join("home_1", "home_0")
        limiter.join("home_2", "home_1")
        assert organizations(limiter) == [(45, 15)]
        for permit in permits:
            permit.unsent()
        assert organizations(limiter) == [(60, 0)]

    run(main())


def test_joining_keeps_pauses_and_a_smaller_limit() -> None:
    async def main() -> None:
        limiter = new_limiter()
        for home in HOMES[:2]:
            await take(limiter, home, 1)
        (permit,) = await take(limiter, HOMES[1], 1)
        permit.answered(0.0, rejected=True, asked_s=50.0, named="organization")
        limiter.join("home_0", "home_1")
        waiting = asyncio.ensure_future(take(limiter, HOMES[0], 1))
        await asyncio.sleep(49)
        assert not waiting.done()
        await waiting
        assert next(state.capacity for state in limiter.states() if state.limit == 60) == 42

    run(main())


def test_interactive_calls_of_one_name_are_felt_under_the_other() -> None:
    async def main() -> bool:
        limiter = new_limiter()
        (await limiter.acquire(HOMES[0], INTERACTIVE)).unsent()
        limiter.join("home_1", "home_0")
        return limiter.store.has_interactive(HOMES[1], 1.0)

    assert run(main())


def test_a_server_that_counts_by_organization_rejects_nothing_after_the_join() -> None:
    server = StrictServer(keys={f"clapi_{number}": "org" for number in range(3)}, rows=False)

    async def main() -> None:
        limiter = new_limiter(RateLimits())
        for route in HOMES:
            limiter.join(route.organization, "org")
        wire = LimitedWire(limiter, server)
        await asyncio.gather(*(wire.call(route, SUBMIT) for route in HOMES for _ in range(60)))

    run(main())
    assert server.rejections == []
    assert len(server.grants()) == 180


def test_keys_that_were_seen_in_one_organization_join_what_they_are_used_for_next() -> None:
    async def main() -> None:
        limiter = new_limiter()
        limiter.store.attach(Route(("a", "b"), "home_a"))
        limiter.store.attach(Route(("b",), "acme"))
        await take(limiter, Route(("a",), "home_a"), 10)
        assert limiter.available(Route((), "acme")) == 50

    run(main())
