"""Errors of this package as responses of your application: application/problem+json (RFC 9457).

The caller of your application learns what to do next, and nothing else: no text of the server, which may
echo contacts, and nothing about your key or plan.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError as InvalidRequest
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from cleanlist_async import errors
from cleanlist_async.checks import check_flag, check_instance
from cleanlist_async.errors import (
    APIError,
    CleanlistError,
    FieldError,
    RequestValidationError,
)
from cleanlist_async.facts import LEGACY_429_BACKOFF_S
from cleanlist_async.tables import TableError
from cleanlist_async.types import Billed

log: Final = logging.getLogger("cleanlist_async")

MEDIA_TYPE: Final = "application/problem+json"
REQUEST_ID_HEADER: Final = "Cleanlist-Request-Id"


class Answer(NamedTuple):
    """The response to a class of errors: a status, and a sentence for the caller of your application."""

    status: HTTPStatus
    detail: str


_NOT_SET_UP: Final = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "This application is not set up correctly.")
_TROUBLE: Final = Answer(HTTPStatus.BAD_GATEWAY, "The enrichment service has a problem.")
_AWAY: Final = Answer(HTTPStatus.SERVICE_UNAVAILABLE, "The enrichment service is temporarily unavailable.")
_LACKING: Final = Answer(HTTPStatus.NOT_IMPLEMENTED, "The enrichment service does not offer this.")
_NOT_YET: Final = Answer(HTTPStatus.GATEWAY_TIMEOUT, "The result did not come in time.")
_PRICE: Final = Answer(HTTPStatus.CONFLICT, "The price that was quoted does not hold for this request.")

ANSWERS: Final[Mapping[type[CleanlistError], Answer]] = {
    CleanlistError: Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "The enrichment failed."),
    errors.APIError: _TROUBLE,
    errors.RedirectedError: _NOT_SET_UP,  # by a wrong base_url
    errors.BadRequestError: Answer(HTTPStatus.BAD_REQUEST, "The request is invalid."),
    errors.RequestValidationError: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "A field is missing or invalid."),
    errors.SpendCapExceededError: _PRICE,
    errors.QuoteError: _PRICE,
    errors.InsufficientCreditsError: Answer(
        HTTPStatus.PAYMENT_REQUIRED, "There are not enough credits for this."
    ),
    errors.AuthenticationError: _NOT_SET_UP,  # the key is the application's: its callers cannot help it
    errors.PermissionDeniedError: _NOT_SET_UP,
    errors.NotFoundError: Answer(HTTPStatus.NOT_FOUND, "This does not exist."),
    errors.ConflictError: Answer(HTTPStatus.CONFLICT, "The request conflicts with another one."),
    errors.VersionDeprecatedError: _NOT_SET_UP,
    errors.PayloadTooLargeError: Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large."),
    errors.RateLimitError: Answer(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests: wait, then try again."),
    errors.InternalServerError: _TROUBLE,
    errors.FeatureNotAvailableError: _LACKING,
    errors.NotEnabledError: _LACKING,
    errors.FiltersUnavailableError: _AWAY,
    errors.ServiceUnavailableError: _AWAY,
    errors.WorkflowTimeoutError: _NOT_YET,
    errors.APIConnectionError: Answer(HTTPStatus.BAD_GATEWAY, "The enrichment service cannot be reached."),
    errors.APITimeoutError: _NOT_YET,
    errors.MalformedResponseError: _TROUBLE,
    errors.UnknownOutcomeError: Answer(
        HTTPStatus.BAD_GATEWAY,
        "It is not known whether this was done and paid for: do not simply send it again.",
    ),
    errors.WorkflowFailedError: Answer(
        HTTPStatus.BAD_GATEWAY, "The enrichment service could not finish this."
    ),
    errors.WaitTimeoutError: _NOT_YET,
    errors.DeadlineExceededError: _NOT_YET,
    errors.OverloadedError: Answer(HTTPStatus.SERVICE_UNAVAILABLE, "Too many contacts are queued."),
    errors.BudgetExceededError: Answer(HTTPStatus.PAYMENT_REQUIRED, "The credits for this are used up."),
    errors.SpendingPausedError: Answer(HTTPStatus.FORBIDDEN, "Purchases are paused for now."),
    errors.SpendVetoedError: Answer(HTTPStatus.FORBIDDEN, "The application does not allow this purchase."),
    errors.JournalError: _NOT_SET_UP,
    errors.JobLockedError: Answer(HTTPStatus.CONFLICT, "Another process is working on this."),
    errors.InputChangedError: Answer(
        HTTPStatus.CONFLICT, "The contacts differ from those that this was started with."
    ),
    errors.StoreError: _NOT_SET_UP,
    errors.StoreUnavailableError: _AWAY,
    errors.ClaimLostError: _AWAY,
    errors.ConfigurationError: _NOT_SET_UP,
    TableError: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "The table of contacts cannot be read."),
}
"""The answer to each error; one that is not here is answered like its parent."""

_RETRY_AFTER: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_HUNG_UP: Final = 499
"""The status that proxies log for a caller that hung up. No one receives it."""
_PLAIN_ID: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
"""A request id or code that may go into a header: the server could send any text in its place."""
_FIELD_MESSAGES: Final = {"missing": "This field is required.", "extra_forbidden": "This field is unknown."}


class FieldProblem(BaseModel):
    """One invalid field: the path to it, what is wrong, and the machine-readable kind of that."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """An error as application/problem+json (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="The phrase of the HTTP status")
    status: int
    detail: str
    code: str = Field(description="The name of the error, such as `insufficient_credits`")
    retryable: bool = Field(
        description="Whether the same request may be sent again, at no risk of paying twice"
    )
    billed: Billed = Field(description="Whether credits were spent")
    request_id: str | None = Field(None, description="Cleanlist's id of the request, for their support")
    retry_after_s: int | None = Field(None, description="Seconds to wait, as in the header `Retry-After`")
    errors: list[FieldProblem] | None = Field(None, description="The fields that are invalid")


