"""Two names of one organization become one bucket, with all that is out under either."""

from __future__ import annotations

import asyncio

from cleanlist_async.ratelimit import Permit, RateLimiter, RateLimits, Route
from cleanlist_async.ratelimit.shared.backend import SyncAnswer, SyncRequest
from cleanlist_async.testing import StrictServer
from tests.support.limited_wire import INTERACTIVE, SUBMIT, LimitedWire, new_limiter
from tests.support.shared_stores import PoolBackend, shared_limiter

HOMES = tuple(Route((f"clapi_{number}",), f"home_{number}") for number in range(3))


async def take(limiter: RateLimiter, route: Route, count: int) -> list[Permit]:
    return [await limiter.acquire(route, SUBMIT, "burst") for _ in range(count)]


def organizations(limiter: RateLimiter) -> list[tuple[int, int]]:
    """Tokens available and in flight of each organization's bucket."""
    return [(state.available, state.in_flight) for state in limiter.states() if state.limit == 60]


async def test_what_was_sent_under_either_name_counts_for_both() -> None:
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


async def test_leases_survive_a_chain_of_joins() -> None:
    limiter = new_limiter()
    permits = [permit for home in HOMES for permit in await take(limiter, home, 5)]
    limiter.join("home_1", "home_0")
    limiter.join("home_2", "home_1")
    assert organizations(limiter) == [(45, 15)]
    for permit in permits:
        permit.unsent()
    assert organizations(limiter) == [(60, 0)]


async def test_joining_keeps_pauses_and_a_smaller_limit() -> None:
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
    assert next(state.capacity for state in limiter.states() if state.limit == 60) < 60


async def test_interactive_calls_of_one_name_are_felt_under_the_other() -> None:
    limiter = new_limiter()
    (await limiter.acquire(HOMES[0], INTERACTIVE)).unsent()
    limiter.join("home_1", "home_0")

    assert limiter.store.has_interactive(HOMES[1], 1.0)


async def test_a_server_that_counts_by_organization_rejects_nothing_after_the_join() -> None:
    server = StrictServer(keys={f"clapi_{number}": "org" for number in range(3)}, rows=False)
    limiter = new_limiter(RateLimits())
    for route in HOMES:
        limiter.join(route.organization, "org")
    wire = LimitedWire(limiter, server)
    await asyncio.gather(*(wire.call(route, SUBMIT) for route in HOMES for _ in range(60)))
    assert server.rejections == []
    assert len(server.grants()) == 180


async def test_keys_that_were_seen_in_one_organization_join_what_they_are_used_for_next() -> None:
    limiter = new_limiter()
    limiter.store.attach(Route(("a", "b"), "home_a"), 0.0)
    limiter.store.attach(Route(("b",), "acme"), 0.0)
    await take(limiter, Route(("a",), "home_a"), 10)
    assert limiter.available(Route((), "acme")) == 50


async def test_a_key_that_is_used_under_two_names_makes_them_one_organization() -> None:
    limiter = new_limiter()
    held = await take(limiter, Route(("a",), "home"), 30)
    waiting = asyncio.ensure_future(take(limiter, Route(("a",), "acme"), 1))
    await asyncio.sleep(1)
    held[0].unsent()
    await waiting
    assert organizations(limiter) == [(30, 30)]

    assert asyncio.get_running_loop().time() == 1.0


async def test_a_join_wakes_those_whom_it_gives_a_token() -> None:
    """One name waits for a session token of its own; the pause that held it up was another's."""
    waits, knows = Route((), "waits"), Route((), "knows")
    limiter = new_limiter(RateLimits(org=2))
    held = await take(limiter, waits, 2)
    waiting = asyncio.ensure_future(take(limiter, waits, 1))
    await take(limiter, knows, 1)
    await asyncio.sleep(5)
    assert not waiting.done()
    held[0].unsent()
    limiter.join("waits", "knows")
    await waiting

    assert asyncio.get_running_loop().time() == 5


async def test_after_a_join_a_shared_store_is_asked_under_one_name_only() -> None:
    asked_for: list[str] = []

    class RecordingBackend(PoolBackend):
        async def sync(self, request: SyncRequest) -> SyncAnswer:
            asked_for.extend([request.organization] if request.wanted else [])
            return await super().sync(request)

    clock = asyncio.get_running_loop().time
    limiter = shared_limiter(RecordingBackend(RateLimits(), clock), clock)
    held = await take(limiter, HOMES[0], 30)
    waiting = asyncio.ensure_future(take(limiter, HOMES[0], 1))
    await asyncio.sleep(1)
    limiter.join("home_1", "home_0")
    asked_for.clear()
    await asyncio.sleep(30)
    assert set(asked_for) == {"home_1"}
    for permit in held:
        permit.unsent()
    await waiting
