"""One bulk run: read, submit, wait, match, hand out. Memory stays flat, whatever the input's length."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import anyio
import anyio.lowlevel

from cleanlist_async.api.public import BULK_STATUS, submit_call
from cleanlist_async.contacts.chunking import Chunker, bulk_body
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.enrich import row_results as settle
from cleanlist_async.enrich.budget import Budget
from cleanlist_async.enrich.chunk import Chunk, RunSpec
from cleanlist_async.enrich.dedupe import Duplicates, repeated_identities
from cleanlist_async.enrich.fetch import Fetcher, Submitted
from cleanlist_async.enrich.lost_submit import results_of_lost
from cleanlist_async.enrich.plan import ContactSource
from cleanlist_async.enrich.progress import Teller, tell_end
from cleanlist_async.enrich.result_queue import ResultQueue
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
from cleanlist_async.events import RunStarted, report_failure
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.submission import Submission
from cleanlist_async.webhooks.submissions import Submissions

_SUBMITS_IN_LINE: Final = 4
"""Chunks that wait for a token at once; more would only be read ahead, and age past interactive calls."""
_FAILURES_IN_A_ROW: Final = 3
"""Chunks in a row that end badly before the run takes it as the state of the server, and stops."""
_RESULTS_AHEAD: Final = 2_000
"""Results that wait for a slow consumer before nothing more is submitted."""
_DUPLICATES_AHEAD: Final = 50_000
"""Duplicates of an endless source that wait for the result of their first before it is read on."""
_ENDS_THE_RUN: Final = (
    AuthenticationError,
    PermissionDeniedError,
    InsufficientCreditsError,
    VersionDeprecatedError,
    APIConnectionError,
)


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    stopped_by: CleanlistError | None = None
    failure: Exception | None = None
    """What the caller's own source raised."""
    accepted: bool = False


