"""The arithmetic of one bucket, by itself."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import facts
from cleanlist_async.ratelimit.window import Window
from tests.support.examples import examples


def test_a_token_comes_back_one_window_and_the_margin_after_its_answer() -> None:
    window = Window(1, 60.0, 1.0)
    window.take(0.0)
    assert window.available(1e9) == 0
    assert window.opens_at(1e9) == math.inf
    window.settle("answered", 7.0, 0.0)
    assert window.opens_at(8.0) == 68.0
    assert window.available(67.9) == 0
    assert window.available(68.0) == 1


def test_a_lost_request_costs_the_grace_besides() -> None:
    window = Window(1, 60.0, 1.0, 5.0)
    window.take(0.0)
    window.settle("lost", 7.0, 0.0)
    assert window.opens_at(8.0) == 73.0


def test_an_unsent_request_costs_nothing() -> None:
    window = Window(1, 60.0, 1.0, 5.0)
    window.take(0.0)
    window.settle("unsent", 0.0, 0.0)
    assert window.opens_at(0.0) == 0.0
    assert window.is_untouched(0.0)


def test_a_refused_request_costs_nothing_but_the_pause() -> None:
    window = Window(2, 60.0)
    window.take(0.0)
    window.settle("rejected", 1.0, 0.0)
    window.reject(1.0, 5.0, taken_at=0.0, asked_s=5.0)
    assert window.available(5.9) == 0
    assert window.available(6.0) == 2


def test_unless_the_server_counts_what_it_refuses() -> None:
    """It refused a request when it should open, so that one and the one before count for it."""
    window = Window(30, 60.0)
    for at in (0.0, 10.0):
        window.take(at)
        window.settle("rejected", at, at)
        window.reject(at, 5.0, taken_at=at, asked_s=5.0)
    assert len(window.sent) == 2


def test_tokens_kept_back() -> None:
    window = Window(20, 60.0)
    for _ in range(16):
        window.take(0.0)
    assert window.opens_at(0.0, keep=3) == 0.0
    window.take(0.0)
    assert window.opens_at(0.0) == 0.0
    assert window.opens_at(0.0, keep=3) == math.inf
    window.settle("answered", 1.0, 0.0)
    window.settle("answered", 2.0, 0.0)
    assert window.opens_at(3.0, keep=3) == 61.0


def test_a_pause_only_ever_grows() -> None:
    window = Window(2, 60.0)
    window.pause(10.0)
    window.pause(5.0)
    assert window.available(9.9) == 0
    assert window.opens_at(0.0) == 10.0
    assert window.available(10.0) == 2
    assert not window.is_untouched(9.0)


def test_absorbing_takes_everything_over() -> None:
    ours, theirs = Window(5, 60.0), Window(5, 60.0)
    ours.take(0.0)
    for _ in range(3):
        theirs.take(0.0)
    theirs.settle("answered", 4.0, 0.0)
    theirs.take(4.0)
    theirs.settle("rejected", 4.0, 0.0)
    theirs.reject(4.0, 60.0, taken_at=4.0, asked_s=60.0)
    ours.absorb(theirs)
    assert ours.in_flight == 3
    assert ours.available(6.0) == 0
    assert ours.tokens(7.0) == theirs.tokens(7.0) == 3
    assert ours.allowance.smooth_until == 604.0
    for _ in range(3):
        ours.settle("unsent", 0.0, 0.0)
    assert ours.available(63.9) == 0
    assert ours.available(64.0) == 3


def test_the_whole_limit_is_tried_again_before_the_tokens_beyond_the_present_one_return() -> None:
    window = Window(2, 60.0)
    window.allowance.restore({"rejected_at": 0.0, "learned": 1.0})
    window.take(250.0)
    assert window.opens_at(250.0) == facts.TRY_AGAIN_AFTER_S


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
    pending: list[tuple[float, str]] = []
    arrivals: list[float] = []
    now = 0.0
    for gap, there, back, outcome in sorted(requests):
        now = max(now, gap)
        for at, kind in sorted(pending):
            if at <= now:
                pending.remove((at, kind))
                window.settle("answered" if kind == "answer" else "lost", at, at)
        if window.available(now) < 1:
            opens = window.opens_at(now)
            assert opens > now
            continue
        window.take(now)
        if outcome == "keep":
            window.settle("unsent", 0.0, 0.0)
        elif outcome == "lose":
            arrivals.append(now + there / 90 * 5.0)
            pending.append((now, outcome))
        else:
            arrivals.append(now + there)
            pending.append((now + there + back, outcome))
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
    taken = min(out, limit)
    for _ in range(taken):
        window.take(0.0)
    if rejected:
        window.take(0.0)
        window.settle("rejected", 0.0, 0.0)
        window.reject(0.0, 1.0, taken_at=0.0, asked_s=1.0)
    for at in answered[:taken]:
        window.settle("answered", min(at, now), 0.0)
    opens = window.opens_at(now, keep)
    if opens == math.inf:
        assert window.available(now) <= keep
    elif opens > now:
        earlier = max(now, opens - 1e-3)  # asked first: a bucket is never asked about the past
        assert window.opens_at(earlier, keep) > earlier
        assert window.opens_at(opens + 1e-6, keep) == opens + 1e-6
    else:
        assert window.available(now) > keep
