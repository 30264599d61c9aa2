"""Runs a job from the state in its journal to the end, or until it has to stop."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final, cast

import anyio
import anyio.abc
import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.report import Summary
from cleanlist_async.enrich.result_sink import report_end
from cleanlist_async.enrich.row_results import priced_by_halves
from cleanlist_async.enrich.submit_outcome import reason_of
from cleanlist_async.errors import (
    APIConnectionError,
    CleanlistError,
    ConfigurationError,
    JournalError,
    NotFoundError,
    StoreError,
)
from cleanlist_async.events import RunStarted, report_failure
from cleanlist_async.events.delivery import report_settled
from cleanlist_async.job.chunk_sender import ChunkSender
from cleanlist_async.job.journal.records import SETTLED, Acceptance, ChunkRow, ChunkState
from cleanlist_async.job.planning import PlannedChunk
from cleanlist_async.job.run_state import RunContext
from cleanlist_async.job.source import STEPS_AT_ONCE
from cleanlist_async.job.status import WaitsFor, pause_note
from cleanlist_async.job.submits import Intent, WebhookInbox, age_of
from cleanlist_async.job.unknown import UnknownPolicy
from cleanlist_async.polling.price import Demand, Demands
from cleanlist_async.results import EnrichmentResult

log: Final = logging.getLogger("cleanlist_async")


class ChunkCollector:
    """Collects the results of accepted chunks, each in a task."""

    def __init__(self, run: RunContext) -> None:
        self.settled = Summary()
        """Counts of the results that arrived in this run."""
        self._run = run

    def start(self, group: anyio.abc.TaskGroup, chunk: PlannedChunk, submitted_at: float | None) -> None:
        """Wait for the workflow of a chunk in a task; *submitted_at* is None for an earlier process."""
        self._run.state.open_workflows += 1
        group.start_soon(self._collect, chunk, submitted_at)

    async def _collect(self, chunk: PlannedChunk, submitted_at: float | None) -> None:
        # Task ids follow the positions of what was sent, so what was left out there is left out here.
        left_out = self._run.journal.not_sent(chunk.row.number)
        contacts = [contact for contact in chunk.contacts if contact.index not in left_out]
        try:
            results = await self._results(chunk.row, contacts, submitted_at)
            if self._run.header.half_full_price == "each":
                results = [priced_by_halves(result) for result in results]
            # The store first: what is done in the journal is not fetched again.
            await self._share(chunk.row, contacts, results)
            self._settle(chunk, results)
            if chunk.row.workflow_id and not any(result.status == "pending" for result in results):
                spent = sum(result.credits for result in results)
                await self._run.pipeline.spending.settle(chunk.row.workflow_id, spent)
        except JournalError:
            raise  # the disk fails: the other workflows are not waited for either
        except NotFoundError as error:
            # It was paid for, so it is never planned again: each resume asks once more.
            self._run.journal.expired(chunk.row.number, reason_of(error))
        except CleanlistError as error:
            self._run.state.stop(error)  # the chunk stays accepted, and is asked for again on resume
        finally:
            self._run.state.open_workflows -= 1
            self._run.state.change.set()  # its place and its unspent credits are free again
            self._run.report()

    async def _share(
        self, chunk: ChunkRow, contacts: Sequence[Prepared], results: Sequence[EnrichmentResult]
    ) -> None:
        """Let others have what was bought. Where the store fails now, that is made up for later."""
        if self._run.shared is None:
            return
        try:
            await self._run.shared.settle(chunk, contacts, results)
        except StoreError as error:
            log.warning("results of a job could not be recorded in the store: %s", error)

    async def _results(
        self, row: ChunkRow, contacts: Sequence[Prepared], submitted_at: float | None
    ) -> list[EnrichmentResult]:
        """Ask for results; within ten minutes of the submit a 404 only means that a replica lags."""
        # By the time on disk: the submit may be that of a process that crashed a moment ago.
        clock, attempts = self._run.pipeline.limiter.clock, self._run.journal.attempts(row.number)
        began, age_s = clock(), age_of(attempts[-1].started_at) if attempts else 0.0
        while True:
            try:
                return await self._run.submitter.results(
                    row, contacts, submitted_at, lambda: self._run.journal.fetching(row.number)
                )
            except NotFoundError:
                if age_s + clock() - began >= facts.NEW_WORKFLOW_GRACE_S:
                    raise
            await anyio.sleep(self._run.pipeline.limiter.limits.window_s / 2)

    def _settle(self, chunk: PlannedChunk, results: Sequence[EnrichmentResult]) -> None:
        # A partial chunk is fetched again on resume: its certain results stay as they are on disk.
        before = {
            result.index
            for result in self._run.journal.results_of(chunk.row, chunk.by_place())
            if result.status != "pending"
        }
        fresh = [result for result in results if result.index not in before]
        # Disk, cache, caller, in this order: a crash in between repeats a result, and loses none.
        chunk.row = self._run.journal.settled(chunk.row.number, fresh, chunk.row.request_id)
        certain = [result for result in fresh if result.status != "pending"]
        if self._run.cache is not None:
            self._run.cache.keep(chunk.contacts, certain, self._run.header.enrichment_type)
        workflow_id = next((one.workflow_id for one in certain), None)
        pipeline = self._run.pipeline
        report_settled(pipeline.events, pipeline.counters, "job", workflow_id, certain)
        for result in certain:
            self.settled.count(result)
            self._run.handout.give(result)


class Engine:
    """One run of a job, in the client's task group; its results are read from `results`."""

    def __init__(
        self,
        run: RunContext,
        *,
        inbox: WebhookInbox | None,
        policy: UnknownPolicy,
        demands: Demands,
        only_pilot: bool,
    ) -> None:
        self.finished = anyio.Event()
        self.wants_results = run.handout.is_wanted
        self.outcome = run.state.outcome
        self.results = run.handout.queue
        self._run = run
        self._journal = run.journal
        self._state = run.state
        self._inbox = inbox
        self._policy = policy
        self._only_pilot = only_pilot
        self._sender = ChunkSender(run)
        self._collector = ChunkCollector(run)
        self._scope = anyio.CancelScope()
        self._interruption: ConfigurationError | None = None
        self._in_doubt: list[PlannedChunk] = []
        self._demands = demands
        self._walked = 0

    @property
    def waits_for(self) -> WaitsFor | None:
        """Why nothing is sent right now."""
        return self._state.waits_for

    def cancel(self) -> None:
        """Stop. A submit in flight is awaited; workflows continue at the server and stay in the journal."""
        self._scope.cancel()

    def interrupt(self, reason: ConfigurationError) -> None:
        """Note *reason* for whoever reads the results of a run that is about to be cancelled."""
        if not self.finished.is_set() and self.outcome.stopped_by is None:
            self.outcome.stopped_by = self._interruption = reason

    def wake(self) -> None:
        """Make the run look at the journal again."""
        self._state.change.set()

    async def main(self) -> None:
        """Run to the end. Raises nothing of its own: see `outcome`, `results` and the journal."""
        clock, events = self._run.pipeline.limiter.clock, self._run.pipeline.events
        began, demand = clock(), Demand(self._submits_left)
        events.emit(RunStarted("job", self._run.header.enrichment_type, self._run.header.contacts))
        try:
            with self._scope:
                self._demands.add(demand)
                await self._run_to_end()
        except CleanlistError as error:
            # Raised outside a pass, by the journal or the source: it counts for more than an earlier stop.
            self.outcome.stopped_by = error
        except Exception as problem:  # noqa: BLE001  # raised again where the job is awaited
            self.outcome.failure = _unwrapped(problem)
            report_failure("a job", problem)
        except BaseException:  # the client's task group was cancelled, not this run
            self._state.stop(ConfigurationError("The client was closed before the job was over."))
            raise
        finally:
            self.outcome.conclude(self._collector.settled)
            self._demands.discard(demand, clock())
            self.results.close()  # else a reader of the results would wait for ever
            self._report_end(clock() - began)
            self.finished.set()
            self._run.report()

    def _report_end(self, elapsed_s: float) -> None:
        error = self.outcome.error
        if error is self._interruption:  # the reason that others are told is no error of the run
            error = None
        events, settled = self._run.pipeline.events, self._collector.settled
        report_end(events, "job", settled, elapsed_s, error, interrupted=self._scope.cancelled_caught)

    async def _run_to_end(self) -> None:
        # Opening the journal did this too, but a cancelled run of this very object may have come since.
        self._journal.recover()
        self._journal.try_again()
        self._journal.pause(None)  # what paused the last run may be gone
        while True:
            try:
                # The inbox is read before the source: its events may prove that a chunk must not be sent
                # again. It is closed after the collectors, which its events wake.
                receiving = nullcontext() if self._inbox is None else self._inbox.receiving()
                async with receiving, anyio.create_task_group() as group:
                    await self._pass(group)
            except* CleanlistError as stopped:
                self._state.stop(cast("CleanlistError", _unwrapped(stopped)))
            if self._sender.kept_back is not None:
                self._state.stop(self._sender.kept_back)
            # A chunk that was proven or decided after its turn is planned or accepted again.
            if self._state.is_stopping or not self._has_work_left():
                break
        # For whoever looks at the status; what is left to do is decided by the states of the chunks alone.
        if self.outcome.stopped_by is not None:
            self._journal.pause(*pause_note(self.outcome.stopped_by))
        if self.wants_results:
            await self._run.handout.give_leftovers()

    def _has_work_left(self) -> bool:
        """Whether another pass over the source would find something to do."""
        if self._only_pilot:
            return False
        return bool(self._journal.counts().keys() & {ChunkState.PLANNED, ChunkState.ACCEPTED})

    # -- one pass over the source --------------------------------------------------------------

    async def _pass(self, group: anyio.abc.TaskGroup) -> None:
        self._walked = 0
        for count, step in enumerate(self._run.handout.walk()):
            if count % STEPS_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            if self._state.is_stopping:
                return  # the task group still waits for the workflows that were accepted
            self._walked += len(step.contacts) if isinstance(step, PlannedChunk) else 1
            if isinstance(step, PlannedChunk):
                if step.row.is_pilot or not self._only_pilot:
                    await self._advance(step, group)
            elif isinstance(step, Invalid):
                self._run.handout.skip(step)
            else:
                self._run.handout.follow(step)
            await self._run.handout.room()
            # In every step: news of a chunk in doubt is acted upon at once, not at the end of the source.
            await self._reconsider(group)
        while self._in_doubt and not self._state.is_stopping:
            with self._state.waiting_for("evidence"):
                await self._state.change.wait()
            await self._reconsider(group)

    def _submits_left(self) -> int:
        """Return how many chunks are still to be sent, by the contacts that the pass has not reached yet."""
        if self._only_pilot or self._state.is_stopping or self._state.waits_for is not None:
            return 0
        unsent = max(0, self._run.header.contacts - self._walked)
        return math.ceil(unsent / facts.MAX_CONTACTS_PER_REQUEST)

    async def _advance(self, chunk: PlannedChunk, group: anyio.abc.TaskGroup) -> None:
        """Take the step that the state of a chunk calls for."""
        await anyio.lowlevel.checkpoint()
        # A webhook or a decision of the owner may have moved it since it was read.
        chunk.row = self._journal.chunk(chunk.row.number)
        if chunk.row.state is ChunkState.UNKNOWN:
            await self._examine(chunk)
        if chunk.row.state is ChunkState.PLANNED:
            # Awaited, not started in a task: one chunk at a time is being sent, so a crash leaves at most
            # one unknown. At one request every two seconds this costs no throughput.
            if (submitted_at := await self._sender.send(chunk)) is not None:
                self._collector.start(group, chunk, submitted_at)
            self._note_doubt(chunk)
        elif chunk.row.state is ChunkState.UNKNOWN and self._run.submitter.may_learn(chunk.row):
            self._in_doubt.append(chunk)
        elif chunk.row.state in {ChunkState.ACCEPTED, ChunkState.PARTIAL}:
            # Workflows of earlier runs take places too: a resumed job must not poll thousands at once.
            await self._state.room()
            self._collector.start(group, chunk, None)
        elif chunk.row.state in SETTLED:
            self._run.handout.give_stored(chunk)

    # -- unknown outcomes ----------------------------------------------------------------------

    async def _examine(self, chunk: PlannedChunk) -> None:
        """Look for evidence on a chunk whose outcome is unknown; without any, ask the policy."""
        number = chunk.row.number
        try:
            found = await self._run.submitter.look(chunk.row, chunk.contacts)
        except APIConnectionError:
            found = None  # not reached: that is evidence of nothing
        if isinstance(found, Acceptance):
            if found.attempt is not None:  # the answer to a repeated import, which is an attempt of its own
                await self._sender.accept(chunk, Intent(self._journal, found.attempt, chunk.row.held), found)
            else:
                chunk.row = self._journal.prove(number, "evidence", found.workflow_id)
        elif found is False:
            chunk.row = self._journal.prove(number, "replay", None)
        elif not self._run.submitter.may_learn(chunk.row):  # free evidence first, then what may cost twice
            at_risk = chunk.row.held * self._sender.budget.per_contact
            decision = self._policy.decide(chunk.row, at_risk, self._journal.resubmitted_credits())
            if decision is not None:
                chunk.row = self._journal.decide(number, decision, "policy", at_risk)

    def _note_doubt(self, chunk: PlannedChunk) -> None:
        # Whatever may still be learned of it: the policy has not been asked yet.
        if chunk.row.state is ChunkState.UNKNOWN:
            self._in_doubt.append(chunk)

    async def _reconsider(self, group: anyio.abc.TaskGroup) -> None:
        """Look again at chunks whose outcome is unknown, and advance those whose outcome is known now."""
        waiting, self._in_doubt = self._in_doubt, []  # `_advance` puts back what stays unknown
        for chunk in waiting:
            await self._advance(chunk, group)


def _unwrapped(problem: Exception) -> Exception:
    """Return the first error of an exception group: callers never see groups."""
    while isinstance(problem, ExceptionGroup):
        problem = cast("ExceptionGroup[Exception]", problem).exceptions[0]
    return problem
