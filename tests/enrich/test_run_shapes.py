"""Every disturbance the sandbox knows, sampled together: no e-mail ever lands on a wrong person."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import Contact
from cleanlist_async.enrich.people import LookAlikes
from cleanlist_async.sandbox import Shape
from tests.support.cases import each_case
from tests.support.examples import examples
from tests.support.virtual_sandbox import (
    check_against_ledger,
    check_one_result_each,
    open_world,
    people,
)

SHARES = st.sampled_from([0.0, 0.0, 0.3])
shapes = st.builds(
    Shape,
    row=st.sampled_from(["flat", "nested"]),
    results_key=st.sampled_from(["results", "tasks", "data"]),
    echo_input=st.booleans(),
    carry_linkedin=st.booleans(),
    carry_names=st.booleans(),
    shuffle_ids=st.booleans(),
    shuffle_rows=st.booleans(),
    page=st.sampled_from([None, None, 3]),
    omit_rows=SHARES,
    no_rows=st.sampled_from([False, False, True]),
    row_success_word=st.sampled_from(["completed", "success"]),
    unfinished_rows=SHARES,
    unfinished_s=st.sampled_from([3.0, float("inf")]),
    id_count_off=st.booleans(),
    status_words=st.sampled_from([{}, {"completed": "completed_with_errors"}]),
    failed_workflows=SHARES,
)
CONTACTS = [
    *people(6),
    *[Contact(linkedin_url=f"https://linkedin.com/in/opaque{n}") for n in range(3)],
    *[Contact(linkedin_url=f"https://linkedin.com/in/grace-hopper-{n}") for n in range(2)],
    *[Contact(first_name="John", last_name="Smith", company_domain=f"{d}.example") for d in "ab"],
    *[
        Contact(first_name="Bo", last_name="Li", company_name="C", linkedin_url=f"linkedin.com/in/bl{n}")
        for n in range(2)
    ],
    Contact(first_name="Юрий", last_name="Гагарин", company_name="Звезда"),
]


async def everything(contacts, **options):
    """Enrich contacts, and collect what stays pending, together and one by one: all is each one's own."""
    async with open_world(**options) as world:
        report = await world.client.enrich(contacts)
        check_one_result_each(report.results, contacts)
        check_against_ledger(world, report.results)
        later = await world.client.with_options(deadline_s=300).collect(report.pending)
        check_against_ledger(world, later.results)
        assert [r.index for r in later.results] == [r.index for r in report.pending]
        one_by_one = [
            (await world.client.with_options(deadline_s=99).collect([r])).results[0]
            for r in report.pending[:2]
        ]
        check_against_ledger(world, one_by_one)
    return report, later


@pytest.mark.slow
@settings(max_examples=examples(150))
@given(shapes, st.lists(st.sampled_from(CONTACTS), min_size=1, max_size=16, unique=True), st.integers(0, 99))
async def test_over_all_disturbances_nobody_gets_anothers_email(shape, contacts, seed):
    await everything(contacts, shape=shape, seed=seed)


@pytest.mark.slow
@each_case("row", ["flat", "nested"])
@each_case("carry_linkedin", [True, False])
@each_case("key", ["results", "tasks", "data"])
async def test_without_disturbance_nothing_is_pending(row, carry_linkedin, key):
    contacts = people(30) if not carry_linkedin else CONTACTS
    report, _later = await everything(
        contacts, shape=Shape(row=row, carry_linkedin=carry_linkedin, results_key=key)
    )
    assert not report.pending


@pytest.mark.slow
@each_case(
    "shape",
    [
        Shape(shuffle_ids=True),
        Shape(shuffle_rows=True),
        Shape(shuffle_ids=True, shuffle_rows=True),
        Shape(shuffle_ids=True, shuffle_rows=True, row="nested"),
        Shape(id_count_off=True),
        Shape(no_rows=True),
        Shape(no_rows=True, id_count_off=True, shuffle_ids=True, row="nested"),
        Shape(page=4),
        Shape(page=4, shuffle_rows=True),
        Shape(omit_rows=0.5),
    ],
)
async def test_with_rows_that_say_who_they_are_nothing_is_pending(shape):
    report, _later = await everything(people(12), shape=shape)
    lost = 1 if shape.no_rows and shape.id_count_off else 0  # the one whose id was never given
    assert len(report.pending) == lost


@pytest.mark.world(shape=Shape(page=4))
async def test_look_ups_are_counted_and_reported(world):
    notes: list[str | None] = []
    report = await world.client.enrich(people(12), progress=lambda progress: notes.append(progress.note))
    assert report.summary.lookups == 8
    assert world.status_requests() == world.client.statistics().status_requests
    assert "8 results are not in their workflow's answer: asking for each, one request apiece" in notes


async def test_silent_rows_stay_pending_with_their_raw_row():
    contacts = [Contact(linkedin_url=f"https://linkedin.com/in/opaque{n}") for n in range(4)]
    report, later = await everything(
        contacts, shape=Shape(carry_linkedin=False, carry_names=False), hit_rate=1.0
    )
    assert [r.status for r in report.results] == ["pending"] * 4
    assert all(
        r.raw and r.raw["primary_email"] and r.task_id and "not certainly its own" in r.error
        for r in report.results
    )
    assert [r.status for r in later.results] == ["pending"] * 4


async def test_rows_that_finish_late_are_collected_for_free():
    shape = Shape(unfinished_rows=0.5, unfinished_s=60.0)
    async with open_world(shape=shape) as world:
        report = await world.client.enrich(people(20))
        assert 0 < len(report.pending) < 20
        assert "still 'processing'" in report.pending[0].error
        await anyio.sleep(60)
        later = await world.client.collect(report.pending)
        assert not later.pending
        assert len(world.ledger.contacts) == 20
        check_against_ledger(world, [*later.results, *(r for r in report.results if r.status != "pending")])


@pytest.mark.parametrize("shape", [Shape(merge_duplicates=True), Shape(merge_duplicates=True, row="nested")])
async def test_merged_duplicates_share_a_row_that_is_counted_once(shape, monkeypatch):
    monkeypatch.setattr(LookAlikes, "has_like", lambda *_: False)  # what it does not see as one, a server may
    url = "https://linkedin.com/in/ada"
    contacts = [Contact(linkedin_url=url), Contact(linkedin_url=url, email="a@b.c"), *people(3)]
    async with open_world(shape=shape, hit_rate=1.0) as world:
        report = await world.client.enrich(contacts)
        first, second = report.results[:2]
        assert first.email == second.email == world.sandbox.expected(contacts[0], "partial").email
        assert report.summary.credits == world.ledger.credits_charged
