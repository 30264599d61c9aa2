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
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.examples import examples
from tests.support.virtual_sandbox import check_against_ledger, check_one_result_each, in_world, people

SUBMIT = "/enrich/bulk"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def with_store(main, path, **options):
    """Run ``main(world)``, whose client has the store."""
    return in_world(main, client_options={"store": path}, **options)


def bought(here) -> list[int]:
    return list(here.ledger.times_accepted().values())


def test_a_second_run_costs_nothing_and_says_when_it_was_bought(path):
    async def main(here):
        first = await here.client.enrich(people(300))
        second = await here.client.enrich(people(300))
        return here, first, second

    here, first, second = with_store(main, path)

    check_one_result_each(second.results, people(300))
    assert here.submits() == 2
    assert set(bought(here)) == {1}
    assert second.summary.credits == 0
    for one, again in zip(first.results, second.results, strict=True):
        assert (again.status, again.email, again.raw) == (one.status, one.email, one.raw)
        assert (one.bought_at, again.billed) == (None, "no")
        assert again.bought_at is not None
        assert (datetime.now(UTC) - again.bought_at).total_seconds() < 600


def test_the_next_process_knows_what_this_one_bought(path):
    async def main(here):
        await here.client.enrich(people(300))

    async def next_process(here):
        return here.submits(), await here.client.enrich(people(310))

    with_store(main, path)
    _, report = with_store(next_process, path)

    assert sum(result.bought_at is not None for result in report.results) == 300
    assert report.summary.workflows == 1


def test_chunks_are_filled_up_with_what_is_new(path):
    contacts = people(1_000)

    async def main(here):
        await here.client.enrich(contacts[::2])
        before = here.submits()
        report = await here.client.enrich(contacts)
        assert here.submits() - before == 2  # 500 new contacts, not four half-empty requests
        check_against_ledger(here, report.results)
        assert set(bought(here)) == {1}

    with_store(main, path)


def test_a_cancelled_run_leaves_its_workflows_to_the_next_for_free(path):
    contacts = people(600)

    async def main(here):
        with anyio.move_on_after(2.0):
            await here.client.enrich(contacts)
        accepted = here.submits()
        report = await here.client.enrich(contacts)
        return here, accepted, report

    here, accepted, report = with_store(main, path, workflow_s=20.0)

    assert accepted == 3
    assert here.submits() == 3
    check_one_result_each(report.results, contacts)
    check_against_ledger(here, report.results)
    assert not report.pending


def test_a_client_that_is_closed_in_the_middle_leaves_its_workflows_to_the_next(path):
    contacts = people(600)

    async def main(here):
        run = asyncio.create_task(here.client.enrich(contacts))
        await asyncio.sleep(2.0)
        await here.client.aclose()
        with suppress(ConfigurationError):
            await run
        return here.submits()

    async def next_process(here):
        return here.submits(), await here.client.store.orphans()

    assert with_store(main, path, workflow_s=20.0) == 3
    # Another sandbox does not know these workflows; the store does.
    submits, unfinished = with_store(next_process, path)
    assert submits == 0
    assert [(one.state, one.contacts) for one in unfinished] == [
        ("accepted", 250),
        ("accepted", 250),
        ("accepted", 100),
    ]


def test_two_runs_side_by_side_buy_each_contact_once(path):
    contacts = people(700)

    async def main(here):
        async with anyio.create_task_group() as group:
            reports = []

            async def run(given):
                reports.append(await here.client.enrich(given))

            group.start_soon(run, contacts[:500])
            group.start_soon(run, contacts[200:])
        return here, reports

    here, reports = with_store(main, path)

    assert set(bought(here)) == {1}
    for report in reports:
        assert len(report.results) == 500
        check_against_ledger(here, report.results)
        assert not report.pending


