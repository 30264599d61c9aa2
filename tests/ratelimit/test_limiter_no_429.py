"""No 429 from servers that count exactly, whichever way they count; and the harness sees it when there is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import anyio
import pytest

from cleanlist_async import facts
from cleanlist_async.ratelimit import Pace, RateLimits, RequestClass, Route
from cleanlist_async.testing import LimitKind, MemoryNetwork, StrictServer, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.cases import each_case
from tests.support.limited_wire import (
    INTERACTIVE,
    JWT,
    JWT_ROUTE,
    STATUS,
    SUBMIT,
    LimitedWire,
    Outcome,
    new_limiter,
)
from tests.support.shared_stores import SHARED_IS_SLOW

pytestmark = pytest.mark.usefixtures("every_store")

EXACT: tuple[LimitKind, ...] = ("sliding", "fixed", "token_bucket")
WINDOW_S, MEAN_ROUND_TRIP_S = 60.0, 0.42


def key_names(count: int) -> tuple[str, ...]:
    return tuple(f"clapi_{number}" for number in range(count))


def simulate(
    kind: LimitKind,
    seed: int,
    *,
    keys: int = 1,
    requests: int = 200,
    limits: RateLimits | None = None,
    pace: Pace = "auto",
    latency: Callable[[random.Random], float] = lambda rng: rng.uniform(0.02, 0.4),
    outcomes: tuple[float, float, float] = (1, 0, 0),
    jwt_share: float = 0.0,
    separate_keys: bool = False,
    kinds: Sequence[RequestClass] = (INTERACTIVE, SUBMIT, STATUS),
) -> StrictServer:
    """Queue *requests* at once; *outcomes* are the shares answered, lost and never sent."""
    rng = random.Random(seed)
    names = key_names(keys)
    server = StrictServer(
        limiter=kind,
        keys=dict.fromkeys((*names, JWT), "org_test"),
        phase_s=rng.uniform(0, WINDOW_S),
        rows=False,
    )
    routes = [Route((name,), "org_test") for name in names] if separate_keys else [Route(names, "org_test")]
    outcome_of: tuple[Outcome, Outcome, Outcome] = ("answered", "lost", "unsent")

    async def main() -> None:
        wire = LimitedWire(
            new_limiter(limits),
            server,
            latency=lambda: latency(rng),
            outcome=lambda: rng.choices(outcome_of, outcomes)[0],
        )
        async with anyio.create_task_group() as group:
            for _ in range(requests):
                route = JWT_ROUTE if rng.random() < jwt_share else rng.choice(routes)
                group.start_soon(wire.call, route, rng.choice(kinds), pace)

    run(main())
    return server


def rate_share(server: StrictServer, limit: int) -> float:
    """Whole cycles of grants after the first burst, over the cycles that they took."""
    steady = sorted(server.grants())[limit:]
    cycles = (len(steady) - 1) // limit
    return cycles * (WINDOW_S + MEAN_ROUND_TRIP_S) / (steady[cycles * limit] - steady[0])


@pytest.mark.slow
@each_case("keys", [1, 2, 3])
@each_case("kind", EXACT)
def test_exact_servers_reject_nothing_at_99_per_cent_of_the_rate(kind: LimitKind, keys: int) -> None:
    for seed in range(3):
        server = simulate(kind, seed, keys=keys, requests=300, kinds=(SUBMIT, STATUS))
        assert server.rejections == []
        assert rate_share(server, min(60, 30 * keys)) >= 0.99


@pytest.mark.slow
@each_case("keys", [1, 2, 3])
@each_case("kind", EXACT)
def test_beside_interactive_calls_one_token_of_each_key_may_stand_idle(kind: LimitKind, keys: int) -> None:
    for seed in range(3):
        server = simulate(kind, seed, keys=keys, requests=300)
        assert server.rejections == []
        assert rate_share(server, min(60, 30 * keys)) >= 0.96


@pytest.mark.slow
@SHARED_IS_SLOW
@each_case("pace", ["burst", "smooth"])
@each_case("kind", EXACT)
def test_every_pace_is_safe(kind: LimitKind, pace: Pace) -> None:
    assert simulate(kind, 1, keys=2, pace=pace).rejections == []


@pytest.mark.slow
@SHARED_IS_SLOW
@each_case("kind", EXACT)
def test_a_jwt_beside_keys_counts_for_the_organization_only(kind: LimitKind) -> None:
    server = simulate(kind, 2, keys=2, jwt_share=0.5, requests=400, separate_keys=True)
    assert server.rejections == []
    assert {request.key for request in server.requests} == {JWT, *key_names(2)}
    alone = simulate(kind, 3, jwt_share=1.0, requests=60, pace="burst")
    assert max(alone.grants()) < 1.0  # sixty at once, where a key has thirty


@pytest.mark.slow
@SHARED_IS_SLOW
@each_case("kind", EXACT)
def test_attempts_that_are_given_up_still_count(kind: LimitKind) -> None:
    for seed in range(3):
        assert simulate(kind, seed, outcomes=(0.7, 0.3, 0)).rejections == []


def test_without_the_grace_given_up_attempts_draw_429s() -> None:
    """The harness sees what the grace is for."""
    graceless = RateLimits(margin_s=0.0, grace_s=0.0)
    assert any(
        simulate("sliding", seed, limits=graceless, outcomes=(0.5, 0.5, 0)).rejections for seed in range(5)
    )


def test_a_request_that_never_left_costs_no_token() -> None:
    server = simulate("sliding", 4, requests=60, outcomes=(0.5, 0, 0.5))
    sent = len(server.requests)
    assert sent < 40
    assert server.rejections == []
    refused_only = simulate("sliding", 5, requests=500, outcomes=(0, 0, 1))
    assert refused_only.requests == []  # and the run ended in no time at all, or `run` would not return


@pytest.mark.slow
@SHARED_IS_SLOW
@each_case("kind", EXACT)
def test_heavy_tailed_latencies(kind: LimitKind) -> None:
    def pareto(rng: random.Random) -> float:
        return min(90.0, 0.02 * rng.paretovariate(0.8))

    for seed in range(3):
        assert simulate(kind, seed, keys=2, latency=pareto).rejections == []


@pytest.mark.slow
def test_a_gateway_that_estimates_its_window_draws_few() -> None:
    """Those that were in flight together, then even pacing: also for those queued before the first 429."""
    for seed in range(3):
        assert 0 < len(simulate("weighted", seed, requests=1000).rejections) <= facts.MAX_IN_FLIGHT
        assert simulate("weighted", seed, requests=400, pace="smooth").rejections == []


@SHARED_IS_SLOW
@each_case(
    "limits",
    [RateLimits(window_s=59.0), RateLimits(org=61, key=31), RateLimits(key=60)],
)
def test_the_harness_sees_a_limiter_that_is_wrong(limits: RateLimits) -> None:
    assert any(simulate("sliding", seed, limits=limits).rejections for seed in range(3))


@pytest.mark.slow
@SHARED_IS_SLOW
async def test_the_whole_client_down_to_httpcore() -> None:
    rng = random.Random(0)
    server = StrictServer(keys=dict.fromkeys(key_names(2), "org"), rows=False)
    async with (
        MemoryNetwork(server, latency=lambda: rng.uniform(0.02, 0.4)) as network,
        VirtualCleanlist(network, list(key_names(2))) as client,
    ):
        await asyncio.gather(*(client.public.validate_key() for _ in range(200)))
        makespan_s = anyio.current_time()
    assert server.rejections == []
    assert len(server.grants()) == 200
    assert makespan_s < 4 * 61
