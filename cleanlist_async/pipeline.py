"""The path of every request: admit, send, decode, and retry or return."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import anyio

from cleanlist_async import facts
from cleanlist_async.decode import decode_error, holds_error, parse_json, salvage_workflow_id
from cleanlist_async.errors import (
    JSON,
    APIConnectionError,
    APIError,
    APITimeoutError,
    CleanlistError,
    DeadlineExceededError,
    MalformedResponseError,
    RateLimitError,
    UnknownOutcomeError,
)
from cleanlist_async.ratelimit import Pace, Permit, RateLimiter, RequestClass, Route
from cleanlist_async.redact import Secret, one_line
from cleanlist_async.retry import Proof, RetryQuota, RetrySafety, backoff_s, proof_of
from cleanlist_async.root_task import RootTask, client_is_closed
from cleanlist_async.transport import Exchange, Request, Transport

T = TypeVar("T")

log: Final = logging.getLogger("cleanlist_async")


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What `with_options` can change, per call. Times in seconds; ``deadline_s`` covers everything."""

    deadline_s: float | None = None
    request_timeout_s: float = 60.0
    max_retries: int = facts.MAX_RETRIES
    pace: Pace = "auto"


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """One operation of the API: where it is, what repeating it would mean, and how its answer reads."""

    name: str
    method: str
    path: str
    retry: RetrySafety
    parse: Callable[[JSON], T]
    salvage: Callable[[bytes], T | None] = lambda _body: None
    max_answer_bytes: int = facts.MAX_ANSWER_BYTES


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One use of an operation."""

    operation: Operation[T]
    kind: RequestClass = RequestClass.INTERACTIVE
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    content: Callable[[], bytes] | None = field(default=None, repr=False)
    """Builds the body at the moment the request is admitted."""
    key: str | None = None
    """The key to use; None for any."""
    belongs: Callable[[T], bool] = lambda _answer: True
    """Whether an answer is for this call: httpx can hand one request's answer to the next."""
    see_it_through: bool = False
    """Whether a cancelled caller waits for the answer of a paid request that is on its way."""


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """The answer to a call, and the name of the key that it was asked with."""

    value: T
    key: str | None


@dataclass(slots=True)
class Counters:
    """What a client has done so far."""

    requests: int = 0
    answered: int = 0
    rejected_429: int = 0
    retries: int = 0
    status_requests: int = 0
    waited_s: float = 0.0
    waiting: int = 0
    detached_workflows: list[str] = field(default_factory=list[str])


