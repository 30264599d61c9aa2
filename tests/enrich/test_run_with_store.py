"""A bulk run with a store: what was bought is not bought again, whatever became of the run before."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import (
    CleanlistError,
    ConfigurationError,
    Contact,
    InsufficientCreditsError,
    StoreError,
    UnknownOutcomeError,
)
from cleanlist_async.sandbox import Fault
from tests.support.examples import examples
from tests.support.stores import another_client
from tests.support.virtual_sandbox import check_against_ledger, check_one_result_each, open_world, people

pytestmark = pytest.mark.world(with_store=True)

SUBMIT = "/enrich/bulk"


def bought(here) -> list[int]:
    return list(here.ledger.times_accepted().values())


async def test_a_second_run_costs_nothing_and_says_when_it_was_bought(world):
    first = await world.client.enrich(people(300))
    second = await world.client.enrich(people(300))

    check_one_result_each(second.results, people(300))
    assert world.submits() == 2
    assert set(bought(world)) == {1}
    assert second.summary.credits == 0
    for one, again in zip(first.results, second.results, strict=True):
        assert (again.status, again.email, again.raw) == (one.status, one.email, one.raw)
        assert (one.bought_at, again.billed) == (None, "no")
        assert again.bought_at is not None
        assert (datetime.now(UTC) - again.bought_at).total_seconds() < 600


async def test_the_next_process_knows_what_this_one_bought(world, store_path):
    await world.client.enrich(people(300))
    await world.client.aclose()
    async with open_world(store=store_path) as later:
        report = await later.client.enrich(people(310))

    assert sum(result.bought_at is not None for result in report.results) == 300
    assert report.summary.workflows == 1


@pytest.mark.slow
async def test_chunks_are_filled_up_with_what_is_new(world):
    contacts = people(1_000)

    await world.client.enrich(contacts[::2])
    before = world.submits()
    report = await world.client.enrich(contacts)
    assert world.submits() - before == 2  # 500 new contacts, not four half-empty requests
    check_against_ledger(world, report.results)
    assert set(bought(world)) == {1}


@pytest.mark.world(workflow_s=20.0)
async def test_a_cancelled_run_leaves_its_workflows_to_the_next_for_free(world):
    contacts = people(600)

    with anyio.move_on_after(2.0):
        await world.client.enrich(contacts)
    accepted = world.submits()
    report = await world.client.enrich(contacts)

    assert accepted == 3
    assert world.submits() == 3
    check_one_result_each(report.results, contacts)
    check_against_ledger(world, report.results)
    assert not report.pending


@pytest.mark.world(workflow_s=20.0, hit_rate=1.0)
@pytest.mark.parametrize("is_settled", [False, True])
async def test_a_summary_tells_what_this_run_spent_apart_from_what_an_earlier_one_paid(world, is_settled):
    contacts = people(5)

    with anyio.move_on_after(60.0 if is_settled else 2.0):
        await world.client.enrich(contacts)
    plan = await world.client.plan(contacts)
    report = await world.client.enrich(contacts, max_credits=0)
    more = await world.client.enrich([*people(8), *contacts])

    assert (plan.known, plan.credits_max) == (5, 0)
    assert (report.summary.spent_credits, report.summary.earlier_credits) == (0, 5)
    assert str(report.summary) == "5 contacts: 5 found; 0 credits, 5 paid earlier"
    assert report.summary.credits == (0 if is_settled else 5)  # as what has told nobody yet
    assert all(result.bought_at is not None for result in report.results)
    assert (more.summary.credits, more.summary.spent_credits, more.summary.earlier_credits) == (3, 3, 5)
    assert world.ledger.credits_charged == 8


@pytest.mark.world(workflow_s=20.0)
async def test_a_client_that_is_closed_in_the_middle_leaves_its_workflows_to_the_next(world, store_path):
    contacts = people(600)

    run = asyncio.create_task(world.client.enrich(contacts))
    await asyncio.sleep(2.0)
    await world.client.aclose()
    with suppress(ConfigurationError):
        await run
    assert world.submits() == 3
    # Another sandbox does not know these workflows; the store does.
    async with open_world(store=store_path) as later:
        unfinished = await later.client.store.orphans()
    assert later.submits() == 0
    assert sorted((one.state, one.contacts) for one in unfinished) == [
        ("accepted", 100),
        ("accepted", 250),
        ("accepted", 250),
    ]


@pytest.mark.slow
async def test_two_runs_side_by_side_buy_each_contact_once(world):
    contacts = people(700)

    async with anyio.create_task_group() as group:
        reports = []

        async def run(given):
            reports.append(await world.client.enrich(given))

        group.start_soon(run, contacts[:500])
        group.start_soon(run, contacts[200:])

    assert set(bought(world)) == {1}
    for report in reports:
        assert len(report.results) == 500
        check_against_ledger(world, report.results)
        assert not report.pending


async def test_what_others_refused_is_bought_by_whoever_waited_for_it(world):
    contacts = people(200)

    world.sandbox.add_fault(Fault(SUBMIT, when="before", status=402, body={"detail": "no credits"}))
    outcomes = []

    async def run():
        try:
            outcomes.append(await world.client.enrich(contacts))
        except CleanlistError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        group.start_soon(run)

    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    reports = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert [type(error) for error in errors] == [InsufficientCreditsError]
    assert len(reports) == 1
    check_against_ledger(world, reports[0].results)
    assert set(bought(world)) == {1}


async def test_what_may_have_been_bought_is_held_until_it_is_decided(world):
    contacts = people(20)

    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    first = await world.client.enrich(contacts)
    second = await world.client.enrich(contacts)
    (doubt,) = await world.client.store.orphans()
    await world.client.store.resolve(doubt.submission, absent=True, actor="ada")
    third = await world.client.enrich(contacts)

    assert {result.status for result in first.results} == {"unknown"}
    assert {result.status for result in second.results} == {"unknown"}
    assert all(doubt.submission in (result.error or "") for result in second.results)
    assert (doubt.state, doubt.contacts) == ("unknown", 20)
    assert world.submits() == 2
    assert {result.status for result in third.results} <= {"found", "not_found"}


async def test_fresh_buys_again_and_so_does_dedupe_off(world):
    contacts = people(30)

    await world.client.enrich(contacts)
    fresh = await world.client.enrich(contacts, fresh=True)
    off = await world.client.enrich([*contacts, *contacts], dedupe="off")

    assert set(bought(world)) == {4}
    assert all(result.bought_at is None for result in [*fresh.results, *off.results])
    assert not off.pending


async def test_max_age_says_how_old_a_result_may_be(world):
    contacts = people(30)

    await world.client.enrich(contacts)
    await world.client.enrich(contacts, max_age_s=3_600)
    assert world.submits() == 1
    await world.client.enrich(contacts, max_age_s=1e-6)
    assert world.submits() == 2


async def test_full_serves_partial_and_partial_does_not_serve_full(world):
    contacts = people(40)

    full = await world.client.enrich(contacts, enrichment_type="full")
    partial = await world.client.enrich(contacts, enrichment_type="partial")
    phones = await world.client.enrich(contacts, enrichment_type="phone_only")
    assert world.submits() == 1
    others = people(40, start=100)
    await world.client.enrich(others, enrichment_type="partial")
    await world.client.enrich(others, enrichment_type="full")
    assert world.submits() == 3

    for whole, email, phone in zip(full.results, partial.results, phones.results, strict=True):
        assert (email.email, email.phones) == (whole.email, ())
        assert (phone.email, phone.phones) == (None, whole.phones)
        assert email.status == ("found" if whole.email else "not_found")
        assert phone.status == ("found" if whole.phones else "not_found")


async def test_spellings_of_one_person_are_one_purchase(world):
    spellings = [
        "https://www.linkedin.com/in/ada-l",
        "http://linkedin.com/in/Ada-L/",
        "de.linkedin.com/in/ada-l?trk=x",
        "https://www.linkedin.com/in/ada%2Dl/en",
    ]

    for url in spellings:
        await world.client.enrich([Contact(linkedin_url=url)])
    await world.client.enrich([Contact(first_name="José", last_name="García", company_name="Acme")])
    report = await world.client.enrich(
        [Contact(first_name="Jose\u0301", last_name="GARCÍA\u200b", company_name=" acme")]
    )
    submits = world.submits()

    assert submits == 2
    assert report.results[0].bought_at is not None


async def test_organizations_are_kept_apart(store_path):
    async with open_world(
        store=store_path, organization_id="org_one", api_keys=["clapi_one_0123456789abcdef"]
    ) as one:
        await one.client.enrich(people(5))
    async with open_world(
        store=store_path, organization_id="org_two", api_keys=["clapi_two_0123456789abcdef"]
    ) as two:
        report = await two.client.enrich(people(5))

    assert all(result.bought_at is None for result in report.results)


async def test_a_new_key_of_the_organization_loses_nothing(store_path):
    async with open_world(store=store_path, api_keys=["clapi_first_0123456789abcdef"]) as first:
        await first.client.enrich(people(5))
    async with open_world(store=store_path, api_keys=["clapi_second_0123456789abcdef"]) as second:
        report = await second.client.enrich(people(5))

    assert second.submits() == 0
    assert all(result.bought_at is not None for result in report.results)


async def test_a_client_that_cannot_ask_for_its_organization_buys_nothing_again_once_another_could(
    world, store_path
):
    contacts = people(10)

    world.sandbox.add_fault(Fault("/auth/validate-key", status=503, times=2))
    await world.client.enrich(contacts[:5])  # bought under the name of the key
    async with another_client(world, store_path) as other:
        await other.enrich(contacts)  # under that of the organization
    await world.client.enrich(contacts)
    assert bought(world) == [1] * 10


async def test_max_credits_counts_only_what_is_left_to_buy(world):
    contacts = people(300)

    await world.client.enrich(contacts[:250])
    report = await world.client.enrich(contacts, max_credits=50)
    assert report.stopped_by is None
    assert {result.status for result in report.results} <= {"found", "not_found"}


async def test_nothing_is_sent_when_the_store_cannot_be_written(world, monkeypatch):
    await world.client.enrich(people(3))
    before = world.submits()
    database = world.client.store._database

    async def full_disk(*_args, **_options):
        raise StoreError("The store is on a full disk.")

    monkeypatch.setattr(database, "run", full_disk)
    with pytest.raises(StoreError, match="full disk"):
        await world.client.enrich(people(10))
    after = world.submits()
    assert before == after


@pytest.mark.slow
async def test_the_audit_trail_adds_up_to_the_ledger(world):
    await world.client.enrich(people(400))
    await world.client.enrich(people(500), enrichment_type="phone_only")
    lines = [line async for line in world.client.store.audit()]

    events = [line.event for line in lines]
    assert events.count("submit") == events.count("accepted") == events.count("settled") == world.submits()
    assert sum(line.contacts or 0 for line in lines if line.event == "settled") == sum(bought(world))
    assert sum(line.credits or 0 for line in lines) == world.ledger.credits_charged
    assert not any("Lovelace" in str(line) or "example" in str(line) for line in lines)


@settings(max_examples=examples(25), deadline=None)
@given(st.data())
async def test_whatever_breaks_nobody_is_bought_twice_or_lost(tmp_path_factory, data):
    """Runs over overlapping lists, one after the other, some cut short, with faults and odd shapes."""
    contacts = people(60)
    faults = data.draw(
        st.lists(
            st.sampled_from(
                [
                    Fault(SUBMIT, when="before", status=503, body={"detail": "away"}),
                    Fault(SUBMIT, when="before", status=429),
                    Fault(SUBMIT, when="after", reset=True),
                    Fault("/enrich/status", when="before", status=500),
                ]
            ),
            max_size=4,
        )
    )
    spans = data.draw(
        st.lists(
            st.tuples(st.integers(0, 50), st.integers(1, 60), st.sampled_from([0.1, 1.0, 6.0, 1e6])),
            min_size=1,
            max_size=5,
        )
    )

    async with open_world(store=tmp_path_factory.mktemp("stores") / "store.db") as world:
        for fault in faults:
            world.sandbox.add_fault(fault)
        for start, count, cut_s in spans:
            with anyio.move_on_after(cut_s), suppress(CleanlistError):
                await world.client.enrich(contacts[start : start + count])
        for _ in range(6):
            with suppress(CleanlistError, UnknownOutcomeError):
                report = await world.client.enrich(contacts)

    assert set(bought(world)) <= {1}
    for result in report.results:
        assert result.status in {"found", "not_found", "unknown", "failed"}, result
        if result.status == "failed":
            assert not world.ledger.times_accepted().get(result.contact)


@pytest.mark.world(credits=250, hit_rate=1.0)
async def test_what_the_store_knows_is_returned_where_the_rest_is_refused(world):
    first = await world.client.enrich(people(300))
    again = await world.client.enrich(people(300))

    assert isinstance(again.stopped_by, InsufficientCreditsError)
    assert again.summary.statuses == first.summary.statuses
    assert again.summary.statuses["found"] == 250
    assert set(bought(world)) == {1}
    with pytest.raises(InsufficientCreditsError):
        await world.client.enrich(people(320)[310:])
