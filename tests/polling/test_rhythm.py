"""How batches of interactive calls and their questions share the tokens."""

import math
import random

import pytest

from cleanlist_async.polling.estimator import DurationEstimator, best_rhythm
from cleanlist_async.polling.scheduler import Arrivals


def known(median_s):
    estimator, rng = DurationEstimator(60.0), random.Random(0)
    for _ in range(50):
        estimator.was_signalled(0.0, rng.lognormvariate(math.log(median_s), 0.5))
    return estimator


def test_a_batch_and_its_questions_fit_into_the_tokens_of_a_gap():
    rhythm = best_rhythm(known(5.0), 2.0, contacts_per_s=1.0)
    assert rhythm.gap_s == pytest.approx(2.0 * (2 + (1 - rhythm.chance) / rhythm.later), rel=0.01)
    assert 0.4 <= rhythm.chance <= 0.8
    assert rhythm.wait_s < 11


def test_batches_that_would_overflow_follow_faster_and_are_asked_about_later():
    rare, busy = (best_rhythm(known(5.0), 2.0, contacts_per_s=rate) for rate in (1.0, 59.0))
    assert busy.gap_s < rare.gap_s
    assert busy.chance > rare.chance
    assert busy.gap_s * 59 <= 250


def test_beyond_what_the_tokens_allow_it_is_the_fastest_rhythm():
    assert best_rhythm(known(5.0), 2.0, contacts_per_s=1_000.0).chance == 0.97


def test_callers_that_come_one_by_one_wait_for_nobody_and_idle_tokens_go_into_questions():
    rare, lone = (best_rhythm(known(5.0), 2.0, contacts_per_s=rate) for rate in (1 / 10, 1 / 60))
    assert rare.gap_s < 10
    assert lone.gap_s == 0
    assert lone.chance < rare.chance <= 0.5


def test_of_the_workflows_that_were_not_done_the_next_question_is_less_strict():
    busy = best_rhythm(known(5.0), 2.0, contacts_per_s=59.0)
    assert busy.later < busy.chance


def test_contacts_that_come_evenly_are_counted_from_the_first_seconds_on():
    arrivals = Arrivals(60.0)
    assert arrivals.per_s(0.0) == 0
    for n in range(40):
        arrivals.note(n / 10)
    assert arrivals.per_s(4.0) == pytest.approx(10, rel=0.05)
    assert arrivals.lasted_s(4.0) == 4
    assert arrivals.per_s(60.0) < 0.5
    arrivals.note(300.0)  # begins anew
    assert arrivals.lasted_s(301.0) == 1
