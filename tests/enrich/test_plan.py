"""The free dry run."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import AsyncCleanlist, Contact, RateLimits
from cleanlist_async.enrich.plan import seconds_for
from tests.support.cases import each_case
from tests.support.examples import examples
from tests.support.virtual_sandbox import people


def plan(contacts, keys="clapi_x", **options):
    async def main():
        async with AsyncCleanlist(keys, base_url="http://127.0.0.1:9") as client:
            made = await client.plan(contacts, **options)
            assert client.statistics().requests == 0
            return made

    return asyncio.run(main())


def test_a_plan_counts_everything():
    made = plan([*people(501), Contact(first_name="x"), *people(2)], enrichment_type="full")
    assert (made.contacts, made.unique, made.invalid, made.duplicates) == (504, 501, 1, 2)
    assert (made.chunks, made.requests) == (3, 6)
    assert (made.credits_min, made.credits_max) == (0, 5_511)
    assert made.duplicate_contacts == [(502, 0), (503, 1)]
    assert made.invalid_contacts[0][0] == 501
    assert "linkedin_url" in made.invalid_contacts[0][1]


@each_case(
    ("kind", "most"),
    [("none", 0), ("partial", 2), ("phone_only", 20), ("full", 22), ("prospecting_only", None)],
)
def test_the_worst_case_by_type(kind, most):
    assert plan(people(2), enrichment_type=kind).credits_max == most


@pytest.mark.slow
def test_minutes_by_keys():
    limits = RateLimits()
    assert [limits.per_window(keys) for keys in (0, 1, 3)] == [60, 30, 60]
    assert seconds_for(30, limits, 1) == 0
    assert seconds_for(90, limits, 1) == 120
    assert plan(people(250 * 45)).minutes == 2
    assert plan(people(250 * 45), ["clapi_a", "clapi_b"]).minutes == 0.5


def test_lists_are_cut_but_counts_are_not():
    made = plan([Contact()] * 1_500 + people(1) * 1_500)
    assert (made.invalid, len(made.invalid_contacts)) == (1_500, 1_000)
    assert (made.duplicates, len(made.duplicate_contacts)) == (1_499, 1_000)


def test_async_sources_and_nothing():
    async def source():
        for contact in people(3):
            yield contact

    assert plan(source()).unique == 3
    empty = plan([])
    assert (empty.requests, empty.credits_max, empty.minutes) == (0, 0, 0)


@settings(max_examples=examples(30))
@given(st.lists(st.integers(0, 20)))
def test_a_plan_is_what_a_run_does(numbers):
    made = plan([people(1, n)[0] for n in numbers])
    assert made.unique == len(set(numbers))
    assert made.duplicates == len(numbers) - len(set(numbers))
