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

from pydantic import BaseModel, ConfigDict

from cleanlist_async import errors
from cleanlist_async.checks import check_instance
from cleanlist_async.errors import APIError, CleanlistError, FieldError, RequestValidationError
from cleanlist_async.facts import LEGACY_429_BACKOFF_S
from cleanlist_async.integrations.asgi.requests import Response
from cleanlist_async.redact import one_line
from cleanlist_async.tables import TableError
from cleanlist_async.types import Billed

log: Final = logging.getLogger("cleanlist_async")

MEDIA_TYPE: Final = "application/problem+json"
REQUEST_ID_HEADER: Final = "Cleanlist-Request-Id"

RETRY_AFTER: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
HUNG_UP: Final = Response(499)
"""The status that proxies log for a caller that hung up. No one receives it."""
_PLAIN_ID: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
"""A request id or code that may go into a header: the server could send any text in its place."""
_INVALID_FIELD: Final = "This field is not valid."
_FIELD_MESSAGES: Final = {"missing": "This field is required.", "extra_forbidden": "This field is unknown."}
_CODES: Final[Mapping[type[CleanlistError], str]] = {
    errors.InternalServerError: "internal_error",
    errors.InvalidFilterError: "invalid_filter_id",
    errors.RateLimitError: "rate_limited",
    errors.RequestValidationError: "validation_error",
}
"""The codes of the API for errors whose class has another name. `invalid_token` is not among them: a caller
would take it for its own token, and renew that."""
_REF: Final = "#/components/schemas/{model}"
_CONTENT: Final = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
_REQUEST_ID: Final = {"description": "Cleanlist's id of the request", "schema": {"type": "string"}}
_WAIT: Final = {"description": "Seconds to wait; only where a retry is safe", "schema": {"type": "integer"}}


class Answer(NamedTuple):
    """The response to a class of errors: a status, and a sentence for the caller of your application.

    The reason is for the log, where it is the application that has to be changed.
    """

    status: HTTPStatus
    detail: str
    reason: str = ""


def _not_set_up(reason: str = "") -> Answer:
    return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "This application is not set up correctly.", reason)


_TROUBLE: Final = Answer(HTTPStatus.BAD_GATEWAY, "The enrichment service has a problem.")
_AWAY: Final = Answer(HTTPStatus.SERVICE_UNAVAILABLE, "The enrichment service is temporarily unavailable.")
_LACKING: Final = Answer(HTTPStatus.NOT_IMPLEMENTED, "The enrichment service does not offer this.")
_NOT_YET: Final = Answer(HTTPStatus.GATEWAY_TIMEOUT, "The result did not come in time.")
_PRICE: Final = Answer(HTTPStatus.CONFLICT, "The price that was quoted does not hold for this request.")

