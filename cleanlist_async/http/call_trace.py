"""Reports each call to the listeners, from its start to its end, and what in answers is not documented."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from cleanlist_async import facts
from cleanlist_async.errors import APIError, CleanlistError, UnknownOutcomeError
from cleanlist_async.events import (
    AnswerDrifted,
    AttemptFinished,
    AttemptStarted,
    CallDetached,
    CallFinished,
    CallStarted,
    Event,
    Events,
    RateLimited,
    RetryScheduled,
    UnknownPart,
    WorkflowAccepted,
    identifier,
)
from cleanlist_async.http.calls import Call, Reply
from cleanlist_async.http.decode import request_id_of
from cleanlist_async.http.error_codes import BY_CODE
from cleanlist_async.http.transport import Exchange
from cleanlist_async.ratelimit import BucketState
from cleanlist_async.types import Billed

FindUnknown = Callable[[object], Iterable[tuple[Literal["field", "word"], str]]]

_MOST_REPORTED: Final = 200


class Drift:
    """Finds parts of answers that this version does not know, and passes an event for each to *emit*."""

    def __init__(self, emit: Callable[[Event], None], find_unknown: FindUnknown) -> None:
        self._emit = emit
        self._find_unknown = find_unknown
        self._reported: set[str] = set()

    def lost_rows(self, call: Call[Any], rows: int) -> None:
        """Report an answer that was not quite JSON, and how many of its rows were lost by that."""
        self._emit(AnswerDrifted(call.operation.name, rows))

    def look_at(self, call: Call[Any], value: object) -> None:
        """Report what is unknown in an answer."""
        for kind, name in self._find_unknown(value):
            if len(self._reported) >= _MOST_REPORTED:
                return  # an answer may hold a hundred thousand new names
            self._report(call, kind, name)

    def look_at_error(self, call: Call[Any], error: APIError) -> None:
        """Report a code of the modern envelope that is not documented."""
        if error.envelope == "error" and error.code.casefold() not in BY_CODE:
            self._report(call, "word", f"error.code={error.code}")

    def _report(self, call: Call[Any], kind: Literal["field", "word"], name: str) -> None:
        name = identifier(name)  # the server may have put a contact where a name belongs
        if name not in self._reported and len(self._reported) < _MOST_REPORTED:
            self._reported.add(name)
            self._emit(UnknownPart(call.operation.name, kind, name))


T = TypeVar("T")

_numbers: Final = count(1)


class CallTrace:
    """Emits the events of one call; without a listener only what is logged at WARNING or INFO."""

    def __init__(self, events: Events, call: Call[Any], base_url: str, clock: Callable[[], float]) -> None:
        self.number = next(_numbers)
        self.operation = call.operation
        self.base_url = base_url
        self.attempts = 0
        self.waited_s = 0.0
        self.retry_wait_s = 0.0
        self.sent_bytes = 0
        self.received_bytes = 0
        self.status: int | None = None
        self.request_id: str | None = None
        self._events = events
        self._clock = clock
        self._reports_all = events.are_all_wanted  # asked once: all events of a call are reported, or none
        self._paid = call.operation.paid
        self._in_doubt = False
        self._reply: Reply[Any] | None = None
        self._started_at = self._attempt_at = clock()

    def __enter__(self) -> Self:
        if self._reports_all:
            operation = self.operation
            self._events.emit(
                CallStarted(
                    self.number, operation.name, operation.method, operation.path, self.base_url, self._paid
                )
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._reports_all or isinstance(error, UnknownOutcomeError):
            self._events.emit(self._finished(error))

    # -- attempts ------------------------------------------------------------------------------

    def attempt_started(self, waited_s: float = 0.0, key: str | None = None) -> None:
        """Report that a request is being sent, after so many seconds for the rate limit."""
        self.attempts += 1
        self.waited_s += waited_s
        self._in_doubt = self._paid  # until the attempt is finished
        if self._reports_all or waited_s >= facts.LONG_WAIT_S:
            self._attempt_at = self._clock()
            self._events.emit(AttemptStarted(self.number, self.operation.name, self.attempts, waited_s, key))

    def attempt_finished(
        self,
        exchange: Exchange,
        error: APIError | None = None,
        *,
        sent_bytes: int = 0,
        received_bytes: int = 0,
    ) -> None:
        """Report how the attempt ended; *error* is the one that its answer states, if any."""
        self._in_doubt = False
        if not self._reports_all:
            return
        answered = exchange.status and exchange.failure is None
        self.status = exchange.status or None
        self.request_id = _identified(error.request_id if error else request_id_of(exchange.headers))
        sent_bytes = sent_bytes if exchange.sent else 0
        self.sent_bytes += sent_bytes
        self.received_bytes += received_bytes
        self._events.emit(
            AttemptFinished(
                self.number,
                self.operation.name,
                self.attempts,
                "answered" if answered else "lost" if exchange.sent else "unsent",
                self._clock() - self._attempt_at,
                self.status,
                exchange.failure,
                sent_bytes,
                received_bytes,
                self.request_id,
            )
        )

    def rejected(self, error: APIError | None, named: str | None, buckets: Sequence[BucketState]) -> None:
        """Report a 429; *buckets* are all those of the client."""
        paused = tuple(bucket for bucket in buckets if bucket.paused_for_s)
        asked_s = error.retry_after_s if error else None
        request_id = _identified(error.request_id if error else None)
        self._events.emit(RateLimited(self.number, self.operation.name, asked_s, named, paused, request_id))

    def retry(self, error: CleanlistError, wait_s: float) -> None:
        """Report that another attempt follows *error*, after *wait_s* seconds."""
        self.retry_wait_s += wait_s
        if self._reports_all:
            name, code = type(error).__name__, _code_of(error)
            self._events.emit(
                RetryScheduled(self.number, self.operation.name, self.attempts, wait_s, name, code)
            )

    # -- ends ----------------------------------------------------------------------------------

    def replied(self, reply: Reply[T]) -> Reply[T]:
        """Report the workflow that a paid call has started, and return its reply."""
        self._reply = reply
        # By attribute: the models of the answers are above this layer.
        workflow_id = getattr(reply.value, "workflow_id", None)
        if self._paid and isinstance(workflow_id, str) and workflow_id:
            contacts = getattr(reply.value, "total_contacts", None)
            self._events.emit(
                WorkflowAccepted(self.number, self.operation.name, identifier(workflow_id), contacts)
            )
        return reply

    def detached(self, workflow_id: str | None) -> None:
        """Report that the caller was cancelled before the answer to a paid request came or failed to come."""
        self._in_doubt = True  # the caller sees CancelledError, which cannot say whether credits were spent
        self._events.emit(CallDetached(self.number, self.operation.name, _identified(workflow_id)))

    def _billed(self, error: BaseException | None) -> Billed:
        if error is None:
            return "yes" if self._paid else "no"
        if isinstance(error, CleanlistError):
            return error.billed
        return "unknown" if self._in_doubt else "no"

    def _finished(self, error: BaseException | None) -> CallFinished:
        request_id = error.request_id if isinstance(error, CleanlistError) else None
        unknown = error if isinstance(error, UnknownOutcomeError) else None
        return CallFinished(
            call=self.number,
            operation=self.operation.name,
            attempts=self.attempts,
            waited_s=self.waited_s,
            retry_wait_s=self.retry_wait_s,
            duration_s=self._clock() - self._started_at,
            status=self.status,
            sent_bytes=self.sent_bytes,
            received_bytes=self.received_bytes,
            request_id=_identified(request_id) or self.request_id,
            error=None if error is None else type(error).__name__,
            code=None if error is None else _code_of(error),
            billed=self._billed(error),
            credits=getattr(self._reply.value, "credits_charged", None) if self._reply else None,
            contacts=unknown.contacts if unknown else None,
            submission=unknown.submission if unknown else None,
            sent_at=unknown.sent_at if unknown else None,
        )


def _identified(text: str | None) -> str | None:
    return identifier(text) if text else None


def _code_of(error: BaseException) -> str | None:
    code = getattr(error, "code", None)
    return identifier(code) if isinstance(code, str) and code else None
