"""Whole runs against the sandbox in virtual time: one result for each contact, its own, bought once."""

from __future__ import annotations

import json
import pickle
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import BudgetExceededError, Contact
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.sandbox import Fault, Shape
from tests.support.examples import examples
from tests.support.virtual_sandbox import (
    check_against_ledger,
    check_one_result_each,
    open_world,
    people,
)

SETTINGS = settings(max_examples=examples(40))

persons = st.integers(0, 60).map(lambda n: people(1, n)[0])
invalid = st.sampled_from([
    Contact(first_name="Ada"),
    Contact(),
    {"email": "a@b.c"},
    {"linkedin_url": "  "},
    {"first_name": "A", "last_name": "\ud800", "company_name": "B"},
])  # fmt: skip
nths, paths = st.integers(1, 4), st.sampled_from(["/enrich/bulk", "/enrich/status"])
faults = st.lists(
    st.builds(Fault, path=paths, nth=nths, status=st.sampled_from([500, 503, 429, 422]))
    | st.builds(Fault, path=paths, nth=nths, when=st.just("after"), status=st.sampled_from([500, 503]))
    | st.builds(Fault, path=paths, nth=nths, when=st.just("after"), reset=st.just(value=True)),
    max_size=2,
)


async def enrich(world, contacts, **options):
    """Enrich contacts, and check that each has the result that is its own."""
    report = await world.client.enrich(contacts, **options)
    check_one_result_each(report.results, contacts)
    assert [result.index for result in report.results] == list(range(len(contacts)))
    check_against_ledger(world, report.results, options.get("enrichment_type", "partial"))
    return report


@SETTINGS
@given(st.lists(persons | invalid, max_size=120), st.sampled_from(["partial", "phone_only", "full"]))
async def test_each_contact_has_one_result_and_it_is_its_own(contacts, enrichment_type):
    async with open_world(hit_rate=0.5) as world:
        report = await enrich(world, contacts, enrichment_type=enrichment_type)

    assert report.stopped_by is None
    assert not report.pending
    assert not report.unknown
    truth = sum(c.credits for c in world.ledger.accepted_contacts())
    half_found = enrichment_type == "full"
    assert report.summary.credits >= truth if half_found else report.summary.credits == truth


@SETTINGS
@given(st.lists(persons | invalid, min_size=1, max_size=40), st.sampled_from([1, 2, 3, 7]), faults)
async def test_whatever_goes_wrong_there_is_one_result_each(contacts, size, faults_):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cleanlist_async.enrich.run.Chunker", partial(Chunker, size))
        async with open_world(faults=faults_) as world:
            results = []
            stream = world.client.stream(contacts)
            try:
                async with stream:
                    async for result in stream:
                        results.append(result)  # noqa: PERF401 - it may raise in between
            except Exception as error:  # noqa: BLE001
                assert error is stream.stopped_by
            read = {result.index for result in results}
            assert len(read) == len(results)
            assert not stream.leftover
            if stream.stopped_by is None:
                check_one_result_each(results, contacts)
            check_against_ledger(world, [r for r in results if r.status != "unknown"])
            assert stream.summary.contacts == len(results)


@pytest.mark.world(half_full_price="full")
async def test_duplicates_are_bought_once_and_all_get_the_result(world):
    contacts = [*people(300), *people(300), Contact(first_name="x"), *people(10)]

    report = await enrich(world, contacts, enrichment_type="full")

    assert len(world.ledger.contacts) == 300
    assert report.summary.duplicates == 310
    assert [r.duplicate_of for r in report.results[300:600]] == list(range(300))
    assert all(r.credits == 0 for r in report.results[300:])
    assert report.summary.credits == world.ledger.credits_charged
    assert report.summary.workflows == 2 == world.submits()


@pytest.mark.world(hit_rate=1.0)
async def test_duplicates_off_buys_each(world):
    report = await world.client.enrich(people(2) * 2, dedupe="off")
    assert len(world.ledger.contacts) == 4
    assert not world.client.abandoned
    truth = [world.sandbox.expected(c, "partial").email for c in people(2) * 2]
    assert [result.email for result in report.results] == truth
    assert report.summary.duplicates == 0


async def test_the_callers_key_is_never_sent_and_comes_back(world):
    contacts = [Contact(first_name="A", last_name="B", company_name="C", key=f"row-{i}") for i in range(3)]

    report = await enrich(world, contacts)

    assert [r.key for r in report.results] == ["row-0", "row-1", "row-2"]
    assert len(world.ledger.contacts) == 1
    assert b"row-" not in b"".join(world.bodies)


async def test_the_webhook_address_and_the_type_are_passed_through(world):
    urls: list[str | None] = []
    url = "https://example.com/hook"
    world.sandbox.webhooks.schedule = lambda workflow: urls.append(workflow.webhook_url)
    await world.client.enrich(people(2), enrichment_type="none", webhook_url=url)
    assert json.loads(world.bodies[0])["webhook_url"] == url
    assert json.loads(world.bodies[0])["enrichment_type"] == "none"
    assert urls == ["https://example.com/hook"]


async def test_nothing_to_do_costs_nothing(world):
    report = await enrich(world, [])
    assert (report.results, report.stopped_by) == ([], None)
    report = await enrich(world, [Contact(first_name="A")] * 3)
    assert report.summary.statuses["invalid"] == 3
    assert world.submits() == 0


async def test_summary_and_progress_have_the_numbers(world):
    seen = []
    report = await enrich(world, [*people(600), Contact()], progress=seen.append)

    summary = report.summary
    assert (summary.contacts, summary.workflows, summary.lookups) == (601, 3, 0)
    assert summary.statuses["invalid"] == 1
    assert summary.requests == len(world.ledger.requests)
    assert summary.elapsed_s > 0
    last = seen[-1]
    assert (last.done, last.total, last.credits) == (601, 601, summary.credits)
    assert last.found == summary.statuses["found"] == sum(r.status == "found" for r in report.results)
    assert last.eta_s == 0
    assert "601 contacts" in str(summary)


async def test_a_progress_callback_that_raises_does_not_end_the_run(world, caplog):
    def fail(progress):
        raise ValueError("boom")

    report = await enrich(world, people(3), progress=fail)
    assert report.stopped_by is None
    assert "progress callback failed" in caplog.text


async def test_results_reports_and_their_errors_pickle(world):
    report = await world.client.enrich(people(600), max_credits=300)
    copied = pickle.loads(pickle.dumps(report))
    assert list(copied.results) == list(report.results)
    assert copied.summary == report.summary
    assert type(copied.stopped_by) is BudgetExceededError
    with pytest.raises(BudgetExceededError):
        copied.raise_for_error()


async def test_raise_for_error_is_silent_when_all_went_well(world):
    report = await enrich(world, people(1))
    report.raise_for_error()


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_a_workflow_that_the_server_fails_costs_nothing_and_says_so(world):
    report = await enrich(world, people(3), max_credits=3)

    assert {r.status for r in report.results} == {"failed"}
    assert all(r.workflow_id and "ended the workflow as 'failed'" in r.error for r in report.results)
    assert report.summary.credits == world.ledger.credits_charged == 0
