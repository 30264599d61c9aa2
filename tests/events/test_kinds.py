"""Which events a call, a workflow and a run tell, in which order; in virtual time."""

import logging
from contextlib import suppress

import anyio
import pytest

from cleanlist_async import ConfigurationError, RateLimits, Store, errors
from cleanlist_async.events import (
    AttemptFinished,
    AttemptStarted,
    CallDetached,
    CallFinished,
    CallStarted,
    ContactFinished,
    ContactStarted,
    RateLimited,
    ResultsSettled,
    RetryScheduled,
    RunFinished,
    RunStarted,
    WorkflowAccepted,
    WorkflowFinished,
)
from cleanlist_async.testing import ServerResponse
from tests.support.clients import ACCEPTED, ADA, ANSWERS, outcome_of, respond, virtual_client, virtually
from tests.support.virtual_sandbox import open_world, people

BALANCE = respond(ANSWERS["credits_balance"])
REFUSED = {"error": {"code": "invalid_api_key", "problem": "No such key."}}
BROKEN = {"error": {"code": "internal_error", "problem": "Out of order.", "request_id": "req_9"}}


def balance_events(handler, **options):
    """The outcome of one read, and the events it told."""
    told = []

    async def main(client):
        return await outcome_of(client.public.credits_balance())

    return virtually(main, handler, on_event=told.append, **options), told


def kinds(told):
    return [type(event) for event in told]


def of(told, kind):
    return [event for event in told if isinstance(event, kind)]


def test_a_plain_call_starts_attempts_once_and_finishes():
    balance = respond(ANSWERS["credits_balance"], x_request_id="req_1")
    _, told = balance_events(lambda request, number: balance, latency=lambda: 0.25)
    assert kinds(told) == [CallStarted, AttemptStarted, AttemptFinished, CallFinished]
    started, attempt, answered, finished = told
    assert (started.operation, started.method, started.path, started.paid) == (
        "credits_balance",
        "GET",
        "/api/v1/public/credits/balance",
        False,
    )
    assert (started.base_url, attempt.attempt, attempt.waited_s) == ("http://localhost", 1, 0.0)
    assert (answered.outcome, answered.status, answered.failure) == ("answered", 200, None)
    assert answered.received_bytes == len(balance.body)
    assert (answered.request_id, finished.request_id) == ("req_1", "req_1")
    assert answered.duration_s == finished.duration_s >= 0.25
    assert (finished.attempts, finished.status, finished.error, finished.billed) == (1, 200, None, "no")
    assert finished.received_bytes == len(balance.body)
    assert {event.call for event in told} == {started.call}


async def test_calls_have_numbers_of_their_own():
    told = []
    async with (
        virtual_client(lambda request, number: BALANCE, on_event=told.append) as client,
        anyio.create_task_group() as group,
    ):
        for _ in range(3):
            group.start_soon(client.public.credits_balance)
    calls = [event.call for event in of(told, CallStarted)]
    assert len(set(calls)) == 3
    assert sorted(event.call for event in of(told, CallFinished)) == sorted(calls)


def test_a_retried_call_tells_why_and_for_how_long_it_waits():
    _, told = balance_events(lambda request, number: BALANCE if number else respond(BROKEN, 500))
    assert kinds(told) == [
        CallStarted,
        *[AttemptStarted, AttemptFinished, RetryScheduled],
        *[AttemptStarted, AttemptFinished],
        CallFinished,
    ]
    (retry,) = of(told, RetryScheduled)
    assert (retry.error, retry.code, retry.attempt) == ("InternalServerError", "internal_error", 1)
    finished = told[-1]
    assert (finished.attempts, finished.retry_wait_s, finished.error) == (2, retry.wait_s, None)
    assert 0 < retry.wait_s <= finished.duration_s


def test_a_failed_call_tells_its_error():
    error, told = balance_events(lambda request, number: respond(BROKEN, 500), max_retries=1)
    finished = told[-1]
    assert isinstance(error, errors.InternalServerError)
    assert (finished.error, finished.code, finished.request_id) == (
        "InternalServerError",
        "internal_error",
        "req_9",
    )
    assert (finished.attempts, finished.status, finished.billed) == (2, 500, "no")


def test_a_429_tells_which_buckets_pause_and_for_how_long(caplog):
    said = {"error": {"code": "rate_limited", "problem": "Slow\ndown.", "details": {"scope": "key"}}}
    handler = lambda request, number: BALANCE if number else respond(said, 429, retry_after="12")  # noqa: E731
    _, told = balance_events(handler, rate_limits=RateLimits())
    (limited,) = of(told, RateLimited)
    (paused,) = limited.buckets
    assert (limited.asked_s, limited.named) == (12.0, "key")
    assert 12 <= paused.paused_for_s < 13
    assert (paused.limit, paused.capacity) == (30, 29)  # nothing else is known of the server
    assert kinds(told).index(RateLimited) < kinds(told).index(RetryScheduled)
    assert 12 <= told[-1].waited_s < 13
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage().startswith("429 on credits_balance: ")
    assert "\n" not in record.getMessage()


