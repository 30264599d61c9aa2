"""How runs end early: what is raised, what is reported, and that nothing accepted is ever lost."""

from __future__ import annotations

import math

import anyio
import pytest

from cleanlist_async import (
    APIConnectionError,
    AuthenticationError,
    CleanlistError,
    ConfigurationError,
    DeadlineExceededError,
    InsufficientCreditsError,
    InternalServerError,
    PermissionDeniedError,
    RateLimits,
    UnknownOutcomeError,
)
from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case
from tests.support.virtual_sandbox import (
    check_against_ledger,
    check_one_result_each,
    in_world,
    people,
)

BULK = "/enrich/bulk"
FOREVER = {"times": math.inf}


def statuses(results):
    return {status: sum(r.status == status for r in results) for status in {r.status for r in results}}


def named(index, message="not a person"):
    detail = [{"type": "value_error", "loc": ["body", "contacts", index], "msg": message}]
    return {"status": 422, "body": {"detail": detail}}


def test_a_422_that_names_a_contact_costs_only_that_contact():
    async def main(here):
        here.sandbox.add_fault(Fault(BULK, **named(7)))
        here.sandbox.add_fault(Fault(BULK, nth=2, **named(0, "nor this")))
        report = await here.client.enrich(people(300))
        check_against_ledger(here, report.results)
        assert [(r.index, r.error) for r in report.results if r.status == "invalid"] == [
            (0, "refused: nor this"),
            (7, "refused: not a person"),
        ]
        assert report.summary.statuses["invalid"] == 2
        assert len(here.ledger.contacts) == 298
        assert report.stopped_by is None

    in_world(main)


@pytest.mark.parametrize("index", [250, -1])
def test_a_422_that_names_no_contact_of_the_chunk_is_an_error_of_the_chunk(index):
    async def main(here):
        here.sandbox.add_fault(Fault(BULK, nth=2, **named(index)))
        report = await here.client.enrich(people(600))
        assert statuses(report.results[250:500]) == {"failed": 250}
        assert report.stopped_by is None
        check_against_ledger(here, report.results)

    in_world(main)


def test_a_413_splits_the_chunk():
    async def main(here):
        here.sandbox.add_fault(Fault(BULK, status=413, times=3))
        report = await here.client.enrich(people(260), max_credits=260)
        assert report.stopped_by is None
        assert not report.pending
        assert "failed" not in statuses(report.results)
        assert len(here.ledger.contacts) == 260
        assert here.submits() > 4
        check_against_ledger(here, report.results)

    in_world(main)


def test_a_500_leaves_its_contacts_unknown_and_the_others_go_on():
    async def main(here):
        here.sandbox.add_fault(Fault(BULK, nth=2, status=500, when="after"))
        report = await here.client.enrich(people(750))
        assert report.stopped_by is None
        assert [r.index for r in report.unknown] == list(range(250, 500))
        assert all("may have been processed" in r.error for r in report.unknown)
        assert not here.ledger.duplicates()
        assert len(here.ledger.contacts) == 750

    in_world(main)


def test_three_bad_chunks_in_a_row_stop_the_run():
    async def main(here):
        here.sandbox.add_fault(Fault(BULK, status=500, nth=2, times=math.inf))
        report = await here.client.enrich(people(25_000))
        assert isinstance(report.stopped_by, UnknownOutcomeError)
        assert report.stopped_by.billed == "unknown"
        assert isinstance(report.stopped_by.answer, InternalServerError)
        assert 4 <= here.submits() <= 30  # of 100: those of one burst are on their way together
        assert sum(r.status in {"found", "not_found"} for r in report.results) == 250
        assert len(report.unknown) == 250 * (here.submits() - 1)

    in_world(main)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (402, InsufficientCreditsError), (403, PermissionDeniedError)],
)
def test_refusals_are_raised_before_anything_was_accepted_and_reported_after(status, kind):
    async def at_first(here):
        here.sandbox.add_fault(Fault(BULK, status=status, **FOREVER))
        with pytest.raises(kind):
            await here.client.enrich(people(2_000))
        assert here.submits() == 1  # the first goes alone

    async def later(here):
        here.sandbox.add_fault(Fault(BULK, status=status, nth=4, **FOREVER))
        report = await here.client.enrich(people(2_000))
        assert isinstance(report.stopped_by, kind)
        with pytest.raises(kind):
            report.raise_for_error()
        assert len(here.ledger.contacts) == 750
        assert sum(r.status in {"found", "not_found"} for r in report.results) == 750
        assert statuses(report.results)["failed"] == 1_250
        check_against_ledger(here, report.results)

    in_world(at_first)
    in_world(later)


def test_submits_that_are_cut_off_are_unknown_and_stop_the_run():
    async def main(here):
        here.sandbox.add_fault(Fault(BULK, nth=3, reset=True, times=math.inf))
        report = await here.client.enrich(people(2_000))
        assert isinstance(report.stopped_by, UnknownOutcomeError)
        check_against_ledger(here, [r for r in report.results if r.status != "unknown"])

    in_world(main)


