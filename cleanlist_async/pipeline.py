"""The path of every request: admit, send, decode, and retry or return."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeVar

import anyio

from cleanlist_async import facts
from cleanlist_async.calls import Call, CallOptions, Reply
from cleanlist_async.decode import request_id_of, salvage_workflow_id
from cleanlist_async.errors import (
    JSON,
    APIError,
    CleanlistError,
    DeadlineExceededError,
    RateLimitError,
    UnknownOutcomeError,
)
from cleanlist_async.ratelimit import Permit, RateLimiter, RequestClass, Route
from cleanlist_async.redact import Secret
from cleanlist_async.retry import Proof, RetryQuota, backoff_s, proof_of
from cleanlist_async.root_task import RootTask
from cleanlist_async.transport import Download, Exchange, Request, Transport, same_origin
from cleanlist_async.verdict import malformed, no_answer, read_value, said_no, unknown_outcome

T = TypeVar("T")

log: Final = logging.getLogger("cleanlist_async")


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


@dataclass(frozen=True, slots=True)
class Origin:
    """The key that started a workflow, and the time of the answer by the limiter's clock."""

    key: str | None
    at: float


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
        self._origins: dict[str, Origin] = {}
        self._in_flight = anyio.Semaphore(facts.MAX_IN_FLIGHT, fast_acquire=True)

    @property
    def secret(self) -> Secret:
        """The first of the client's keys, or its session token."""
        return next(iter(self._keys.values()))

    async def call(self, call: Call[T], options: CallOptions) -> Reply[T]:
        """Make one call, with as many attempts as it may and needs to take.

        Raises the typed error of the last attempt; DeadlineExceededError after ``deadline_s``;
        UnknownOutcomeError for a paid call that may have been processed.
        """
        await self.root.ensure()
        send: _Send | None = None
        failures, lost = 0, False
        doubt: UnknownOutcomeError | None = None
        with _deadline(options.deadline_s, lambda: doubt is not None or bool(send and send.may_be_billed)):
            while True:
                send = await self._admit(call, options)
                await self._perform(send, see_it_through=call.see_it_through)
                outcome = self._judge(call, send)
                exchange, send = send.exchange, None
                if isinstance(outcome, Reply):
                    return outcome
                if lost and (value := call.repeated(outcome)) is not None:
                    return Reply(value, call.key)
                said = outcome if isinstance(outcome, APIError) else None
                lost = lost or proof_of(sent=exchange.sent, error=said) is Proof.NONE
                doubt = outcome if isinstance(outcome, UnknownOutcomeError) else doubt
                wait_s = self._wait_before_retry(call, outcome, failures, options)
                if wait_s is None:
                    raise doubt or outcome  # a later refusal says nothing of the attempt that was lost
                if not (isinstance(outcome, RateLimitError) and call.kind is not RequestClass.INTERACTIVE):
                    failures += 1
                self.counters.retries += 1
                await self.root.unless_closed(anyio.sleep(wait_s))

    async def download(self, wanted: Download, options: CallOptions) -> int:
        """Fetch a file from a signed address, without a key, and return its size in bytes.

        At the API's own address it counts as a request like any other.
        """
        await self.root.ensure()
        with _deadline(options.deadline_s, lambda: False):
            for failures in count():
                try:
                    return await self.root.unless_closed(self._download(wanted, options))
                except CleanlistError as error:
                    if not error.retryable or failures >= options.max_retries or not self._quota.spend():
                        raise
                self.counters.retries += 1
                await self.root.unless_closed(anyio.sleep(backoff_s(failures, self.limiter.rng)))
        raise AssertionError  # _deadline raises, or the loop has returned

    async def _download(self, wanted: Download, options: CallOptions) -> int:
        if not same_origin(wanted.url, self._transport.base_url):
            return await self._transport.download(wanted)
        permit = await self.limiter.acquire(self.route, RequestClass.INTERACTIVE, options.pace)
        try:
            return await self._transport.download(wanted)
        finally:
            permit.answered(self.limiter.clock())

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
            send.error = said_no(send.request, exchange)
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
        if exchange.halted is not None:
            return exchange.halted
        log.debug("%s %s -> %s", send.request.method, send.request.path, exchange.status or exchange.reason)
        if send.error is not None:
            return self._failed(call, exchange, send.error)
        if not exchange.status:
            return self._failed(call, exchange, no_answer(exchange))
        value = self._read(call, exchange)
        if isinstance(value, CleanlistError):
            return self._failed(call, exchange, value)
        self._quota.refund()
        self._learn_organization(value)
        if send.request.paid:
            self._remember_origin(value, send)
        return Reply(value, send.permit.key, request_id_of(exchange.headers))

    def _read(self, call: Call[T], exchange: Exchange) -> T | CleanlistError:
        value = read_value(call, exchange)
        if isinstance(value, CleanlistError) or call.belongs(value):
            return value
        self._transport.renew()  # its connection is one answer behind, and would stay so
        error = malformed("the answer belongs to another call", exchange)
        error.workflow_id = None  # it is not ours
        return error

    def _failed(self, call: Call[T], exchange: Exchange, error: CleanlistError) -> CleanlistError:
        if call.operation.retry == "safe":
            return error
        said = error if isinstance(error, APIError) else None
        if proof_of(sent=exchange.sent, error=said) is not Proof.NONE:
            return error
        return unknown_outcome(call.operation.name, error, exchange)

    def _learn_organization(self, value: object) -> None:
        organization = getattr(value, "organization_id", None)
        if isinstance(organization, str) and organization:
            origin = self.route.organization.rpartition("@")[2]
            self.limiter.join(self.route.organization, f"{organization}@{origin}")

    def _remember_origin(self, value: object, send: _Send) -> None:
        for name in ("workflow_id", "smart_agent_task_id"):
            if isinstance(id_ := getattr(value, name, None), str) and id_:
                self._origins[id_] = Origin(send.permit.key, send.exchange.answered_at or 0.0)
                if len(self._origins) > _ORIGINS_KEPT:
                    del self._origins[next(iter(self._origins))]

    @property
    def home_key(self) -> str | None:
        """The name of the key for what belongs to a user, whose other lists and runs another cannot see."""
        return next(iter(self.route.keys), None)

    def origin(self, id_: str) -> Origin | None:
        """Return where a workflow of this client came from; None if it is not, or long ago."""
        return self._origins.get(id_)

    # -- trying again --------------------------------------------------------------------------

    def _wait_before_retry(
        self, call: Call[T], error: CleanlistError, failures: int, options: CallOptions
    ) -> float | None:
        """Return the seconds to wait before another attempt, or None to give up."""
        if isinstance(error, UnknownOutcomeError) and call.guarded and error.answer is not None:
            error = error.answer
        if call.once or not error.retryable or not error.safe_to_retry:
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


_ORIGINS_KEPT: Final = 10_000
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
        call.path or operation.path,
        call.params,
        call.content() if call.content else None,
        paid=operation.retry != "safe",
        before=call.before,
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


def _named_bucket(details: JSON) -> str | None:
    """Find which limit a 429 names. The shape of ``details`` is not documented, so any word will do."""
    if not isinstance(details, dict):
        return None
    words = " ".join(value.lower() for value in details.values() if isinstance(value, str))
    if "org" in words:
        return "organization"
    return "key" if "key" in words else None
