"""One chunk of a bulk run, from its submit to its results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from anyio.abc import TaskGroup

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.chunk import Chunk, HeldChunks, RunSpec, contacts_within
from cleanlist_async.enrich.chunk_submitter import ChunkSubmitter, Claims
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.enrich.report import RunOutcome
from cleanlist_async.enrich.result_sink import ChangeSignal, ProgressReporter, ResultSink
from cleanlist_async.enrich.submit_outcome import (
    ENDS_EVERY_SUBMIT,
    FAILURES_IN_A_ROW,
    Accepted,
    Refused,
    Retry,
    SetAside,
    Split,
    Stop,
    Unknown,
    judge,
    reason_of,
)
from cleanlist_async.errors import (
    APIConnectionError,
    BudgetExceededError,
    ClaimLostError,
    CleanlistError,
    RateLimitError,
    StoreError,
)
from cleanlist_async.facts import WORST_CASE_CREDITS
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.submission import Submission

log: Final = logging.getLogger("cleanlist_async")


@dataclass(eq=False, slots=True)
class RunParts:
    """What all chunks of a run share.

    Attributes
    ----------
    stop
        Ends the run with an error: nothing more is read or submitted.
    start
        Starts the task of a chunk that has a place in the line.
    tried_one
        Whether a first submit has ended, which shows if the key is good.
    held
        Chunks that wait for credits which what is under way may give back.
    failures, troubles
        Failures in a row, and the unclear outcomes that are counted among them.

    """

    spec: RunSpec
    outcome: RunOutcome
    progress: ProgressReporter
    sink: ResultSink
    submitter: ChunkSubmitter
    fetcher: Fetcher
    claims: Claims
    change: ChangeSignal
    stop: Callable[[CleanlistError], None]
    start: Callable[[Chunk], None]
    tried_one: bool = False
    held: HeldChunks = field(default_factory=HeldChunks)
    failures: int = 0
    troubles: int = 0

    @property
    def is_busy(self) -> bool:
        """Whether any chunk has a task."""
        return self.progress.open_workflows + len(self.held) > 0

    def end(self, chunk: Chunk) -> None:
        """Hand out what is true of all that is left of a chunk. Awaits nothing: the run may be cancelled."""
        if chunk.workflow is None and chunk.doubt is None:
            self.claims.unsent(chunk.open.values())
        self.sink.end(chunk, self.outcome.stopped_by)

    async def start_in_turn(self, chunk: Chunk) -> None:
        """Start the task of a chunk once it has a place in the line."""
        # Until then it has no task of its own: if this one is cancelled, it must be ended here.
        try:
            await self.submitter.enter_line()
        except BaseException:
            self.end(chunk)
            raise
        self.start(chunk)


class ChunkRunner:
    """Brings a chunk from its submit to its results."""

    def __init__(self, parts: RunParts, group: TaskGroup) -> None:
        self._parts = parts
        self._group = group

    async def run(self, chunk: Chunk) -> None:
        """Bring a chunk to its end. Raises nothing of its own."""
        try:
            await self._submit(chunk)
            if chunk.workflow is not None:
                self._parts.progress.accepted[chunk.workflow.workflow_id] = len(chunk.open)
                self._parts.progress.report()
                fetched = await self._parts.fetcher.fetch(chunk.workflow, self._parts.spec.enrichment_type)
                await self._settle(chunk, fetched)
            elif chunk.doubt is not None and chunk.submission is not None:
                await self._find_lost(chunk, chunk.submission)
        except CleanlistError as error:
            chunk.refusal = error
            self._parts.outcome.note(error)
            # A status request that is refused for the key says as much about the next submit.
            if isinstance(error, (*ENDS_EVERY_SUBMIT, APIConnectionError)):
                self._parts.stop(error)
        finally:
            self._parts.submitter.close(chunk)
            if chunk.workflow is not None and chunk.open and chunk.record is not None:
                await chunk.record.leave()
            self._parts.end(chunk)
            if chunk.workflow is not None:
                self._parts.progress.accepted.pop(chunk.workflow.workflow_id, None)
            self._parts.progress.open_workflows -= 1
            self._parts.change.set()
        self._parts.progress.report()

    async def _submit(self, chunk: Chunk) -> None:
        """Submit the chunk, in as many attempts as it takes; its state says how that ended."""
        try:
            while chunk.to_submit and self._parts.outcome.stopped_by is None:
                contacts = tuple(chunk.open.values())
                try:
                    if (workflow := await self._parts.submitter.submit(chunk, contacts)) is not None:
                        await self._accept(chunk, workflow)
                except BudgetExceededError as error:
                    await self._wait_for_credits(chunk, error)
                except CleanlistError as error:
                    await self._apply(error, chunk, contacts)
        finally:
            # A chunk that was cancelled in the line has not built its body, which gives up its place.
            self._parts.submitter.leave_line(chunk)
            self._parts.tried_one = True
            self._parts.change.set()

    async def _apply(self, error: CleanlistError, chunk: Chunk, contacts: tuple[Prepared, ...]) -> None:
        """Act on the outcome of a submit that was not plainly accepted."""
        if isinstance(error, ClaimLostError):
            self._parts.claims.follow(self._parts.sink.withdraw(chunk), None, self._group)
            return
        outcome = judge(error, contacts, sent=True)
        if isinstance(outcome, Unknown | Retry | Refused):
            self._parts.outcome.note(error)
        if chunk.record is not None:
            await chunk.record.ended(outcome, error)
        match outcome:
            case Accepted(workflow_id):
                await self._accept(chunk, self._parts.submitter.salvage(chunk, contacts, workflow_id))
            case SetAside(invalid):
                self._parts.claims.unsent(contacts[position] for position in invalid)
                self._parts.outcome.has_refusals = True
                self._parts.sink.set_aside(chunk, invalid.values())
            case Split():
                await self._parts.start_in_turn(chunk.split())
            case Unknown():
                chunk.doubt = error
                self._count_failure(error, outcome)
            case Retry() | Refused() | Stop():  # the pipeline has tried as often as it may
                chunk.refusal = error
                self._count_failure(error, outcome)
                # Where the run ends with it, its own error says so.
                if self._parts.outcome.stopped_by is None:
                    log.warning(
                        "the server refused %d contacts, and the run goes on without them: %s",
                        len(contacts),
                        reason_of(error),
                    )

    async def _accept(self, chunk: Chunk, workflow: AcceptedWorkflow) -> None:
        self._parts.outcome.accepted = True
        self._parts.failures = 0
        self._parts.progress.summary.workflows += 1
        self._parts.submitter.accepted(chunk, workflow)
        if chunk.record is not None:
            await self._record(chunk.record.accepted(workflow))

    async def _settle(self, chunk: Chunk, results: Sequence[EnrichmentResult]) -> None:
        if chunk.record is not None:
            await self._record(chunk.record.settle(results))
        self._parts.sink.settle(chunk, results)

    async def _record(self, step: Coroutine[Any, Any, None]) -> None:
        """Record a step in the store. If that fails nothing more is sent, and what is paid is fetched."""
        try:
            await step
        except StoreError as error:
            self._parts.stop(error)

    async def _wait_for_credits(self, chunk: Chunk, error: BudgetExceededError) -> None:
        """Wait until a budget of the store covers a chunk, while what is under way may give credits back.

        Then keep of it what is covered. Where nothing is, the run ends.
        """
        parts, price = self._parts, WORST_CASE_CREDITS.get(self._parts.spec.enrichment_type)
        try:
            if price and error.max_credits is not None and await self._is_released(chunk, price):
                return
        except StoreError as problem:
            chunk.refusal = problem
            parts.stop(problem)
            return
        if fitting := contacts_within(error, parts.spec.enrichment_type):
            if (rest := parts.held.take_in(chunk.split(fitting))) is not None:
                await parts.start_in_turn(rest)
        else:
            chunk.refusal = error
            parts.stop(error)

    async def _is_released(self, chunk: Chunk, price: int) -> bool:
        """Wait for credits while other submits of the run are open; return whether it waited."""
        parts, waited = self._parts, False
        # Neither in the line nor among the open ones meanwhile, or it would wait for itself.
        parts.submitter.leave_line(chunk)
        parts.progress.open_workflows -= 1
        try:
            with parts.held.holding(chunk), parts.progress.short_of_credits():
                while parts.outcome.stopped_by is None and (
                    parts.progress.open_workflows
                    or parts.submitter.is_collecting
                    or not parts.held.is_next(chunk)
                ):
                    waited = True
                    await parts.change.wait()
                    is_next = parts.held.is_next(chunk)
                    if is_next and await parts.submitter.room() >= price * len(chunk.open):
                        break
        finally:
            parts.progress.open_workflows += 1
        return waited

    async def _find_lost(self, chunk: Chunk, submission: Submission) -> None:
        """Take the results of a chunk whose submit was not answered, if its webhook names the workflow."""
        contacts = tuple(chunk.open.values())
        results = await self._parts.fetcher.fetch_lost(submission, contacts, self._parts.spec.enrichment_type)
        if results is not None:
            self._parts.outcome.accepted = True
            self._parts.progress.summary.workflows += 1
            if chunk.record is not None and (workflow_id := results[0].workflow_id) is not None:
                # The time is not written: the store has a clock of its own.
                await self._record(chunk.record.accepted(AcceptedWorkflow.named(workflow_id, contacts, 0.0)))
            await self._settle(chunk, results)

    def _count_failure(self, error: CleanlistError, outcome: Retry | Refused | Stop | Unknown) -> None:
        """Stop if the next chunk would only end the same way."""
        # Of submits that were in flight together, one counts: they met the same trouble.
        troubles = self._parts.submitter.troubles
        self._parts.failures += not isinstance(outcome, Unknown) or troubles != self._parts.troubles
        self._parts.troubles = troubles
        # The first chunk goes alone, so its refusal stands for all.
        is_first = isinstance(outcome, Refused | Retry) and not self._parts.outcome.accepted
        # After a 429, the pipeline has waited for as long as it may.
        ends_run = isinstance(outcome, Stop) or isinstance(error, APIConnectionError | RateLimitError)
        if is_first or ends_run or self._parts.failures >= FAILURES_IN_A_ROW:
            self._parts.stop(error)
