"""How runs end early: what is raised, what is reported, and that nothing accepted is ever lost."""

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
    RateLimitError,
    RateLimits,
    UnknownOutcomeError,
)
from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case
from tests.support.virtual_sandbox import (
    check_against_ledger,
    check_one_result_each,
    open_world,
    people,
)

BULK = "/enrich/bulk"
FOREVER = {"times": math.inf}


def statuses(results):
    return {status: sum(r.status == status for r in results) for status in {r.status for r in results}}


def named_people(count):
    return [{"first_name": f"P{n}", "last_name": "Doe", "company_name": "Acme"} for n in range(count)]


def named(index, message="not a person"):
    detail = [{"type": "value_error", "loc": ["body", "contacts", index], "msg": message}]
    return {"status": 422, "body": {"detail": detail}}


async def test_a_422_that_names_a_contact_costs_only_that_contact(world):
    world.sandbox.add_fault(Fault(BULK, **named(7)))
    world.sandbox.add_fault(Fault(BULK, nth=2, **named(0, "nor this")))
    report = await world.client.enrich(people(300))
    check_against_ledger(world, report.results)
    assert [(r.index, r.error) for r in report.results if r.status == "invalid"] == [
        (0, "refused: nor this"),
        (7, "refused: not a person"),
    ]
    assert report.summary.statuses["invalid"] == 2
    assert len(world.ledger.contacts) == 298
    assert report.stopped_by is None


@pytest.mark.parametrize("index", [250, -1])
async def test_a_422_that_names_no_contact_of_the_chunk_is_an_error_of_the_chunk(world, index):
    world.sandbox.add_fault(Fault(BULK, nth=2, **named(index)))
    report = await world.client.enrich(people(600))
    assert statuses(report.results[250:500]) == {"failed": 250}
    assert report.stopped_by is None
    check_against_ledger(world, report.results)


async def test_contacts_refused_one_by_one_are_reported_and_the_last_request_says_it_is_not_about_it(world):
    world.sandbox.add_fault(Fault(BULK, **named(1), **FOREVER))
    report = await world.client.enrich(people(5))
    assert [r.status for r in report.results] == ["failed", *["invalid"] * 4]
    assert report.results[0].error.startswith("refused: ")  # it was sent
    assert "names a contact or a field that this request does not have" in str(report.stopped_by)
    assert report.stopped_by.billed == "no"


@pytest.mark.parametrize("kind", ["value_error", "string_pattern_mismatch"])
async def test_a_422_on_a_field_that_its_contact_does_not_have_is_not_pinned_on_it(world, kind):
    loc = ["body", "contacts", 1, "linkedin_url"]
    detail = [{"type": kind, "loc": loc, "msg": "value is not a valid LinkedIn profile"}]
    world.sandbox.add_fault(Fault(BULK, status=422, body={"detail": detail}, nth=2))
    report = await world.client.enrich(named_people(300))
    assert statuses(report.results[250:]) == {"failed": 50}
    assert report.fault.fix.startswith("It names a contact or a field")


async def test_a_422_on_a_field_that_is_missing_is_pinned_on_its_contact(world):
    detail = [{"type": "missing", "loc": ["body", "contacts", 1, "linkedin_url"], "msg": "Field required"}]
    world.sandbox.add_fault(Fault(BULK, status=422, body={"detail": detail}))
    report = await world.client.enrich(named_people(3))
    assert [r.index for r in report.results if r.status == "invalid"] == [1]


async def test_a_later_chunk_that_is_refused_is_logged(world, caplog):
    world.sandbox.add_fault(Fault(BULK, nth=2, status=422, body={"detail": "no"}))
    await world.client.enrich(people(300))
    said = "the server refused 50 contacts, and the run goes on without them: RequestValidationError: 422"
    assert any(record.getMessage().startswith(said) for record in caplog.records)


async def test_a_413_splits_the_chunk(world):
    world.sandbox.add_fault(Fault(BULK, status=413, times=3))
    report = await world.client.enrich(people(260), max_credits=260)
    assert report.stopped_by is None
    assert not report.pending
    assert "failed" not in statuses(report.results)
    assert len(world.ledger.contacts) == 260
    assert world.submits() > 4
    check_against_ledger(world, report.results)


