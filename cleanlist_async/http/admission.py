"""Admits requests: each waits for its tokens and for a place on the wire.

It is then sent in a task that the client owns, so cancelling its caller does not cancel the request.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.errors import APIError
from cleanlist_async.events.statistics import Counters
from cleanlist_async.http.calls import Call
from cleanlist_async.http.credentials import JWT_NAME, Credentials, Origin, WorkflowKeys
from cleanlist_async.http.decode import salvage_workflow_id
from cleanlist_async.http.error_codes import Proof, proof_of
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.outcome import refusal
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.http.submit_gate import Check, SubmitGate
from cleanlist_async.http.transport import Exchange, Request, Transport
from cleanlist_async.ratelimit import Permit, RateLimiter, RequestClass, Route
from cleanlist_async.redact import Secret
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from cleanlist_async.http.call_trace import CallTrace

_OF_GATEWAYS: Final = frozenset({502, 504})
"""Without a body of the API: a gateway waits no longer, and the request may be on its way still."""


@dataclass(eq=False, kw_only=True, repr=False)
class Admission:
    """Admits the requests of a client: within its rate limits, and at most 16 of an operation in flight.

    Submits are fewer: see `SubmitGate`.
    """

    credentials: Credentials
    limiter: RateLimiter
    transport: Transport
    root: RootTask
    counters: Counters

    def __post_init__(self) -> None:
        """Begin with nothing in flight."""
        self.workflow_keys = WorkflowKeys()
        # Each operation has its own places, and those of interactive calls are apart from those of bulk:
        # requests that get no answers, or late ones, hold up only their own kind.
        self._places: defaultdict[tuple[RequestClass, str], anyio.Semaphore] = defaultdict(
            lambda: anyio.Semaphore(facts.MAX_IN_FLIGHT, fast_acquire=True)
        )
        self.submits = SubmitGate(self.limiter, lambda: self.credentials.route)

    async def admit(
        self, call: Call[Any], options: CallOptions, trace: CallTrace, check: Check | None = None
    ) -> Slot:
        """Wait for the tokens of a call's next attempt and for its place on the wire.

        A submit, which comes with a *check*, raises APIConnectionError if that fails: see `SubmitGate`.
        """
        self.counters.waiting += 1
        try:
            if check is not None:
                permit = await self._submit_permit(call, options, check)
                leave = self.submits.leave
                return Slot(self, permit, leave, options.request_timeout_s, trace, gate=self.submits)
            places = self._places[call.kind, call.operation.name]
            permit = await self._permit(call, options)
            try:
                places.acquire_nowait()
            except anyio.WouldBlock:
                permit.unsent()  # others can use the token while this call waits for a place
                await self.root.unless_closed(places.acquire())
                # Token last: the place is kept meanwhile, so the request leaves as soon as it has its token.
                try:
                    permit = await self._permit(call, options)
                except BaseException:
                    places.release()
                    raise
        finally:
            self.counters.waiting -= 1
        return Slot(self, permit, places.release, options.request_timeout_s, trace)

    async def _submit_permit(self, call: Call[Any], options: CallOptions, check: Check) -> Permit:
        """Wait for a token and for room among the submits in flight, holding neither for the other."""
        # Room that is held without a token would keep out a submit of a more urgent class.
        while True:
            await self.root.unless_closed(self.submits.ready(check))
            permit = await self._permit(call, options)
            if self.submits.enter():
                return permit
            permit.unsent()

    @property
    def route(self) -> Route:
        """The buckets that requests pass."""
        return self.credentials.route

    async def _permit(self, call: Call[Any], options: CallOptions) -> Permit:
        route = self.route.only(call.key) if call.key else self.route
        permit = await self.root.unless_closed(
            self.limiter.acquire(route, call.kind, options.pace, operation=call.operation.name)
        )
        self.counters.waited_s += permit.waited_s
        return permit


class Slot:
    """Permission to send one request: its tokens, and a place on the wire.

    Leaving ``with slot:`` returns what was not used. `exchange` is the outcome of the request, `refusal` the
    error that its answer states, if any, and `secret` the key that it was sent with.
    """

    def __init__(
        self,
        admission: Admission,
        permit: Permit,
        release: Callable[[], None],
        timeout_s: float,
        trace: CallTrace,
        *,
        gate: SubmitGate | None = None,
    ) -> None:
        self.permit = permit
        self.request: Request | None = None
        self.exchange = Exchange()
        self.refusal: APIError | None = None
        self.secret: Secret | None = None
        self._admission = admission
        self._release = release
        self._gate = gate
        self._timeout_s = timeout_s
        self._trace = trace
        self._done = asyncio.Event()
        self._is_spawned = False
        self._is_started = False
        self._started_at = 0.0
        self._is_abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_spawned:  # otherwise `_send` returns both, whatever happens to the caller
            self._release()
            self.permit.unsent()

    @property
    def may_be_billed(self) -> bool:
        """Whether a paid request is in flight; it continues without its caller."""
        return self._is_started and self.request is not None and self.request.paid

    @property
    def origin(self) -> Origin:
        """The origin of the workflow that the request started."""
        return Origin(self.permit.key, self.exchange.answered_at or 0.0)

    async def send(self, request: Request, *, shield_answer: bool) -> None:
        """Send *request* in a task of the client; wait for its answer, with *shield_answer* in any case."""
        self.request = request
        if request.paid:  # a full checkpoint: nothing is bought for a caller that is about to be cancelled
            await anyio.lowlevel.checkpoint()
        else:
            await anyio.lowlevel.checkpoint_if_cancelled()
        self._admission.root.spawn(self._send, request)
        self._is_spawned = True
        try:
            with shielded(when=shield_answer):
                await self._done.wait()
        except BaseException:
            self._is_abandoned = True
            if self._done.is_set():  # the answer came, and our caller's cancellation overtook it
                self.note_detached()
            raise

    async def _send(self, request: Request) -> None:
        client, exchange = self._admission, self.exchange
        try:
            with shielded(when=request.paid):  # closing the client waits for a paid request's answer
                if self._is_abandoned or client.root.closed:  # since it was spawned; nothing has left
                    return
                if self.permit.is_void:
                    exchange.recalled = True
                    return
                self._is_started, self._started_at = True, client.limiter.clock()
                client.counters.requests += 1
                self._trace.attempt_started(self.permit.waited_s, self.permit.key)
                self.secret = client.credentials.secrets[self.permit.key or JWT_NAME]
                await client.transport.send(
                    request, self.secret, self._timeout_s, exchange, lambda: not self.permit.is_void
                )
        finally:
            # The caller wakes whatever `_settle` raises: it has no timeout of its own here.
            try:
                try:
                    self._settle(request)
                    if self._gate is not None:
                        self._report_to(self._gate)
                finally:
                    self._release()
                if self._is_started:
                    sent, received = len(request.content or b""), len(exchange.body)
                    self._trace.attempt_finished(
                        exchange, self.refusal, sent_bytes=sent, received_bytes=received
                    )
            finally:
                self._done.set()
            if self._is_abandoned:
                self.note_detached()

    def _settle(self, request: Request) -> None:
        exchange, permit, counters = self.exchange, self.permit, self._admission.counters
        if not exchange.sent:
            permit.unsent()
            return
        if exchange.status and not exchange.ok:
            self.refusal = refusal(request, exchange, self._admission.transport.base_url)
            counters.count_refusal(self.refusal)
        is_gateways = exchange.status in _OF_GATEWAYS and self.refusal and self.refusal.envelope == "none"
        if exchange.answered_at is None or is_gateways:
            permit.lost()  # it may still reach the server, so the token returns later than after an answer
            return
        counters.answered += 1
        rejected = exchange.status == 429  # the status alone: a 429 pauses its buckets whatever its body says
        counters.rejected_429 += rejected
        asked_s = self.refusal.retry_after_s if self.refusal else None
        named = _named_bucket(self.refusal.details) if self.refusal else None
        permit.answered(exchange.answered_at, rejected=rejected, asked_s=asked_s, named=named)
        if rejected:
            limiter, route = self._admission.limiter, self._admission.route
            buckets = (*limiter.endpoints_of(route), *limiter.states(route))
            self._trace.rejected(self.refusal, named, buckets)

    def _report_to(self, gate: SubmitGate) -> None:
        """Report to the gate what became of a submit. A refusal says nothing of what comes next."""
        exchange = self.exchange
        if exchange.ok and salvage_workflow_id(exchange.body):
            gate.accepted(self._started_at, exchange.answered_at or self._started_at)
        elif proof_of(sent=exchange.sent, error=self.refusal) is Proof.NONE:
            gate.unclear(self.refusal.retry_after_s if self.refusal else None)

    def note_detached(self) -> None:
        """Record the workflow of a paid request whose caller was cancelled: it can be collected for free."""
        if not self.may_be_billed:
            return
        client, exchange = self._admission, self.exchange
        if exchange.ok and (workflow_id := salvage_workflow_id(exchange.body)):
            client.workflow_keys.remember(workflow_id, self.origin)
            client.counters.detached_workflows.append(workflow_id)
            self._trace.detached(workflow_id)
        elif proof_of(sent=exchange.sent, error=self.refusal) is Proof.NONE:
            self._trace.detached(None)


def shielded(*, when: bool) -> AbstractContextManager[object]:
    """Shield the block from cancellation if *when* is true."""
    return anyio.CancelScope(shield=True) if when else nullcontext()


def _named_bucket(details: JSON) -> str | None:
    """Find which limit a 429 names. The shape of ``details`` is not documented, so all its texts are read."""
    if not isinstance(details, dict):
        return None
    words = " ".join(value.lower() for value in details.values() if isinstance(value, str))
    if "org" in words:
        return "organization"
    return "key" if "key" in words else None