class Pipeline:
    """Sends every request of a client, within its limits."""

    def __init__(
        self,
        *,
        keys: Mapping[str, Secret],
        route: Route,
        limiter: RateLimiter,
        transport: Transport,
        root: RootTask,
    ) -> None:
        self.limiter = limiter
        self.route = route
        self.root = root
        self.counters = Counters()
        self._keys = keys
        self._transport = transport
        self._quota = RetryQuota()
        self._in_flight = anyio.Semaphore(facts.MAX_IN_FLIGHT)

    async def call(self, call: Call[T], options: CallOptions) -> Reply[T]:
        """Make one call, with as many attempts as it may and needs to take.

        Raises the typed error of the last attempt; DeadlineExceededError after ``deadline_s``;
        UnknownOutcomeError for a paid call that may have been processed.
        """
        await self.root.ensure()
        send: _Send | None = None
        failures = 0
        with _deadline(options.deadline_s, lambda: send is not None and send.may_be_billed):
            while True:
                send = await self._admit(call, options)
                await self._perform(send, see_it_through=call.see_it_through)
                outcome = self._judge(call, send)
                send = None
                if isinstance(outcome, Reply):
                    return outcome
                wait_s = self._wait_before_retry(call, outcome, failures, options)
                if wait_s is None:
                    raise outcome
                if not (isinstance(outcome, RateLimitError) and call.kind is not RequestClass.INTERACTIVE):
                    failures += 1
                self.counters.retries += 1
                await self.root.unless_closed(anyio.sleep(wait_s))

    async def _admit(self, call: Call[T], options: CallOptions) -> _Send:
        route = self.route.only(call.key) if call.key else self.route
        self.counters.waiting += 1
        try:
            permit = await self.root.unless_closed(self.limiter.acquire(route, call.kind, options.pace))
        finally:
            self.counters.waiting -= 1
        self.counters.waited_s += permit.waited_s
        try:
            return _Send(_request(call), permit, options.request_timeout_s)
        except BaseException:
            permit.unsent()
            raise

    # -- sending, in a task that the client owns -----------------------------------------------

    async def _perform(self, send: _Send, *, see_it_through: bool) -> None:
        try:
            await self.root.unless_closed(self._in_flight.acquire())
        except BaseException:
            send.permit.unsent()
            raise
        try:
            self.root.spawn(self._send, send)
        except BaseException:
            self._in_flight.release()
            send.permit.unsent()
            raise
        try:
            with anyio.CancelScope(shield=see_it_through):
                await send.done.wait()
        except BaseException:
            send.abandoned = True
            if send.done.is_set():  # the answer came, and our caller's cancellation overtook it
                self._note_detached(send)
            raise

    async def _send(self, send: _Send) -> None:
        paid = send.request.paid
        try:
            with anyio.CancelScope(shield=paid):  # closing the client waits for a paid request's answer
                if send.abandoned or self.root.closed:
                    return
                send.started = True
                self.counters.requests += 1
                key = self._keys[send.permit.key or _JWT]
                await self._transport.send(send.request, key, send.timeout_s, send.exchange)
        finally:
            self._in_flight.release()
            try:
                self._settle(send)
            finally:
                send.done.set()
            if send.abandoned:
                self._note_detached(send)

    def _settle(self, send: _Send) -> None:
        exchange, permit = send.exchange, send.permit
        if not exchange.sent:
            permit.unsent()
            return
        if exchange.answered_at is None:
            permit.lost()
            return
        self.counters.answered += 1
        rejected = exchange.status == 429
        if exchange.status and not exchange.ok:
            send.error = _decode_error(send.request, exchange)
        if rejected:
            self.counters.rejected_429 += 1
            log.warning("429 on %s %s: %s", send.request.method, send.request.path, send.error)
        asked_s = send.error.retry_after_s if send.error else None
        named = _named_bucket(send.error.details) if send.error else None
        permit.answered(exchange.answered_at, rejected=rejected, asked_s=asked_s, named=named)

    def _note_detached(self, send: _Send) -> None:
        """Keep the workflow of a paid request whose caller has gone: it can be collected for free."""
        exchange = send.exchange
        if not send.may_be_billed:
            return
        if exchange.ok and (workflow_id := salvage_workflow_id(exchange.body)):
            self.counters.detached_workflows.append(workflow_id)
            log.warning("the caller was cancelled, but workflow %s was accepted", workflow_id)
        elif proof_of(sent=exchange.sent, error=send.error) is Proof.NONE:
            log.warning("the caller was cancelled; whether its paid request was processed is not known")

    # -- reading the answer --------------------------------------------------------------------

    def _judge(self, call: Call[T], send: _Send) -> Reply[T] | CleanlistError:
        exchange = send.exchange
        log.debug("%s %s -> %s", send.request.method, send.request.path, exchange.status or exchange.reason)
        if send.error is not None:
            return self._failed(call, exchange, send.error)
        if not exchange.status:
            return self._failed(call, exchange, _no_answer(exchange))
        value = self._read(call, exchange)
        if isinstance(value, CleanlistError):
            return self._failed(call, exchange, value)
        self._quota.refund()
        self._learn_organization(value)
        return Reply(value, send.permit.key)

    def _read(self, call: Call[T], exchange: Exchange) -> T | CleanlistError:
        value = _value(call, exchange)
        if isinstance(value, CleanlistError) or call.belongs(value):
            return value
        self._transport.renew()  # its connection is one answer behind, and would stay so
        return _malformed("the answer belongs to another call", exchange)

    def _failed(self, call: Call[T], exchange: Exchange, error: CleanlistError) -> CleanlistError:
        if call.operation.retry == "safe":
            return error
        said = error if isinstance(error, APIError) else None
        if proof_of(sent=exchange.sent, error=said) is not Proof.NONE:
            return error
        return _unknown(call.operation.name, error, exchange)

    def _learn_organization(self, value: object) -> None:
        organization = getattr(value, "organization_id", None)
        if isinstance(organization, str) and organization:
            origin = self.route.organization.rpartition("@")[2]
            self.limiter.join(self.route.organization, f"{organization}@{origin}")

    # -- trying again --------------------------------------------------------------------------

    def _wait_before_retry(
        self, call: Call[T], error: CleanlistError, failures: int, options: CallOptions
    ) -> float | None:
        """Return the seconds to wait before another attempt, or None to give up."""
        if not error.retryable or not error.safe_to_retry:
            return None
        interactive = call.kind is RequestClass.INTERACTIVE
        asked_s = error.retry_after_s if isinstance(error, APIError) else None
        if interactive and (asked_s or 0) > facts.LONGEST_INTERACTIVE_PAUSE_S:
            return None
        if isinstance(error, RateLimitError) and not interactive:
            return 0.0  # the bucket is paused; whoever asks it next waits there
        if failures >= options.max_retries or not self._quota.spend():
            return None
        if isinstance(error, RateLimitError):
            return 0.0
        return backoff_s(failures, self.limiter.rng, asked_s)