async def test_a_500_leaves_its_contacts_unknown_and_the_others_go_on(world):
    world.sandbox.add_fault(Fault(BULK, nth=2, status=500, when="after"))
    report = await world.client.enrich(people(750))
    assert report.stopped_by is None
    assert [r.index for r in report.unknown] == list(range(250, 500))
    assert all("may have been processed" in r.error for r in report.unknown)
    assert not world.ledger.duplicates()
    assert len(world.ledger.contacts) == 750


@pytest.mark.slow
async def test_three_bad_chunks_in_a_row_stop_the_run(world):
    world.sandbox.add_fault(Fault(BULK, status=500, nth=2, times=math.inf))
    report = await world.client.enrich(people(10_000))
    assert isinstance(report.stopped_by, UnknownOutcomeError)
    assert report.stopped_by.billed == "unknown"
    assert isinstance(report.stopped_by.answer, InternalServerError)
    assert 4 <= world.submits() <= 30  # of 40: those of one burst are on their way together
    assert sum(r.status in {"found", "not_found"} for r in report.results) == 250
    assert len(report.unknown) == 250 * (world.submits() - 1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (402, InsufficientCreditsError), (403, PermissionDeniedError)],
)
async def test_refusals_are_raised_before_anything_was_accepted_and_reported_after(status, kind):
    async with open_world() as world:
        world.sandbox.add_fault(Fault(BULK, status=status, **FOREVER))
        with pytest.raises(kind):
            await world.client.enrich(people(1_000))
        assert world.submits() == 1  # the first goes alone

    async with open_world() as world:
        world.sandbox.add_fault(Fault(BULK, status=status, nth=4, **FOREVER))
        report = await world.client.enrich(people(2_000))
        assert isinstance(report.stopped_by, kind)
        with pytest.raises(kind):
            report.raise_for_error()
        assert len(world.ledger.contacts) == 750
        assert sum(r.status in {"found", "not_found"} for r in report.results) == 750
        assert statuses(report.results)["failed"] == 1_250
        check_against_ledger(world, report.results)


async def test_submits_that_are_cut_off_are_unknown_and_stop_the_run(world):
    world.sandbox.add_fault(Fault(BULK, nth=3, reset=True, times=math.inf))
    report = await world.client.enrich(people(2_000))
    assert isinstance(report.stopped_by, UnknownOutcomeError)
    check_against_ledger(world, [r for r in report.results if r.status != "unknown"])


@pytest.mark.sockets
@pytest.mark.anyio
async def test_a_refused_connection_is_raised():
    from tests.support.clients import client_of

    async with client_of("http://127.0.0.1:9", max_retries=1) as client:
        with pytest.raises(APIConnectionError):
            await client.enrich(people(600))


async def test_a_key_revoked_while_waiting_ends_the_run_and_says_so(world):
    world.sandbox.add_fault(Fault("/enrich/status", status=401, **FOREVER))
    report = await world.client.enrich(people(300))
    assert isinstance(report.stopped_by, AuthenticationError)
    assert len(report.pending) == len(world.ledger.contacts)
    world.sandbox.clear_faults()
    collected = await world.client.collect(report.pending)
    check_against_ledger(world, collected.results)
    assert not collected.pending


async def test_a_status_that_keeps_failing_leaves_only_its_workflow_pending(world):
    world.sandbox.add_fault(Fault("/enrich/status", status=404, **FOREVER))
    report = await world.client.with_options(deadline_s=30).enrich(people(3))
    assert isinstance(report.stopped_by, DeadlineExceededError)  # a 404 on a new workflow is a lag
    assert report.stopped_by.billed == "unknown"
    assert len(report.pending) == 3


