"""What is known of how long workflows take."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async.polling.estimator import ALMOST_SURE, DurationEstimator

WINDOW_S = 60.0


def estimator_of(durations):
    """An estimator that saw workflows finish, each asked about a tenth before its end."""
    estimator = DurationEstimator(WINDOW_S)
    for duration in durations:
        estimator.was_unfinished(0.0, 0.9 * duration)
        estimator.was_finished(0.9 * duration, duration)
    return estimator


def lognormal(median_s, count, seed=0, sigma=0.5):
    rng = random.Random(seed)
    return [rng.lognormvariate(math.log(median_s), sigma) for _ in range(count)]


def test_before_anything_is_seen_most_workflows_take_2_to_30_seconds():
    estimator = DurationEstimator(WINDOW_S)
    assert estimator.is_blank
    assert estimator.due_age_s is None
    assert 4 < estimator.age_of(0.5) < 15
    assert 0.5 < estimator.share_done(30.0) - estimator.share_done(2.0) < 0.9


@pytest.mark.parametrize("median_s", [0.5, 3.0, 20.0, 120.0, 600.0, 3_000.0])
def test_a_few_answers_show_any_length(median_s):
    estimator = estimator_of(lognormal(median_s, 12))
    assert 0.6 * median_s < estimator.age_of(0.5) < 1.6 * median_s
    assert estimator.due_age_s < 8 * median_s


def chance_of(estimator, last_age_s, age_s):
    """Return how likely a workflow is done at an age that was not at the last one, 0 for never asked."""
    known = estimator.share_before(last_age_s)
    return (estimator.share_done(age_s) - known) / (1 - known)


def test_misses_alone_raise_what_is_expected():
    estimator, age_s = DurationEstimator(WINDOW_S), 0.0
    for later_s in (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0):
        before = estimator.age_of(0.5)
        estimator.was_unfinished(age_s, later_s)
        assert estimator.age_of(0.5) > before
        assert chance_of(estimator, later_s, 2 * later_s) > 0.05  # a question is never put off for good
        age_s = later_s


def test_a_finished_one_that_was_found_late_says_only_that():
    estimator = DurationEstimator(WINDOW_S)
    estimator.was_finished(0.0, 500.0)
    assert estimator.age_of(0.5) < 15


def test_times_scale_with_the_window():
    long, short = DurationEstimator(60.0), DurationEstimator(1.0)
    assert short.age_of(0.5) == pytest.approx(long.age_of(0.5) / 60)


def test_a_server_that_becomes_slow_is_noticed_and_one_odd_workflow_is_not():
    estimator = estimator_of(lognormal(20.0, 200))
    usual_s = estimator.age_of(0.5)
    estimator.was_signalled(0.0, 5_000.0)
    assert estimator.age_of(0.5) < 1.3 * usual_s
    for duration in lognormal(200.0, 100, seed=1):
        estimator.was_signalled(0.0, duration)
    assert 120 < estimator.age_of(0.5) < 300


def test_chance_and_age_are_inverse():
    estimator = estimator_of(lognormal(20.0, 20))
    for last_age_s in (0.0, 10.0, 25.0, 60.0):
        for chance in (0.05, 0.3, 0.9):
            age_s = estimator.age_of_chance(last_age_s, chance)
            assert age_s > last_age_s
            assert chance_of(estimator, last_age_s, age_s) == pytest.approx(chance, abs=0.02)


def test_a_token_is_not_held_for_longer_than_it_takes_to_come_back():
    slow = estimator_of(lognormal(600.0, 20))
    assert slow.age_of_slow_growth(0.0) < slow.age_of(0.9)
    assert 0 < slow.age_of_slow_growth(500.0) - 500.0 < 3 * WINDOW_S
    quick = estimator_of(lognormal(3.0, 20))
    assert quick.share_done(quick.age_of_slow_growth(0.0)) > 0.9


def test_a_silent_webhook_is_waited_for_until_its_last_retry():
    estimator = DurationEstimator(WINDOW_S)
    assert estimator.silent_at(0.0) == WINDOW_S
    estimator = estimator_of(lognormal(20.0, 20))
    assert estimator.silent_at(0.0) == pytest.approx(2 * estimator.age_of(ALMOST_SURE) + 31.0)
    assert estimator.silent_at(500.0) == 1.3 * 500.0 + 31.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 1e6), st.floats(0.0, 1e6)), max_size=30))
def test_whatever_is_seen_the_shares_are_a_distribution(answers):
    estimator = DurationEstimator(WINDOW_S)
    for is_done, *ages in answers:
        before_s, age_s = sorted(ages)
        learn = estimator.was_finished if is_done else estimator.was_unfinished
        learn(before_s, age_s)
    shares = [estimator.share_done(1.5**step / 10) for step in range(40)]
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] <= 1 + 1e-9
    assert all(math.isfinite(estimator.age_of(share)) for share in (0.0, 0.5, 0.999, 1.0))
