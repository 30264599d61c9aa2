"""When is a question worth a token?"""

import pytest

from cleanlist_async.polling.price import LEAST, SURE, least_chance, tokens_within


def test_tokens_are_spent_on_the_workflows_that_there_are_but_for_half_a_deviation():
    # At 0.56, ten workflows take 18 questions on average, and 20 with half of a deviation of 4 more.
    assert least_chance([0.0, 5.0, 10.0], [20.0, 20.0, 20.0]) == pytest.approx(0.5 + 0.056, abs=0.001)


def test_of_many_tokens_no_more_than_a_few_are_kept():
    assert least_chance([0.0, 500.0, 1_000.0], [2_000.0] * 3) == pytest.approx(0.5, rel=0.02)


def test_without_caution_all_are_spent():
    assert least_chance([0.0, 5.0, 10.0], [20.0, 20.0, 20.0], caution=0.0) == pytest.approx(0.5)


def test_the_tightest_time_decides():
    assert least_chance([0.0, 8.0, 9.0], [1.0, 10.0, 30.0]) == pytest.approx(0.863, abs=0.001)


def test_of_a_single_token_nothing_is_kept_beyond_what_is_sure():
    assert least_chance([0.0, 0.8, 1.0], [1.0, 1.0, 30.0]) == SURE


def test_without_a_token_only_what_is_sure_is_asked():
    assert least_chance([0.0, 1.0], [0.0, 30.0]) == SURE


def test_tokens_are_not_kept_where_more_is_done_than_they_are_enough_for():
    assert least_chance([20.0, 25.0, 30.0], [1.0, 15.0, 60.0]) == pytest.approx(0.5, rel=0.1)
    assert least_chance([20.0, 25.0], [1.0, 15.0]) == SURE


def test_with_nothing_to_ask_about_a_token_is_worth_nothing():
    assert least_chance([0.0, 0.0], [5.0, 5.0]) == LEAST


def test_each_token_comes_again_after_a_window():
    openings = [0.0, 10.0, 59.0]
    assert tokens_within(openings, 10.0, 0.0, 60.0) == 2
    assert tokens_within(openings, 120.0, 0.0, 60.0) == 6
