"""The arithmetic of one bucket, by itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import facts
from cleanlist_async.ratelimit.window import Window
from tests.support.examples import examples


def spent(limit: int = 3) -> Window:
    """A bucket after a burst whose answers came at 0.1, 0.2, ... seconds, margin 1 s, grace 5 s."""
    window = Window(limit, 60.0, 1.0, 5.0)
    for _ in range(limit):
        assert not window.take(0.0)
    for number in range(limit):
        window.settle("answered", (number + 1) / 10)
    return window


def test_a_token_comes_back_one_window_and_the_margin_after_its_answer() -> None:
    window = Window(1, 60.0, 1.0)
    window.take(0.0)
    assert window.available(1e9) == 0
    assert window.opens_at(1e9) == math.inf
    window.settle("answered", 7.0)
    assert window.opens_at(8.0) == 68.0
    assert window.available(67.9) == 0
    assert window.available(68.0) == 1


def test_a_lost_request_costs_the_grace_besides() -> None:
    window = Window(1, 60.0, 1.0, 5.0)
    window.take(0.0)
    window.settle("lost", 7.0)
    assert window.opens_at(8.0) == 73.0


def test_an_unsent_request_costs_nothing() -> None:
    window = Window(1, 60.0, 1.0, 5.0)
    window.take(0.0)
    window.settle("unsent", 0.0)
    assert window.opens_at(0.0) == 0.0
    assert window.is_untouched(0.0)


def test_the_first_token_after_a_burst_is_a_probe_and_goes_alone() -> None:
    window = spent()
    assert window.available(61.15) == 1
    assert window.take(61.15)
    assert window.available(61.4) == 0
    assert window.opens_at(61.4) == math.inf
    window.settle("answered", 61.5, probe=True)
    assert window.available(61.5) == 2


def test_after_the_first_probe_a_few_at_a_time_until_the_whole_burst_is_tried() -> None:
    window = Window(10, 60.0, 1.0)
    for _ in range(10):
        window.take(0.0)
    for answered_at in (*[1.0] * 9, 50.0):
        window.settle("answered", answered_at)
    for tried in range(9):
        allowed = min(tried + 1, facts.PROBES_AT_ONCE, 9 - tried)
        assert window.available(70.0) == allowed
        assert all(window.take(70.0) for _ in range(allowed))
        assert window.available(70.0) == 0
        window.settle("answered", 70.0, probe=True)
        for _ in range(allowed - 1):
            window.settle("unsent", 0.0, probe=True)
    assert window.take(111.0)
    window.settle("answered", 111.0, probe=True)
    assert window.available(131.0) == 9
    assert not window.take(131.0)


def test_only_one_of_several_returned_tokens_may_probe() -> None:
    window = spent()
    window.take(61.15)
    window.settle("unsent", 0.0, probe=True)
    assert window.available(61.25) == 1  # two are back, and still only one may go
    assert window.take(61.25)


def test_when_all_is_back_the_next_burst_is_whole_and_has_its_own_probe() -> None:
    window = spent()
    assert window.available(100.0) == 3
    for _ in range(3):
        assert not window.take(100.0)
    for number in range(3):
        window.settle("answered", 101.0 + number)
    assert window.available(162.5) == 1
    assert window.take(162.5)


def test_the_probe_is_not_for_those_who_must_leave_tokens() -> None:
    window = spent(20)
    assert window.opens_at(61.9) == 61.9
    assert window.opens_at(61.9, keep=3) == 63.0, "when all are back, and the burst is forgotten"
    assert window.available(63.0) == 20
    window = spent(20)
    window.take(61.9)
    assert window.opens_at(61.9, keep=3) == math.inf


def test_when_enough_probes_are_allowed_time_alone_brings_what_is_to_be_left() -> None:
    window = spent(20)
    for now in (61.1, 61.2, 61.3):
        window.settle("answered", now, probe=window.take(now))
    assert window.opens_at(61.3) == pytest.approx(61.4)
    assert window.opens_at(61.3, keep=3) == pytest.approx(61.7)
    assert window.available(61.75) == 4


def test_tokens_kept_back() -> None:
    window = Window(20, 60.0)
    for _ in range(16):
        window.take(0.0)
    assert window.opens_at(0.0, keep=3) == 0.0
    window.take(0.0)
    assert window.opens_at(0.0) == 0.0
    assert window.opens_at(0.0, keep=3) == math.inf
    window.settle("answered", 1.0)
    window.settle("answered", 2.0)
    assert window.opens_at(3.0, keep=3) == 61.0


def test_of_a_small_limit_no_more_than_a_quarter_is_kept() -> None:
    assert Window(3, 60.0).opens_at(0.0, keep=3) == 0.0
    window = Window(8, 60.0)
    for _ in range(6):
        window.take(0.0)
    assert window.opens_at(0.0, keep=3) == math.inf
    window.settle("unsent", 0.0)
    assert window.opens_at(0.0, keep=3) == 0.0


def test_a_pause_only_ever_grows() -> None:
    window = Window(2, 60.0)
    window.pause(10.0)
    window.pause(5.0)
    assert window.available(9.9) == 0
    assert window.opens_at(0.0) == 10.0
    assert window.available(10.0) == 2
    assert not window.is_untouched(9.0)


def test_a_rejection_shrinks_once_a_window_and_grows_back_by_one_a_window() -> None:
    window = Window(30, 60.0)
    window.shrink(0.0)
    window.shrink(59.0)
    assert window.capacity(0.0) == 21
    assert window.available(59.9) == 21
    assert window.available(60.0) == 22
    window.shrink(60.0)
    assert window.capacity(60.0) == 15
    assert window.capacity(60.0 * 100) == 30
    assert window.smooth_until == 660.0


@pytest.mark.parametrize(("limit", "floor"), [(30, 3), (3, 3), (2, 2), (1, 1)])
def test_the_smallest_limit(limit: int, floor: int) -> None:
    window = Window(limit, 60.0)
    for number in range(20):
        window.shrink(number * 60.0)
    assert int(window.capacity(19 * 60.0)) == floor


def test_it_opens_by_growth_or_by_return_whichever_comes_first() -> None:
    window = Window(10, 60.0)
    for _ in range(8):
        window.take(0.0)
    window.shrink(0.0)  # 7 are allowed, 8 are out
    assert window.opens_at(0.0) == 120.0
    window.settle("answered", 30.0)
    assert window.opens_at(30.0) == 90.0  # one returned and one grown
    window.settle("answered", 31.0)
    window.settle("answered", 32.0)
    assert window.opens_at(32.0) == 90.0


def test_absorbing_takes_everything_over() -> None:
    ours, theirs = Window(5, 60.0), Window(5, 60.0)
    ours.take(0.0)
    for _ in range(3):
        theirs.take(0.0)
    theirs.settle("answered", 4.0)
    theirs.pause(7.0)
    theirs.shrink(4.0)
    ours.absorb(theirs)
    assert ours.in_flight == 3
    assert ours.available(6.0) == 0
    assert ours.available(7.0) == 0  # three are left of five, and four are out
    assert ours.capacity(4.0) == 3
    assert ours.smooth_until == 604.0
    for _ in range(3):
        ours.settle("unsent", 0.0)
    assert ours.available(64.0) == 4


times = st.floats(0, 300, allow_nan=False)
events = st.lists(
    st.tuples(times, st.floats(0, 90), st.floats(0, 90), st.sampled_from(["answer", "lose", "keep"]))
)


@settings(max_examples=examples(200))
@given(limit=st.integers(1, 5), requests=events)
def test_no_more_arrivals_than_the_limit_in_any_window(
    limit: int, requests: list[tuple[float, float, float, str]]
) -> None:
    """Any latencies; a lost request is given up at once and arrives within the grace."""
    window = Window(limit, 60.0, 0.0, 5.0)
    pending: list[tuple[float, str, bool]] = []
    arrivals: list[float] = []
    now = 0.0
    for gap, there, back, outcome in sorted(requests):
        now = max(now, gap)
        for at, kind, probe in sorted(pending):
            if at <= now:
                pending.remove((at, kind, probe))
                window.settle("answered" if kind == "answer" else "lost", at, probe=probe)
        if window.available(now) < 1:
            opens = window.opens_at(now)
            assert opens > now
            continue
        probe = window.take(now)
        if outcome == "keep":
            window.settle("unsent", 0.0, probe=probe)
        elif outcome == "lose":
            arrivals.append(now + there / 90 * 5.0)
            pending.append((now, outcome, probe))
        else:
            arrivals.append(now + there)
            pending.append((now + there + back, outcome, probe))
    arrivals.sort()
    assert all(b - a >= 60 - 1e-9 for a, b in zip(arrivals, arrivals[limit:], strict=False))


@settings(max_examples=examples(200))
@given(
    limit=st.integers(1, 12),
    out=st.integers(0, 12),
    answered=st.lists(times, max_size=12),
    keep=st.integers(0, 3),
    rejected=st.booleans(),
    now=times,
)
def test_opens_at_is_the_first_moment_at_which_a_token_is_there(
    *,
    limit: int,
    out: int,
    answered: list[float],
    keep: int,
    rejected: bool,
    now: float,
) -> None:
    window = Window(limit, 60.0)
    taken = min(out, limit - 1)  # never a whole burst: the probe has tests of its own
    for _ in range(taken):
        window.take(0.0)
    if rejected:
        window.shrink(0.0)
    for at in answered[:taken]:
        window.settle("answered", min(at, now))
    opens = window.opens_at(now, keep)
    kept = min(keep, int(window.capacity(now)) // 4)
    if opens == math.inf:
        assert window.available(now) <= kept
    elif opens > now:
        earlier = max(now, opens - 1e-3)  # asked first: a bucket is never asked about the past
        assert window.opens_at(earlier, keep) > earlier
        assert window.opens_at(opens + 1e-6, keep) == opens + 1e-6 or kept < keep
    else:
        assert window.available(now) > kept
