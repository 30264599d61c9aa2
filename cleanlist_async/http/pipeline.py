"""The path of every request: admit, send, read the answer, then retry or return."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from cleanlist_async.errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    CleanlistError,
    DeadlineExceededError,
)
from cleanlist_async.events.statistics import Counters
from cleanlist_async.http.admission import Admission, Slot
from cleanlist_async.http.answer_reader import AnswerReader
from cleanlist_async.http.attempts import Attempts, is_429
from cleanlist_async.http.calls import Call, Operation, Reply
from cleanlist_async.http.decode import request_id_of
from cleanlist_async.http.guarded_call import Spending
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.outcome import malformed, no_answer, unknown_outcome
from cleanlist_async.http.retry import Proof, RetryQuota, backoff_s, proof_of
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.http.spending import SpendGuard
from cleanlist_async.http.transport import Download, Request, Transport, same_origin
from cleanlist_async.http.workflow_keys import Origin
from cleanlist_async.ratelimit import RateLimiter, RequestClass, Route, StoreState
from cleanlist_async.redact import Secret

if TYPE_CHECKING:
    from cleanlist_async.events import Events, Listener
    from cleanlist_async.http.call_trace import CallTrace

T = TypeVar("T")

_DOWNLOAD: Final[Call[None]] = Call(Operation("download", "GET", "", "safe", lambda _file: None))


class Pipeline:
    """Sends every request of a client within its limits."""

    def __init__(
        self,
        *,
        keys: Mapping[str, Secret],
        route: Route,
        limiter: RateLimiter,
        transport: Transport,
        root: RootTask,
        on_event: Listener | None = None,
        guard: Callable[[], SpendGuard] | None = None,
    ) -> None:
        self.limiter = limiter
        self.root = root
        self.counters = Counters()
        self.spending = Spending(guard)
        self._keys = keys
        self._transport = transport
        self._admission = Admission(
            keys=keys, route=route, limiter=limiter, transport=transport, root=root, counters=self.counters
        )
        self._workflow_keys = self._admission.workflow_keys
        self._quota = RetryQuota()
        self._reader = AnswerReader(self._report_drift)
        self._on_event = on_event
        limiter.watch(self)

    @property
    def secret(self) -> Secret:
        """The first of the client's keys, or its session token."""
        return next(iter(self._keys.values()))

    @property
    def route(self) -> Route:
        """The buckets that requests pass, with the keys that the server accepts."""
        return self._admission.route

    @property
    def home_key(self) -> str | None:
        """The name of the key for lists and runs: they belong to its user, and no other key may see them."""
        return next(iter(self.route.keys), None)

    @property
    def submits_in_line(self) -> int:
        """Number of bulk submits that wait for a place on the wire; each will need a token."""
        return self._admission.submits_in_line

    def origin(self, id_: str) -> Origin | None:
        """Return the origin of a workflow; None if this client did not start it, or started it long ago."""
        return self._workflow_keys.origin(id_)

    async def call(self, call: Call[T], options: CallOptions) -> Reply[T]:
        """Make one call, in as many attempts as it needs and is allowed.

        Raises the typed error of the last attempt; DeadlineExceededError after ``deadline_s``;
        UnknownOutcomeError for a paid call that may have been processed.
        """
        await self.root.ensure()
        so_far = Attempts()
        with self._trace(call) as trace, _deadline(options.deadline_s, lambda: so_far.may_be_billed):
            so_far.guarded = await self.spending.begin(call)
            while True:
                outcome = await self._attempt(call, options, trace, so_far)
                if isinstance(outcome, Reply):
                    return trace.replied(outcome)
                # After a lost attempt, a refusal may only mean that the lost one was processed.
                if so_far.lost and (value := call.already_done(outcome)) is not None:
                    outcome = Reply(value, call.key)
                    await so_far.report(outcome)
                    return trace.replied(outcome)
                so_far.note(outcome)
                wait_s = so_far.wait_before_retry(call, outcome, options, self._quota, self.limiter.rng)
                if wait_s is None:
                    raise so_far.doubt or outcome  # a later refusal says nothing about the lost attempt
                # Neither another key nor, for a bulk request, waiting in line again uses up a retry.
                in_line = is_429(outcome) and call.kind is not RequestClass.INTERACTIVE
                if not (in_line or so_far.has_other_key):
                    so_far.failures += 1
                self.counters.retries += 1
                if call.before_retry is not None and so_far.doubt is None:
                    await call.before_retry()
                trace.retry(outcome, wait_s)
                await self.root.unless_closed(anyio.sleep(wait_s))

    async def _attempt(
        self, call: Call[T], options: CallOptions, trace: CallTrace, so_far: Attempts
    ) -> Reply[T] | CleanlistError:
        """Admit the call, send its request, and judge the outcome."""
        check = partial(self.call, call.check, replace(options, max_retries=0)) if call.check else None
        try:
            admitted = await self._admission.admit(call, options, trace, check)
        except APIConnectionError as trouble:  # the check failed, so that nothing was sent
            so_far.sent = False
            return trouble
        with admitted as slot:
            # Built after the wait, so that `enrich_one` can include every contact that is queued by now.
            before = call.before if so_far.guarded is None else so_far.guarded.before
            request = _request(call, so_far.doubted, before)
            so_far.slot = slot
            await slot.send(request, shield_answer=call.shield_answer)
            outcome = await self._judge(call, slot, lost=so_far.lost)
            so_far.has_other_key = self._sets_key_aside(slot.permit.key, outcome)
            await so_far.report(outcome)
        so_far.slot = None
        so_far.doubted, so_far.sent = slot.exchange.doubted, slot.exchange.sent
        slot.exchange.body = b""  # it is read; the traceback of an error would keep it in memory
        return outcome

    async def download(self, wanted: Download, options: CallOptions) -> int:
        """Fetch a file from a signed address, without a key, and return its size in bytes.

        A download from the API's own address counts against the rate limit like any other request.
        """
        await self.root.ensure()
        with self._trace(_DOWNLOAD) as trace, _deadline(options.deadline_s, lambda: False):
            for failures in count():
                trace.attempts += 1
                try:
                    trace.received_bytes = await self.root.unless_closed(self._download(wanted, options))
                except CleanlistError as error:
                    if not error.retryable or failures >= options.max_retries or not self._quota.spend():
                        raise
                    wait_s = backoff_s(failures, self.limiter.rng)
                    trace.retry(error, wait_s)
                else:
                    return trace.received_bytes
                self.counters.retries += 1
                await self.root.unless_closed(anyio.sleep(wait_s))
        raise AssertionError  # _deadline raises, or the loop has returned

    async def _download(self, wanted: Download, options: CallOptions) -> int:
        if not same_origin(wanted.url, self._transport.base_url):
            return await self._transport.download(wanted)
        permit = await self.limiter.acquire(self.route, RequestClass.INTERACTIVE, options.pace)

        def answered() -> None:  # at the head of the answer: the file itself may take much longer
            permit.answered(self.limiter.clock())

        try:
            return await self._transport.download(replace(wanted, answered=answered))
        finally:
            permit.lost()  # does nothing after `answered`

    # -- reading the answer --------------------------------------------------------------------

    async def _judge(self, call: Call[T], slot: Slot, *, lost: bool) -> Reply[T] | CleanlistError:
        exchange = slot.exchange
        if exchange.halted is not None:  # by `before`: not a byte left
            return exchange.halted
        if slot.refusal is not None:
            return self._failed(call, slot, slot.refusal, lost=lost)
        if not exchange.status:
            return self._failed(call, slot, no_answer(exchange), lost=lost)
        value = await self._read(call, slot)
        if isinstance(value, CleanlistError):
            return self._failed(call, slot, value, lost=lost)
        self._quota.refund()
        self._learn_organization(value)
        # Other keys may not see what this one started, so later questions about it use the same key.
        if call.operation.paid:
            for name in ("workflow_id", "smart_agent_task_id"):
                self._workflow_keys.remember(getattr(value, name, None), slot.origin)
        return Reply(value, slot.permit.key, request_id_of(exchange.headers))

    async def _read(self, call: Call[T], slot: Slot) -> T | CleanlistError:
        exchange, value = slot.exchange, await self._reader.read(call, slot)
        if isinstance(value, CleanlistError):
            return value
        if call.belongs(value) and not self._is_of_another(call, getattr(value, "workflow_id", None)):
            return value
        if call.operation.retry == "safe":
            self._transport.renew()  # the connection is one answer behind, and would stay so
        error = malformed("the answer belongs to another call", exchange)
        error.workflow_id = None  # it is another call's
        return error

    def _failed(self, call: Call[T], slot: Slot, error: CleanlistError, *, lost: bool) -> CleanlistError:
        if not call.operation.paid:
            return error
        # A paid call's failure is only what it seems if the server provably did not accept the call.
        said = error if isinstance(error, APIError) else None
        if proof_of(sent=slot.exchange.sent, error=said, lost=lost) is not Proof.NONE:
            return error
        unknown = unknown_outcome(call.operation.name, error, slot.exchange)
        if self._is_of_another(call, unknown.workflow_id):
            unknown.workflow_id = None
        elif unknown.workflow_id not in self._workflow_keys:  # the first to name it is its origin
            self._workflow_keys.remember(unknown.workflow_id, slot.origin)
        return unknown

    def _sets_key_aside(self, key: str | None, outcome: Reply[T] | CleanlistError) -> bool:
        """Set a key aside that the server refuses, where there are others; the same call may then succeed."""
        if not isinstance(outcome, AuthenticationError) or key is None:
            return False
        was_in_use = key in self.route.keys
        others = self._admission.set_aside(key)
        if others and was_in_use:
            from cleanlist_async.events import KeySetAside

            self.events.emit(KeySetAside(key, others))
        outcome.retryable = outcome.retryable or others > 0
        return others > 0

    def _is_of_another(self, call: Call[T], workflow_id: str | None) -> bool:
        return call.own_workflow and workflow_id in self._workflow_keys

    def _learn_organization(self, value: object) -> None:
        organization = getattr(value, "organization_id", None)
        if isinstance(organization, str) and organization:
            # From here on, clients of the same organization share one bucket, whatever their keys.
            origin = self.route.organization.rpartition("@")[2]
            self.limiter.join(self.route.organization, f"{organization}@{origin}")

    # -- events --------------------------------------------------------------------------------

    @cached_property
    def events(self) -> Events:
        """Delivers the events of this client."""
        # Imported with the first call, like everything that is not needed to make a client.
        from cleanlist_async.events import Events

        return Events(self._on_event)

    def on_store_reachability(self, state: StoreState, /) -> None:
        """Report, in the client's event loop, that the store of the limits was lost or found again."""
        from cleanlist_async.events import LimitsAway, LimitsBack

        self.root.call_soon(self.events.emit, LimitsBack() if state == "found" else LimitsAway())

    def _report_drift(self, call: Call[Any], lost_rows: int) -> None:
        from cleanlist_async.events import AnswerDrifted

        self.events.emit(AnswerDrifted(call.operation.name, lost_rows))

    def _trace(self, call: Call[Any]) -> CallTrace:
        from cleanlist_async.http.call_trace import CallTrace

        return CallTrace(self.events, call, self._transport.base_url, self.limiter.clock)


def _request(call: Call[T], doubted: bytes | None, before: Callable[[], Awaitable[None]] | None) -> Request:
    operation = call.operation
    return Request(
        operation.method,
        call.path or operation.path,
        call.params,
        call.content() if call.content else None,
        paid=operation.paid,
        own_connection=operation.own_connection,
        doubted=doubted,
        before=before,
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
