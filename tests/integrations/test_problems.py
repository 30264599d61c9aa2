"""Each error of ours as an answer of a backend: its status, its promise, and nothing private."""

from __future__ import annotations

import inspect
import json
import logging
from http import HTTPStatus

import pytest
from fastapi import FastAPI

from cleanlist_async import Contact, errors
from cleanlist_async.errors import APIError, CleanlistError, FieldError, RequestValidationError
from cleanlist_async.integrations.fastapi import (
    Problem,
    install_error_handlers,
    problem_of,
    problem_responses,
)
from cleanlist_async.tables import TableError
from tests.support.backends import calling
from tests.support.cases import each_case
from tests.test_errors import CLASSES

pytestmark = pytest.mark.anyio

STATUSES = {
    "CleanlistError": 500,
    "APIError": 502,
    "BadRequestError": 400,
    "RequestValidationError": 422,
    "SpendCapExceededError": 409,
    "ApprovalRequiredError": 400,
    "InvalidFilterError": 400,
    "FieldMappingRequiredError": 400,
    "MissingColumnError": 400,
    "InvalidCursorError": 400,
    "ProviderNotConnectedError": 400,
    "QuoteError": 409,
    "QuoteExpiredError": 409,
    "QuoteInvalidError": 409,
    "QuoteMismatchError": 409,
    "EstimateTokenMismatchError": 409,
    "QuoteAlreadyRedeemedError": 409,
    "QuoteRequiredError": 409,
    "InsufficientCreditsError": 402,
    "AuthenticationError": 500,
    "PermissionDeniedError": 500,
    "InsufficientScopeError": 500,
    "NotFoundError": 404,
    "ListNotFoundError": 404,
    "TaskNotFoundError": 404,
    "FolderNotFoundError": 404,
    "ConflictError": 409,
    "VersionDeprecatedError": 500,
    "RedirectedError": 500,
    "PayloadTooLargeError": 413,
    "RateLimitError": 429,
    "InternalServerError": 502,
    "FeatureNotAvailableError": 501,
    "FiltersUnavailableError": 503,
    "ServiceUnavailableError": 503,
    "NotEnabledError": 501,
    "WorkflowTimeoutError": 504,
    "APIConnectionError": 502,
    "APITimeoutError": 504,
    "MalformedResponseError": 502,
    "UnknownOutcomeError": 502,
    "WorkflowFailedError": 502,
    "WaitTimeoutError": 504,
    "DeadlineExceededError": 504,
    "OverloadedError": 503,
    "BudgetExceededError": 402,
    "SpendingPausedError": 403,
    "SpendVetoedError": 403,
    "JournalError": 500,
    "JobLockedError": 409,
    "JournalLockedError": 409,
    "InputChangedError": 409,
    "StoreError": 500,
    "StoreUnavailableError": 503,
    "ClaimLostError": 503,
    "ConfigurationError": 500,
    "WrongEventLoopError": 500,
}
"""The answer to every error there is. A new class belongs in here, once it is clear whose fault it is."""

PRIVATE = "ada@analytical.example clapi_canary0123456789abcdef"


async def answered(error: Exception):
    """The answer of an application whose endpoint raises *error*."""
    app = FastAPI()
    install_error_handlers(app)

    @app.post("/enrich")
    async def enrich() -> None:
        raise error

    async with calling(app) as caller:
        return await caller.post("/enrich")


def full(kind: type[CleanlistError]) -> CleanlistError:
    """An error of this class with private things wherever there is room for them."""
    if not issubclass(kind, APIError):
        return kind(PRIVATE, fix=PRIVATE, request_id="req_1")
    return kind(
        PRIVATE,
        status=499,
        code=PRIVATE,
        cause=PRIVATE,
        fix=PRIVATE,
        request_id="req_1",
        retry_after_s=1.2,
        docs_url=f"https://{PRIVATE}",
        details={"private": PRIVATE},
        suggested_actions=[PRIVATE],
        body={"error": PRIVATE},
        envelope="error",
        path=f"/{PRIVATE}",
    )


def test_every_error_has_its_answer():
    assert {kind.__name__ for kind in CLASSES} == STATUSES.keys()


@each_case("kind", CLASSES)
async def test_an_error_becomes_a_problem(kind, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    error = full(kind)
    answer = await answered(error)
    status = STATUSES[kind.__name__]
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert (problem.status, problem.title) == (status, HTTPStatus(status).phrase)
    assert problem.detail
    assert problem.request_id == answer.headers["Cleanlist-Request-Id"] == "req_1"
    assert problem.billed == error.billed
    assert problem.retryable == (error.retryable and error.billed == "no")
    for private in PRIVATE.split():
        assert private not in answer.text + str(answer.headers) + caplog.text


async def test_an_overloaded_client_says_when_to_come_back():
    error = errors.OverloadedError("")
    error.retry_after_s = 12.3
    assert (await answered(error)).headers["Retry-After"] == "13"


@each_case("kind", CLASSES)
async def test_only_who_may_safely_come_again_is_told_when(kind):
    answer = await answered(full(kind))
    asked = answer.headers.get("Retry-After")
    assert asked == {429: "2", 503: "2"}.get(answer.status_code)
    assert answer.json().get("retry_after_s") == (None if asked is None else int(asked))


@each_case(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (3.0, "3"), (59.01, "60"), (None, "2")])
async def test_retry_after_is_in_whole_seconds_and_never_too_early(seconds, header):
    assert (await answered(errors.RateLimitError("", retry_after_s=seconds))).headers["Retry-After"] == header