async def test_the_wait_for_the_rate_limit_is_told():
    told = []
    async with virtual_client(
        lambda request, number: BALANCE, rate_limits=RateLimits(org=1, key=1), on_event=told.append
    ) as client:
        for _ in range(2):
            await client.public.credits_balance()
    first, second = of(told, AttemptStarted)
    assert (first.waited_s, round(second.waited_s)) == (0.0, 60)
    assert of(told, CallFinished)[1].waited_s == second.waited_s


async def test_a_lost_paid_answer_is_an_unknown_outcome(caplog):
    told = []

    lost = ServerResponse(200, b"", reset_after=0)
    async with virtual_client(lambda request, number: lost, on_event=told.append) as client:
        error = await outcome_of(client.public.submit_bulk([ADA]))
    assert type(error) is errors.UnknownOutcomeError
    assert kinds(told) == [CallStarted, AttemptStarted, AttemptFinished, CallFinished]
    assert (told[2].outcome, told[2].failure) == ("lost", "connection")
    assert told[2].sent_bytes > 0
    assert (told[3].error, told[3].billed) == ("UnknownOutcomeError", "unknown")
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "submit_bulk was sent, and may have been processed" in record.getMessage()


async def test_a_refused_connection_is_an_unsent_attempt():
    told = []
    async with virtual_client(
        lambda request, number: respond(ACCEPTED),
        on_event=told.append,
        on_connect=lambda attempt: "accept" if attempt else "refuse",
    ) as client:
        await outcome_of(client.public.submit_bulk([ADA]))
    first, *_rest = of(told, AttemptFinished)
    assert (first.outcome, first.sent_bytes, first.status) == ("unsent", 0, None)
    assert of(told, WorkflowAccepted)


async def _slow(seconds, response):
    await anyio.sleep(seconds)
    return response


@pytest.mark.parametrize("known", [True, False])
async def test_a_cancelled_submit_is_told_as_detached(known, caplog):
    told = []
    answer = respond(ACCEPTED) if known else ServerResponse(200, b"", reset_after=0)
    async with virtual_client(lambda request, number: _slow(10, answer), on_event=told.append) as client:
        with anyio.move_on_after(2):
            await client.public.submit_bulk([ADA])
        await anyio.sleep(20)
    assert kinds(told) == [CallStarted, AttemptStarted, CallFinished, AttemptFinished, CallDetached]
    assert (told[2].error, told[2].billed) == ("CancelledError", "unknown")
    assert told[4].workflow_id == ("wf_1" if known else None)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "the caller of submit_bulk was cancelled" in record.getMessage()


async def test_a_cancelled_read_bills_nothing():
    told = []
    async with virtual_client(lambda request, number: _slow(10, BALANCE), on_event=told.append) as client:
        with anyio.move_on_after(2):
            await client.public.credits_balance()
        await anyio.sleep(20)
    finished = of(told, CallFinished)[0]
    assert (finished.error, finished.billed) == ("CancelledError", "no")
    assert not of(told, CallDetached)


def test_a_deadline_is_told_as_what_the_caller_sees():
    _, told = balance_events(lambda request, number: _slow(10, BALANCE), deadline_s=3.0)
    (finished,) = of(told, CallFinished)
    assert (finished.error, finished.duration_s) == ("DeadlineExceededError", 3.0)


async def test_a_bulk_run_tells_its_milestones(caplog):
    caplog.set_level(logging.INFO, logger="cleanlist_async")
    told = []
    async with open_world(client_options={"on_event": told.append}) as world:
        report = await world.client.enrich(people(600), enrichment_type="partial")
        statistics = world.client.statistics()
    milestones = [
        event
        for event in told
        if isinstance(event, RunStarted | RunFinished | WorkflowAccepted | WorkflowFinished)
    ]
    assert milestones[0] == RunStarted("enrich", "partial", 600)
    assert [event.contacts for event in milestones if isinstance(event, WorkflowAccepted)] == [250, 250, 100]
    ends = [event for event in milestones if isinstance(event, WorkflowFinished)]
    accepted = {event.workflow_id for event in of(told, WorkflowAccepted)}
    assert {event.workflow_id for event in ends} == accepted
    assert {event.status for event in ends} == {"completed"}
    assert all(event.after_s >= 4.9 and event.asked >= 1 for event in ends)
    finished = milestones[-1]
    assert (finished.contacts, finished.found, finished.credits, finished.error) == (
        600,
        report.summary.statuses["found"],
        report.summary.credits,
        None,
    )
    assert statistics.credits_charged + statistics.credits_estimated == report.summary.credits > 0
    settled = of(told, ResultsSettled)
    assert sum(event.credits for event in settled) == report.summary.credits
    assert sorted((event.kind, event.contacts) for event in settled) == [
        ("enrich", contacts) for contacts in (100, 250, 250)
    ]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert len([line for line in lines if " accepted: 250 contacts" in line]) == 2
    assert sum(line.startswith("enrich finished after") for line in lines) == 1