def test_what_others_refused_is_bought_by_whoever_waited_for_it(path):
    contacts = people(200)

    async def main(here):
        here.sandbox.add_fault(Fault(SUBMIT, when="before", status=402, body={"detail": "no credits"}))
        outcomes = []

        async def run():
            try:
                outcomes.append(await here.client.enrich(contacts))
            except CleanlistError as error:
                outcomes.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            group.start_soon(run)
        return here, outcomes

    here, outcomes = with_store(main, path)

    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    reports = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert [type(error) for error in errors] == [InsufficientCreditsError]
    assert len(reports) == 1
    check_against_ledger(here, reports[0].results)
    assert set(bought(here)) == {1}


def test_what_may_have_been_bought_is_held_until_it_is_decided(path):
    contacts = people(20)

    async def main(here):
        here.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        first = await here.client.enrich(contacts)
        second = await here.client.enrich(contacts)
        (doubt,) = await here.client.store.orphans()
        await here.client.store.resolve(doubt.submission, absent=True, actor="ada")
        third = await here.client.enrich(contacts)
        return here, first, second, doubt, third

    here, first, second, doubt, third = with_store(main, path)

    assert {result.status for result in first.results} == {"unknown"}
    assert {result.status for result in second.results} == {"unknown"}
    assert all(doubt.submission in (result.error or "") for result in second.results)
    assert (doubt.state, doubt.contacts) == ("unknown", 20)
    assert here.submits() == 2
    assert {result.status for result in third.results} <= {"found", "not_found"}


def test_fresh_buys_again_and_so_does_dedupe_off(path):
    contacts = people(30)

    async def main(here):
        await here.client.enrich(contacts)
        fresh = await here.client.enrich(contacts, fresh=True)
        off = await here.client.enrich([*contacts, *contacts], dedupe="off")
        return here, fresh, off

    here, fresh, off = with_store(main, path)

    assert set(bought(here)) == {4}
    assert all(result.bought_at is None for result in [*fresh.results, *off.results])
    assert not off.pending


def test_max_age_says_how_old_a_result_may_be(path):
    contacts = people(30)

    async def main(here):
        await here.client.enrich(contacts)
        await here.client.enrich(contacts, max_age_s=3_600)
        assert here.submits() == 1
        await here.client.enrich(contacts, max_age_s=1e-6)
        assert here.submits() == 2

    with_store(main, path)


def test_full_serves_partial_and_partial_does_not_serve_full(path):
    contacts = people(40)

    async def main(here):
        full = await here.client.enrich(contacts, enrichment_type="full")
        partial = await here.client.enrich(contacts, enrichment_type="partial")
        phones = await here.client.enrich(contacts, enrichment_type="phone_only")
        assert here.submits() == 1
        others = people(40, start=100)
        await here.client.enrich(others, enrichment_type="partial")
        await here.client.enrich(others, enrichment_type="full")
        assert here.submits() == 3
        return full, partial, phones

    full, partial, phones = with_store(main, path)

    for whole, email, phone in zip(full.results, partial.results, phones.results, strict=True):
        assert (email.email, email.phones) == (whole.email, ())
        assert (phone.email, phone.phones) == (None, whole.phones)
        assert email.status == ("found" if whole.email else "not_found")
        assert phone.status == ("found" if whole.phones else "not_found")


def test_spellings_of_one_person_are_one_purchase(path):
    spellings = [
        "https://www.linkedin.com/in/ada-l",
        "http://linkedin.com/in/Ada-L/",
        "de.linkedin.com/in/ada-l?trk=x",
        "https://www.linkedin.com/in/ada%2Dl/en",
    ]

    async def main(here):
        for url in spellings:
            await here.client.enrich([Contact(linkedin_url=url)])
        await here.client.enrich([Contact(first_name="José", last_name="García", company_name="Acme")])
        report = await here.client.enrich(
            [Contact(first_name="Jose\u0301", last_name="GARCÍA\u200b", company_name=" acme")]
        )
        return here.submits(), report

    submits, report = with_store(main, path)

    assert submits == 2
    assert report.results[0].bought_at is not None


