"""What the end of a submit means: the table, and its use in the bulk run, the job and `enrich_one`."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from cleanlist_async import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    CleanlistError,
    ConfigurationError,
    InsufficientCreditsError,
    InternalServerError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RedirectedError,
    RequestValidationError,
    UnknownOutcomeError,
    VersionDeprecatedError,
)
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.enrich.submit_outcome import (
    Accepted,
    Refused,
    Retry,
    SetAside,
    Split,
    Stop,
    Unknown,
    judge,
)
from cleanlist_async.errors import (
    EstimateTokenMismatchError,
    FieldError,
    InsufficientScopeError,
    MalformedResponseError,
    NotEnabledError,
    QuoteAlreadyRedeemedError,
    QuoteExpiredError,
    QuoteInvalidError,
    QuoteMismatchError,
    SpendCapExceededError,
)
from cleanlist_async.sandbox import Fault
from tests.support import virtual_sandbox
from tests.support.callers import outcomes, start
from tests.support.cases import each_case
from tests.support.virtual_sandbox import open_world, people

SUBMIT = "/enrich/bulk"
CONTACTS = people(4)


def prepared(count: int) -> list[Prepared]:
    contacts = [prepare(place, contact) for place, contact in enumerate(people(count))]
    return [contact for contact in contacts if isinstance(contact, Prepared)]


def unknown(status: int | None = None, workflow_id: str | None = None) -> UnknownOutcomeError:
    error = UnknownOutcomeError("sent")
    error.status, error.workflow_id = status, workflow_id
    return error


def names(*positions: int | None) -> RequestValidationError:
    error = RequestValidationError("no", status=422)
    error.field_errors = [FieldError(("body",), "no person", contact_index=place) for place in positions]
    return error


# -- the table -------------------------------------------------------------------------------------


@each_case(
    ("error", "contacts", "expected"),
    [
        (unknown(200, "wf"), 2, Accepted("wf")),
        (unknown(299, "wf"), 2, Accepted("wf")),
        (unknown(200), 2, Unknown()),
        (unknown(200, ""), 2, Unknown()),
        (unknown(404, "wf"), 2, Unknown()),
        (unknown(500, "wf"), 2, Unknown()),
        (unknown(None, "wf"), 2, Unknown()),
        (unknown(), 2, Unknown()),
        (names(), 2, Refused()),
        (names(None, 2, -1), 2, Refused()),
        (PayloadTooLargeError(status=413), 2, Split()),
        (PayloadTooLargeError(status=413), 1, Refused()),
        (RateLimitError(status=429), 2, Retry()),
        (APIConnectionError(), 2, Retry()),
        (APITimeoutError(), 2, Retry()),
        (QuoteExpiredError(status=409), 2, Retry()),
        (QuoteMismatchError(status=409), 2, Retry()),
        (EstimateTokenMismatchError(status=400), 2, Retry()),
        (SpendCapExceededError(status=400), 2, Retry()),
        (AuthenticationError(status=401), 2, Stop()),
        (PermissionDeniedError(status=403), 2, Stop()),
        (InsufficientScopeError(status=403), 2, Stop()),
        (InsufficientCreditsError(status=402), 2, Stop()),
        (VersionDeprecatedError(status=410), 2, Stop()),
        (RedirectedError(status=308), 2, Stop()),
        (ConfigurationError("closed"), 2, Stop()),
        (BadRequestError(status=400), 2, Refused()),
        (NotFoundError(status=404), 2, Refused()),
        (QuoteInvalidError(status=400), 2, Refused()),
        (NotEnabledError(status=503), 2, Refused()),
        (QuoteAlreadyRedeemedError(status=409), 2, Unknown()),
        (MalformedResponseError("torn"), 2, Unknown()),
        (CleanlistError("something new"), 2, Unknown()),
    ],
)
def test_the_outcome_of_a_submit(error, contacts, expected) -> None:
    assert judge(error, prepared(contacts), sent=True) == expected


def test_contacts_that_a_422_names_are_set_aside_with_its_reason() -> None:
    outcome = judge(names(2, 0, 7, None), prepared(3), sent=True)

    assert isinstance(outcome, SetAside)
    assert {
        place: (result.index, result.status, result.error) for place, result in outcome.invalid.items()
    } == {
        0: (0, "invalid", "refused: no person"),
        2: (2, "invalid", "refused: no person"),
    }


@each_case(
    ("error", "expected"),
    [
        (APIConnectionError(), Retry()),
        (RateLimitError(status=429), Retry()),
        (names(0), Stop()),
        (PayloadTooLargeError(status=413), Stop()),
        (NotFoundError(status=404), Stop()),
        (InternalServerError(status=500), Stop()),
        (BudgetExceededError("no"), Stop()),
        (unknown(200, "wf"), Stop()),
    ],
)
def test_the_outcome_of_what_prepares_a_submit(error, expected) -> None:
    assert judge(error, prepared(2), sent=False) == expected


# -- one meaning in three engines ------------------------------------------------------------------


def what_became_of(result) -> str:
    """Reduce a result, an error or nothing to what it says about the money."""
    if isinstance(result, CleanlistError):
        return "unknown" if result.billed == "unknown" else "failed"
    if result is None:
        return "failed"
    return "result" if result.status in {"found", "not_found"} else result.status


async def by_enrich(world, _folder) -> list:
    try:
        return list((await world.client.enrich(CONTACTS)).results)
    except CleanlistError as error:  # nothing was accepted
        return [error] * len(CONTACTS)


async def by_job(world, folder) -> list:
    results = {}
    async with await world.client.job(folder / "run.journal", CONTACTS) as job:
        with suppress(CleanlistError):
            async for result in job:
                results[result.index] = result
    return [results.get(place) for place in range(len(CONTACTS))]


async def by_enrich_one(world, _folder) -> list:
    return await outcomes(start(world, CONTACTS))


ENGINES = pytest.mark.parametrize("engine", [by_enrich, by_job, by_enrich_one])
ERROR = {"error": {"code": "validation_error", "problem": "No."}}
NAMED = {"detail": [{"loc": ["body", "contacts", 1], "msg": "no person", "type": "value_error"}]}
USED_UP = {"error": {"code": "quote_already_redeemed", "problem": "No."}}


@ENGINES
@each_case(
    ("fault", "expected", "submits"),
    [
        (Fault(SUBMIT, status=422, body=NAMED), {"result": 3, "invalid": 1}, 2),
        (Fault(SUBMIT, status=413), {"result": 4}, 3),
        (Fault(SUBMIT, status=429, body={"detail": "Slow down."}, times=2), {"result": 4}, 3),
        (Fault(SUBMIT, status=401), {"failed": 4}, 1),
        (Fault(SUBMIT, status=402), {"failed": 4}, 1),
        (Fault(SUBMIT, status=403), {"failed": 4}, 1),
        (Fault(SUBMIT, status=400, body=ERROR), {"failed": 4}, 1),
        (Fault(SUBMIT, status=422, body={"detail": "No."}), {"failed": 4}, 1),
        (Fault(SUBMIT, status=400, body=USED_UP), {"unknown": 4}, 1),
        (Fault(SUBMIT, status=500), {"unknown": 4}, 1),
        (Fault(SUBMIT, status=200, body="garbage"), {"unknown": 4}, 1),
        (Fault(SUBMIT, when="after", reset=True), {"unknown": 4}, 1),
        (Fault(SUBMIT, when="after", status=502, body="<html>"), {"unknown": 4}, 1),
    ],
)
async def test_every_engine_gives_the_end_of_a_submit_the_same_meaning(
    engine, fault, expected, submits, tmp_path
) -> None:
    async with open_world() as world:
        world.sandbox.add_fault(fault)

        results = await engine(world, tmp_path)

        assert Counter(map(what_became_of, results)) == expected
        assert world.submits() == submits
        assert not world.ledger.duplicates()


@ENGINES
async def test_an_error_with_a_2xx_that_names_the_workflow_is_an_acceptance(
    world, engine, tmp_path, monkeypatch
) -> None:
    respond = virtual_sandbox._respond

    async def odd(sandbox, request):
        response = await respond(sandbox, request)
        if not request.path.endswith(SUBMIT):
            return response
        error = {"code": "internal_error", "problem": "x", "details": json.loads(response.body)}
        return replace(response, body=json.dumps({"error": error}).encode())

    monkeypatch.setattr(virtual_sandbox, "_respond", odd)
    results = await engine(world, tmp_path)

    assert Counter(map(what_became_of, results)) == {"result": 4}
    assert world.submits() == 1
