"""The budget of a run."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.enrich.chunk import RunBudget
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import ENRICHMENT_TYPES, WORST_CASE_CREDITS, EnrichmentType
from tests.support.cases import each_case

BOUNDED: tuple[EnrichmentType, ...] = ("partial", "phone_only", "full")


@each_case(
    ("max_credits", "enrichment_type", "fits"),
    [
        (0, "partial", 0),
        (0.99, "partial", 0),
        (1, "partial", 1),
        (100, "partial", 100),
        (99.5, "phone_only", 9),
        (10.99, "full", 0),
        (11, "full", 1),
        (0, "none", 1_000),
        (None, "full", 1_000),
        (None, "prospecting_only", 1_000),
    ],
)
def test_how_many_fit(max_credits: float | None, enrichment_type: EnrichmentType, fits: int) -> None:
    assert RunBudget(max_credits, enrichment_type).affordable(1_000) == fits


def test_a_sum_of_fractions_refuses_nothing_that_fits() -> None:
    budget = RunBudget(8.0, "partial")
    for _ in range(10):
        budget.settle(0, spent=0.7)  # 7.000000000000001 in all
    assert budget.affordable(1_000) == 1


def test_a_reservation_is_taken_and_given_back() -> None:
    budget = RunBudget(100, "phone_only")
    budget.reserve(7)
    assert budget.affordable(10) == 3
    budget.settle(7, spent=20.0)
    assert budget.affordable(10) == 8
    assert (budget.reserved, budget.spent) == (0, 20.0)
    budget.settle(0, spent=500.0)
    assert budget.affordable(10) == 0


def test_no_type_but_one_is_without_a_worst_case() -> None:
    assert set(ENRICHMENT_TYPES) - set(WORST_CASE_CREDITS) == {"prospecting_only"}
    with pytest.raises(ConfigurationError, match="cannot bound 'prospecting_only'"):
        RunBudget(5, "prospecting_only")


@each_case("wall", [-1, -0.001, math.nan, math.inf, -math.inf, "5", True, [], Decimal(5)])
def test_what_is_no_number_of_credits(wall: float) -> None:
    with pytest.raises(ConfigurationError, match="number of credits"):
        RunBudget(wall, "partial")


steps = st.lists(st.tuples(st.integers(1, 300), st.floats(0, 1)), max_size=40)


@given(
    wall=st.floats(0, 5_000),
    enrichment_type=st.sampled_from(BOUNDED),
    chunks=steps,
    overlap=st.integers(1, 5),
)
def test_the_budget_holds_whatever_the_hits(
    wall: float, enrichment_type: EnrichmentType, chunks: list[tuple[int, float]], overlap: int
) -> None:
    """Several chunks are out at once; each costs anything up to its worst case."""
    budget = RunBudget(wall, enrichment_type)
    out: list[tuple[int, float]] = []
    for wanted, hits in chunks:
        contacts = budget.affordable(wanted)
        assert 0 <= contacts <= wanted
        budget.reserve(contacts)
        out.append((contacts, hits))
        if len(out) >= overlap:
            settled, share = out.pop(0)
            budget.settle(settled, round(settled * share) * budget.per_contact)
        assert budget.spent + budget.reserved <= wall
    for settled, share in out:
        budget.settle(settled, round(settled * share) * budget.per_contact)
    assert budget.reserved == 0
    assert budget.spent <= wall
