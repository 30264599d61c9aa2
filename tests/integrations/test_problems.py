"""Each error of ours as an answer of a backend: its status, its promise, and nothing private."""

from __future__ import annotations

import inspect
import logging
import re
import time
from dataclasses import replace
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Json, field_validator

from cleanlist_async import Contact, EnrichmentResult, errors
from cleanlist_async.errors import APIError, CleanlistError, FieldError, RequestValidationError
from cleanlist_async.http.error_codes import BY_CODE
from cleanlist_async.integrations.fastapi import (
    FieldProblem,
    Problem,
    install_error_handlers,
    problem_of,
    problem_responses,
)
from cleanlist_async.tables import TableError
from tests.examples.running_app import free_port, started
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
    "APIConnectionError": 503,
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
    "JobPurgedError": 410,
    "ClaimLostError": 503,
    "ConfigurationError": 500,
    "JobNotFoundError": 404,
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
    is_ours = status == 500 and not issubclass(kind, APIError)  # its text is ours, and for our log
    for private in PRIVATE.split():
        assert private not in answer.text + str(answer.headers)
        assert is_ours or private not in caplog.text


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
        (errors.WaitTimeoutError, "wait_timeout"),
        (errors.APIError, "api"),
        (errors.APITimeoutError, "api_timeout"),
        (errors.WrongEventLoopError, "wrong_event_loop"),
    ],
)
def test_the_code_is_the_name_of_the_error(kind, code):
    assert problem_of(kind()).code == code


def test_the_code_of_an_error_of_the_api_is_that_of_its_page():
    """Of classes that stand for one code. `invalid_token` would speak of the caller's own token."""
    by_class: dict[type[CleanlistError], set[str]] = {}
    for code, kind in BY_CODE.items():
        by_class.setdefault(kind, set()).add(code)
    expected = {kind: codes for kind, codes in by_class.items() if len(codes) == 1}
    expected[errors.AuthenticationError] = {"authentication"}
    assert {kind: {problem_of(kind()).code} for kind in expected} == expected


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


@each_case(
    ("error", "shown"),
    [
        ("needs last_name, or linkedin_url", "needs last_name, or linkedin_url"),
        (f"refused: {PRIVATE}", "This field is not valid."),
    ],
)
async def test_an_invalid_contact_says_what_is_missing_but_not_in_the_words_of_the_server(error, shown):
    result = EnrichmentResult(0, Contact(), "invalid", error=error)
    with pytest.raises(RequestValidationError) as refused:
        result.raise_for_invalid()
    answer = await answered(refused.value)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": ["body"], "msg": shown, "type": "invalid"}]
    assert PRIVATE not in answer.text
    with pytest.raises(RequestValidationError) as of_a_list:
        result.raise_for_invalid(loc=("body", result.index))
    assert problem_of(of_a_list.value).errors == [FieldProblem(loc=["body", 0], msg=shown, type="invalid")]
    replace(result, status="found").raise_for_invalid()


async def test_a_bad_table_is_the_fault_of_who_sent_it():
    answer = await answered(
        TableError(path="/srv/private/x.csv", row=3, column="Site", problem="is blank", fix="x")
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": ["row", 3, "Site"], "msg": "is blank", "type": "table"}]
    assert "private" not in answer.text


@pytest.mark.parametrize("invalid_requests", [False, True])
async def test_requests_that_fastapi_refuses_are_answered_alike_unless_you_do_not_want_it(invalid_requests):
    app = FastAPI()
    install_error_handlers(app, **({} if invalid_requests else {"invalid_requests": False}))

    @app.post("/enrich")
    async def enrich(contact: Contact) -> None: ...

    async with calling(app) as caller:
        answer = await caller.post("/enrich", json={"first_name": [PRIVATE], PRIVATE: 1})
    assert answer.status_code == 422
    assert (answer.headers["Content-Type"] == "application/problem+json") == invalid_requests
    assert (PRIVATE in answer.text) != invalid_requests
    if invalid_requests:
        found = Problem.model_validate_json(answer.content).errors
        assert ["body", "first_name"] in [one.loc for one in found]


async def test_a_check_of_the_application_may_quote_a_value_which_is_not_passed_on():
    class Body(BaseModel):
        email: str

        @field_validator("email")
        @classmethod
        def no_such_address(cls, value: str) -> str:
            raise ValueError(f"{value} is taken")

    app = FastAPI()
    install_error_handlers(app)

    async def take(body) -> None: ...

    take.__annotations__["body"] = Body  # a class of this function, which FastAPI could not find by its name
    app.post("/")(take)
    async with calling(app) as caller:
        answer = await caller.post("/", json={"email": PRIVATE})
    assert answer.json()["errors"] == [
        {"loc": ["body", "email"], "msg": "This field is not valid.", "type": "value_error"}
    ]


async def refusals(**options):
    """The answers to an unknown path, a wrong method, an undecodable body, and what an endpoint refuses."""
    app = FastAPI()
    install_error_handlers(app, **options)

    @app.post("/enrich")
    async def enrich(contact: Contact) -> None: ...

    @app.get("/refuse/{status}")
    async def refuse(status: int, detail: Json) -> None:
        raise HTTPException(status, detail, {"WWW-Authenticate": "Bearer"})

    json_of = {"Content-Type": "application/json; charset=utf-8"}
    async with calling(app) as caller:
        return [
            await caller.get("/nowhere"),
            await caller.get("/enrich"),
            await caller.post("/enrich", content=b'{"first_name": "\xff"}', headers=json_of),
            await caller.get("/refuse/401", params={"detail": '"Log in."'}),
            await caller.get("/refuse/499", params={"detail": '"Gone."'}),
            await caller.get("/refuse/409", params={"detail": '{"of": "ours"}'}),
            await caller.get("/refuse/304", params={"detail": '"Same."'}),
        ]


async def test_http_exceptions_are_problems_where_that_is_wanted():
    problem = "application/problem+json"
    answers = await refusals(http_errors=True)
    seen = [(one.status_code, one.headers.get("Content-Type")) for one in answers]
    assert seen[:5] == [(status, problem) for status in (404, 405, 400, 401, 499)]
    assert seen[5:] == [(409, "application/json"), (304, None)]
    assert answers[0].json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
        "code": "not_found",
    }
    assert [one.json()["code"] for one in answers[1:5]] == [
        *("method_not_allowed", "bad_request", "unauthorized", "http_499")
    ]
    assert answers[1].headers["Allow"] == "POST"
    assert answers[3].headers["WWW-Authenticate"] == "Bearer"
    assert answers[3].json()["detail"] == "Log in."
    assert answers[5].json() == {"detail": {"of": "ours"}}


