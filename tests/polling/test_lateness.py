"""How late results are beside the earliest possible moment: some cells of `benchmarks.makespan --grid`."""

import pytest

from benchmarks.makespan import AS_A_LIST, OURS, TWO_KEYS, WITH_WEBHOOKS, measured

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("contacts", "median_s"), [(1, 3.0), (250, 120.0), (1_000, 120.0), (2_500, 120.0), (5_000, 600.0)]
)
def test_results_are_hardly_later_than_possible(contacts, median_s, seed):
    run = measured(AS_A_LIST, contacts, median_s, seed)
    assert run.makespan_s <= 1.08 * run.whole_windows_s + 4.0
    assert not run.rejections


@pytest.mark.parametrize("median_s", [3.0, 120.0])
@pytest.mark.parametrize(("contacts", "windows"), [(5_000, 0), (7_500, 0), (15_000, 1)])
def test_no_question_delays_a_submit_of_a_list(contacts, windows, median_s):
    asked, silent = (measured(way, contacts, median_s, 0) for way in (AS_A_LIST, WITH_WEBHOOKS))
    assert asked.last_submit_s < 60 * windows + 15
    assert asked.last_submit_s <= silent.last_submit_s + 5  # with webhooks, nothing is asked


def test_the_first_result_of_a_stream_does_not_wait_for_its_last_submit():
    run = measured(OURS, 30_000, 20.0, 0)
    assert run.first_result_s < 70
    assert run.makespan_s < run.whole_windows_s + 20


def test_two_keys_waste_no_question():
    run = measured(TWO_KEYS, 15_000, 20.0, 0)
    assert run.status_requests == 1.0
    assert not run.rejections