@each_case("kind", [errors.RateLimitError, errors.ServiceUnavailableError])
@each_case("options", [{"billed": "unknown"}, {"billed": "yes"}, {"retryable": False}])
async def test_nobody_is_invited_to_pay_twice(kind, options):
    answer = await answered(kind("", retry_after_s=5, **options))
    assert "Retry-After" not in answer.headers
    assert answer.json()["retryable"] is False


async def test_an_unknown_outcome_invites_nobody():
    error = errors.UnknownOutcomeError("lost", retryable=True)
    error.answer = errors.ServiceUnavailableError("", retry_after_s=3, body={"private": PRIVATE})
    error.workflow_id, error.code, error.status = "wf_1", "internal_error", 503
    answer = await answered(error)
    assert answer.json() | {"detail": ""} == {
        "type": "about:blank",
        "title": "Bad Gateway",
        "status": 502,
        "detail": "",
        "code": "unknown_outcome",
        "retryable": False,
        "billed": "unknown",
    }
    assert "Retry-After" not in answer.headers


@each_case(
    ("kind", "code"),
    [
        (errors.InsufficientCreditsError, "insufficient_credits"),
        (errors.RateLimitError, "rate_limit"),
        (errors.APIError, "api"),
        (errors.APITimeoutError, "api_timeout"),
        (errors.WrongEventLoopError, "wrong_event_loop"),
    ],
)
def test_the_code_is_the_name_of_the_error(kind, code):
    assert problem_of(kind()).code == code


@each_case("request_id", ["", "two words", "a\r\nX-Evil: 1", "é", "x" * 129, PRIVATE])
async def test_a_request_id_that_is_none_is_left_out(request_id):
    answer = await answered(errors.InternalServerError("", request_id=request_id))
    assert "request_id" not in answer.json()
    assert {"cleanlist-request-id", "x-evil"}.isdisjoint(answer.headers)


async def test_field_errors_in_our_words_where_the_server_s_could_quote_a_contact():
    error = RequestValidationError("", status=422)
    error.field_errors = (
        FieldError(("body", "contacts", 7, "last_name"), PRIVATE, "missing", 7),
        FieldError(("body", "contacts", 7, "email"), PRIVATE, "value_error", 7),
    )
    answer = await answered(error)
    assert answer.json()["errors"] == [
        {
            "loc": ["body", "contacts", 7, "last_name"],
            "msg": "This field is required.",
            "type": "missing",
        },
        {
            "loc": ["body", "contacts", 7, "email"],
            "msg": "This field is not valid.",
            "type": "value_error",
        },
    ]
    error.field_errors = (FieldError(("body", PRIVATE), PRIVATE, PRIVATE, 7),)
    assert (await answered(error)).json()["errors"] == [
        {"loc": ["body", "?"], "msg": "This field is not valid.", "type": "invalid"}
    ]


async def test_field_errors_of_our_own_are_told_as_they_are():
    error = RequestValidationError("")
    error.field_errors = (FieldError(("contact",), "needs linkedin_url", "insufficient"),)
    assert (await answered(error)).json()["errors"][0]["msg"] == "needs linkedin_url"


async def test_a_bad_table_is_the_fault_of_who_sent_it():
    answer = await answered(
        TableError(path="/srv/private/x.csv", row=3, column="Site", problem="is blank", fix="x")
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": ["row", 3, "Site"], "msg": "is blank", "type": "table"}]
    assert "private" not in answer.text


@pytest.mark.parametrize("invalid_requests", [False, True])
async def test_requests_that_fastapi_refuses_are_answered_alike_if_you_want(invalid_requests):
    app = FastAPI()
    install_error_handlers(app, invalid_requests=invalid_requests)

    @app.post("/enrich")
    async def enrich(contact: Contact) -> None: ...

    async with calling(app) as caller:
        answer = await caller.post("/enrich", json={"first_name": [PRIVATE]})
    assert answer.status_code == 422
    assert (answer.headers["Content-Type"] == "application/problem+json") == invalid_requests
    assert (PRIVATE in answer.text) != invalid_requests
    if invalid_requests:
        (found,) = Problem.model_validate_json(answer.content).errors
        assert found.loc == ["body", "first_name"]


async def test_other_exceptions_are_none_of_our_business():
    with pytest.raises(ZeroDivisionError):
        await answered(ZeroDivisionError())


async def test_a_handler_of_the_application_for_one_error_wins():
    app = FastAPI()
    install_error_handlers(app)

    @app.exception_handler(errors.RateLimitError)
    async def teapot(request: object, error: Exception) -> None:
        raise ZeroDivisionError

    @app.get("/")
    async def root() -> None:
        raise errors.RateLimitError

    with pytest.raises(ZeroDivisionError):
        async with calling(app) as caller:
            await caller.get("/")


async def test_openapi_describes_the_problems_as_they_are_sent():
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/", responses=problem_responses(402, 429))
    async def root() -> str:
        return ""

    responses = app.openapi()["paths"]["/"]["get"]["responses"]
    assert sorted(responses) == ["200", "402", "429"]
    assert list(responses["429"]["content"]) == ["application/problem+json"]
    schema = responses["429"]["content"]["application/problem+json"]["schema"]
    assert "#/$defs" not in json.dumps(schema)
    answer = (await answered(errors.RateLimitError(""))).json()
    assert answer.keys() <= schema["properties"].keys()
    assert set(schema["required"]) <= answer.keys()
    assert "credits" in responses["402"]["description"]


def test_openapi_describes_every_status_that_is_answered():
    assert set(problem_responses()) == set(STATUSES.values())


def test_problems_are_documented():
    for thing in (Problem, install_error_handlers, problem_of, problem_responses):
        assert inspect.getdoc(thing)