def test_organizations_are_kept_apart(path):
    async def main(here):
        return here.submits(), await here.client.enrich(people(5))

    with_store(main, path, organization_id="org_one", api_keys=["clapi_one_0123456789abcdef"])
    _, report = with_store(main, path, organization_id="org_two", api_keys=["clapi_two_0123456789abcdef"])

    assert all(result.bought_at is None for result in report.results)


def test_a_new_key_of_the_organization_loses_nothing(path):
    async def main(here):
        return await here.client.enrich(people(5)), here.submits()

    with_store(main, path, api_keys=["clapi_first_0123456789abcdef"])
    report, submits = with_store(main, path, api_keys=["clapi_second_0123456789abcdef"])

    assert submits == 0
    assert all(result.bought_at is not None for result in report.results)


def test_a_client_that_cannot_ask_for_its_organization_buys_nothing_again_once_another_could(path):
    contacts = people(10)

    async def main(here):
        here.sandbox.add_fault(Fault("/auth/validate-key", status=503, times=2))
        await here.client.enrich(contacts[:5])  # bought under the name of the key
        other = VirtualCleanlist(
            here.network,
            list(here.sandbox.api_keys),
            limiter=here.client._runtime.pipeline.limiter,
            store=path,
        )
        async with other:
            await other.enrich(contacts)  # under that of the organization
        await here.client.enrich(contacts)
        return bought(here)

    assert with_store(main, path) == [1] * 10


def test_max_credits_counts_only_what_is_left_to_buy(path):
    contacts = people(300)

    async def main(here):
        await here.client.enrich(contacts[:250])
        return await here.client.enrich(contacts, max_credits=50)

    report = with_store(main, path)
    assert report.stopped_by is None
    assert {result.status for result in report.results} <= {"found", "not_found"}


def test_nothing_is_sent_when_the_store_cannot_be_written(path, monkeypatch):
    async def main(here):
        await here.client.enrich(people(3))
        before = here.submits()
        database = here.client.store._database

        async def full_disk(*_args, **_options):
            raise StoreError("The store is on a full disk.")

        monkeypatch.setattr(database, "run", full_disk)
        with pytest.raises(StoreError, match="full disk"):
            await here.client.enrich(people(10))
        return before, here.submits()

    before, after = with_store(main, path)
    assert before == after


def test_the_audit_trail_adds_up_to_the_ledger(path):
    async def main(here):
        await here.client.enrich(people(400))
        await here.client.enrich(people(500), enrichment_type="phone_only")
        lines = [line async for line in here.client.store.audit()]
        return here, lines

    here, lines = with_store(main, path)

    events = [line.event for line in lines]
    assert events.count("submit") == events.count("accepted") == events.count("settled") == here.submits()
    assert sum(line.contacts or 0 for line in lines if line.event == "settled") == sum(bought(here))
    assert sum(line.credits or 0 for line in lines) == here.ledger.credits_charged
    assert not any("Lovelace" in str(line) or "example" in str(line) for line in lines)


@settings(max_examples=examples(25), deadline=None)
@given(st.data())
def test_whatever_breaks_nobody_is_bought_twice_or_lost(tmp_path_factory, data):
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

    async def main(here):
        for fault in faults:
            here.sandbox.add_fault(fault)
        for start, count, cut_s in spans:
            with anyio.move_on_after(cut_s), suppress(CleanlistError):
                await here.client.enrich(contacts[start : start + count])
        for _ in range(6):
            with suppress(CleanlistError, UnknownOutcomeError):
                report = await here.client.enrich(contacts)
        return here, report

    folder = tmp_path_factory.mktemp("stores")
    here, report = with_store(main, folder / "store.db")

    assert set(bought(here)) <= {1}
    for result in report.results:
        assert result.status in {"found", "not_found", "unknown", "failed"}, result
        if result.status == "failed":
            assert not here.ledger.times_accepted().get(result.contact)
