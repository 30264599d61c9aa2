"""Spending: a paid request is repeated only on proof that it was not accepted."""

import math

import anyio
import pytest

from cleanlist_async import errors
from cleanlist_async.api.models.public import BulkSubmission
from cleanlist_async.http.calls import Operation
from tests.support.cases import each_case
from tests.support.clients import (
    ACCEPTED,
    ADA,
    ANSWERS,
    CALLS,
    Served,
    outcome_of,
    respond,
    virtual_client,
    virtually,
)
from tests.surface.groups import PUBLIC

HTML = b"<html><body>Sign in to the proxy</body></html>"
ON_THE_PAGE = {400, 401, 402, 403, 404, 413, 422}
REFUSALS = {"detail": ON_THE_PAGE, "error": ON_THE_PAGE | {405, 415}}

BODIES = {
    "detail": lambda status: {"detail": f"no: {status}"},
    "error": lambda status: {
        "error": {"code": "new", "problem": "no", "request_id": "req_9", "retryable": False}
    },
    "html": lambda status: HTML,
    "empty": lambda status: b"",
    "list": lambda status: ["no"],
    "number": lambda status: 5,
}


def submit(handler, **options):
    """The outcome of one submit, and how many requests the server saw."""
    served = Served(handler)

    async def main(client):
        return await outcome_of(client.public.submit_bulk([ADA])), client.statistics()

    (outcome, statistics) = virtually(main, served, **options)
    assert all(bucket.in_flight == 0 for bucket in statistics.buckets)
    return outcome, len(served.requests)


def assert_unknown(outcome):
    assert type(outcome) is errors.UnknownOutcomeError
    assert outcome.billed == "unknown"
    assert outcome.retryable is False
    assert outcome.safe_to_retry is False
    assert isinstance(outcome.answer, errors.CleanlistError)
    assert outcome.__cause__ is outcome.answer


@each_case(
    ("status", "said"),
    [
        (400, {"code": "Internal_Error"}),
        (404, {"code": "WORKFLOW_TIMEOUT", "retryable": False}),
        (400, {"code": "new", "retryable": "true"}),
        (422, {"code": "new", "retryable": " True"}),
        (400, {"code": "new", "retryable": 1}),
    ],
)
def test_an_unclear_code_or_flag_is_one_however_it_is_written(status, said):
    outcome, sends = submit(lambda _request, _number: respond({"error": said}, status))
    assert_unknown(outcome)
    assert sends == 1


def test_every_operation_declares_what_repeating_it_would_mean():
    assert {operation.name: operation.retry for operation in PUBLIC} == {
        "validate_key": "safe",
        "credits_balance": "safe",
        "submit_bulk": "never",
        "bulk_status": "safe",
        "webhook_deliveries": "safe",
    }
    assert all((operation.retry == "safe") == (operation.method == "GET") for operation in PUBLIC)
    assert set(CALLS) == {operation.name for operation in PUBLIC}


@each_case("operation", PUBLIC)
async def test_the_declaration_is_what_happens(operation):
    """A 500 is repeated for a read and for nothing else."""
    assert operation.name in CALLS.keys() & ANSWERS.keys(), "add it to tests/support/clients.py"
    served = Served(
        lambda request, number: respond(
            ANSWERS[operation.name] if number else {"detail": "x"}, 200 if number else 500
        )
    )
    async with virtual_client(served) as client:
        outcome = await outcome_of(CALLS[operation.name](client))
    if operation.retry == "safe":
        assert len(served.requests) == 2
        assert not isinstance(outcome, Exception)
    else:
        assert len(served.requests) == 1
        assert_unknown(outcome)


@pytest.mark.slow
@each_case("form", BODIES)
def test_in_every_form_only_a_status_of_refusal_proves_that_nothing_was_billed(form):
    for status in (*range(300, 304), *range(305, 309), *range(400, 600)):
        if status == 429:
            continue
        outcome, requests = submit(
            lambda request, number, status=status: respond(BODIES[form](status), status)
        )
        assert requests == 1, status
        if status in REFUSALS.get(form, {413}) | {301, 307, 308}:
            assert isinstance(outcome, errors.APIError), (status, outcome)
            assert outcome.status == status
            assert (outcome.billed, outcome.safe_to_retry, outcome.retryable) == ("no", True, False)
        else:
            assert_unknown(outcome)
            assert outcome.status == status
            assert outcome.answer.status == status
            assert outcome.code == outcome.answer.code
            assert outcome.request_id == ("req_9" if form == "error" else None)


