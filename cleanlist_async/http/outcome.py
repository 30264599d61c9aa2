"""The outcome of one attempt: a value, or an error."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final, TypeVar

from cleanlist_async import facts
from cleanlist_async.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    CleanlistError,
    MalformedResponseError,
    UnknownOutcomeError,
)
from cleanlist_async.http.calls import Call
from cleanlist_async.http.decode import (
    decode_error,
    has_too_many_values,
    holds_error,
    parse_json,
    salvage_workflow_id,
)
from cleanlist_async.http.root_task import client_is_closed
from cleanlist_async.http.transport import Exchange, Request, not_trusted
from cleanlist_async.redact import one_line

T = TypeVar("T")

log: Final = logging.getLogger("cleanlist_async")


def refusal(request: Request, exchange: Exchange) -> APIError:
    """Return the error that an answer without a 2xx status means."""
    return decode_error(
        exchange.status,
        exchange.headers,
        exchange.body,
        method=request.method,
        path=request.path,
        now=datetime.now(UTC),
        is_cut=exchange.failure is not None,
    )


def no_answer(exchange: Exchange) -> CleanlistError:
    """Return the error of an attempt that got no answer."""
    if exchange.failure is None:
        return client_is_closed()  # nothing else ends an attempt without a failure
    if exchange.failure == "certificate":
        return not_trusted(exchange.server, exchange.reason)
    kind = APITimeoutError if exchange.failure == "timeout" else APIConnectionError
    return kind(f"No answer from {exchange.server}: {exchange.reason}.")


def read_value(call: Call[T], exchange: Exchange, *, is_large: bool = False) -> T | CleanlistError:
    """Read a 2xx answer; an answer that cannot be read is returned as an error."""
    operation = call.operation
    # Before any decoding: the three bytes of an empty object can take a hundred in memory.
    if exchange.failure is None and has_too_many_values(exchange.body):
        exchange.failure = "too_large"
        exchange.reason = f"the answer holds more than {facts.MAX_ANSWER_VALUES:,} values"
    if exchange.failure is None:
        try:
            if not is_large and (value := operation.parse_bytes(exchange.body)) is not None:
                return value
            empty = operation.may_be_empty and not exchange.body
            answer = None if empty else parse_json(exchange.body)
            if holds_error(answer):  # the `error` envelope counts, whatever the status
                return refusal(Request(operation.method, operation.path), exchange)
            return operation.parse(answer)
        except Exception as problem:  # noqa: BLE001  # no surprise in an answer may lose what it paid for
            log.debug("%s: unreadable answer (%s)", operation.name, type(problem).__name__)
    # A torn or unexpected answer may still name what was paid for: that is worth more than an error.
    if (salvaged := operation.salvage(exchange.body)) is not None:
        return salvaged
    return malformed(exchange.reason or "it is not the JSON it should be", exchange)


def malformed(problem: str, exchange: Exchange) -> MalformedResponseError:
    """Return the error of an answer that cannot be read."""
    error = MalformedResponseError(
        f"Unreadable answer: {one_line(problem)}.",
        retryable=exchange.failure not in {"too_large", "encoding"},  # a repeat would end the same way
    )
    error.status = exchange.status
    error.workflow_id = salvage_workflow_id(exchange.body)
    return error


def unknown_outcome(operation: str, error: CleanlistError, exchange: Exchange) -> UnknownOutcomeError:
    """Return the error of a paid call that may have been processed; *error* is that of its attempt."""
    error.billed = "unknown"
    unknown = UnknownOutcomeError(
        f"{operation} was sent, and may have been processed: {error.problem}",
        fix="It is not sent again automatically. Check the portal before you repeat it.",
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