_JWT: Final = ""
"""Stands for the key name where there is none to choose."""


@dataclass(eq=False, slots=True)
class _Send:
    request: Request
    permit: Permit
    timeout_s: float
    done: anyio.Event = field(default_factory=anyio.Event)
    exchange: Exchange = field(default_factory=Exchange)
    error: APIError | None = None
    started: bool = False
    abandoned: bool = False

    @property
    def may_be_billed(self) -> bool:
        """Whether it is a paid request that has left its line: it goes on without its caller."""
        return self.request.paid and self.started


def _request(call: Call[T]) -> Request:
    operation = call.operation
    return Request(
        operation.method,
        operation.path,
        call.params,
        call.content() if call.content else None,
        paid=operation.retry != "safe",
        max_answer_bytes=operation.max_answer_bytes,
    )


@contextmanager
def _deadline(deadline_s: float | None, may_be_billed: Callable[[], bool]) -> Generator[None]:
    if deadline_s is None:
        yield
        return
    with anyio.move_on_after(deadline_s) as scope:
        yield
    if scope.cancelled_caught:
        raise DeadlineExceededError(
            f"The call took longer than deadline_s = {deadline_s:g} s.",
            billed="unknown" if may_be_billed() else "no",
        )


def _decode_error(request: Request, exchange: Exchange) -> APIError:
    return decode_error(
        exchange.status,
        exchange.headers,
        exchange.body,
        method=request.method,
        path=request.path,
        now=datetime.now(UTC),
    )


def _no_answer(exchange: Exchange) -> CleanlistError:
    if exchange.failure is None:
        return client_is_closed()  # which is what kept it from its end
    kind = APITimeoutError if exchange.failure == "timeout" else APIConnectionError
    return kind(f"No answer from the server: {exchange.reason}.")


def _value(call: Call[T], exchange: Exchange) -> T | CleanlistError:
    """Read a 2xx answer; whatever is wrong with it comes back as an error."""
    operation = call.operation
    if exchange.failure is None:
        try:
            answer = parse_json(exchange.body)
            if holds_error(answer):
                return _decode_error(Request(operation.method, operation.path), exchange)
            return operation.parse(answer)
        except Exception as problem:  # noqa: BLE001  # no surprise in an answer may lose what it paid for
            log.debug("%s: unreadable answer (%s)", operation.name, type(problem).__name__)
    if (salvaged := operation.salvage(exchange.body)) is not None:
        return salvaged
    return _malformed(exchange.reason or "it is not the JSON it should be", exchange)


def _malformed(problem: str, exchange: Exchange) -> MalformedResponseError:
    error = MalformedResponseError(
        f"Unreadable answer: {one_line(problem)}.",
        retryable=exchange.failure not in {"too_large", "encoding"},  # those would only come again
    )
    error.status = exchange.status
    error.workflow_id = salvage_workflow_id(exchange.body)
    return error


def _unknown(operation: str, error: CleanlistError, exchange: Exchange) -> UnknownOutcomeError:
    unknown = UnknownOutcomeError(
        f"{operation} was sent, and may have been processed: {error.problem}",
        fix="It is not sent again for you. Check the portal before you repeat it.",
        request_id=error.request_id,
        billed="unknown",
    )
    unknown.answer = unknown.__cause__ = error
    unknown.status = exchange.status or None
    unknown.code = error.code if isinstance(error, APIError) else None
    unknown.workflow_id = salvage_workflow_id(exchange.body)
    return unknown


def _named_bucket(details: JSON) -> str | None:
    """Find which limit a 429 names. The shape of ``details`` is not documented, so any word will do."""
    if not isinstance(details, dict):
        return None
    words = " ".join(value.lower() for value in details.values() if isinstance(value, str))
    if "org" in words:
        return "organization"
    return "key" if "key" in words else None
