"""Contacts of a job that another call holds: told, decided, and gone on with, in each database."""

from __future__ import annotations

import pytest

from cleanlist_async import UnknownOutcomeError
from cleanlist_async.sandbox import Fault
from cleanlist_async.types import StoredJobReader
from tests.job.stored.test_in_each_database import opened, statement
from tests.job.worlds import SUBMIT, mixed
from tests.support.virtual_sandbox import check_against_ledger, people

pytestmark = [pytest.mark.anyio, pytest.mark.sockets, pytest.mark.slow]  # they wait for real workflows

CHUNK = 25
GIVEN = people(60)
"""Two whole chunks, and one of ten."""


async def unfinished(here) -> list[str]:
    return [name async for name in here.store.unfinished()]


async def run(client, name, *args):
    async with await client.job(name, *args) as job:
        report = await job.run()
        assert await job.verify() == []
    return report


def strike(here) -> None:
    """Let the next submit be processed, and its answer be lost."""
    here.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))


async def struck(here, client, given=GIVEN):
    """Two jobs with the same contacts, 25 of them in a submit of the first, whose outcome is unknown."""
    strike(here)
    first = await run(client, "u", given)
    second = await run(client, "u2", given)
    [orphan] = await here.store.orphans()
    return first, second, orphan


def add_up(status) -> int:
    return sum(status.results.values()) + status.invalid + status.duplicates


async def test_a_job_says_which_submit_of_another_holds_its_contacts(store_url):
    async with opened(store_url) as here:
        first, second, orphan = await struck(here, await here.client())
        assert (first.status.state, second.status.state) == ("complete_with_unknown",) * 2
        assert (len(first.unknown), first.held_by) == (1, [])
        assert (second.unknown, second.stopped_by) == ([], None)
        [holder] = second.held_by
        assert (holder.submission, holder.job, holder.contacts) == (orphan.submission, "u", CHUNK)
        assert holder.state == "unknown"
        assert first.status.results["unknown"] == second.status.results["unknown"] == CHUNK
        assert add_up(first.status) == add_up(second.status) == len(GIVEN)
        assert (second.status.chunks, second.status.credits_to_go) == ({}, 0)
        reader = await StoredJobReader.find(here.store, "u2")
        assert (await reader.held_by()) == second.held_by


async def test_counts_add_up_with_duplicates_and_invalid_contacts_too(store_url):
    given = mixed(60)
    async with opened(store_url) as here:
        first, second, _ = await struck(here, await here.client(), given)
        assert add_up(first.status) == add_up(second.status) == len(given)
        assert first.status.invalid
        assert first.status.duplicates
        for report in (first, second):
            assert report.status.settled == len(given) - report.status.duplicates - CHUNK


async def decide_as_bought(here, orphan):
    ids = {contact.workflow_id for contact in here.ledger.contacts}
    known = {line.workflow_id async for line in here.store.audit()}
    [workflow_id] = ids - known
    await here.store.resolve(orphan.submission, workflow_id=workflow_id)


async def decide_as_not_sent(here, orphan):
    await here.store.resolve(orphan.submission, absent=True)


@pytest.mark.parametrize("decide", [decide_as_bought, decide_as_not_sent])
@pytest.mark.parametrize("order", [("u", "u2"), ("u2", "u")])
async def test_every_job_that_waited_for_a_submit_goes_on_once_it_is_decided(store_url, decide, order):
    async with opened(store_url) as here:
        client = await here.client()
        *_, orphan = await struck(here, client)
        assert await unfinished(here) == []
        await decide(here, orphan)
        assert await unfinished(here) == ["u", "u2"]
        for name in order:
            report = await run(client, name)
            assert (report.status.state, report.held_by) == ("complete", [])
            assert add_up(report.status) == len(GIVEN)
        assert await unfinished(here) == []


@pytest.mark.parametrize("decide", [decide_as_bought, decide_as_not_sent])
async def test_a_single_contact_of_unknown_outcome_holds_a_list_until_it_is_decided(store_url, decide):
    async with opened(store_url) as here:
        client = await here.client()
        strike(here)
        with pytest.raises(UnknownOutcomeError):
            await client.enrich_one(GIVEN[7])
        report = await run(client, "crm", GIVEN)
        [holder] = report.held_by
        assert (report.status.state, report.status.results["unknown"]) == ("complete_with_unknown", 1)
        assert (holder.door, holder.job, holder.contacts) == ("enrich_one", None, 1)
        await decide(here, holder)
        assert await unfinished(here) == ["crm"]
        report = await run(client, "crm")
        assert (report.status.state, await unfinished(here)) == ("complete", [])


async def test_a_job_whose_contacts_another_call_has_bought_since_is_unfinished(store_url):
    """Nobody decides about the submit: what it held was bought anew, knowingly."""
    async with opened(store_url) as here:
        client = await here.client()
        *_, second, _ = await struck(here, client)
        held = [contact for contact in GIVEN if not await is_known(client, contact)]
        await client.enrich(held, fresh=True)
        assert await unfinished(here) == ["u", "u2"]
        status = await (await StoredJobReader.find(here.store, "u2")).status()
        assert (second.status.state, status.state) == ("complete_with_unknown", "running")
        for name in ("u", "u2"):
            assert (await run(client, name)).status.state == "complete"
        assert await unfinished(here) == []


async def is_known(client, contact) -> bool:
    return (await client.plan([contact])).known == 1


async def test_a_submit_under_way_holds_contacts_until_its_process_is_gone(store_url):
    async with opened(store_url) as here:
        client = await here.client()
        strike(here)
        await run(client, "u", GIVEN)
        await here.store.run(
            statement("UPDATE cleanlist_submits SET state = 'sending' WHERE state = 'unknown'")
        )
        status = await (await StoredJobReader.find(here.store, "u")).status()
        assert ("unknown" in status.results, status.chunks["sending"]) == (False, 1)
        await here.store.run(statement("UPDATE cleanlist_owners SET lease_until = 0"))
        status = await (await StoredJobReader.find(here.store, "u")).status()
        assert (status.results["unknown"], add_up(status)) == (CHUNK, len(GIVEN))


async def test_what_was_bought_is_what_the_server_charged(store_url):
    async with opened(store_url) as here:
        client = await here.client()
        *_, orphan = await struck(here, client)
        await decide_as_bought(here, orphan)
        await run(client, "u2")
        async with await client.job("u") as job:
            results = [result async for result in job]
        check_against_ledger(here, results)