async def test_a_run_that_is_stopped_tells_what_stopped_it(caplog):
    told = []
    async with open_world(client_options={"on_event": told.append}) as world:
        await world.client.enrich(people(300), max_credits=100)
    (finished,) = of(told, RunFinished)
    assert finished.error == "BudgetExceededError"
    assert "enrich stopped by BudgetExceededError" in caplog.text


def as_a_job(world, _path):
    return world.client.job("crm", people(300))


def as_a_job_of_a_file(world, path):
    return world.client.job(path / "run.journal", people(300))


@pytest.mark.parametrize("opened", [as_a_job, as_a_job_of_a_file])
@pytest.mark.parametrize("ending", ["cancelled", "closed"])
async def test_a_job_that_is_ended_from_outside_was_interrupted(opened, ending, tmp_path, caplog):
    told = []
    caplog.set_level(logging.INFO, logger="cleanlist_async")
    async with Store(tmp_path / "store.db") as store:
        options = {"on_event": told.append, "store": store}
        async with open_world(client_options=options, workflow_s=60.0) as world:
            job = await opened(world, tmp_path)
            async with anyio.create_task_group() as group:
                group.start_soon(refused, job.run)
                await anyio.sleep(10)
                if ending == "cancelled":
                    group.cancel_scope.cancel()
                await job.aclose()
            async with await opened(world, tmp_path) as job:
                assert (await job.run()).status.state == "complete"
    interrupted, finished = of(told, RunFinished)
    assert (interrupted.interrupted, interrupted.error) == (True, None)
    assert (finished.interrupted, finished.error) == (False, None)
    assert [
        line.split(" after ")[0] for line in caplog.messages if line.startswith("job ") and " after " in line
    ] == [
        "job was interrupted",
        "job finished",
    ]


async def refused(call):
    with suppress(ConfigurationError):
        await call()


async def test_a_stream_that_is_left_early_was_interrupted():
    told = []
    async with (
        open_world(client_options={"on_event": told.append}) as world,
        world.client.stream(people(300)) as results,
    ):
        await anext(results)
    (left,) = of(told, RunFinished)
    assert (left.interrupted, left.error) == (True, None)


async def test_a_call_of_enrich_one_tells_its_start_its_credits_and_its_workflow():
    told = []
    async with (
        open_world(client_options={"on_event": told.append}) as world,
        anyio.create_task_group() as group,
    ):
        for person in [*people(3), *people(1)]:
            group.start_soon(world.client.enrich_one, person)
    statistics = world.client.statistics()
    starts, ends = of(told, ContactStarted), of(told, ContactFinished)
    assert sorted(start.caller for start in starts) == sorted(end.caller for end in ends)
    assert len({start.caller for start in starts}) == 4
    accepted = {event.workflow_id for event in of(told, WorkflowAccepted)}
    assert {end.workflow_id for end in ends} == accepted
    settled = of(told, ResultsSettled)
    spent = statistics.credits_charged + statistics.credits_estimated
    assert sum(event.credits for event in settled) == sum(end.credits for end in ends) == spent > 0
    assert {(event.kind, event.workflow_id in accepted) for event in settled} == {("enrich_one", True)}
    assert sum(event.contacts for event in settled) == 3


async def test_a_call_of_enrich_one_that_fails_tells_its_error():
    told = []
    async with virtual_client(lambda request, number: respond(REFUSED, 401), on_event=told.append) as client:
        await outcome_of(client.enrich_one(ADA))
    (end,) = of(told, ContactFinished)
    assert (end.status, end.credits, end.error) == (None, 0.0, "AuthenticationError")


async def test_a_call_by_path_names_no_id():
    told = []
    async with virtual_client(lambda request, number: respond({}), on_event=told.append) as client:
        await client.request("GET", "/api/v2/lead-lists/ada@x.example/leads/7f3a", params={"q": "Ada"})
    assert told[0].path == "/api/v2/lead-lists/{}/leads/{}"
    assert told[0].operation == "GET /api/v2/lead-lists/{}/leads/{}"
    assert "ada" not in repr(told)


async def test_a_job_tells_its_milestones_and_counts_what_it_settled(tmp_path):
    told = []
    async with open_world(client_options={"on_event": told.append}) as world:
        async with await world.client.job(tmp_path / "journal", people(300), max_credits=3000) as job:
            report = await job.run()
        statistics = world.client.statistics()
    assert of(told, RunStarted) == [RunStarted("job", "partial", 300)]
    (finished,) = of(told, RunFinished)
    assert (finished.kind, finished.contacts, finished.error) == ("job", 300, None)
    assert finished.credits == statistics.credits_charged + statistics.credits_estimated > 0
    assert finished.credits == report.status.credits_spent
    assert finished.credits == sum(event.credits for event in of(told, ResultsSettled))