ANSWERS: Final[Mapping[type[CleanlistError], Answer]] = {
    CleanlistError: Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "The enrichment failed."),
    errors.APIError: _TROUBLE,
    errors.RedirectedError: _not_set_up("the server redirects: base_url is not the address of the API"),
    errors.BadRequestError: Answer(HTTPStatus.BAD_REQUEST, "The request is invalid."),
    errors.RequestValidationError: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "A field is missing or invalid."),
    errors.SpendCapExceededError: _PRICE,
    errors.QuoteError: _PRICE,
    errors.InsufficientCreditsError: Answer(
        HTTPStatus.PAYMENT_REQUIRED, "There are not enough credits for this."
    ),
    # The key is the application's: its callers cannot help it.
    errors.AuthenticationError: _not_set_up("the API key is refused: it is missing, mistyped or revoked"),
    errors.PermissionDeniedError: _not_set_up("the plan or the scopes of the API key do not allow this"),
    errors.NotFoundError: Answer(HTTPStatus.NOT_FOUND, "This does not exist."),
    errors.ConflictError: Answer(HTTPStatus.CONFLICT, "The request conflicts with another one."),
    errors.VersionDeprecatedError: _not_set_up("the server no longer offers this version of the API"),
    errors.PayloadTooLargeError: Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large."),
    errors.RateLimitError: Answer(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests: wait, then try again."),
    errors.InternalServerError: _TROUBLE,
    errors.FeatureNotAvailableError: _LACKING,
    errors.NotEnabledError: _LACKING,
    errors.FiltersUnavailableError: _AWAY,
    errors.ServiceUnavailableError: _AWAY,
    errors.WorkflowTimeoutError: _NOT_YET,
    errors.APIConnectionError: _AWAY,
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
    errors.JournalError: _not_set_up(),
    errors.JobLockedError: Answer(HTTPStatus.CONFLICT, "Another process is working on this."),
    errors.InputChangedError: Answer(
        HTTPStatus.CONFLICT, "The contacts differ from those that this was started with."
    ),
    errors.StoreError: _not_set_up(),
    errors.StoreUnavailableError: _AWAY,
    errors.JobPurgedError: Answer(HTTPStatus.GONE, "The contacts of this were removed."),
    errors.ClaimLostError: _AWAY,
    errors.ConfigurationError: _not_set_up(),
    errors.JobNotFoundError: Answer(HTTPStatus.NOT_FOUND, "This does not exist."),
    TableError: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "The table of contacts cannot be read."),
}
"""The answer to each error; one that is not here is answered like its parent."""


class _Documented(BaseModel):
    # The docstrings of the fields describe them in the OpenAPI document too.
    model_config = ConfigDict(use_attribute_docstrings=True)


class FieldProblem(_Documented):
    """One invalid field."""

    loc: list[str | int]
    """The path to the field, such as `["body", "last_name"]`."""
    msg: str
    """What is wrong with it, in words that quote no value."""
    type: str
    """The kind of mistake, such as `missing`."""


class Problem(_Documented):
    """An error as application/problem+json (RFC 9457)."""

    type: str = "about:blank"
    """Always `about:blank`: `code` tells the errors apart."""
    title: str
    """The phrase of the HTTP status."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong, in one sentence that may be shown."""
    code: str
    """The code of the error, such as `rate_limited`: that of the API if it has one, else its name."""
    retryable: bool
    """Whether the same request may be sent again, at no risk of paying twice."""
    billed: Billed
    """Whether credits were spent."""
    request_id: str | None = None
    """Cleanlist's id of the request, for their support."""
    retry_after_s: int | None = None
    """Seconds to wait, as in the header `Retry-After`."""
    errors: list[FieldProblem] | None = None
    """The fields that are invalid."""


def problem_of(error: CleanlistError) -> Problem:
    """Return what a caller of your application may know about *error*: no contact, no text of the server."""
    check_instance("error", error, CleanlistError)
    kind = type(error)
    if kind is errors.BadRequestError and isinstance(error, APIError) and error.is_bare:
        kind = APIError  # a gateway refused our request, which says nothing about the caller's
    answer = _answer_to(kind)
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
        retry_after_s=_whole_seconds(error) if retryable and answer.status in RETRY_AFTER else None,
        errors=_field_problems(error) or None,
    )


def problem_response(error: CleanlistError) -> Response:
    """Return the `Problem` of *error* as application/problem+json, and log it without contact data.

    The status shows whose fault it is: the caller's (400, 402, 403, 404, 409, 410, 413, 422, 429), your
    application's (500; an invalid key is one, and never 401), or Cleanlist's (501 to 504). 429 and 503 carry
    ``Retry-After`` in whole seconds where a retry is safe; ``Cleanlist-Request-Id`` is the request id. What
    your application has to change is logged at ERROR, with its reason.
    """
    problem = problem_of(error)
    _log(error, problem)
    return response_of(problem)


def invalid_request_response(found: Iterable[Mapping[str, Any]]) -> Response:
    """Return the response to a request that pydantic refuses, of whose errors *found* are the details.

    It holds none of the values that were sent.
    """
    problem = problem_of(RequestValidationError())
    problem.errors = [_of_pydantic(one) for one in found]
    return response_of(problem)