def test_a_refusal_that_says_it_is_retryable_is_proof_and_is_repeated():
    refusal = {"error": {"code": "validation_error", "problem": "busy", "retryable": True}}
    outcome, requests = submit(lambda request, number: respond(ACCEPTED) if number else respond(refusal, 400))
    assert (outcome.workflow_id, requests) == ("wf_1", 2)


@each_case("status", [500, 502, 503, 504, 408, 425])
def test_a_5xx_that_says_it_is_retryable_is_not_repeated(status):
    said = {"error": {"code": "internal_error", "problem": "x", "retryable": True, "request_id": "req_1"}}
    outcome, requests = submit(lambda request, number: respond(said, status))
    assert_unknown(outcome)
    assert requests == 1
    assert outcome.answer.retryable is True
    assert str(outcome).startswith("req_1:")


@pytest.mark.parametrize("code", ["internal_error", "workflow_timeout", "filters_unavailable", "brand_new"])
def test_a_4xx_that_is_no_refusal_is_not_repeated(code):
    said = {"error": {"code": code, "problem": "x", "retryable": True, "request_id": "req_1"}}
    for status in (400, 404, 422):
        outcome, requests = submit(lambda request, number, status=status: respond(said, status))
        assert_unknown(outcome)
        assert requests == 1
        assert (outcome.status, outcome.code, outcome.request_id) == (status, code, "req_1")
        assert (outcome.answer.billed, outcome.answer.safe_to_retry) == ("unknown", False)


def test_the_code_of_a_429_with_another_status_does_not_repeat_for_ever():
    said = {"error": {"code": "rate_limited", "problem": "x", "retryable": True}}
    outcome, requests = submit(lambda request, number: respond(said, 400), max_retries=2)
    assert type(outcome) is errors.RateLimitError
    assert requests == 3


LIMITED = {
    "error": respond({"error": {"code": "rate_limited", "retry_after_ms": 7000}}, 429),
    "header": respond({"error": {"code": "rate_limited"}}, 429, retry_after="7"),
    "detail": respond({"detail": "Rate limit exceeded"}, 429),
    "gateway": respond(HTML, 429, retry_after="7"),
}


@pytest.mark.parametrize("form", LIMITED)
async def test_a_429_is_repeated_after_the_wait_it_asks_for(form):
    served = Served(lambda request, number: respond(ACCEPTED) if number == 2 else LIMITED[form])
    async with virtual_client(served) as client:
        submission = await client.public.submit_bulk([ADA])
        statistics = client.statistics()
    assert submission.workflow_id == "wf_1"
    assert (len(served.requests), statistics.rejected_429, statistics.retries) == (3, 2, 2)
    least = 7 if form != "detail" else 2
    assert all(later - sooner >= least for sooner, later in zip(served.times, served.times[1:], strict=False))


def test_a_429_for_ever_ends_an_interactive_submit_with_a_rate_limit_error():
    outcome, requests = submit(lambda request, number: LIMITED["error"])
    assert type(outcome) is errors.RateLimitError
    assert (outcome.billed, outcome.safe_to_retry, outcome.retryable, requests) == ("no", True, True, 5)


def test_a_429_that_asks_for_more_than_two_minutes_is_raised_at_once():
    outcome, requests = submit(lambda request, number: respond({"detail": "x"}, 429, retry_after="600"))
    assert type(outcome) is errors.RateLimitError
    assert (outcome.retry_after_s, requests) == (600, 1)


# -- connections -----------------------------------------------------------------------------------


def test_a_refused_connection_is_tried_again_and_the_submit_is_made_once():
    outcome, requests = submit(
        lambda request, number: respond(ACCEPTED), on_connect=lambda n: "refuse" if n < 3 else "accept"
    )
    assert (outcome.workflow_id, requests) == ("wf_1", 1)