@pytest.mark.sockets
def test_a_refused_connection_is_raised():
    from tests.support.clients import client_of

    async def main():
        async with client_of("http://127.0.0.1:9", max_retries=1) as client:
            with pytest.raises(APIConnectionError):
                await client.enrich(people(600))

    anyio.run(main)


def test_a_key_revoked_while_waiting_ends_the_run_and_says_so():
    async def main(here):
        here.sandbox.add_fault(Fault("/enrich/status", status=401, **FOREVER))
        report = await here.client.enrich(people(300))
        assert isinstance(report.stopped_by, AuthenticationError)
        assert len(report.pending) == len(here.ledger.contacts)
        here.sandbox.clear_faults()
        collected = await here.client.collect(report.pending)
        check_against_ledger(here, collected.results)
        assert not collected.pending

    in_world(main)


def test_a_status_that_keeps_failing_leaves_only_its_workflow_pending():
    async def main(here):
        here.sandbox.add_fault(Fault("/enrich/status", status=404, **FOREVER))
        report = await here.client.with_options(deadline_s=30).enrich(people(3))
        assert isinstance(report.stopped_by, DeadlineExceededError)  # a 404 on a new workflow is a lag
        assert report.stopped_by.billed == "unknown"
        assert len(report.pending) == 3

    in_world(main)


def test_an_id_we_could_never_ask_for_breaks_nothing():
    answer = {
        "workflow_id": "wf/../1 ü",
        "status": "processing",
        "task_ids": ["a/b", "c d"],
        "total_contacts": 2,
    }

    async def main(here):
        here.sandbox.add_fault(Fault(BULK, status=200, body=answer))
        report = await here.client.enrich(people(2))
        assert statuses(report.results) == {"pending": 2}
        again = await here.client.collect(report.pending)
        assert isinstance(again.stopped_by, ConfigurationError)
        assert (await here.client.enrich(people(2, start=9))).stopped_by is None

    in_world(main)


def test_a_deadline_leaves_pending_results_that_are_collected_for_free():
    async def main(here):
        contacts = [*people(300), *people(20)]
        report = await here.client.with_options(deadline_s=20).enrich(contacts)
        assert isinstance(report.stopped_by, DeadlineExceededError)
        assert statuses(report.results) == {"pending": 320}
        check_one_result_each(report.results, contacts)
        collected = await here.client.collect(report.pending)
        assert [r.index for r in collected.results] == list(range(320))
        assert not collected.pending
        assert [r.duplicate_of for r in collected.results[300:]] == list(range(20))
        check_against_ledger(here, collected.results)
        assert len(here.ledger.contacts) == 300
        assert collected.summary.credits == here.ledger.credits_charged
        assert (collected.summary.workflows, collected.summary.contacts) == (2, 320)
        assert collected.summary.requests > 0

    in_world(main, workflow_s=60.0)


def test_a_deadline_before_anything_was_accepted_is_raised():
    async def main(here):
        await here.client.public.validate_key()
        with pytest.raises(DeadlineExceededError) as caught:
            await here.client.with_options(deadline_s=30).enrich(people(3))
        assert caught.value.billed == "no"
        assert here.submits() == 0

    in_world(main, limits=RateLimits(key=1))


@each_case("after_s", [0.01, 0.15, 3.0, 5.2, 5.4, 5.6])
def test_a_cancelled_enrich_leaves_what_it_had_in_abandoned(after_s):
    async def main(here):
        contacts = [*people(750), *people(10)]
        with anyio.move_on_after(after_s) as scope:
            await here.client.enrich(contacts)
        assert scope.cancelled_caught
        left = here.client.abandoned
        assert len({r.index for r in left}) == len(left)
        check_against_ledger(here, left)
        accepted = len(here.ledger.contacts)
        bought = {r.index for r in left if r.status != "failed" and r.duplicate_of is None}
        assert len(bought) == accepted
        collected = await here.client.collect([r for r in left if r.status == "pending"])
        check_against_ledger(here, collected.results)
        assert len(here.ledger.contacts) == accepted

    in_world(main)


def test_a_client_that_is_closed_in_mid_run_loses_nothing():
    async def main(here):
        reports = []

        async def work():
            reports.append(await here.client.enrich(people(600)))

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await anyio.sleep(2)
            await here.client.aclose()
        (report,) = reports
        assert isinstance(report.stopped_by, ConfigurationError)
        assert statuses(report.results) == {"pending": 600}
        check_against_ledger(here, report.results)

    in_world(main, workflow_s=60.0)


def test_collect_and_stream_end_when_the_client_is_closed():
    async def main(here):
        with anyio.move_on_after(1):
            await here.client.enrich(people(3))
        ended = []

        async def work():
            report = await here.client.collect(here.client.abandoned)
            ended.append(report.stopped_by)

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await anyio.sleep(1)
            await here.client.aclose()
        assert isinstance(ended[0], ConfigurationError)
        with pytest.raises(CleanlistError):
            await here.client.enrich(people(3))

    in_world(main, workflow_s=600.0)
