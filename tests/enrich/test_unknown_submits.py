"""What a submit of unknown outcome can be found by: in the portal, in the store and in the log."""

import logging
import re
from datetime import UTC, datetime

import pytest

from cleanlist_async import UnknownOutcomeError
from cleanlist_async.sandbox import Fault
from tests.support.virtual_sandbox import people

BULK = "/enrich/bulk"
WHEN = r"at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


def warnings(caplog):
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    return [line for line in lines if not line.startswith("a submit has an unclear outcome")]


async def test_its_error_names_how_many_contacts_and_when(world, caplog):
    caplog.set_level("INFO")
    world.sandbox.add_fault(Fault(BULK, nth=2, when="after", reset=True))

    report = await world.client.enrich(people(600))

    error = report.fault
    assert isinstance(error, UnknownOutcomeError)
    assert (error.contacts, error.submission) == (250, None)
    assert abs((datetime.now(UTC) - error.sent_at).total_seconds()) < 600
    assert re.search(rf"Its 250 contacts were sent {WHEN}\.", str(error))
    assert re.search(rf"Its 250 contacts were sent {WHEN}\.", report.unknown[0].error)
    lost, end = warnings(caplog)
    assert re.search(rf"UnknownOutcomeError; 250 contacts; sent {WHEN}$", lost)
    [record] = [one for one in caplog.records if hasattr(one, "sent_at")]
    assert record.sent_at == error.sent_at.isoformat(timespec="seconds")
    assert re.fullmatch(
        r"enrich finished after \d+ s: 600 contacts, \d+ found, 250 unknown, \d+ credits", end
    )


@pytest.mark.world(with_store=True)
async def test_with_a_store_it_names_the_submission_which_resolves_it(world, caplog):
    world.sandbox.add_fault(Fault(BULK, when="after", reset=True))

    with pytest.raises(UnknownOutcomeError) as raised:
        await world.client.enrich_one(people(1)[0])

    error = raised.value
    [orphan] = await world.client.store.orphans()
    assert (error.contacts, error.submission) == (1, orphan.submission)
    assert re.search(rf"Its 1 contact was sent {WHEN}, as submission {orphan.submission}\.", str(error))
    assert str(error).endswith(f"cleanlist-async store show --store {world.client.store.address}")
    assert re.search(rf"1 contact; sent {WHEN}; submission {orphan.submission}", warnings(caplog)[0])


@pytest.mark.world(with_store=True)
async def test_of_enrich_and_of_a_plain_submit_too(world):
    world.sandbox.add_fault(Fault(BULK, when="after", reset=True, times=2))

    report = await world.client.enrich(people(3))
    with pytest.raises(UnknownOutcomeError) as raised:
        await world.client.public.submit_bulk(people(2, 10))

    store = world.client.store
    assert [one.submission for one in await store.orphans()] == [report.fault.submission]
    for error in (report.fault, raised.value):
        await store.resolve(error.submission, absent=True)


async def test_the_status_of_an_answer_is_named_once(world):
    world.sandbox.add_fault(Fault(BULK, body="<html>", when="after"))

    with pytest.raises(UnknownOutcomeError) as raised:
        await world.client.public.submit_bulk(people(1))

    assert str(raised.value).count("(200)") == 1
    assert ".." not in str(raised.value)


async def test_the_line_of_a_stopped_run_counts_what_it_did_not_reach(world, caplog):
    await world.client.enrich(people(300), max_credits=100)

    assert re.match(
        r"enrich stopped by BudgetExceededError after \d+ s: \d+ of 300 contacts, ", warnings(caplog)[-1]
    )


@pytest.mark.world(with_store=True)
async def test_a_workflow_that_was_given_and_is_not_there_is_told_by_the_next_run(world):
    world.sandbox.add_fault(Fault(BULK, status=500))
    with pytest.raises(UnknownOutcomeError) as raised:
        await world.client.enrich_one(people(1)[0])
    await world.client.store.resolve(raised.value.submission, workflow_id="wf_wrong")

    again = await world.client.enrich(people(1))

    said = "as the workflow wf_wrong, which the server does not have: see Store.resolve"
    assert said in again.unknown[0].error