@pytest.mark.parametrize(
    ("how", "error", "attempts"),
    [("refuse", errors.APIConnectionError, 5), ("ignore", errors.APITimeoutError, 5)],
)
async def test_without_a_connection_nothing_was_sent(how, error, attempts):
    async with virtual_client(lambda request, number: respond(ACCEPTED), on_connect=lambda n: how) as client:
        outcome = await outcome_of(client.public.submit_bulk([ADA]))
        connects = client._network.connect_attempts
        buckets = client.statistics().buckets
    assert type(outcome) is error
    assert (outcome.billed, outcome.safe_to_retry, outcome.retryable) == ("no", True, True)
    assert connects == attempts
    assert all(bucket.available == bucket.limit for bucket in buckets), "an unsent token is back at once"


async def test_no_answer_is_an_unknown_outcome_after_the_timeout():
    async def never(request):
        await anyio.sleep_forever()

    served = Served(lambda request, number: never(request))
    async with virtual_client(served, request_timeout_s=20.0) as client:
        outcome = await outcome_of(client.public.submit_bulk([ADA]))
        seconds = anyio.current_time()
    assert_unknown(outcome)
    assert type(outcome.answer) is errors.APITimeoutError
    assert (len(served.requests), seconds) == (1, 20.0)


@pytest.mark.slow
def test_an_answer_cut_at_any_byte_is_accepted_or_unknown():
    """Accepted as soon as the id is there, unknown before, and never sent again."""
    body = b'{"task_ids": ["t_1"], "workflow_id": "wf_1", "message": "started"}'
    head = len(b"HTTP/1.1 200 OK\r\ncontent-length: 66\r\n\r\n")
    known = head + body.index(b"wf_1") + len(b'wf_1"')
    for size in range(head + len(body)):
        outcome, requests = submit(
            lambda request, number, size=size: type(respond())(200, body, reset_after=size)
        )
        assert requests == 1, size
        if size >= known:
            assert isinstance(outcome, BulkSubmission), size
            assert outcome.workflow_id == "wf_1"
        else:
            assert_unknown(outcome)


LONG_DETAILS = b'{"error": {"code": "%b", "details": "' + b"x" * 300_000 + b'", "retryable": true}}'


@each_case(
    ("status", "body", "broken_off"),
    [
        (400, LONG_DETAILS % b"brand_new", None),
        (429, LONG_DETAILS.replace(b'"code": "%b", ', b""), None),
        (422, b'{"detail": "' + b"x" * 300_000 + b'", "retryable": true}', None),
        (413, b"x" * 300_000, None),
        (400, LONG_DETAILS % b"brand_new", 500),
        (422, b'{"detail": "No.", "retryable": true}', 60),
    ],
)
def test_an_error_that_is_cut_is_no_refusal(status, body, broken_off):
    outcome, requests = submit(lambda request, number: type(respond())(status, body, reset_after=broken_off))
    assert_unknown(outcome)
    assert (requests, outcome.answer.is_cut) == (1, True)


def test_an_error_that_is_cut_is_a_refusal_by_a_known_code_before_the_cut():
    outcome, requests = submit(lambda request, number: respond(LONG_DETAILS % b"insufficient_credits", 402))
    assert (type(outcome), outcome.billed, requests) == (errors.InsufficientCreditsError, "no", 1)


@each_case(
    "body",
    [
        b'{"workflow_id": "wf_1", "status": 5, "task_ids": "many", "total_contacts": [], "x": {}}',
        b'{"workflow_id": "wf_1", "status": "brand_new", "task_ids": [{"id": 1}, null]}',
        b'\xef\xbb\xbf{"workflow_id": "wf_1"}',
        b'{"workflow_id": "wf_1"',
        b'{"workflow_id": "wf_1", "credits": NaN}',
        b'[{"workflow_id": "wf_1"}]',
        b'{"data": {"workflow_id": "wf_1"}}',
        b'{"workflow_id": "wf_1", "message": "\xff\xfe"}',
        b"[" * 100_000 + b'"workflow_id": "wf_1"',
    ],
)
def test_an_accepted_workflow_is_never_lost_to_its_wrapping(body):
    outcome, requests = submit(lambda request, number: respond(body))
    assert isinstance(outcome, BulkSubmission)
    assert (outcome.workflow_id, requests) == ("wf_1", 1)


