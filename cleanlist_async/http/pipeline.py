"""The path of every request: admit, send, decode, and retry or return."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.errors import (
    APIError,
    CleanlistError,
    DeadlineExceededError,
    QuoteAlreadyRedeemedError,
    RateLimitError,
    UnknownOutcomeError,
)
from cleanlist_async.events.statistics import Counters
from cleanlist_async.http.calls import Call, Operation, Reply
from cleanlist_async.http.decode import is_large, request_id_of, salvage_workflow_id
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.outcome import malformed, no_answer, read_value, said_no, unknown_outcome
from cleanlist_async.http.retry import Proof, RetryQuota, backoff_s, proof_of
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.http.transport import Download, Exchange, Request, Transport, same_origin
from cleanlist_async.ratelimit import Permit, RateLimiter, Reach, RequestClass, Route
from cleanlist_async.redact import Secret
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from cleanlist_async.events import Events, Listener
    from cleanlist_async.http.call_events import CallEvents

T = TypeVar("T")


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
        on_event: Listener | None = None,
    ) -> None:
        self.limiter = limiter
        self.route = route
        self.root = root
        self.counters = Counters()
        self._keys = keys
        self._transport = transport
        self._quota = RetryQuota()
        self._origins: dict[str, Origin] = {}
        self._large_answer = anyio.Lock(fast_acquire=True)
        """Large answers are read one by one: several threads would leave the loop no turn between."""
        self._places: defaultdict[tuple[RequestClass, bool], anyio.Semaphore] = defaultdict(_new_places)
        self._on_event = on_event
        limiter.watch(self)

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
        failures, lost, doubted = 0, False, None
        doubt: UnknownOutcomeError | None = None
        with (
            self._tell_of(call) as told,
            _deadline(options.deadline_s, lambda: doubt is not None or bool(send and send.may_be_billed)),
        ):
            while True:
                send = await self._admit(call, options, told, doubted)
                await self._perform(send, see_it_through=call.see_it_through)
                outcome = await self._judge(call, send, lost=lost)
                exchange, send = send.exchange, None
                doubted = exchange.doubted
                exchange.body = b""  # read; the traceback of an error would keep it
                if isinstance(outcome, Reply):
                    return told.replied(outcome)
                if lost and (value := call.repeated(outcome)) is not None:
                    return told.replied(Reply(value, call.key))
                said = outcome if isinstance(outcome, APIError) else None
                lost = lost or proof_of(sent=exchange.sent, error=said) is Proof.NONE
                doubt = outcome if isinstance(outcome, UnknownOutcomeError) else doubt
                wait_s = self._wait_before_retry(call, outcome, failures, options)
                if wait_s is None:
                    raise doubt or outcome  # a later refusal says nothing of the attempt that was lost
                if not (_is_429(outcome) and call.kind is not RequestClass.INTERACTIVE):
                    failures += 1
                self.counters.retries += 1
                if call.before_retry is not None and doubt is None:
                    call.before_retry()
                told.retry(outcome, wait_s)
                await self.root.unless_closed(anyio.sleep(wait_s))

    async def download(self, wanted: Download, options: CallOptions) -> int:
        """Fetch a file from a signed address, without a key, and return its size in bytes.

        At the API's own address it counts as a request like any other.
        """
        await self.root.ensure()
        with self._tell_of(_DOWNLOAD) as told, _deadline(options.deadline_s, lambda: False):
            for failures in count():
                told.attempts += 1
                try:
                    told.received_bytes = await self.root.unless_closed(self._download(wanted, options))
                except CleanlistError as error:
                    if not error.retryable or failures >= options.max_retries or not self._quota.spend():
                        raise
                    wait_s = backoff_s(failures, self.limiter.rng)
                    told.retry(error, wait_s)
                else:
                    return told.received_bytes
                self.counters.retries += 1
                await self.root.unless_closed(anyio.sleep(wait_s))
        raise AssertionError  # _deadline raises, or the loop has returned

    async def _download(self, wanted: Download, options: CallOptions) -> int:
        if not same_origin(wanted.url, self._transport.base_url):
            return await self._transport.download(wanted)
        permit = await self.limiter.acquire(self.route, RequestClass.INTERACTIVE, options.pace)
        answered = lambda: permit.answered(self.limiter.clock())  # noqa: E731  # the file may take long after
        try:
            return await self._transport.download(replace(wanted, answered=answered))
        finally:
            permit.lost()

    async def _admit(
        self, call: Call[T], options: CallOptions, told: CallEvents, doubted: bytes | None
    ) -> _Send:
        """Wait for a place on the wire and for tokens; a request that waits for a place holds no token.

        Each class has places of its own, and so have paid calls: a kind of request to which no answers come
        stops no other.
        """
        places = self._places[call.kind, call.operation.paid]
        self.counters.waiting += 1
        try:
            permit = await self._permit(call, options)
            try:
                places.acquire_nowait()
            except anyio.WouldBlock:
                permit.unsent()
                await self.root.unless_closed(places.acquire())
                with _released_on_failure(places.release):
                    permit = await self._permit(call, options)
        finally:
            self.counters.waiting -= 1
        with _released_on_failure(places.release), _released_on_failure(permit.unsent):
            return _Send(_request(call, doubted), permit, places, options.request_timeout_s, told)

    async def _permit(self, call: Call[T], options: CallOptions) -> Permit:
        route = self.route.only(call.key) if call.key else self.route
        permit = await self.root.unless_closed(self.limiter.acquire(route, call.kind, options.pace))
        self.counters.waited_s += permit.waited_s
        return permit

    @property
    def submits_in_line(self) -> int:
        """Bulk submits that wait for a place on the wire, and will take a token each."""
        return self._places[RequestClass.SUBMIT, True].statistics().tasks_waiting

    # -- sending, in a task that the client owns -----------------------------------------------

    async def _perform(self, send: _Send, *, see_it_through: bool) -> None:
        with _released_on_failure(send.places.release), _released_on_failure(send.permit.unsent):
            if send.request.paid:  # nothing is bought for a caller whose cancellation is on its way already
                await anyio.lowlevel.checkpoint()
            else:
                await anyio.lowlevel.checkpoint_if_cancelled()
            self.root.spawn(self._send, send)
        try:
            with _shielded(see_it_through):
                await send.done.wait()
        except BaseException:
            send.abandoned = True
            if send.done.is_set():  # the answer came, and our caller's cancellation overtook it
                self._note_detached(send)
            raise

    async def _send(self, send: _Send) -> None:
        paid = send.request.paid
        try:
            with _shielded(paid):  # closing the client waits for a paid request's answer
                if send.abandoned or self.root.closed:
                    return
                if send.permit.is_overdue:  # not a byte has left, so it is tried again with another
                    send.exchange.failure, send.exchange.reason = "connection", "its rate-limit lease ran out"
                    return
                send.started = True
                self.counters.requests += 1
                send.told.attempt_started(send.permit)
                key = self._keys[send.permit.key or _JWT]
                await self._transport.send(send.request, key, send.timeout_s, send.exchange)
        finally:
            send.places.release()
            try:
                self._settle(send)
                if send.started:
                    send.told.attempt_finished(send.request, send.exchange, send.error)
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
        self.counters.rejected_429 += rejected
        if exchange.status and not exchange.ok:
            send.error = said_no(send.request, exchange)
        asked_s = send.error.retry_after_s if send.error else None
        named = _named_bucket(send.error.details) if send.error else None
        permit.answered(exchange.answered_at, rejected=rejected, asked_s=asked_s, named=named)
        if rejected:
            send.told.rejected(send.error, named, self.limiter.states(self.route))

    def _note_detached(self, send: _Send) -> None:
        """Keep the workflow of a paid request whose caller has gone: it can be collected for free."""
        exchange = send.exchange
        if not send.may_be_billed:
            return
        if exchange.ok and (workflow_id := salvage_workflow_id(exchange.body)):
            self._remember_origin(workflow_id, send)
            self.counters.detached_workflows.append(workflow_id)
            send.told.detached(workflow_id)
        elif proof_of(sent=exchange.sent, error=send.error) is Proof.NONE:
            send.told.detached(None)

    # -- reading the answer --------------------------------------------------------------------

    async def _judge(self, call: Call[T], send: _Send, *, lost: bool) -> Reply[T] | CleanlistError:
        exchange = send.exchange
        if exchange.halted is not None:
            return exchange.halted
        if send.error is not None:
            return self._failed(call, send, send.error, lost=lost)
        if not exchange.status:
            return self._failed(call, send, no_answer(exchange), lost=lost)
        value = await self._read(call, send)
        if isinstance(value, CleanlistError):
            return self._failed(call, send, value, lost=lost)
        self._quota.refund()
        self._learn_organization(value)
        if send.request.paid:
            for name in ("workflow_id", "smart_agent_task_id"):
                self._remember_origin(getattr(value, name, None), send)
        return Reply(value, send.permit.key, request_id_of(exchange.headers))

    async def _read(self, call: Call[T], send: _Send) -> T | CleanlistError:
        exchange = send.exchange
        if is_large(exchange.body, of_models=call.operation.of_models):
            try:
                with _shielded(call.see_it_through):
                    async with self._large_answer:
                        loop = asyncio.get_running_loop()
                        read = partial(read_value, call, exchange, is_large=True)
                        value = await loop.run_in_executor(None, read)
            except BaseException:
                self._note_detached(send)
                raise
        else:
            value = read_value(call, exchange)
        if isinstance(value, CleanlistError):
            return value
        if call.belongs(value) and not self._is_of_another(call, getattr(value, "workflow_id", None)):
            return value
        if call.operation.retry == "safe":
            self._transport.renew()  # its connection is one answer behind, and would stay so
        error = malformed("the answer belongs to another call", exchange)
        error.workflow_id = None  # it is not ours
        return error

    def _failed(self, call: Call[T], send: _Send, error: CleanlistError, *, lost: bool) -> CleanlistError:
        if not call.operation.paid:
            return error
        said = error if isinstance(error, APIError) else None
        if proof_of(sent=send.exchange.sent, error=said, lost=lost) is not Proof.NONE:
            return error
        unknown = unknown_outcome(call.operation.name, error, send.exchange)
        if self._is_of_another(call, unknown.workflow_id):
            unknown.workflow_id = None
        elif unknown.workflow_id not in self._origins:
            self._remember_origin(unknown.workflow_id, send)
        return unknown

    def _is_of_another(self, call: Call[T], workflow_id: str | None) -> bool:
        return call.own_workflow and workflow_id in self._origins

    def _learn_organization(self, value: object) -> None:
        organization = getattr(value, "organization_id", None)
        if isinstance(organization, str) and organization:
            origin = self.route.organization.rpartition("@")[2]
            self.limiter.join(self.route.organization, f"{organization}@{origin}")

    def _remember_origin(self, id_: object, send: _Send) -> None:
        if isinstance(id_, str) and id_:
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

    # -- telling -------------------------------------------------------------------------------

    @cached_property
    def events(self) -> Events:
        """Where the events of this client go."""
        # Loaded with the first call, like all that a client does not need to be made.
        from cleanlist_async.events import Events  # noqa: PLC0415

        return Events(self._on_event)

    def limits_were(self, reach: Reach, /) -> None:
        """Tell the listener, in its own event loop, that the shared limits were lost or found again."""
        from cleanlist_async.events import LimitsAway, LimitsBack  # noqa: PLC0415  # see events

        self.root.call_soon(self.events.emit, LimitsBack() if reach == "found" else LimitsAway())

    def _tell_of(self, call: Call[Any]) -> CallEvents:
        from cleanlist_async.http.call_events import CallEvents  # noqa: PLC0415  # see events

        return CallEvents(self.events, call, self._transport.base_url, self.limiter.clock)

    # -- trying again --------------------------------------------------------------------------

    def _wait_before_retry(
        self, call: Call[T], error: CleanlistError, failures: int, options: CallOptions
    ) -> float | None:
        """Return the seconds to wait before another attempt, or None to give up."""
        safe = error.safe_to_retry
        if isinstance(error, UnknownOutcomeError) and call.guarded and error.answer is not None:
            error, safe = error.answer, True
        if call.once or not error.retryable or not safe or isinstance(error, QuoteAlreadyRedeemedError):
            return None  # a redeemed quote stays so
        interactive = call.kind is RequestClass.INTERACTIVE
        asked_s = error.retry_after_s if isinstance(error, APIError) else None
        if interactive and (asked_s or 0) > facts.LONGEST_INTERACTIVE_PAUSE_S:
            return None
        if _is_429(error) and not interactive:
            return 0.0  # the bucket is paused; whoever asks it next waits there
        if failures >= options.max_retries or not self._quota.spend():
            return None
        if _is_429(error):
            return 0.0
        return backoff_s(failures, self.limiter.rng, asked_s)


_ORIGINS_KEPT: Final = 10_000
_DOWNLOAD: Final[Call[None]] = Call(Operation("download", "GET", "", "safe", lambda _file: None))
_JWT: Final = ""
"""Stands for the key name where there is none to choose."""


@dataclass(eq=False, slots=True)
class _Send:
    request: Request
    permit: Permit
    places: anyio.Semaphore
    timeout_s: float
    told: CallEvents
    done: asyncio.Event = field(default_factory=asyncio.Event)
    exchange: Exchange = field(default_factory=Exchange)
    error: APIError | None = None
    started: bool = False
    abandoned: bool = False

    @property
    def may_be_billed(self) -> bool:
        """Whether it is a paid request that has left its line: it goes on without its caller."""
        return self.request.paid and self.started


def _is_429(error: CleanlistError) -> bool:
    """Whether an answer has paused its bucket. The code alone, with another status, has not."""
    return isinstance(error, RateLimitError) and error.status == 429


def _request(call: Call[T], doubted: bytes | None) -> Request:
    operation = call.operation
    return Request(
        operation.method,
        call.path or operation.path,
        call.params,
        call.content() if call.content else None,
        paid=operation.paid,
        own_connection=operation.own_connection,
        doubted=doubted,
        before=call.before,
        max_answer_bytes=operation.max_answer_bytes,
    )


def _new_places() -> anyio.Semaphore:
    return anyio.Semaphore(facts.MAX_IN_FLIGHT, fast_acquire=True)


@contextmanager
def _released_on_failure(release: Callable[[], None]) -> Generator[None]:
    try:
        yield
    except BaseException:
        release()
        raise


def _shielded(wanted: bool) -> AbstractContextManager[object]:  # noqa: FBT001
    return anyio.CancelScope(shield=True) if wanted else nullcontext()


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
