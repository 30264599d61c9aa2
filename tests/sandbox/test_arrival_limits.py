"""Each way of counting requests, by the times at which they arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.sandbox.limits import ArrivalLimit
from cleanlist_async.testing import LimitKind, make_limit

KINDS: list[LimitKind] = ["sliding", "fixed", "token_bucket", "weighted"]


def let_in(limit: ArrivalLimit, *arrivals: float, count_rejected: bool = False) -> list[float]:
    accepted: list[float] = []
    for now in arrivals:
        wait_s = limit.wait_s(now)
        if wait_s == 0.0:
            accepted.append(now)
        if wait_s == 0.0 or count_rejected:
            limit.count(now)
    return accepted


def test_sliding_lets_the_same_token_in_again_after_exactly_one_window():
    limit = make_limit("sliding", 2, 60.0)
    assert let_in(limit, 0.0, 10.0, 59.9, 60.0, 69.9, 70.0) == [0.0, 10.0, 60.0, 70.0]


def test_sliding_catches_a_client_that_counts_59_9_seconds_as_a_minute():
    arrivals = [n * 59.9 / 30 for n in range(300)]
    assert let_in(make_limit("sliding", 30, 60.0), *arrivals) != arrivals
    arrivals = [n * 60.0 / 30 for n in range(300)]
    assert let_in(make_limit("sliding", 30, 60.0), *arrivals) == arrivals


def test_sliding_says_when_the_next_is_let_in():
    limit = make_limit("sliding", 2, 60.0)
    let_in(limit, 0.0, 10.0)
    assert limit.wait_s(15.0) == 45.0


def test_sliding_with_rejections_counted_shuts_an_impatient_client_out():
    limit = make_limit("sliding", 2, 60.0)
    arrivals = [float(n) for n in range(0, 300, 20)]
    assert let_in(limit, *arrivals, count_rejected=True) == [0.0, 20.0]
    assert limit.wait_s(290.0) == 260.0 + 60.0 - 290.0


def test_fixed_starts_afresh_at_each_boundary():
    limit = make_limit("fixed", 2, 60.0)
    assert let_in(limit, 58.0, 59.0, 59.9, 60.0, 60.1, 60.2, 120.0) == [58.0, 59.0, 60.0, 60.1, 120.0]


def test_fixed_windows_can_be_shifted():
    limit = make_limit("fixed", 1, 60.0, phase_s=25.0)
    assert let_in(limit, 0.0, 24.9, 25.0, 84.9, 85.0) == [0.0, 25.0, 85.0]
    assert limit.wait_s(100.0) == 45.0


def test_token_bucket_refills_evenly():
    limit = make_limit("token_bucket", 30, 60.0)
    assert let_in(limit, *[0.0] * 31, 1.9, 2.0, 2.1, 6.0, 6.0, 6.0) == [0.0] * 30 + [2.0, 6.0, 6.0]
    assert limit.wait_s(6.0) == pytest.approx(2.0)


def test_token_bucket_is_full_at_first_and_never_fuller():
    limit = make_limit("token_bucket", 3, 60.0)
    assert let_in(limit, *[1_000.0] * 5, *[9_000.0] * 5) == [1_000.0] * 3 + [9_000.0] * 3


def test_token_bucket_never_starves_a_client_at_exactly_its_rate():
    limit = make_limit("token_bucket", 7, 60.0)
    arrivals = [0.0] * 7 + [60.0 / 7 * n for n in range(1, 5_000)]
    assert let_in(limit, *arrivals) == arrivals


def test_weighted_counts_the_part_of_the_last_window_that_still_overlaps():
    limit = make_limit("weighted", 50, 60.0)
    before = [float(n) for n in range(42)]
    assert let_in(limit, *before) == before
    in_this = [75.0 - 0.5 * n for n in range(18, 0, -1)]
    assert let_in(limit, *in_this) == in_this
    assert let_in(limit, 75.0, 75.0) == [75.0]  # 42 * 45/60 + 18 = 49.5, then 50.5


def test_weighted_refuses_a_burst_one_minute_after_a_burst():
    limit = make_limit("weighted", 30, 60.0)
    assert let_in(limit, *[50.0] * 30) == [50.0] * 30
    assert let_in(limit, *[110.0] * 30) == [110.0] * 25  # 30 * 10/60 = 5 still weigh


def test_weighted_forgets_after_two_windows():
    limit = make_limit("weighted", 2, 60.0)
    assert let_in(limit, 0.0, 0.0, 120.0, 120.0, 120.0) == [0.0, 0.0, 120.0, 120.0]


@pytest.mark.parametrize("kind", KINDS)
@given(
    gaps=st.lists(st.floats(0, 90), min_size=1, max_size=60), limit=st.integers(1, 6), phase=st.floats(0, 60)
)
def test_wait_s_is_when_the_next_is_let_in(kind: LimitKind, gaps: list[float], limit: int, phase: float):
    server = make_limit(kind, limit, 60.0, phase)
    now = 0.0
    for gap in gaps:
        now += gap
        let_in(server, now)
    wait_s = server.wait_s(now)
    assert 0.0 <= wait_s <= 120.0 + 1e-5
    if wait_s > 0.01:
        assert server.wait_s(now + wait_s - 0.005) > 0.0
    assert server.wait_s(now + wait_s + 1e-5) == 0.0
