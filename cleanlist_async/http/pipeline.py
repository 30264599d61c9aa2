"""The path of every request: admit, send, read the answer, then retry or return."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
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
from cleanlist_async.http.answers import AnswerReader, OwnConnections, Reporter, record_answer
from cleanlist_async.http.attempts import Attempts, Spending, is_429
from cleanlist_async.http.calls import Call, Operation, Reply, SpendGuard
from cleanlist_async.http.credentials import JWT_NAME, Credentials, Origin
from cleanlist_async.http.decode import request_id_of
from cleanlist_async.http.error_codes import Proof, proof_of
from cleanlist_async.http.options import CallOptions, RetryQuota, backoff_s
from cleanlist_async.http.outcome import malformed, no_answer, unknown_outcome
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.http.transport import (
    Download,
    Exchange,
    Request,
    Transport,
    failure_of,
    origin_of,
    same_origin,
)
from cleanlist_async.ratelimit import Permit, RateLimiter, RequestClass, Route
from cleanlist_async.ratelimit.limiter import attach
from cleanlist_async.redact import Secret

if TYPE_CHECKING:
    from cleanlist_async.events import Events, Listener
    from cleanlist_async.http.call_trace import CallTrace, FindUnknown

T = TypeVar("T")

_DOWNLOAD: Final[Call[None]] = Call(Operation("download", "GET", "", "safe", lambda _file: None))


class Pipeline:
    """Sends every request of a client within its limits."""

    def __init__(
        self,
        *,
        credentials: Credentials,
        limiter: RateLimiter,
        transport: Transport,
        root: RootTask,
        on_event: Listener | None = None,
        guard: Callable[[], SpendGuard] | None = None,
        find_unknown: FindUnknown = lambda _value: (),
    ) -> None:
        self.limiter = limiter
        self.root = root
        self.counters = Counters()
        self.spending = Spending(guard)
        self._credentials = credentials
        self._transport = transport
        self._admission = Admission(
            credentials=credentials, limiter=limiter, transport=transport, root=root, counters=self.counters
        )
        self._quota = RetryQuota()
        self._own_connections = OwnConnections()
        # When each operation was accepted last: limits may be per endpoint.
        self._accepted_at = defaultdict[str, float](lambda: -math.inf)
        self._reporter = Reporter(root, on_event, find_unknown)
        self._reader = AnswerReader(self._reporter)
        limiter.watch(self._reporter)

    @property
    def events(self) -> Events:
        """Delivers the events of this client."""
        return self._reporter.events

    @property
    def secret(self) -> Secret:
        """The first of the client's keys, or its session token."""
        return next(iter(self._credentials.secrets.values()))

    @property
    def route(self) -> Route:
        """The buckets that requests pass, with the keys that the server accepts."""
        return self._credentials.route

    @property
    def home_key(self) -> str | None:
        """The name of the key for lists and runs: they belong to its user, and no other key may see them."""
        return next(iter(self.route.keys), None)

    @property
    def submits_in_line(self) -> int:
        """Number of bulk submits that wait for a place on the wire; each will need a token."""
        return self._admission.submits.waiting

    @property
    def submit_troubles(self) -> int:
        """Unclear outcomes of submits so far; those of submits that were in flight together are one."""
        return self._admission.submits.troubles

    def origin(self, id_: str) -> Origin | None:
        """Return the origin of a workflow; None if this client did not start it, or started it long ago."""
        return self._admission.workflow_keys.origin(id_)

    async def call(self, call: Call[T], options: CallOptions) -> Reply[T]:
        """Make one call, in as many attempts as it needs and is allowed.

        Raises the error of the last attempt, DeadlineExceededError, or UnknownOutcomeError for a paid call
        that may have been processed.
        """
        await self.root.ensure()
        so_far = Attempts(self.limiter.clock())
        with self._trace(call) as trace, _deadline(options.deadline_s, so_far):
            so_far.guarded = await self.spending.begin(call)
            while True:
                outcome = so_far.watch(call, await self._attempt(call, options, trace, so_far), options)
                if isinstance(outcome, Reply):
                    return trace.replied(outcome)
                # After a lost attempt, a refusal may only mean that the lost one was processed.
                if so_far.lost and (value := call.already_done(outcome)) is not None:
                    outcome = Reply(value, call.key)
                    await so_far.report(outcome)
                    return trace.replied(outcome)
                so_far.note(outcome)
                limiter, accepted_at = self.limiter, self._accepted_at[call.operation.name]
                wait_s = so_far.wait_before_retry(
                    call, outcome, options, quota=self._quota, limiter=limiter, accepted_at=accepted_at
                )
                if wait_s is None:
                    raise so_far.final(outcome, limiter.store.paused_for_s(self.route, limiter.clock()))
                # Neither another key nor, for a bulk request, waiting in line again uses up a retry.
                in_line = is_429(outcome) and call.kind is not RequestClass.INTERACTIVE
                so_far.failures += not (in_line or so_far.has_other_key)
                self.counters.retries += 1
                if call.before_retry is not None and so_far.doubt is None:
                    await call.before_retry()
                trace.retry(outcome, wait_s)
                await self.root.unless_closed(anyio.sleep(wait_s))

    async def _attempt(
        self, call: Call[T], options: CallOptions, trace: CallTrace, so_far: Attempts
    ) -> Reply[T] | CleanlistError:
        once = replace(options, max_retries=0, outlasts_outages=False)
        check = partial(self.call, call.check, once) if call.check else None
        while True:
            try:
                admitted = await self._admission.admit(call, options, trace, check)
            except APIConnectionError as trouble:  # the check failed, so that nothing was sent
                so_far.sent = False
                return trouble
            with admitted as slot:
                # Built after the wait, so that `enrich_one` can include every contact that is queued by now.
                before = call.before if so_far.guarded is None else so_far.guarded.before
                operation = call.operation
                request = Request(
                    operation.method,
                    call.path or operation.path,
                    call.params,
                    call.content() if call.content else None,
                    paid=operation.paid,
                    own_connection=self._own_connections.needed_for(operation),
                    names_nothing="{" not in operation.path and not call.params,
                    doubted=so_far.doubted,
                    before=before,
                    max_answer_bytes=operation.max_answer_bytes,
                )
                so_far.begin(slot)
                await slot.send(request, shield_answer=call.shield_answer)
                if slot.exchange.recalled:  # a 429 came just before: back into the queue, at no cost
                    continue
                outcome = await self._judge(call, slot, lost=so_far.lost)
                await so_far.report(outcome)
                break
        so_far.has_other_key = await self._has_other_key(slot, outcome, so_far)
        so_far.slot, so_far.doubted, so_far.sent = None, slot.exchange.doubted, slot.exchange.sent
        record_answer(slot.exchange)
        slot.exchange.body = b""  # it is read; the traceback of an error would keep it in memory
        return outcome

    async def download(self, wanted: Download, options: CallOptions) -> int:
        """Fetch a file from a signed address, without a key, and return its size in bytes.

        From the API's own address it counts against the rate limit.
        """
        await self.root.ensure()
        server = origin_of(wanted.url)
        with self._trace(_DOWNLOAD, server) as trace, _deadline(options.deadline_s, Attempts(0.0)):
            for failures in count():
                try:
                    return await self.root.unless_closed(self._download(wanted, options, trace))
                except CleanlistError as error:
                    if not error.retryable or failures >= options.max_retries or not self._quota.spend():
                        raise
                    wait_s = backoff_s(failures, self.limiter.rng)
                    trace.retry(error, wait_s)
                self.counters.retries += 1
                await self.root.unless_closed(anyio.sleep(wait_s))
        raise AssertionError  # _deadline raises, or the loop has returned

    async def _download(self, wanted: Download, options: CallOptions, trace: CallTrace) -> int:
        permit = None
        if same_origin(wanted.url, self._transport.base_url):
            permit = await self.limiter.acquire(self.route, RequestClass.INTERACTIVE, options.pace)
        return await fetch_file(self._transport, wanted, permit, trace, self.limiter.clock)

    # -- reading the answer --------------------------------------------------------------------

    async def _judge(self, call: Call[T], slot: Slot, *, lost: bool) -> Reply[T] | CleanlistError:
        exchange = slot.exchange
        if exchange.halted is not None:  # by `before`: not a byte left
            return exchange.halted
        if slot.refusal is not None:
            self._reporter.drift.look_at_error(call, slot.refusal)
            return self._failed(call, slot, slot.refusal, lost=lost)
        if not exchange.status:
            return self._failed(call, slot, no_answer(exchange), lost=lost)
        value = await self._read(call, slot)
        if isinstance(value, CleanlistError):
            return self._failed(call, slot, value, lost=lost)
        self._quota.refund()
        self._accepted_at[call.operation.name] = self.limiter.clock()
        self._learn_organization(value)
        # Other keys may not see what this one started, so later questions about it use the same key.
        if call.operation.paid:
            for name in ("workflow_id", "smart_agent_task_id"):
                self._admission.workflow_keys.remember(getattr(value, name, None), slot.origin)
        return Reply(value, slot.permit.key, request_id_of(exchange.headers))

    async def _read(self, call: Call[T], slot: Slot) -> T | CleanlistError:
        exchange, value = slot.exchange, await self._reader.read(call, slot)
        if isinstance(value, CleanlistError):
            return value
        is_believed = self._own_connections.is_believed(call, value, slot.request)
        if is_believed and not self._is_of_another(call, getattr(value, "workflow_id", None)):
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
        elif unknown.workflow_id not in self._admission.workflow_keys:  # the first to name it is its origin
            self._admission.workflow_keys.remember(unknown.workflow_id, slot.origin)
        return unknown

    async def _has_other_key(self, slot: Slot, outcome: object, so_far: Attempts) -> bool:
        """Whether there is another key than one that the server refuses; the same call may then succeed."""
        if not isinstance(outcome, AuthenticationError) or slot.secret is None:
            return False
        # Once in a call: keys that are all refused must not keep it going for ever.
        if not so_far.has_renewed and await self._credentials.renewed(slot.secret):
            # The new keys, too: another limiter of this process must not guard one of them.
            attach(self.limiter, self, self.route)
            so_far.has_renewed = outcome.retryable = True
            return True
        key = slot.permit.key or JWT_NAME
        was_in_use = key in self.route.keys
        others = self._credentials.set_aside(key)
        if others and was_in_use:
            from cleanlist_async.events import KeySetAside

            self.events.emit(KeySetAside(key, others))
        outcome.retryable = outcome.retryable or others > 0
        return others > 0

    def _is_of_another(self, call: Call[T], workflow_id: str | None) -> bool:
        return call.own_workflow and workflow_id in self._admission.workflow_keys

    def _learn_organization(self, value: object) -> None:
        organization = getattr(value, "organization_id", None)
        if isinstance(organization, str) and organization:
            # From here on, clients of the same organization share one bucket, whatever their keys.
            origin = self.route.organization.rpartition("@")[2]
            self.limiter.join(self.route.organization, f"{organization}@{origin}")

    def _trace(self, call: Call[Any], server: str | None = None) -> CallTrace:
        from cleanlist_async.http.call_trace import CallTrace

        return CallTrace(self.events, call, server or self._transport.base_url, self.limiter.clock)


