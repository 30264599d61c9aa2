"""The order in which workflows are asked about, and what that costs."""

import math
import random

import pytest

from cleanlist_async.api.public import status_call
from cleanlist_async.http.options import CallOptions
from cleanlist_async.polling.estimator import DurationEstimator
from cleanlist_async.polling.open_workflow import Agenda, OpenWorkflow
from cleanlist_async.polling.scheduler import wait_for_good


@pytest.fixture
def estimator():
    estimator, rng = DurationEstimator(60.0), random.Random(0)
    for _ in range(30):
        estimator.was_signalled(0.0, rng.lognormvariate(math.log(20.0), 0.5))
    return estimator


@pytest.fixture
def agenda(estimator):
    return Agenda(estimator, lambda one, chance: estimator.age_of_chance(one.last_age_s, chance))


def workflow(estimator, submitted_at, last_age_s=0.0):
    question = status_call(workflow_id=f"wf_{submitted_at}")
    one = OpenWorkflow(
        question,
        submitted_at,
        CallOptions(),
        is_new=True,
        on_answer=lambda _: None,
        estimator=estimator,
        until=wait_for_good,
        signal=None,
    )
    one.last_age_s, one.asked = last_age_s, int(last_age_s > 0)
    return one


def add(agenda, one):
    agenda.add(one, is_fresh=not one.asked)
    return one


def test_those_never_asked_about_come_in_the_order_of_their_submits(agenda, estimator):
    later, earlier = (add(agenda, workflow(estimator, at)) for at in (10.0, 5.0))
    due_at, first = agenda.first(0.5)
    assert first is earlier
    assert due_at == 5.0 + estimator.age_of(0.5)
    agenda.discard(earlier)
    assert agenda.first(0.5)[1] is later


def test_one_that_was_asked_about_waits_until_it_is_as_likely_again(agenda, estimator):
    agenda.refresh(0.5, 0.5)
    asked = add(agenda, workflow(estimator, 0.0, last_age_s=20.0))
    assert agenda.first(0.5) == (estimator.age_of_chance(20.0, 0.5), asked)
    agenda.refresh(0.1, 0.1)
    assert agenda.first(0.1)[0] < estimator.age_of_chance(20.0, 0.5)


def test_what_is_discarded_is_not_found_again(agenda, estimator):
    ones = [add(agenda, workflow(estimator, 1.0, last_age_s=age)) for age in (0.0, 0.0, 5.0, 9.0)]
    assert len(agenda) == 4
    for one in ones:
        agenda.discard(one)
        agenda.discard(one)
    assert len(agenda) == 0
    assert agenda.first(0.5) == (math.inf, None)


def chance_of(estimator, last_age_s, age_s):
    """Return how likely a workflow is done at an age that was not at the last one, 0 for never asked."""
    known = estimator.share_before(last_age_s)
    return (estimator.share_done(age_s) - known) / (1 - known)


@pytest.mark.parametrize("count", [3, 500])
def test_a_sample_is_enough_for_an_expectation(agenda, estimator, count):
    ones = [
        add(agenda, workflow(estimator, -60.0 * n / count, last_age_s=5.0 * (n % 2))) for n in range(count)
    ]
    exact = sum(chance_of(estimator, one.last_age_s, 10.0 - one.submitted_at) for one in ones)
    assert agenda.expected(0.0, [10.0])[0] == pytest.approx(exact, rel=0.1)


def test_overdue_are_those_never_asked_about_that_are_almost_surely_done(agenda, estimator):
    for at in (0.0, 50.0, 99.0):
        add(agenda, workflow(estimator, at))
    add(agenda, workflow(estimator, 0.0, last_age_s=20.0))
    assert agenda.overdue(estimator.due_age_s + 51.0) == 2
