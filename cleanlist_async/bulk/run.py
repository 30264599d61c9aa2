"""One bulk run: read, submit, wait, match, hand out. Memory stays flat, whatever the input's length."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.budget import Budget
from cleanlist_async.bulk import settle
from cleanlist_async.bulk.dedupe import Dedupe, Duplicates, repeated_identities
from cleanlist_async.bulk.fetch import Fetcher, Submitted
from cleanlist_async.bulk.plan import ContactSource, rate_per_window
from cleanlist_async.bulk.report import EnrichmentResult, Progress, ResultStatus, Summary
from cleanlist_async.chunking import Chunker, bulk_body
from cleanlist_async.errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    BudgetExceededError,
    CleanlistError,
    ConfigurationError,
    DeadlineExceededError,
    InsufficientCreditsError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RequestValidationError,
    UnknownOutcomeError,
    VersionDeprecatedError,
)
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.identity import ContactLike, Prepared, prepare
from cleanlist_async.pipeline import CallOptions, Pipeline
from cleanlist_async.polling import PollScheduler
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.resources.public import submit_call

log: Final = logging.getLogger("cleanlist_async")

_SUBMITS_IN_LINE: Final = 4
"""Chunks that wait for a token at once; more would only be read ahead, and age past interactive calls."""
_FAILURES_IN_A_ROW: Final = 3
"""Chunks in a row that end badly before the run takes it as the state of the server, and stops."""
_RESULTS_AHEAD: Final = 2_000
"""Results held for a consumer that is slower than the server."""
_ENDS_THE_RUN: Final = (
    AuthenticationError,
    PermissionDeniedError,
    InsufficientCreditsError,
    VersionDeprecatedError,
    ConfigurationError,
    APIConnectionError,
)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What the caller asked for."""

    enrichment_type: EnrichmentType
    options: CallOptions
    max_credits: float | None = None
    webhook_url: str | None = None
    dedupe: Dedupe = "all"
    progress: Callable[[Progress], None] | None = None
    max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS


@dataclass(eq=False, slots=True)
class _Chunk:
    """Contacts on their way through one request. `open` holds those without a result yet."""

    open: dict[int, Prepared]
    reserved: int
    submitted: Submitted | None = None
    doubt: UnknownOutcomeError | None = None
    refusal: CleanlistError | None = None

    @classmethod
    def of(cls, contacts: Iterable[Prepared], *, reserved: int) -> _Chunk:
        return cls({contact.index: contact for contact in contacts}, reserved)


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    stopped_by: CleanlistError | None = None
    failure: Exception | None = None
    """What the caller's own source raised."""
    accepted: bool = False
    leftover: deque[EnrichmentResult] = field(default_factory=deque[EnrichmentResult])