async def test_http_exceptions_are_answered_by_fastapi_by_default():
    answers = await refusals()
    assert {one.headers.get("Content-Type") for one in answers} == {"application/json", None}


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

    @app.post("/", responses=problem_responses(402, 429))
    async def root(contact: Contact) -> str:
        return ""

    document = app.openapi()
    assert app.openapi() == document
    responses = document["paths"]["/"]["post"]["responses"]
    assert sorted(responses) == ["200", "402", "422", "429"]
    for status in ("402", "422", "429"):
        assert responses[status]["content"] == {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        }
    schemas = document["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    assert re.findall(r"#/components/schemas/(\w+)", str(document)) and all(
        name in schemas for name in re.findall(r"#/components/schemas/(\w+)", str(document))
    )
    answer = (await answered(errors.RateLimitError(""))).json()
    assert answer.keys() <= schemas["Problem"]["properties"].keys()
    assert set(schemas["Problem"]["required"]) <= answer.keys()
    assert all(field["description"] for field in schemas["Problem"]["properties"].values())
    assert "credits" in responses["402"]["description"]
    assert responses["429"]["headers"]["Retry-After"]["schema"] == {"type": "integer"}
    assert "Retry-After" not in responses["402"]["headers"]


# -- what the log says -----------------------------------------------------------------------------


@each_case(
    ("error", "reason"),
    [
        (errors.AuthenticationError(PRIVATE, status=401), "the API key is refused"),
        (
            errors.ConfigurationError("No client is open.", fix="Pass lifespan=."),
            "No client is open. Pass lifespan=.",
        ),
        (errors.RedirectedError(PRIVATE, status=307), "base_url is not the address of the API"),
    ],
)
async def test_what_the_application_has_to_change_is_logged_as_an_error_with_its_reason(
    error, reason, caplog
):
    caplog.clear()
    await answered(error)
    (record,) = [record for record in caplog.records if record.name == "cleanlist_async"]
    assert record.levelname == "ERROR"
    assert reason in record.getMessage()
    assert PRIVATE not in record.getMessage()
    assert record.status == 500


def test_openapi_describes_every_status_that_is_answered():
    assert set(problem_responses()) == set(STATUSES.values())


def test_problems_are_documented():
    for thing in (Problem, install_error_handlers, problem_of, problem_responses):
        assert inspect.getdoc(thing)


MISCONFIGURED = """
from fastapi import FastAPI
from cleanlist_async import Contact
from cleanlist_async.integrations.fastapi import CleanlistDep, install_error_handlers

app = FastAPI()  # without the lifespan that opens a client
install_error_handlers(app)

@app.get("/")
async def enrich(client: CleanlistDep) -> str:
    return repr(client)
"""


@pytest.mark.slow
@pytest.mark.sockets
def test_a_plain_uvicorn_prints_what_the_application_has_to_change(tmp_path):
    (tmp_path / "app.py").write_text(MISCONFIGURED)
    with started(free_port(), folder=tmp_path) as application:
        while (status := status_of(application.address)) is None:
            time.sleep(0.05)  # it is another process
        application.end()
    assert status == 500
    assert "No client named 'cleanlist' is open in this application. Pass lifespan=" in application.printed


def status_of(address):
    try:
        return httpx.get(address).status_code
    except httpx.TransportError:
        return None
