"""What 429s teach of the server that gave them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async import facts
from cleanlist_async.ratelimit.allowance import Allowance

WINDOW_S = 60.0
TRIAL_AT = facts.TRY_AGAIN_AFTER_S


def sent(allowance: Allowance, times: int, at: float, *, is_only: bool = False) -> None:
    """Let so many requests be sent, the first of them when every token is free if it *is_only*."""
    for number in range(times):
        allowance.note_sent(at, is_only=is_only and number == 0)


def refused(
    allowance: Allowance, at: float, asked_s: float | None, *, first: bool = True, recent: int = 0
) -> float:
    """Have one request refused that was sent before; return what is allowed then."""
    allowance.learn(at, asked_s, is_first=first, recent=recent)
    return allowance.learned


def knows(learned: float, opens_at: float = 0.0) -> Allowance:
    """An allowance that a 429 at 0.0 has taught, of a server that opened at *opens_at*."""
    allowance = Allowance(30, WINDOW_S)
    state = {"rejected_at": 0.0, "learned": learned, "known": learned, "opens_at": opens_at}
    allowance.restore({**state, "awaits_cycle": 1.0})
    return allowance


def test_without_a_429_it_is_the_published_limit() -> None:
    assert Allowance(30, WINDOW_S).capacity(1e9) == 30


def test_a_window_shows_how_many_it_holds() -> None:
    """Fifteen of thirty at once are let in, and the others told to come back when the window is over."""
    allowance = Allowance(30, WINDOW_S)
    sent(allowance, 30, 0.0, is_only=True)
    for number in range(15):
        refused(allowance, 0.5, 59.5, first=number == 0)
    assert allowance.learned == pytest.approx(15)


@pytest.mark.parametrize("asked_s", [2.0, 4.0])
def test_from_opening_to_opening_a_bucket_shows_how_fast_it_fills(asked_s: float) -> None:
    """It opens at 10 s, lets one request in, and has a token again at 14 s, whenever it is asked."""
    allowance = knows(28.0, opens_at=10.0)
    sent(allowance, 2, 11.0)
    assert refused(allowance, 14.0 - asked_s, asked_s) == pytest.approx(15)


def test_a_request_that_was_a_little_too_early_costs_a_third_of_a_second() -> None:
    """A leak has no burst, and of two requests that are spaced rightly, the first may travel longer."""
    allowance = knows(15.0, opens_at=10.0)
    sent(allowance, 3, 10.5)
    assert WINDOW_S / refused(allowance, 18.9, 0.1) == pytest.approx(WINDOW_S / 15 + 0.3)


def test_but_a_whole_cycle_that_shows_a_much_lower_rate_is_believed() -> None:
    """A bucket can be asked a moment too early, too."""
    allowance = knows(25.0, opens_at=10.0)
    sent(allowance, 20, 10.5)
    assert refused(allowance, 85.9, 0.1) == pytest.approx(15)


def test_the_first_429_halves_what_is_in_use_at_most() -> None:
    allowance = Allowance(30, WINDOW_S)
    sent(allowance, 3, 0.0, is_only=True)
    assert refused(allowance, 0.1, 59.9) == 15
    assert refused(allowance, 0.2, 59.8, first=False) == 15


def test_a_short_cycle_halves_what_is_in_use_at_most_and_a_whole_one_is_believed() -> None:
    allowance = knows(15.0, opens_at=10.0)
    sent(allowance, 3, 10.0)
    assert refused(allowance, 12.0, 28.0) == 7.5
    allowance = knows(15.0, opens_at=10.0)
    sent(allowance, 3, 10.0)
    assert refused(allowance, 12.0, 58.0) == 2


def test_a_window_that_holds_less_than_the_last_one_is_shared_and_others_use_it_until_it_opens() -> None:
    """Thirty in a window, of which a stranger takes one in four seconds."""
    allowance = Allowance(30, WINDOW_S)
    sent(allowance, 21, 0.0, is_only=True)
    assert refused(allowance, 40.0, 20.0) == pytest.approx(20)
    sent(allowance, 18, 60.0)
    assert refused(allowance, 114.0, 6.0) == 15


def test_but_one_that_holds_the_same_again_is_not() -> None:
    allowance = Allowance(30, WINDOW_S)
    sent(allowance, 11, 0.0, is_only=True)
    assert refused(allowance, 20.0, 40.0) == 15
    sent(allowance, 11, 60.0)
    assert refused(allowance, 100.0, 20.0) == pytest.approx(10)


@pytest.mark.parametrize("asked_s", [None, 5.0])
def test_a_429_when_none_was_let_in_shows_no_rate(asked_s: float | None) -> None:
    allowance = knows(15.0)
    sent(allowance, 1, 10.0)
    assert refused(allowance, 10.0, asked_s) == 15 * facts.SMOOTH_SHARE


def test_and_if_the_server_had_said_that_it_is_open_then_refused_requests_count() -> None:
    for asked_s, counts in ((5.0, True), (None, False)):
        allowance = knows(15.0)
        sent(allowance, 1, 10.0)
        refused(allowance, 10.0, asked_s)
        assert allowance.counts_refused is counts


def test_a_server_that_says_nothing_has_shown_what_it_let_in_but_not_that_it_is_less_than_half() -> None:
    for accepted, shown in ((20, 20), (1, 15)):
        allowance = Allowance(30, WINDOW_S)
        sent(allowance, accepted + 1, 0.0, is_only=True)
        assert refused(allowance, 0.5, None, recent=accepted) == shown


def test_the_whole_limit_is_tried_again_and_if_that_fails_the_old_rate_was_right() -> None:
    """A bucket has saved a burst of five meanwhile, which the cycle as a whole does not show."""
    allowance = knows(15.0)
    assert allowance.capacity(TRIAL_AT - 1) == 15
    assert allowance.capacity(TRIAL_AT) == 30
    sent(allowance, 78, 0.0)
    assert refused(allowance, TRIAL_AT + 10, 2.0, recent=20) == 15
    assert allowance.capacity(TRIAL_AT + 11) == 15


def test_a_trial_corrects_a_rate_that_was_too_low() -> None:
    allowance = knows(14.5)
    sent(allowance, 78, 0.0)
    assert refused(allowance, TRIAL_AT + 10, 0.0, recent=20) == pytest.approx(15, rel=0.01)


def test_a_rate_that_was_a_guess_is_measured_by_the_trial() -> None:
    """A weighted counter asks for long after one request: that is no rate, and half of the last a guess."""
    allowance = knows(26.0, opens_at=38.0)
    sent(allowance, 2, 38.0)
    assert refused(allowance, 41.0, 12.0) == 13
    sent(allowance, 65, 53.0)
    trial_at = allowance.full_at + 14
    assert refused(allowance, trial_at, 1.0, recent=16) == pytest.approx(16 * facts.SMOOTH_SHARE)
    sent(allowance, 72, trial_at + 1.0)
    assert refused(allowance, allowance.full_at + 5, 1.0, recent=20) == pytest.approx(16 * facts.SMOOTH_SHARE)


def test_a_higher_limit_that_a_trial_shows_is_believed() -> None:
    allowance = knows(10.0)
    sent(allowance, 65, 0.0)
    assert refused(allowance, TRIAL_AT + 32, 3.0, recent=20) == 20


def test_a_whole_limit_that_held_is_no_trial_any_more() -> None:
    allowance, at = knows(10.0), TRIAL_AT + 3 * WINDOW_S
    sent(allowance, 120, 0.0)
    assert refused(allowance, at, 59.0) == 15


def test_a_measured_rate_is_a_whole_number_of_requests() -> None:
    assert [knows(rate).tokens(1.0) for rate in (15.06, 15.0, 14.5)] == [15, 15, 15]


@given(
    limit=st.integers(1, 60),
    events=st.lists(
        st.tuples(
            st.floats(0, 400),
            st.integers(1, 60),
            st.one_of(st.none(), st.floats(0.001, 4_000)),
            st.booleans(),
            st.booleans(),
        ),
        max_size=30,
    ),
)
def test_whatever_a_server_says_at_least_one_and_at_most_the_limit_is_in_use(
    limit: int, events: list[tuple[float, int, float | None, bool, bool]]
) -> None:
    allowance, now = Allowance(limit, WINDOW_S), 0.0
    for later_s, times, asked_s, first, is_only in events:
        sent(allowance, times, now, is_only=is_only)
        now += later_s
        refused(allowance, now, asked_s, first=first, recent=times)
        assert 1 <= allowance.learned <= limit
        assert 1 <= allowance.tokens(now) <= limit
        twin = Allowance(limit, WINDOW_S)
        twin.restore(allowance.state())
        assert twin.state() == allowance.state()
