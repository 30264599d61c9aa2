"""The outcome of one attempt: a value, or an error."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import urljoin, urlsplit

from cleanlist_async import facts
from cleanlist_async.errors import (
    APIError,
    APITimeoutError,
    CleanlistError,
    MalformedResponseError,
    RedirectedError,
    UnknownOutcomeError,
)
from cleanlist_async.http.calls import Call
from cleanlist_async.http.decode import (
    decode_error,
    has_too_many_values,
    holds_error,
    parse_json,
    salvage_workflow_id,
    unexplained,
)
from cleanlist_async.http.error_codes import BARE_FIX
from cleanlist_async.http.lenient_json import read_leniently, whole_objects
from cleanlist_async.http.root_task import client_is_closed
from cleanlist_async.http.transport import Exchange, Request, no_connection, not_trusted, same_origin
from cleanlist_async.redact import one_line, scrub
from cleanlist_async.types import JSON

T = TypeVar("T")

_LONGEST_LOCATION: Final = 200

log: Final = logging.getLogger("cleanlist_async")


def refusal(request: Request, exchange: Exchange, base_url: str = "") -> APIError:
    """Return the error that an answer without a 2xx status means."""
    said = decode_error(
        exchange.status,
        exchange.headers,
        exchange.body,
        method=request.method,
        path=request.path,
        now=datetime.now(UTC),
        is_cut=exchange.failure is not None,
    )
    if said.is_bare and said.problem == unexplained("The server", said.status):
        # What answered may be no server of the API: its address says more.
        said.problem = unexplained(exchange.server, said.status)
    # A framework says "Not Found" of a path that it does not have; the API has it, and words of its own.
    has_no_path = request.names_nothing and said.body == {"detail": "Not Found"}
    if said.status == 404 and (said.is_bare or has_no_path):
        said.fix = (
            "This is not how Cleanlist answers. Check base_url (CLEANLIST_BASE_URL): the request went to"
            f" {base_url}{request.path}, and Cleanlist is at {facts.DEFAULT_BASE_URL}."
        )
    return _redirected(request, exchange, base_url, said) if 300 <= exchange.status < 400 else said


def _redirected(request: Request, exchange: Exchange, base_url: str, said: APIError) -> RedirectedError:
    error = RedirectedError(
        f"The server answered {exchange.status}, and redirects are not followed.",
        status=exchange.status,
        code=said.code,
        request_id=said.request_id,
        body=said.body,
        envelope=said.envelope,
        method=request.method,
        path=request.path,
    )
    own = base_url + request.path
    if not (given := exchange.headers.get("location", "").strip()):
        return error
    try:
        target = urlsplit(urljoin(own, given))
        is_same_server = same_origin(target.geturl(), own)
        # Without the query and the user, which may hold a secret.
        port = f":{target.port}" if target.port else ""
        shown = f"{target.scheme}://{target.hostname}{port}{target.path}"
    except ValueError:  # none that could be followed
        return error
    error.location = one_line(scrub(shown), _LONGEST_LOCATION)
    is_same_path = target.path.rstrip("/") == urlsplit(own).path.rstrip("/")
    error.is_elsewhere = is_same_path or not is_same_server
    error.problem = f"The server redirects to {error.location}, which is not followed."
    if is_same_path and not is_same_server:
        error.fix = f"Set base_url (CLEANLIST_BASE_URL) to {error.location.removesuffix(request.path)}."
    else:
        error.fix = "Check base_url (CLEANLIST_BASE_URL): this is not the API, or a gateway in between."
    return error


def no_answer(exchange: Exchange) -> CleanlistError:
    """Return the error of an attempt that got no answer."""
    if exchange.failure is None:
        return client_is_closed()  # nothing else ends an attempt without a failure
    if exchange.failure == "certificate":
        return not_trusted(exchange.server, exchange.reason)
    if exchange.failure == "timeout":
        return APITimeoutError(f"No answer from {exchange.server}: {exchange.reason}.")
    return no_connection(exchange.server, exchange.reason, sent=exchange.sent)


def read_value(call: Call[T], exchange: Exchange, *, is_large: bool = False) -> T | CleanlistError | None:
    """Read a 2xx answer; None if it came whole and is not what it should be: see `read_odd_value`.

    An answer that did not come whole is returned as an error.
    """
    operation = call.operation
    # Before any decoding: the three bytes of an empty object can take a hundred in memory.
    if exchange.failure is None and has_too_many_values(exchange.body):
        exchange.failure = "too_large"
        exchange.reason = f"the answer holds more than {facts.MAX_ANSWER_VALUES:,} values"
    if exchange.failure is not None:
        return _salvaged(call, exchange)
    try:
        if not is_large and (value := operation.parse_bytes(exchange.body)) is not None:
            return value
        empty = operation.may_be_empty and not exchange.body
        return _parsed(call, exchange, None if empty else parse_json(exchange.body))
    except Exception as problem:  # noqa: BLE001  # no surprise in an answer may lose what it paid for
        log.debug("%s: unreadable answer (%s)", operation.name, type(problem).__name__)
        return None


def read_odd_value(call: Call[T], exchange: Exchange) -> T | CleanlistError:
    """Read an answer that is not the JSON it should be, without what is odd in it. May take a second."""
    try:
        odd = read_leniently(exchange.body)
        value = _parsed(call, exchange, odd.value)
    except Exception as problem:  # noqa: BLE001  # as above
        log.debug("%s: unreadable answer, also leniently (%s)", call.operation.name, type(problem).__name__)
        named = _named_among_others(call, exchange)
        if named is not None:
            return named
        return _salvaged(call, exchange)
    exchange.lost_rows = odd.lost_rows
    return value


def _named_among_others(call: Call[T], exchange: Exchange) -> T | None:
    """Return the first object in an answer that names what was asked for: others may stand around it.

    Only of a status, which is asked for again where it says too little. What a submit bought is salvaged.
    """
    if not call.operation.own_connection:
        return None
    for found in whole_objects(exchange.body):
        with suppress(Exception):  # it may be anything
            value = call.operation.parse(found)
            if call.is_named_in(value):
                exchange.lost_rows = 0
                return value
    return None


def _parsed(call: Call[T], exchange: Exchange, answer: JSON) -> T | CleanlistError:
    if holds_error(answer):  # the `error` envelope counts, whatever the status
        return refusal(Request(call.operation.method, call.operation.path), exchange)
    return call.operation.parse(answer)


def _salvaged(call: Call[T], exchange: Exchange) -> T | CleanlistError:
    # A torn or unexpected answer may still name what was paid for: that is worth more than an error.
    if (salvaged := call.operation.salvage(exchange.body)) is not None:
        return salvaged
    return malformed(exchange.reason or "it is not the JSON it should be", exchange)


def malformed(problem: str, exchange: Exchange) -> MalformedResponseError:
    """Return the error of an answer that cannot be read."""
    error = MalformedResponseError(
        f"Unreadable answer of {exchange.server} ({exchange.status}): {one_line(problem)}.",
        fix=BARE_FIX if exchange.body.lstrip()[:1] == b"<" else None,  # a page, as of a hotel's login
        retryable=exchange.failure not in {"too_large", "encoding"},  # a repeat would end the same way
    )
    error.status = exchange.status
    error.workflow_id = salvage_workflow_id(exchange.body)
    return error


def unknown_outcome(operation: str, error: CleanlistError, exchange: Exchange) -> UnknownOutcomeError:
    """Return the error of a paid call that may have been processed; *error* is that of its attempt."""
    error.billed = "unknown"
    is_elsewhere = isinstance(error, MalformedResponseError) or (
        isinstance(error, APIError) and (error.status == 404 or error.is_bare)
    )
    wrong_address = f" {error.fix}" if is_elsewhere and error.fix else ""
    unknown = UnknownOutcomeError(
        f"{operation} was sent, and may have been processed: {error.problem}",
        fix=f"It is not sent again automatically. Check the portal before you repeat it.{wrong_address}",
        request_id=error.request_id,
        billed="unknown",
    )
    # The doubt is about this call; `answer` keeps the server's own words, its `retryable` included.
    unknown.answer = unknown.__cause__ = error
    unknown.status = exchange.status or None
    unknown.code = error.code if isinstance(error, APIError) else None
    if isinstance(error, MalformedResponseError):
        unknown.workflow_id = error.workflow_id
    else:
        unknown.workflow_id = salvage_workflow_id(exchange.body)
    return unknown
