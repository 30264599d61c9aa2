"""One chunk of a bulk run, from its submit to its results."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from anyio.abc import TaskGroup

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.budget import contacts_within
from cleanlist_async.enrich.change_signal import ChangeSignal
from cleanlist_async.enrich.chunk import Chunk, RunSpec
from cleanlist_async.enrich.chunk_submitter import ChunkSubmitter
from cleanlist_async.enrich.claims import Claims
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.enrich.progress import ProgressReporter
from cleanlist_async.enrich.report import RunOutcome
from cleanlist_async.enrich.result_sink import ResultSink
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
)
from cleanlist_async.errors import (
    APIConnectionError,
    BudgetExceededError,
    ClaimLostError,
    CleanlistError,
    StoreError,
)
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.submission import Submission


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
    failures: int = 0

    def end(self, chunk: Chunk) -> None:
        """Hand out what is true of all that is left of a chunk. Awaits nothing: the run may be cancelled."""
        if chunk.workflow is None and chunk.doubt is None:
            self.claims.unsent(chunk.open.values())
        self.sink.end(chunk, self.outcome.stopped_by)


class ChunkRunner:
    """Submits a chunk, waits for its workflow, and hands out its results."""

    def __init__(self, parts: RunParts, group: TaskGroup) -> None:
        self._parts = parts
        self._group = group

    async def run(self, chunk: Chunk) -> None:
        """Submit a chunk, wait for its workflow, and hand out its results."""
        try:
            await self._submit(chunk)
            if chunk.workflow is not None:
                self._parts.progress.report()
                fetched = await self._parts.fetcher.fetch(chunk.workflow, self._parts.spec.enrichment_type)
                await self._settle(chunk, fetched)
            elif chunk.doubt is not None and chunk.submission is not None:
                await self._find_lost(chunk, chunk.submission)
        except CleanlistError as error:
            chunk.refusal = error
            # A status request that is refused for the key says as much about the next submit.
            if isinstance(error, (*ENDS_EVERY_SUBMIT, APIConnectionError)):
                self._parts.stop(error)
        finally:
            self._parts.submitter.close(chunk)
            if chunk.workflow is not None and chunk.open and chunk.record is not None:
                await chunk.record.leave()
            self._parts.end(chunk)
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
                    self._shrink(chunk, error)
                except CleanlistError as error:
                    await self._apply(error, chunk, contacts)
            if chunk.budget_end is not None:
                self._parts.stop(chunk.budget_end)
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
            self._parts.outcome.fault = self._parts.outcome.fault or error
        if chunk.record is not None:
            await chunk.record.ended(outcome, error)
        match outcome:
            case Accepted(workflow_id):
                await self._accept(chunk, self._parts.submitter.salvage(chunk, contacts, workflow_id))
            case SetAside(invalid):
                self._parts.claims.unsent(contacts[position] for position in invalid)
                self._parts.sink.set_aside(chunk, invalid.values())
            case Split():
                await self._split(chunk)
            case Unknown():
                chunk.doubt = error
                self._count_failure(error, outcome)
            case Retry() | Refused() | Stop():  # the pipeline has tried as often as it may
                chunk.refusal = error
                self._count_failure(error, outcome)

    async def _accept(self, chunk: Chunk, workflow: AcceptedWorkflow) -> None:
        self._parts.outcome.accepted = True
        self._parts.failures = 0
        self._parts.progress.summary.workflows += 1
        self._parts.submitter.accepted(chunk, workflow)
        if chunk.record is not None:
            await self._record(chunk.record.accepted(workflow))

    async def _settle(self, chunk: Chunk, results: Sequence[EnrichmentResult]) -> None:
        """Record the results of a chunk, then hand them out."""
        if chunk.record is not None:
            await self._record(chunk.record.settle(results))
        self._parts.sink.settle(chunk, results)

    async def _record(self, step: Coroutine[Any, Any, None]) -> None:
        """Record a step in the store. If that fails nothing more is sent, and what is paid is fetched."""
        try:
            await step
        except StoreError as error:
            self._parts.stop(error)

    async def _split(self, chunk: Chunk) -> None:
        """Start half of a chunk that is too large as a chunk of its own."""
        # From here on the half has no task of its own: if this one is cancelled, it must be ended here.
        half = chunk.split()
        try:
            await self._parts.submitter.enter_line()
        except BaseException:
            self._parts.end(half)
            raise
        self._parts.start(half)

    def _shrink(self, chunk: Chunk, error: BudgetExceededError) -> None:
        """Keep of a chunk what the budget of the store still covers, and end the rest."""
        fitting = contacts_within(error, self._parts.spec.enrichment_type)
        chunk.budget_end = error
        if not fitting:
            chunk.refusal = error
            return
        rest = chunk.split(fitting)
        rest.refusal = error
        self._parts.end(rest)

    async def _find_lost(self, chunk: Chunk, submission: Submission) -> None:
        """Take the results of a chunk whose submit was not answered, if its webhook names the workflow."""
        contacts = tuple(chunk.open.values())
        results = await self._parts.fetcher.fetch_lost(submission, contacts, self._parts.spec.enrichment_type)
        if results is not None:
            self._parts.outcome.accepted = True
            self._parts.progress.summary.workflows += 1
            if chunk.record is not None and (workflow_id := results[0].workflow_id) is not None:
                await self._record(chunk.record.accepted(AcceptedWorkflow.named(workflow_id, contacts, 0.0)))
            await self._settle(chunk, results)

    def _count_failure(self, error: CleanlistError, outcome: Retry | Refused | Stop | Unknown) -> None:
        """Stop if the next chunk would only end the same way."""
        self._parts.failures += 1
        # The first chunk goes alone, so its refusal stands for all.
        is_first = isinstance(outcome, Refused | Retry) and not self._parts.outcome.accepted
        ends_run = isinstance(outcome, Stop) or isinstance(error, APIConnectionError)
        if is_first or ends_run or self._parts.failures >= FAILURES_IN_A_ROW:
            self._parts.stop(error)