@contextmanager
def _deadline(deadline_s: float | None, so_far: Attempts) -> Generator[None]:
    if deadline_s is None:
        yield
        return
    with anyio.move_on_after(deadline_s) as scope:
        yield
    if scope.cancelled_caught:
        raise DeadlineExceededError(
            f"The call took longer than deadline_s = {deadline_s:g} s.{so_far.latest.words()}",
            billed="unknown" if so_far.may_be_billed else "no",
        ) from so_far.latest.error


async def fetch_file(
    transport: Transport,
    wanted: Download,
    permit: Permit | None,
    trace: CallTrace,
    clock: Callable[[], float],
) -> int:
    """Fetch a file with *permit*, if it needs one; return its size in bytes. Raises as `download` does."""
    # What is to be reported of one that is cancelled on its way.
    exchange, size = Exchange(sent=True, failure="incomplete"), 0

    def answered(status: int) -> None:  # at the head of the answer: the file itself may take much longer
        exchange.status = status
        if permit is not None:
            permit.answered(clock())

    trace.attempt_started(permit.waited_s if permit else 0.0)
    try:
        size = await transport.download(replace(wanted, answered=answered))
        exchange.failure = None
    except CleanlistError as error:
        exchange.failure = failure_of(error)
        exchange.sent = bool(exchange.status or exchange.failure)
        raise
    finally:
        if permit is not None:
            permit.lost()  # does nothing after `answered`
        trace.attempt_finished(exchange, received_bytes=size)
    return size
