"""When is a workflow worth asking about?"""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.polling.estimator import LATE_STEP, DurationEstimator


def questions(estimator, count, *, eager, scout=True):
    ages, age = [], 0.0
    for _ in range(count):
        age = estimator.ask_at(age, eager=eager, scout=scout)
        ages.append(age)
        estimator.was_unfinished(age, first=len(ages) == 1)
    return ages


def test_with_idle_tokens_it_asks_at_1_2_4_and_so_on():
    assert questions(DurationEstimator(60.0), 5, eager=True) == [1, 2, 4, 8, 16]


def test_while_busy_only_scouts_ask_and_late():
    estimator = DurationEstimator(60.0)
    assert estimator.ask_at(0.0, eager=False, scout=False) == math.inf
    assert questions(estimator, 3, eager=False) == [15, 30, 60]


def test_while_busy_a_scout_goes_on_where_another_was():
    estimator = DurationEstimator(60.0)
    estimator.was_unfinished(100.0, first=True)
    assert estimator.ask_at(0.0, eager=False, scout=True) == 200.0
    assert estimator.ask_at(0.0, eager=True, scout=True) == 1.0


def test_times_scale_with_the_window():
    assert questions(DurationEstimator(6.0), 2, eager=True) == [0.1, 0.2]


def test_the_first_finished_workflow_sets_the_age_to_ask_at():
    estimator = DurationEstimator(60.0)
    estimator.was_unfinished(10.0, first=True)
    estimator.was_finished(20.0)
    assert estimator.due_age_s == 30.0
    assert estimator.ask_at(0.0, eager=False, scout=False) == 30.0
    assert estimator.ask_at(0.0, eager=True, scout=False) == 15.0


@pytest.mark.parametrize(("unfinished", "due"), [(None, 120.0), (30.0, 150.0), (60.0, 180.0), (400.0, 180.0)])
def test_a_first_answer_that_came_late_is_taken_for_less(unfinished, due):
    estimator = DurationEstimator(60.0)
    if unfinished is not None:
        estimator.was_unfinished(unfinished, first=True)
    estimator.was_finished(120.0)
    assert estimator.due_age_s == due


def test_one_that_is_late_is_asked_about_at_growing_ages():
    estimator = DurationEstimator(60.0)
    estimator.was_finished(100.0)
    assert estimator.ask_at(200.0, eager=False, scout=False) == LATE_STEP * 200.0
    assert LATE_STEP * 200.0 > estimator.ask_at(200.0, eager=True, scout=False) == 210.0
    for _ in range(9):
        estimator.was_unfinished(200.0, first=False)
    assert 210.0 < estimator.ask_at(200.0, eager=True, scout=False) < LATE_STEP * 200.0


def test_a_miss_long_after_the_due_age_raises_it_no_further_than_to_there():
    estimator = DurationEstimator(60.0)
    for _ in range(20):
        estimator.was_finished(100.0)
    due = estimator.due_age_s
    estimator.was_unfinished(3 * due, first=True)
    assert estimator.due_age_s == 3 * due
    estimator.was_unfinished(3 * due, first=True)
    assert estimator.due_age_s == pytest.approx(3.6 * due)


def test_misses_put_it_off_and_hits_bring_it_nearer():
    estimator = DurationEstimator(60.0)
    estimator.was_finished(20.0)
    estimator.was_unfinished(21.0, first=False)
    assert estimator.due_age_s == 20.0
    estimator.was_unfinished(21.0, first=True)
    assert estimator.due_age_s > 21.0
    assert estimator.streak == 0
    before = estimator.due_age_s
    estimator.was_finished(before)
    assert estimator.due_age_s < before
    estimator.was_finished(10 * before)  # a straggler teaches nothing
    assert estimator.due_age_s == before * 0.998
    assert estimator.streak == 2


def test_early_questions_end_when_too_many_were_wasted():
    estimator = DurationEstimator(60.0)
    estimator.was_finished(20.0)
    for _ in range(9):
        estimator.was_unfinished(1.0, first=False)
    assert estimator.ask_at(0.0, eager=True, scout=True) == estimator.due_age_s


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans())), st.floats(0, 1e6), st.booleans(), st.booleans())
def test_the_next_question_is_always_later(history, last, eager, scout):
    estimator = DurationEstimator(60.0)
    for age, done in history:
        estimator.was_finished(age) if done else estimator.was_unfinished(age, first=True)
    assert estimator.ask_at(last, eager=eager, scout=scout) >= last


def test_silence_is_borne_for_a_while():
    estimator = DurationEstimator(60.0)
    assert estimator.silent_at(0.0, eager=False, scout=False) == math.inf
    assert estimator.silent_at(0.0, eager=True, scout=True) == 15.0
    assert estimator.silent_at(0.0, eager=False, scout=True) == 60.0
    assert estimator.silent_at(60.0, eager=False, scout=True) == 180.0
    estimator.was_signalled(20.0)
    assert estimator.due_age_s == 30.0
    assert estimator.silent_at(0.0, eager=True, scout=False) == 2 * 30.0 + 31.0
    assert estimator.silent_at(100.0, eager=True, scout=False) == LATE_STEP * 100.0 + 31.0


@given(ages=st.lists(st.floats(1.0, 1_000.0), min_size=200, max_size=200))
def test_webhooks_teach_by_when_almost_all_are_done(ages):
    estimator = DurationEstimator(60.0)
    for age in ages:
        estimator.was_signalled(age)
        assert estimator.due_age_s > 0
    before = estimator.due_age_s
    estimator.was_signalled(2 * before)
    assert estimator.due_age_s == 2 * before
    for _ in range(4_000):
        estimator.was_signalled(1.0)
    assert estimator.due_age_s < 1.5


def test_signals_do_not_raise_the_due_age():
    estimator, rng = DurationEstimator(60.0), random.Random(0)
    ages = [rng.lognormvariate(math.log(60), 0.5) for _ in range(5_000)]
    late = []
    for age in ages:
        if estimator.due_age_s is not None:
            late.append(age > estimator.due_age_s)
        estimator.was_signalled(age)
    assert 0.005 < sum(late[100:]) / len(late[100:]) < 0.05
