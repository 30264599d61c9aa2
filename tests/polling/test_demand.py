"""The submits that are still to come."""

import math

from cleanlist_async.polling.price import Demand, Demands

WINDOW_S = 60.0


def test_what_is_left_of_all_sources_is_counted():
    demands = Demands(WINDOW_S)
    first, second = Demand(lambda: 3), Demand(lambda: 4)
    demands.add(first)
    demands.add(second)
    assert demands.left == demands.at_once(is_waiting=False) == 7
    demands.discard(first, now=0.0)
    assert demands.left == 4


def test_a_source_that_can_submit_nothing_now_needs_no_token():
    demand, demands = Demand(lambda: 3), Demands(WINDOW_S)
    demands.add(demand)
    with demand.paused():
        assert demands.at_once(is_waiting=False) == 0
        assert demands.left == 3
    assert demands.at_once(is_waiting=False) == 3


def test_a_source_without_end_takes_every_token_while_a_submit_waits():
    demand, demands = Demand(lambda: None), Demands(WINDOW_S)
    demands.add(demand)
    assert demands.left == demands.at_once(is_waiting=True) == math.inf
    assert demands.at_once(is_waiting=False) == 0


def test_of_a_source_without_end_as_many_are_expected_as_came_last():
    demand, demands = Demand(lambda: None), Demands(WINDOW_S)
    demands.add(demand)
    for now in (0.0, 30.0, 50.0, 70.0):
        demand.note_submit(now)
    assert demands.within(WINDOW_S, now=80.0) == 3
    assert demands.within(WINDOW_S / 3, now=80.0) == 1


def test_as_many_sources_are_expected_as_ended_last():
    demands = Demands(WINDOW_S)
    for now in (0.0, 50.0, 60.0):
        demands.discard(Demand(lambda: 0), now)
    assert demands.new_sources(WINDOW_S, now=90.0) == 2
    assert demands.new_sources(WINDOW_S / 2, now=90.0) == 1


def test_somebody_reads_first_results_if_any_source_is_streamed():
    demands = Demands(WINDOW_S)
    demands.add(Demand(lambda: 1))
    assert not demands.is_streamed
    demands.add(Demand(lambda: 1, is_streamed=True))
    assert demands.is_streamed