async def test_an_id_we_could_never_ask_for_breaks_nothing(world):
    answer = {
        "workflow_id": "wf/../1 ü",
        "status": "processing",
        "task_ids": ["a/b", "c d"],
        "total_contacts": 2,
    }
    world.sandbox.add_fault(Fault(BULK, status=200, body=answer))
    report = await world.client.enrich(people(2))
    assert statuses(report.results) == {"pending": 2}
    again = await world.client.collect(report.pending)
    assert isinstance(again.stopped_by, ConfigurationError)
    assert (await world.client.enrich(people(2, start=9))).stopped_by is None


@pytest.mark.world(workflow_s=60.0)
async def test_a_deadline_leaves_pending_results_that_are_collected_for_free(world):
    contacts = [*people(300), *people(20)]
    report = await world.client.with_options(deadline_s=20).enrich(contacts)
    assert isinstance(report.stopped_by, DeadlineExceededError)
    assert statuses(report.results) == {"pending": 320}
    check_one_result_each(report.results, contacts)
    collected = await world.client.collect(report.pending)
    assert [r.index for r in collected.results] == list(range(320))
    assert not collected.pending
    assert [r.duplicate_of for r in collected.results[300:]] == list(range(20))
    check_against_ledger(world, collected.results)
    assert len(world.ledger.contacts) == 300
    assert collected.summary.credits == world.ledger.credits_charged
    assert (collected.summary.workflows, collected.summary.contacts) == (2, 320)
    assert collected.summary.requests > 0


@pytest.mark.world(limits=RateLimits(key=1))
async def test_a_deadline_before_anything_was_accepted_is_raised(world):
    await world.client.public.validate_key()
    with pytest.raises(DeadlineExceededError) as caught:
        await world.client.with_options(deadline_s=30).enrich(people(3))
    assert caught.value.billed == "no"
    assert world.submits() == 0


@pytest.mark.slow
@each_case("after_s", [0.01, 0.15, 3.0, 5.2, 5.4, 5.6])
async def test_a_cancelled_enrich_leaves_what_it_had_in_abandoned(after_s):
    async with open_world() as world:
        contacts = [*people(400), *people(10)]
        with anyio.move_on_after(after_s) as scope:
            await world.client.enrich(contacts)
        assert scope.cancelled_caught
        left = world.client.abandoned
        assert len({r.index for r in left}) == len(left)
        check_against_ledger(world, left)
        accepted = len(world.ledger.contacts)
        bought = {r.index for r in left if r.status != "failed" and r.duplicate_of is None}
        assert len(bought) == accepted
        collected = await world.client.collect([r for r in left if r.status == "pending"])
        check_against_ledger(world, collected.results)
        assert len(world.ledger.contacts) == accepted


@pytest.mark.world(workflow_s=60.0)
async def test_a_client_that_is_closed_in_mid_run_loses_nothing(world):
    reports = []

    async def work():
        reports.append(await world.client.enrich(people(600)))

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await anyio.sleep(2)
        await world.client.aclose()
    (report,) = reports
    assert isinstance(report.stopped_by, ConfigurationError)
    assert statuses(report.results) == {"pending": 600}
    check_against_ledger(world, report.results)


@pytest.mark.world(workflow_s=600.0)
async def test_collect_and_stream_end_when_the_client_is_closed(world):
    with anyio.move_on_after(1):
        await world.client.enrich(people(3))
    ended = []

    async def work():
        report = await world.client.collect(world.client.abandoned)
        ended.append(report.stopped_by)

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await anyio.sleep(1)
        await world.client.aclose()
    assert isinstance(ended[0], ConfigurationError)
    with pytest.raises(CleanlistError):
        await world.client.enrich(people(3))


@pytest.mark.slow
@pytest.mark.world(workflow_s=3_000.0)
async def test_a_quarter_of_an_hour_of_429s_stops_a_run_whatever_else_is_accepted(world):
    world.sandbox.add_fault(Fault(BULK, nth=2, status=429, **FOREVER))
    report = await world.client.enrich(people(400))
    assert isinstance(report.stopped_by, RateLimitError)
    assert 900 < world.ledger.requests_of(BULK)[-1].at < 1_100
    assert statuses(report.results).keys() == {"found", "not_found", "failed"}
    assert statuses(report.results)["failed"] == 150
    check_against_ledger(world, report.results)