class BulkRun:
    """Runs in the client's task group; its results are read from `results`."""

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        submissions: Submissions,
        spec: RunSpec,
        source: ContactSource,
        *,
        total: int | None,
        find_repeated: bool = False,
    ) -> None:
        self.outcome = Outcome()
        self.finished = anyio.Event()
        self.results = ResultQueue(_RESULTS_AHEAD)
        self._spec = spec
        self._source = source
        self._total = total
        self._pipeline = pipeline
        self._polls = polls
        self._submissions = submissions
        self._call_options = replace(spec.options, deadline_s=None)
        self._teller = Teller(pipeline, polls, spec.progress, total)
        self._fetcher = Fetcher(pipeline, polls, self._call_options, self._note_lookups)
        self._budget = Budget(spec.max_credits, spec.enrichment_type)
        self._duplicates = Duplicates(spec.dedupe)
        self._find_repeated = find_repeated
        self._scope = anyio.CancelScope()
        self._reading = anyio.CancelScope()
        self._waiting_submits: set[anyio.CancelScope] = set()
        self._line = anyio.Semaphore(_SUBMITS_IN_LINE)
        self._change = anyio.Event()
        self._open_chunks = 0
        self._bad_chunks = 0
        self._tried_one = False
        self.summary = self._teller.summary

    def cancel(self) -> None:
        """Stop: nothing more is submitted; what was accepted becomes pending."""
        self._scope.cancel()

    async def main(self) -> None:
        """Run to the end. Raises nothing of its own: `outcome` and `results` tell all."""
        self._teller.start()
        self._pipeline.events.emit(RunStarted("enrich", self._spec.enrichment_type, self._total))
        try:
            with self._scope:
                await self._run()
        except Exception as problem:  # noqa: BLE001  # for whoever reads the results
            self.outcome.failure = problem
            report_failure("a bulk run", problem)
        except BaseException:
            self._stop(ConfigurationError("The client was closed before the run was over."))
            raise
        finally:
            self.results.close()
            self._teller.tell(self._open_chunks)
            error = self.outcome.failure or self.outcome.stopped_by
            tell_end(self._pipeline.events, "enrich", self.summary, self.summary.elapsed_s, error)
            self.finished.set()

    async def _run(self) -> None:
        deadline_s = self._spec.options.deadline_s
        with anyio.move_on_after(deadline_s) as deadline:
            if self._find_repeated and not isinstance(self._source, AsyncIterable):
                self._duplicates = Duplicates("all", await repeated_identities(self._source))
            async with anyio.create_task_group() as self._group:
                await self._feed()
        if deadline.cancelled_caught:
            self._stop(_deadline_error(deadline_s, accepted=self.outcome.accepted))

    @property
    def _stopping(self) -> bool:
        return self.outcome.stopped_by is not None or self.outcome.failure is not None

    # -- reading -------------------------------------------------------------------------------

    async def _feed(self) -> None:
        """Start one task for each chunk, as fast as tokens, room and budget allow."""
        chunker, index = Chunker(), 0
        try:
            with self._reading:
                async with aclosing(_each(self._source)) as contacts:
                    async for given in contacts:
                        await self._take(prepare(index, given), chunker)
                        index += 1
                if rest := chunker.flush():
                    await self._start(rest)
        except Exception as problem:  # noqa: BLE001  # the source is the caller's: what it raises is theirs
            self.outcome.failure = problem
            report_failure("the source of contacts", problem)
        finally:
            self._end(Chunk.of(chunker.flush() or ()))

    async def _take(self, contact: Prepared | Invalid, chunker: Chunker) -> None:
        """Put a contact into the next chunk, or hand out what is known of it already."""
        if isinstance(contact, Invalid):
            self._hand_out(settle.kept_back(contact))
        elif (known := self._duplicates.follow(contact)) is False:
            if chunk := chunker.add(contact):
                await self._start(chunk)
        elif known is not True:
            self._hand_out(known)
        elif self._total is None and self._duplicates.waiting >= _DUPLICATES_AHEAD:
            await self._start(chunker.flush() or [])
            while self._duplicates.waiting >= _DUPLICATES_AHEAD:
                await self._next_change()
        if self.results.is_full:
            await self.results.room()

    async def _start(self, contacts: list[Prepared]) -> None:
        """Start as many chunks as the budget needs for these contacts; usually one."""
        rest = deque(contacts)
        try:
            while rest and not self._stopping:
                await self._room()
                count = await self._affordable(len(rest))
                await self._line.acquire()
                self._budget.reserve(count)
                chunk = Chunk.of([rest.popleft() for _ in range(count)])
                chunk.reserved = count
                self._start_chunk(chunk)
        finally:
            self._end(Chunk.of(rest))

    def _start_chunk(self, chunk: Chunk) -> None:
        """Send a chunk that has a place in the line."""
        chunk.in_line = True
        self._open_chunks += 1
        self._group.start_soon(self._carry, chunk)

    async def _room(self) -> None:
        """Wait until another workflow may be opened. The first goes alone: it shows if the key is good."""
        while (
            self._open_chunks >= self._spec.max_open_workflows
            or (self._open_chunks and not self._tried_one)
            or self._polls.overdue >= self._pipeline.limiter.limits.key
        ):
            await self._next_change()

    async def _affordable(self, wanted: int) -> int:
        """Return how many contacts the budget covers, waiting for reservations that may come back."""
        while (count := self._budget.affordable(wanted)) < wanted and self._open_chunks:
            await self._next_change()
        if not count:
            self._stop(_budget_error(self._budget))
            await anyio.lowlevel.checkpoint()  # which ends the reading
        return count

    async def _next_change(self) -> None:
        if self._change.is_set():
            self._change = anyio.Event()
        with anyio.move_on_after(self._pipeline.limiter.limits.window_s / 30):
            await self._change.wait()

    # -- one chunk -----------------------------------------------------------------------------

    async def _carry(self, chunk: Chunk) -> None:
        try:
            await self._submit(chunk)
            if chunk.submitted is not None:
                self._tell()
                fetched = await self._fetcher.fetch(chunk.submitted, self._spec.enrichment_type)
                self._settle(chunk, fetched)
            elif chunk.doubt is not None and chunk.submission is not None:
                await self._find_lost(chunk, chunk.submission)
        except CleanlistError as error:
            chunk.refusal = error
            if isinstance(error, _ENDS_THE_RUN):
                self._stop(error)
        finally:
            self._close_submission(chunk)
            self._end(chunk)
            self._open_chunks -= 1
            self._change.set()
        self._tell()

    async def _submit(self, chunk: Chunk) -> None:
        """Submit the chunk; its state says how that ended."""
        try:
            while chunk.open and chunk.submitted is None and self.outcome.stopped_by is None:
                await self._attempt(chunk)
        except UnknownOutcomeError as error:
            chunk.doubt = error
            self._ended_badly(error)
        except CleanlistError as error:
            chunk.refusal = error
            self._ended_badly(error)
        finally:
            self._leave_line(chunk)
            self._tried_one = True
            self._change.set()

    async def _attempt(self, chunk: Chunk) -> None:
        """Submit once, and set aside what the server refuses by name, or the half of what is too large."""
        try:
            await self._submit_once(chunk)
        except RequestValidationError as error:
            if not self._set_aside(chunk, error):
                raise
        except PayloadTooLargeError:
            if len(chunk.open) < 2:
                raise
            half = chunk.split()
            try:
                await self._line.acquire()
            except BaseException:
                self._end(half)
                raise
            self._start_chunk(half)

    async def _submit_once(self, chunk: Chunk) -> None:
        """Submit, unless the run is stopped before that is on its way."""
        self._close_submission(chunk)
        submission = chunk.submission = self._submissions.begin(self._spec.webhook_url)

        def body() -> bytes:
            self._leave_line(chunk)
            contacts = tuple(chunk.open.values())
            return bulk_body(contacts, self._spec.enrichment_type, submission.webhook_url)

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
            now = self._pipeline.limiter.clock()
            accepted = Submitted.of(reply, tuple(chunk.open.values()), now, submission.push)
            submission.accepted(accepted.workflow_id, accepted.task_ids)
            chunk.submitted = accepted

    def _close_submission(self, chunk: Chunk) -> None:
        if chunk.submission is not None:
            chunk.submission.close()
            chunk.submission = None

    def _leave_line(self, chunk: Chunk) -> None:
        if chunk.in_line:
            chunk.in_line = False
            self._line.release()

    def _set_aside(self, chunk: Chunk, error: RequestValidationError) -> bool:
        """Report the contacts that a 422 names as invalid; False if it names none of this chunk."""
        contacts = tuple(chunk.open.values())
        named = {found.contact_index: found.msg for found in error.field_errors}
        bad = {index: why for index, why in named.items() if index is not None and 0 <= index < len(contacts)}
        for position, reason in bad.items():
            self._close(chunk, settle.without_row(contacts[position], "invalid", f"refused: {reason}"))
        self._settle_budget(chunk, len(bad))
        return bool(bad)

    async def _find_lost(self, chunk: Chunk, submission: Submission) -> None:
        """Take the results of a chunk whose submit was not answered, if its webhook tells of them."""
        patience = self._polls.patience(BULK_STATUS.name)
        results = await results_of_lost(
            submission,
            tuple(chunk.open.values()),
            self._spec.enrichment_type,
            fetcher=self._fetcher,
            within_s=patience.silent_at(0.0, eager=False, scout=True),
            now=self._pipeline.limiter.clock(),
        )
        if results is not None:
            self.outcome.accepted = True
            self.summary.workflows += 1
            self._settle(chunk, results)

    def _settle(self, chunk: Chunk, fetched: Sequence[EnrichmentResult]) -> None:
        """Close every contact of a finished workflow."""
        settled = sum(result.status != "pending" for result in fetched)
        self._settle_budget(chunk, settled, sum(result.credits for result in fetched))
        for result in fetched:
            self._pipeline.counters.count_credits(result.credits_charged, result.credits_estimated)
            self._close(chunk, result)

    def _settle_budget(self, chunk: Chunk, contacts: int, spent: float = 0.0) -> None:
        self._budget.settle(contacts, spent)
        chunk.reserved -= contacts

    # -- handing out ---------------------------------------------------------------------------

    def _close(self, chunk: Chunk, result: EnrichmentResult) -> None:
        self._hand_out_to_all(chunk.open.pop(result.index), result)

    def _end(self, chunk: Chunk) -> None:
        """Hand out what is true of all that is left of a chunk. Awaits nothing: we may be cancelled."""
        if chunk.submitted is None and chunk.doubt is None:
            self._settle_budget(chunk, chunk.reserved)
        for contact, result in chunk.end(self._spec.enrichment_type, self.outcome.stopped_by):
            self._hand_out_to_all(contact, result)

    def _hand_out_to_all(self, contact: Prepared, result: EnrichmentResult) -> None:
        """Hand out a result, also to the duplicates that wait for it."""
        self._hand_out(result)
        for copy in self._duplicates.settle(contact.identity, result):
            self._hand_out(copy)

    def _hand_out(self, result: EnrichmentResult) -> None:
        self.summary.count(result)
        self.results.put(result)

    # -- stopping ------------------------------------------------------------------------------

    def _stop(self, error: CleanlistError) -> None:
        """Read and submit nothing more. Workflows that were accepted are still waited for."""
        if self.outcome.stopped_by is None:
            self.outcome.stopped_by = error
        self._reading.cancel()
        for scope in self._waiting_submits:
            scope.cancel()

    def _ended_badly(self, error: CleanlistError) -> None:
        """Stop if the next chunk would only end the same way."""
        self._bad_chunks += 1
        refused = not self.outcome.accepted and isinstance(error, APIError | ConfigurationError)
        if refused or isinstance(error, _ENDS_THE_RUN) or self._bad_chunks >= _FAILURES_IN_A_ROW:
            self._stop(error)

    # -- telling -------------------------------------------------------------------------------

    def _tell(self) -> None:
        self._teller.tell(self._open_chunks)

    def _note_lookups(self, count: int) -> None:
        self._teller.note_lookups(count, self._open_chunks)


async def _each(source: ContactSource) -> AsyncGenerator[ContactLike, None]:
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
        f"max_credits = {budget.max_credits:,.10g} does not cover another contact, which can cost "
        f"{budget.per_contact}; {committed:,.10g} are spent or held.",
        fix="Raise max_credits to go on.",
    )
    error.max_credits, error.committed_credits = budget.max_credits, committed
    return error


def _deadline_error(deadline_s: float | None, *, accepted: bool) -> DeadlineExceededError:
    return DeadlineExceededError(
        f"The run took longer than deadline_s = {deadline_s or 0:g} s.",
        fix="What was accepted is pending: client.collect() fetches it for free.",
        billed="unknown" if accepted else "no",
    )