class BulkRun:
    """Runs in the client's task group; its results are read from `results`."""

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        spec: RunSpec,
        source: ContactSource,
        *,
        total: int | None,
        find_repeated: bool = False,
    ) -> None:
        self.summary = Summary()
        self.outcome = Outcome()
        self.finished = anyio.Event()
        self._spec = spec
        self._source = source
        self._total = total
        self._pipeline = pipeline
        self._polls = polls
        self._clock = pipeline.limiter.clock
        self._call_options = replace(spec.options, deadline_s=None)
        self._fetcher = Fetcher(pipeline, polls, self._call_options, self._note_lookups)
        self._budget = Budget(spec.max_credits, spec.enrichment_type)
        self._duplicates = Duplicates(spec.dedupe)
        self._find_repeated = find_repeated
        self._sender, self.results = anyio.create_memory_object_stream[EnrichmentResult](_RESULTS_AHEAD)
        self._scope = anyio.CancelScope()
        self._waiting_submits: set[anyio.CancelScope] = set()
        self._line = anyio.Semaphore(_SUBMITS_IN_LINE)
        self._change = anyio.Event()
        self._open_chunks = 0
        self._bad_chunks = 0
        self._tried_one = False
        self._started_at = 0.0
        self._requests_before = 0

    def cancel(self) -> None:
        """Stop: nothing more is submitted; what was accepted becomes pending."""
        self._scope.cancel()

    async def main(self) -> None:
        """Run to the end. Never raises: `outcome` and `results` tell all."""
        self._started_at = self._clock()
        self._requests_before = self._pipeline.counters.requests
        try:
            with self._scope:
                await self._run()
                await self._hand_out_leftover()
        except Exception as problem:
            self.outcome.failure = problem
            log.exception("a bulk run failed")
        finally:
            self._sender.close()
            self.summary.elapsed_s = self._clock() - self._started_at
            self.summary.requests = self._pipeline.counters.requests - self._requests_before
            self.finished.set()

    async def _run(self) -> None:
        with anyio.move_on_after(self._spec.options.deadline_s) as self._deadline:
            if self._find_repeated and not isinstance(self._source, AsyncIterable):
                self._duplicates = Duplicates("all", await repeated_identities(self._source))
            async with anyio.create_task_group() as self._group:
                await self._feed()
        if self._deadline.cancelled_caught:
            self._stop(_deadline_error(self._spec.options.deadline_s))

    @property
    def _stopping(self) -> bool:
        return self.outcome.stopped_by is not None or self.outcome.failure is not None

    @property
    def _scope_cancelled(self) -> bool:
        return self._scope.cancel_called or self._deadline.cancel_called

    # -- reading -------------------------------------------------------------------------------

    async def _feed(self) -> None:
        """Start one task for each chunk, as fast as tokens, room and budget allow."""
        chunker = Chunker()
        try:
            async with aclosing(self._new_contacts()) as contacts:
                async for contact in contacts:
                    if chunk := chunker.add(contact):
                        await self._start(chunk)
                    if self._stopping:
                        break
        except Exception as problem:  # noqa: BLE001  # the source is the caller's: what it raises is theirs
            self.outcome.failure = problem
            log.warning("the source of contacts failed with %s", type(problem).__name__)
        finally:
            rest = chunker.flush()
            if rest and self._scope_cancelled:
                self._leave(_Chunk.of(rest, reserved=0))
        if rest:
            await self._start(rest)

    async def _new_contacts(self) -> AsyncGenerator[Prepared, None]:
        """Yield what has to be sent; hand out at once what has not."""
        index = 0
        async for given in _each(self._source):
            contact = prepare(index, given)
            index += 1
            if not isinstance(contact, Prepared):
                await self._hand_out(settle.kept_back(contact))
                continue
            known = self._duplicates.follow(contact)
            if known is False:
                yield contact
            elif known is not True:
                await self._hand_out(known)

    async def _start(self, contacts: list[Prepared]) -> None:
        """Start as many chunks as the budget needs for these contacts; usually one."""
        rest = deque(contacts)
        try:
            while rest:
                await self._room()
                count = await self._affordable(len(rest))
                await self._line.acquire()
                if self._stopping:
                    self._line.release()
                    return
                self._budget.reserve(count)
                self._start_chunk(_Chunk.of([rest.popleft() for _ in range(count)], reserved=count))
        finally:
            if rest:
                self._leave(_Chunk.of(rest, reserved=0))

    def _start_chunk(self, chunk: _Chunk) -> None:
        self._open_chunks += 1
        self._group.start_soon(self._carry, chunk)

    async def _room(self) -> None:
        """Wait until another workflow may be opened. The first goes alone: it shows whether the key is good."""
        while not self._stopping and (
            self._open_chunks >= self._spec.max_open_workflows
            or (self._open_chunks and not self._tried_one)
            or self._polls.overdue >= self._pipeline.limiter.limits.key
        ):
            await self._next_change()

    async def _affordable(self, wanted: int) -> int:
        """Return how many contacts the budget covers, waiting for reservations that may come back."""
        while self._budget.affordable(wanted) < wanted and self._open_chunks and not self._stopping:
            await self._next_change()
        count = self._budget.affordable(wanted)
        if not count and not self._stopping:
            self._stop(_budget_error(self._budget))
        return count

    async def _next_change(self) -> None:
        if self._change.is_set():
            self._change = anyio.Event()
        with anyio.move_on_after(self._pipeline.limiter.limits.window_s / 30):
            await self._change.wait()

    # -- one chunk -----------------------------------------------------------------------------

    async def _carry(self, chunk: _Chunk) -> None:
        try:
            await self._submit(chunk)
            if chunk.submitted is not None:
                self._report_progress()
                await self._collect(chunk)
        except CleanlistError as error:
            chunk.refusal = error
        finally:
            self._leave(chunk)
            self._open_chunks -= 1
            self._change.set()
        self._report_progress()

    async def _submit(self, chunk: _Chunk) -> None:
        """Submit the chunk, setting aside contacts that the server refuses by name."""
        in_line = [True]

        def body() -> bytes:
            if in_line:
                in_line.clear()
                self._line.release()
            return bulk_body(tuple(chunk.open.values()), self._spec.enrichment_type, self._spec.webhook_url)

        try:
            while chunk.open and chunk.submitted is None:
                try:
                    await self._submit_once(chunk, body)
                except RequestValidationError as error:
                    if not await self._set_aside(chunk, error):
                        raise
                except PayloadTooLargeError:
                    if len(chunk.open) < 2:
                        raise
                    await self._split(chunk)
        except UnknownOutcomeError as error:
            chunk.doubt = error
            self._ended_badly(error)
        except CleanlistError as error:
            chunk.refusal = error
            self._stop(error) if isinstance(error, _ENDS_THE_RUN) else self._ended_badly(error)
        finally:
            if in_line:
                self._line.release()
            self._tried_one = True
            self._change.set()

    async def _submit_once(self, chunk: _Chunk, body: Callable[[], bytes]) -> None:
        call = submit_call(body, RequestClass.SUBMIT, see_it_through=True)
        with anyio.CancelScope() as scope:
            self._waiting_submits.add(scope)
            try:
                reply = await self._pipeline.call(call, self._call_options)
            finally:
                self._waiting_submits.discard(scope)
            self.outcome.accepted = True
            self._bad_chunks = 0
            self.summary.workflows += 1
            chunk.submitted = Submitted.of(reply, tuple(chunk.open.values()), self._clock())
            return
        raise self.outcome.stopped_by or ConfigurationError("The run was stopped.")

    async def _set_aside(self, chunk: _Chunk, error: RequestValidationError) -> bool:
        """Report the contacts that a 422 names as invalid; False if it names none of this chunk."""
        positions = tuple(chunk.open.values())
        named = {found.contact_index: found.msg for found in error.field_errors}
        bad = {index: msg for index, msg in named.items() if index is not None and index < len(positions)}
        for position, reason in bad.items():
            await self._close(chunk, settle.without_row(positions[position], "invalid", f"refused: {reason}"))
        return bool(bad)

    async def _split(self, chunk: _Chunk) -> None:
        """Submit the second half on its own, since the whole is too large for the server."""
        contacts = tuple(chunk.open.values())
        half = contacts[len(contacts) // 2 :]
        for contact in half:
            del chunk.open[contact.index]
        chunk.reserved -= len(half)
        moved = _Chunk.of(half, reserved=len(half))
        try:
            await self._line.acquire()
        except BaseException:
            self._leave(moved)
            raise
        self._start_chunk(moved)

    async def _collect(self, chunk: _Chunk) -> None:
        """Wait for the workflow, and close every contact that has a row of its own."""
        assert chunk.submitted is not None  # noqa: S101  # only called for those
        fetched = await self._fetcher.fetch(chunk.submitted, self._spec.enrichment_type)
        spent = sum(result.credits for result in fetched)
        settled = [result for result in fetched if result.status != "pending"]
        self._budget.settle(len(settled), spent)
        chunk.reserved -= len(settled)
        for result in fetched:
            await self._close(chunk, result)

    # -- handing out ---------------------------------------------------------------------------

    async def _close(self, chunk: _Chunk, result: EnrichmentResult) -> None:
        contact = chunk.open.pop(result.index)
        if result.status == "invalid":
            self._budget.settle(1)
            chunk.reserved -= 1
        followers = self._duplicates.settle(contact.identity, result)
        for each in (result, *followers):
            await self._hand_out(each)

    def _leave(self, chunk: _Chunk) -> None:
        """Give what is left of a chunk the status that is true of it. Awaits nothing: we may be cancelled."""
        status, reason, workflow_id = self._state(chunk)
        if status == "failed":
            self._budget.settle(chunk.reserved)
        for contact in chunk.open.values():
            task_id = chunk.submitted.task_id(contact) if chunk.submitted else None
            result = settle.without_row(
                contact,
                status,
                reason,
                workflow_id=workflow_id,
                task_id=task_id,
                enrichment_type=self._spec.enrichment_type,
            )
            self.outcome.leftover.extend((result, *self._duplicates.settle(contact.identity, result)))
        chunk.open.clear()

    def _state(self, chunk: _Chunk) -> tuple[ResultStatus, str, str | None]:
        if chunk.submitted is not None:
            why = str(chunk.refusal) if chunk.refusal else "the run stopped before it was finished"
            return "pending", why, chunk.submitted.workflow_id
        if chunk.doubt is not None:
            return "unknown", str(chunk.doubt), chunk.doubt.workflow_id
        error = chunk.refusal or self.outcome.stopped_by
        return "failed", f"never sent: {error}" if error else "never sent: the run was stopped", None

    async def _hand_out(self, result: EnrichmentResult) -> None:
        try:
            await self._sender.send(result)
        except BaseException:
            self.outcome.leftover.append(result)
            raise
        self.summary.count(result)

    async def _hand_out_leftover(self) -> None:
        while self.outcome.leftover:
            await self._hand_out(self.outcome.leftover.popleft())

    # -- stopping ------------------------------------------------------------------------------

    def _stop(self, error: CleanlistError) -> None:
        """Submit nothing more. Workflows that were accepted are still waited for."""
        if self.outcome.stopped_by is None:
            self.outcome.stopped_by = error
        for scope in self._waiting_submits:
            scope.cancel()
        self._change.set()

    def _ended_badly(self, error: CleanlistError) -> None:
        self._bad_chunks += 1
        if self._bad_chunks >= _FAILURES_IN_A_ROW or (not self.outcome.accepted and isinstance(error, APIError)):
            self._stop(error)

    # -- telling -------------------------------------------------------------------------------

    def _note_lookups(self, count: int) -> None:
        self.summary.lookups += count
        note = f"{count} results are not in their workflow's answer: asking for each, one request apiece"
        log.warning(note)
        self._report_progress(note)

    def _report_progress(self, note: str | None = None) -> None:
        if self._spec.progress is None:
            return
        try:
            self._spec.progress(self.progress(note))
        except Exception:
            log.exception("the progress callback failed")

    def progress(self, note: str | None = None) -> Progress:
        """Return where the run stands."""
        summary = self.summary
        return Progress(
            done=summary.contacts,
            total=self._total,
            found=summary.statuses["found"],
            credits=summary.credits,
            requests=self._pipeline.counters.requests - self._requests_before,
            open_workflows=self._open_chunks,
            elapsed_s=self._clock() - self._started_at,
            eta_s=self._eta_s(),
            note=note,
        )

    def _eta_s(self) -> float | None:
        if self._total is None:
            return None
        limits, keys = self._pipeline.limiter.limits, len(self._pipeline.route.keys)
        left = max(0, self._total - self.summary.contacts)
        chunks = math.ceil(left / facts.MAX_CONTACTS_PER_REQUEST)
        to_send = max(0, 2 * chunks - self._open_chunks - rate_per_window(limits, keys) // 2)
        wait_s = (self._polls.patience.due_age_s or 0.0) if left else 0.0
        return to_send / rate_per_window(limits, keys) * limits.window_s + wait_s


async def _each(source: ContactSource) -> AsyncIterator[ContactLike]:
    if isinstance(source, AsyncIterable):
        async for contact in source:
            yield contact
        return
    for count, contact in enumerate(source):
        yield contact
        if count % 250 == 0:
            await anyio.lowlevel.checkpoint()


def _budget_error(budget: Budget) -> BudgetExceededError:
    committed = budget.spent + budget.reserved
    error = BudgetExceededError(
        f"max_credits = {budget.max_credits:,.10g} does not cover another contact at {budget.per_contact} credits;"
        f" {committed:,.10g} are spent or held.",
        fix="Raise max_credits to go on.",
    )
    error.max_credits, error.committed_credits = budget.max_credits, committed
    return error


def _deadline_error(deadline_s: float | None) -> DeadlineExceededError:
    return DeadlineExceededError(
        f"The run took longer than deadline_s = {deadline_s or 0:g} s.",
        fix="What was accepted is pending: client.collect() fetches it for free.",
    )


