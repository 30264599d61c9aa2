"""The limiters, in no time at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.sandbox.limits import FixedWindow, Limits, SlidingLog, TokenBucket

WINDOW = 60.0
# Multiples of 1/64 s are exact in binary, so that "at least a window apart" can be asserted to the bit.
gaps = st.lists(st.integers(0, 64 * 30).map(lambda n: n / 64), min_size=1, max_size=120)


def arrivals(gaps_):
    now, times = 0.0, []
    for gap in gaps_:
        now += gap
        times.append(now)
    return times


def accepted(bucket, times):
    taken = []
    for now in times:
        if bucket.wait_s(now) == 0.0:
            bucket.count(now)
            taken.append(now)
    return taken


@given(gaps, st.integers(1, 7))
def test_sliding_never_lets_more_than_the_limit_into_any_window(gaps_, limit):
    taken = accepted(SlidingLog(limit, WINDOW), arrivals(gaps_))
    assert all(late - early >= WINDOW for early, late in zip(taken, taken[limit:], strict=False))


@given(gaps, st.integers(1, 7))
def test_sliding_rejects_only_what_would_be_too_many(gaps_, limit):
    bucket, taken = SlidingLog(limit, WINDOW), []
    for now in arrivals(gaps_):
        inside = sum(now - at < WINDOW for at in taken)
        assert (bucket.wait_s(now) == 0.0) == (inside < limit)
        if inside < limit:
            bucket.count(now)
            taken.append(now)


@given(gaps, st.integers(1, 7))
def test_fixed_window_counts_each_window_by_itself(gaps_, limit):
    times = arrivals(gaps_)
    taken = accepted(FixedWindow(limit, WINDOW), times)
    for window in {now // WINDOW for now in times}:
        arrived = sum(now // WINDOW == window for now in times)
        assert sum(now // WINDOW == window for now in taken) == min(arrived, limit)


@given(gaps, st.integers(1, 7))
def test_token_bucket_never_exceeds_burst_plus_rate(gaps_, limit):
    taken = accepted(TokenBucket(limit, WINDOW), arrivals(gaps_))
    for first, start in enumerate(taken):
        for count, end in enumerate(taken[first:], start=1):
            assert count <= limit + (end - start) * limit / WINDOW + 1e-6


def test_fixed_window_allows_two_bursts_across_its_edge_where_sliding_does_not():
    times = [59.0] * 3 + [61.0] * 3
    assert len(accepted(FixedWindow(3, WINDOW), times)) == 6
    assert len(accepted(SlidingLog(3, WINDOW), times)) == 3


def limits(kind="sliding", **more):
    return Limits(kind, **{"org_limit": 3, "key_limit": 2, "window_s": WINDOW, **more})


def test_both_buckets_or_none():
    gate = limits()
    assert [gate.admit("a", 0.0) for _ in range(2)] == [0.0, 0.0]
    assert gate.admit("a", 1.0) == 59.0  # the key's limit: must not take the organization's last place
    assert gate.admit("b", 2.0) == 0.0
    assert gate.admit("b", 3.0) == 57.0  # the organization's limit: must not take the key's place
    assert [gate.admit("b", 60.0) for _ in range(2)] == [0.0, 2.0]


def test_the_longer_of_two_waits_is_told():
    gate = limits(org_limit=2, key_limit=1)
    gate.admit("a", 0.0)
    gate.admit("b", 10.0)
    assert gate.admit("b", 20.0) == 50.0  # the organization is free at 60, the key only at 70


def test_a_session_token_has_the_organization_limit_only():
    gate = limits()
    assert [gate.admit(None, 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 60.0]


@pytest.mark.parametrize(("count_rejected", "wait_s"), [(False, 0.0), (True, 50.0)])
def test_whether_rejected_requests_count(count_rejected, wait_s):
    gate = limits(org_limit=1, count_rejected=count_rejected)
    gate.admit("a", 0.0)
    assert gate.admit("a", 50.0) > 0
    assert gate.admit("a", 60.0) == wait_s


@pytest.mark.parametrize("kind", ["sliding", "fixed", "token_bucket"])
def test_each_kind_is_wired(kind):
    gate = limits(kind)
    assert [gate.admit("a", 0.0) == 0.0 for _ in range(3)] == [True, True, False]


def test_off_admits_everything():
    gate = limits("off")
    assert {gate.admit("a", 0.0) for _ in range(100)} == {0.0}
