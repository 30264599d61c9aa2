"""Real processes under one limit, before a strict server in a process of its own; some are killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cleanlist_async import RateLimiter, RateLimits
from tests.support.fleet import Fleet, Seen, strict_server
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import wait_until_old_enough

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

PROCESSES = 4
WINDOW_S = 1.5
WINDOWS = 4
LIMITS = RateLimits(window_s=WINDOW_S)
START_S = 2.0
PATIENCE_S = 60.0


@pytest.fixture(params=["sqlite", "redis", "postgres", "pgbouncer"])
def open_limiter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], RateLimiter]]:
    if request.param == "sqlite":
        yield partial(RateLimiter.sqlite, tmp_path / "limits.db", LIMITS)
    elif request.param == "redis":
        url = request.getfixturevalue("redis_url")
        wait_until_old_enough(url, LIMITS)
        yield partial(RateLimiter.redis, url, LIMITS, namespace=request.getfixturevalue("namespace"))
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        port = server.port if request.param == "postgres" else request.getfixturevalue("pgbouncer_port")
        with server.database() as name:
            yield partial(RateLimiter.postgres, server.url(name, port), LIMITS)


def run_fleet(
    open_limiter: Callable[[], RateLimiter], keys: list[list[str]], calls: int, *, kills: int = 0
) -> tuple[Seen, list[int]]:
    """Let each process make so many calls; return what the server saw, and how many those made who lived."""
    rng = random.Random(0)
    with strict_server(60, 30, WINDOW_S) as (base_url, stop):
        starts_at = time.monotonic() + START_S
        fleet = Fleet(open_limiter, keys, base_url, starts_at, starts_at + PATIENCE_S, calls=calls)
        for number in range(PROCESSES):
            fleet.start(number)
        time.sleep(max(0.0, starts_at - time.monotonic()))
        for _ in range(kills):
            time.sleep(rng.uniform(0.3, 0.7) * WINDOW_S)
            fleet.kill_some(1, rng)
        counts = fleet.join()
        return stop(), counts


@pytest.mark.parametrize(
    ("keys", "limit"), [([["a"]], 30), ([["a"], ["b"], ["c"], ["d"]], 60)], ids=["one key", "four keys"]
)
def test_processes_reach_the_limit_together_and_never_pass_it(
    open_limiter: Callable[[], RateLimiter], keys: list[list[str]], limit: int
) -> None:
    calls = limit * WINDOWS // PROCESSES
    seen, counts = run_fleet(open_limiter, keys, calls)
    assert seen.rejected == 0
    assert 0.9 * limit <= seen.busiest <= limit
    assert counts == [calls] * PROCESSES  # nobody is left without tokens


def test_processes_that_are_killed_take_no_token_with_them(open_limiter: Callable[[], RateLimiter]) -> None:
    calls = 30  # in a window, had one process all the tokens
    seen, counts = run_fleet(open_limiter, [["a"]], calls, kills=2)
    assert seen.rejected == 0
    assert counts == [calls] * PROCESSES  # the others, and who came for the dead


def test_the_server_would_have_noticed() -> None:
    with strict_server(60, 30, WINDOW_S) as (base_url, stop):
        starts_at = time.monotonic() + START_S
        make_limiter = partial(RateLimiter, LIMITS)
        fleet = Fleet(make_limiter, [["a"]], base_url, starts_at, starts_at + PATIENCE_S, calls=90)
        for number in range(2):
            fleet.start(number)
        fleet.join()
        assert stop().rejected > 0