def problem_of(error: CleanlistError) -> Problem:
    """Return what a caller of your application may know about *error*: no contact, no text of the server."""
    check_instance("error", error, CleanlistError)
    kind = type(error)
    if kind is errors.BadRequestError and isinstance(error, APIError) and error.is_bare:
        kind = APIError  # a gateway refused our request, which says nothing about the caller's
    answer = next(ANSWERS[base] for base in kind.__mro__ if base in ANSWERS)
    # A failure that passes is not enough: a retry must not pay twice.
    retryable = error.retryable and error.safe_to_retry
    return Problem(
        title=answer.status.phrase,
        status=answer.status,
        detail=answer.detail,
        # Of our class: the code that the server sent may be any text.
        code=_code(kind),
        retryable=retryable,
        billed=error.billed,
        request_id=_plain_id(error.request_id),
        retry_after_s=_whole_seconds(error) if retryable and answer.status in _RETRY_AFTER else None,
        errors=_field_problems(error) or None,
    )


def install_error_handlers(app: FastAPI, *, invalid_requests: bool = False) -> None:
    """Answer every CleanlistError that leaves an endpoint of *app* with its `Problem`.

    The status shows whose fault it is: the caller's (400, 402, 403, 404, 409, 413, 422, 429), your
    application's (500; an invalid key is one, and never 401), or Cleanlist's (501 to 504). 429 and 503 carry
    ``Retry-After`` in whole seconds where a retry is safe; the request id is in ``Cleanlist-Request-Id``
    as well. Each is logged, without contact data.

    With *invalid_requests*, requests that FastAPI itself refuses are answered in the same form, and without
    the values that FastAPI would send back.
    """
    check_instance("app", app, FastAPI)
    check_flag("invalid_requests", invalid_requests)
    app.add_exception_handler(CleanlistError, _answer)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    if invalid_requests:
        app.add_exception_handler(InvalidRequest, _answer_invalid_request)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of these problems, or of all, for ``responses=`` of a route or router."""
    wanted = statuses or sorted({answer.status.value for answer in ANSWERS.values()})
    return {
        status: {
            "description": " ".join(dict.fromkeys(_details(status))) or HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": _schema()}},
        }
        for status in wanted
    }


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    # For the type checker: Starlette types every handler for Exception.
    if not isinstance(error, CleanlistError):
        raise error
    problem = problem_of(error)
    log.log(
        logging.WARNING if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO,
        "answered %d for %s (code %s, request %s, billed %s)",
        problem.status,
        type(error).__name__,
        _plain_id(error.code) if isinstance(error, APIError) else None,
        problem.request_id,
        problem.billed,
    )
    return _response(problem)


async def _answer_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    problem = problem_of(RequestValidationError())
    found = error.errors() if isinstance(error, InvalidRequest) else ()
    problem.errors = [FieldProblem(loc=list(one["loc"]), msg=one["msg"], type=one["type"]) for one in found]
    return _response(problem)


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_HUNG_UP)


def _response(problem: Problem) -> JSONResponse:
    headers = {REQUEST_ID_HEADER: problem.request_id} if problem.request_id else {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    content = problem.model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, problem.status, headers, media_type=MEDIA_TYPE)


def _plain_id(text: str | None) -> str | None:
    return text if text and _PLAIN_ID.fullmatch(text) else None


def _code(kind: type[CleanlistError]) -> str:
    """Return the name of an error class as a code: ``RateLimitError`` is ``rate_limit``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__.removesuffix("Error"))
    return words.lower()


def _whole_seconds(error: CleanlistError) -> int:
    asked = error.retry_after_s
    # Rounded up, since a retry before the time would be refused again.
    return max(1, math.ceil(LEGACY_429_BACKOFF_S if asked is None else asked))


def _field_problems(error: CleanlistError) -> list[FieldProblem]:
    if isinstance(error, TableError):
        place = [part for part in ("row", error.row, error.column) if part is not None]
        return [FieldProblem(loc=place, msg=error.problem, type="table")] if error.problem else []
    if not isinstance(error, RequestValidationError):
        return []
    # Refused by our own check, whose messages quote no value.
    if error.status is None:
        return [FieldProblem(loc=list(one.loc), msg=one.msg, type=one.type) for one in error.field_errors]
    return [_in_our_words(found) for found in error.field_errors]


def _in_our_words(found: FieldError) -> FieldProblem:
    """Replace the server's message, which may quote a value, perhaps from another caller's contact."""
    return FieldProblem(
        loc=[part if isinstance(part, int) else _plain_id(part) or "?" for part in found.loc],
        msg=_FIELD_MESSAGES.get(found.type, "This field is not valid."),
        type=_plain_id(found.type) or "invalid",
    )


def _details(status: int) -> Iterable[str]:
    return (answer.detail for answer in ANSWERS.values() if answer.status == status)


def _schema() -> dict[str, Any]:
    """Return the schema of a problem in one piece: OpenAPI registers models for application/json only."""
    schema = Problem.model_json_schema()
    parts = schema.pop("$defs")
    schema["properties"]["errors"]["anyOf"][0]["items"] = parts[FieldProblem.__name__]
    return schema
