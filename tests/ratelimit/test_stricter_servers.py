"""Servers that are stricter than published, and limits that others use too; see `benchmarks.servers`."""

from __future__ import annotations

import random
from math import sqrt
from typing import get_args

import pytest

from cleanlist_async.ratelimit import Pace
from cleanlist_async.testing import run
from tests.support.stricter_servers import (
    FASTEST_S,
    LIMIT,
    SERVERS,
    SLOWEST_S,
    WINDOW_S,
    WORLDS,
    Gcra,
    Result,
    Run,
    most_of_a_leak,
    ours,
)

PUBLISHED = ("sliding log", "fixed window", "window from the first", "token bucket", "limit 1, as told")


def half_an_hour(server: str, pace: Pace, answer_s: float = 0.0, lost: float = 0.0) -> Result:
    """Send as fast as our limiter lets us."""
    kind = SERVERS[server]
    return run(Run(kind, answer_s, lost, random.Random(1)).live(ours(pace, kind)))


def check(server: str, result: Result) -> None:
    """Few 429s, and most of what the server allows."""
    if server in PUBLISHED:
        assert result.volley == result.later == 0
    assert result.later <= result.allowance
    assert result.share >= 0.9


@pytest.mark.parametrize("server", SERVERS)
def test_429s_are_few_and_most_of_what_the_server_allows_is_used(server: str) -> None:
    check(server, half_an_hour(server, "auto"))


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_nor_do_another_pace_slow_answers_and_lost_ones_change_that(server: str) -> None:
    for answer_s, lost in WORLDS:
        for pace in get_args(Pace):
            check(server, half_an_hour(server, pace, answer_s, lost))


def test_what_a_leak_can_give_is_reached_by_a_client_that_knows_all_of_the_way_there() -> None:
    """It sees how long each answer took, and takes the first request to be one of the latest but a few."""
    rng, leak, tail = random.Random(1), Gcra(LIMIT, 1), sqrt(3 * 0.01)
    sent_at, refused, requests = 0.0, 0, 50_000
    for _ in range(requests):
        there_s, back_s = rng.uniform(FASTEST_S, SLOWEST_S), rng.uniform(FASTEST_S, SLOWEST_S)
        arrives_at = sent_at + there_s
        if leak.wait_s(arrives_at):
            refused += 1
        else:
            leak.count(arrives_at)
        soonest_s = max(FASTEST_S, there_s + back_s - SLOWEST_S)
        latest_s = min(SLOWEST_S, there_s + back_s - FASTEST_S)
        sent_at += WINDOW_S / LIMIT + latest_s - tail * (latest_s - soonest_s) - FASTEST_S
    assert refused / requests == pytest.approx(0.01, rel=0.1)
    assert requests * WINDOW_S / sent_at == pytest.approx(most_of_a_leak(LIMIT), rel=0.001)