def response_of(problem: Problem) -> Response:
    """Return *problem* as application/problem+json."""
    headers = {"Content-Type": MEDIA_TYPE}
    if problem.request_id:
        headers[REQUEST_ID_HEADER] = problem.request_id
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    return Response(problem.status, headers, problem.model_dump_json(exclude_none=True).encode())


def _log(error: CleanlistError, problem: Problem) -> None:
    code = _plain_id(error.code) if isinstance(error, APIError) else None
    fields = {"status": problem.status, "code": code, "request_id": problem.request_id}
    if (reason := _reason_of(error)) is not None:
        log.error("answered %d for %s: %s", problem.status, type(error).__name__, reason, extra=fields)
        return
    log.log(
        logging.WARNING if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO,
        "answered %d for %s (code %s, request %s, billed %s)",
        problem.status,
        type(error).__name__,
        code,
        problem.request_id,
        problem.billed,
        extra=fields,
    )


def _reason_of(error: CleanlistError) -> str | None:
    """Return what has to be changed in the application; None for any other error."""
    answer = _answer_to(type(error))
    if answer.status is not HTTPStatus.INTERNAL_SERVER_ERROR or answer.detail != _not_set_up().detail:
        return None
    # Our own errors quote no value; what the server says may.
    return answer.reason or one_line(f"{error.problem} {error.fix or ''}".strip())


def _answer_to(kind: type[CleanlistError]) -> Answer:
    return next(ANSWERS[base] for base in kind.__mro__ if base in ANSWERS)


def _plain_id(text: str | None) -> str | None:
    return text if text and _PLAIN_ID.fullmatch(text) else None


def _code(kind: type[CleanlistError]) -> str:
    """Return the code of an error class: that of the API, or its name: ``APIError`` is ``api``."""
    if (code := _CODES.get(kind)) is not None:
        return code
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


def _of_pydantic(found: Mapping[str, Any]) -> FieldProblem:
    """Keep pydantic's message, unless the application's own code wrote it: that may quote a value."""
    is_own = found["type"] in {"value_error", "assertion_error"}
    msg = _INVALID_FIELD if is_own else found["msg"]
    return FieldProblem(loc=_plain_loc(found["loc"]), msg=msg, type=found["type"])


def _in_our_words(found: FieldError) -> FieldProblem:
    """Replace the server's message, which may quote a value, perhaps from another caller's contact."""
    return FieldProblem(
        loc=_plain_loc(found.loc),
        msg=_FIELD_MESSAGES.get(found.type, _INVALID_FIELD),
        type=_plain_id(found.type) or "invalid",
    )


def _plain_loc(loc: Iterable[object]) -> list[str | int]:
    return [part if isinstance(part, int) else _plain_id(str(part)) or "?" for part in loc]


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of these problems, or of all, for ``responses=`` of a route or router.

    They refer to the component `Problem`, which `add_problems` adds to the document.
    """
    wanted = statuses or sorted({answer.status.value for answer in ANSWERS.values()})
    return {status: _response(status) for status in wanted}


def add_problems(document: dict[str, Any]) -> None:
    """Add the component `Problem` to an OpenAPI document."""
    schema = Problem.model_json_schema(ref_template=_REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas[FieldProblem.__name__] = schema.pop("$defs")[FieldProblem.__name__]
    schemas[Problem.__name__] = schema


def _response(status: int) -> dict[str, Any]:
    details = (answer.detail for answer in ANSWERS.values() if answer.status == status)
    headers = {REQUEST_ID_HEADER: _REQUEST_ID}
    if status in RETRY_AFTER:
        headers["Retry-After"] = _WAIT
    return {
        "description": " ".join(dict.fromkeys(details)) or HTTPStatus(status).phrase,
        "headers": headers,
        "content": _CONTENT,
    }