@pytest.mark.slow
@each_case(
    "body",
    [
        b"",
        b"{}",
        HTML,
        b"null",
        b"[]",
        b"17",
        b'{"workflow_id": ""}',
        b'{"workflow_id": null}',
        b"\x00\xff",
        b'{"status": "ok"}',
    ],
)
@each_case("status", [200, 201, 202, 204, 299])
def test_a_2xx_without_a_workflow_is_unknown(body, status):
    outcome, requests = submit(lambda request, number: respond(b"" if status == 204 else body, status))
    assert_unknown(outcome)
    assert type(outcome.answer) is errors.MalformedResponseError
    assert (outcome.status, requests) == (status, 1)


def test_an_error_in_a_2xx_is_unknown_and_keeps_what_was_said():
    said = {"error": {"code": "insufficient_credits", "problem": "no", "request_id": "req_2"}}
    outcome, requests = submit(lambda request, number: respond(said))
    assert_unknown(outcome)
    assert type(outcome.answer) is errors.InsufficientCreditsError
    assert (outcome.code, outcome.request_id, requests) == ("insufficient_credits", "req_2", 1)


# -- what the ledger says --------------------------------------------------------------------------

FAULTS = {
    f"{kind}-{when}": {**options, "when": when}
    for when in ("before", "after")
    for kind, options in {
        "reset": {"reset": True},
        "reset-in-body": {"reset": True, "truncate": 20},
        "close": {"close": True},
        "500": {"status": 500},
        "502-html": {"status": 502, "body": "<html>Bad gateway</html>"},
        "503": {"status": 503, "headers": (("retry-after", "1"),)},
        "504": {"status": 504},
        "409": {"status": 409},
        "302": {"status": 302, "headers": (("location", "/elsewhere"),)},
        "empty": {"status": 200, "body": ""},
        "garbage": {"status": 200, "body": b"\xff\x00"},
        "login": {"status": 403, "body": "<html>Sign in</html>"},
        "late": {"delay_s": 0.25},
        "torn": {"truncate": 30},
        "twice": {"duplicate": True},
        "endless": {"size": math.inf},
    }.items()
}


@pytest.mark.sockets
@each_case("name", FAULTS)
@pytest.mark.anyio
async def test_the_ledger_never_holds_a_contact_twice_and_never_one_that_was_called_free(name):
    from cleanlist_async.sandbox import Fault, Sandbox
    from tests.support.clients import client_of

    sandbox = Sandbox(limiter="off", faults=(Fault("/enrich/bulk", **FAULTS[name]),))
    async with sandbox:
        async with client_of(sandbox.base_url, api_key=sandbox.api_key, request_timeout_s=0.15) as client:
            outcome = await outcome_of(client.public.submit_bulk([ADA]))
            again = (
                await client.public.submit_bulk([ADA]) if getattr(outcome, "safe_to_retry", False) else None
            )
        await anyio.sleep(0.15 if name.startswith("late") else 0)
        ledger = sandbox.ledger
    assert not ledger.duplicates()
    accepted = len(ledger.contacts)
    if isinstance(outcome, errors.UnknownOutcomeError):
        assert again is None
        assert len(ledger.requests_of("/enrich/bulk")) == 1
    elif isinstance(outcome, BulkSubmission):
        assert outcome.workflow_id == ledger.contacts[0].workflow_id
        assert accepted == 1
    else:
        assert isinstance(outcome, errors.APIError), outcome
        assert accepted == 1, "the second, which the first error allowed"
    if "after" in name:
        assert accepted == 1


def test_a_paid_operation_must_say_how_its_charge_is_read():
    with pytest.raises(TypeError, match="buy_more may spend"):
        Operation("buy_more", "POST", "/more", "never", lambda answer: answer)
