"""What a grant costs beside many others: in calls of our functions, which do not depend on the machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import pytest

from cleanlist_async import ratelimit
from cleanlist_async.ratelimit import RateLimits, Route
from cleanlist_async.testing import run
from tests.support.limited_wire import INTERACTIVE, ROUTE, new_limiter
from tests.support.shared_stores import SHARED_IS_SLOW

OURS = ratelimit.__path__[0]


def calls_per_grant(waiters: int, routes: Sequence[Route], limits: RateLimits | None = None) -> float:
    """Let so many wait, over these routes in turn; count from the first second on, for four minutes."""
    granted = calls = 0

    def count(frame: object, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(OURS)  # type: ignore[attr-defined]

    async def main() -> None:
        nonlocal granted
        limiter = new_limiter(limits)

        async def one(route: Route) -> None:
            nonlocal granted
            permit = await limiter.acquire(route, INTERACTIVE)
            permit.answered(asyncio.get_running_loop().time())
            granted += 1

        tasks = [asyncio.ensure_future(one(routes[number % len(routes)])) for number in range(waiters)]
        await asyncio.sleep(1)
        before, previous = granted, sys.getprofile()
        sys.setprofile(count)
        await asyncio.sleep(240)
        sys.setprofile(previous)
        granted -= before
        for task in tasks:
            task.cancel()

    run(main())
    return calls / granted


@pytest.mark.slow
@SHARED_IS_SLOW
def test_a_queue_of_10_000_costs_little_for_each_grant(every_store: str) -> None:
    few, many = calls_per_grant(200, [ROUTE]), calls_per_grant(10_000, [ROUTE])
    assert many <= few * 1.05
    assert many < {"memory": 110, "shared": 650}[every_store]


@pytest.mark.slow
@pytest.mark.usefixtures("every_store")
def test_a_grant_costs_no_more_beside_200_organizations() -> None:
    def cost(organizations: int) -> float:
        routes = [Route((f"key {n}",), f"organization {n}") for n in range(organizations)]
        return calls_per_grant(20 * organizations, routes, RateLimits(org=10, key=5))

    assert cost(200) <= cost(10) * 1.05


@pytest.mark.slow
def test_another_key_of_an_organization_costs_a_few_calls_for_each_grant() -> None:
    """All are looked at: an organization with as many keys as tokens has more than it can use."""

    def cost(keys: int) -> float:
        route = Route(tuple(f"key {n}" for n in range(keys)), "organization")
        return calls_per_grant(10 * keys, [route], RateLimits(org=1_000_000, key=2))

    assert cost(60) - cost(20) < 20 * 40
