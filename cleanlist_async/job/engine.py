"""Runs a job from the state in its journal to the end, or until it has to stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import cast

import anyio
import anyio.abc
import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Invalid
from cleanlist_async.enrich.progress import report_end
from cleanlist_async.enrich.submit_outcome import reason_of
from cleanlist_async.errors import (
    APIConnectionError,
    CleanlistError,
    ConfigurationError,
    InsufficientCreditsError,
)
from cleanlist_async.events import RunStarted, report_failure
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.job.chunk_collector import ChunkCollector
from cleanlist_async.job.chunk_sender import ChunkSender
from cleanlist_async.job.handout import Handout
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Acceptance, Header
from cleanlist_async.job.journal.states import SETTLED, ChunkState
from cleanlist_async.job.planning import STEPS_AT_ONCE, PlannedChunk, Walk
from cleanlist_async.job.run_context import RunContext
from cleanlist_async.job.run_state import RunState, WaitsFor
from cleanlist_async.job.shared_purchases import SharedPurchases
from cleanlist_async.job.source import Source
from cleanlist_async.job.submits.bulk import Intent, Submitter
from cleanlist_async.job.submits.webhook_inbox import WebhookInbox
from cleanlist_async.job.unknown import UnknownPolicy
from cleanlist_async.polling.price import Demand, Demands
from cleanlist_async.tables.suppression import Suppression


class Engine:
    """One run of a job, in the client's task group; its results are read from `results`."""

    def __init__(
        self,
        pipeline: Pipeline,
        journal: Journal,
        header: Header,
        source: Source,
        submitter: Submitter,
        *,
        inbox: WebhookInbox | None,
        policy: UnknownPolicy,
        cache: ResultCache | None,
        shared: SharedPurchases | None,
        suppression: Suppression | None,
        max_open: int,
        only_pilot: bool = False,
        wants_results: bool,
        report: Callable[[], None],
        demands: Demands,
    ) -> None:
        self.finished = anyio.Event()
        self.wants_results = wants_results
        self._pipeline = pipeline
        self._journal = journal
        self._header = header
        self._source = source
        self._submitter = submitter
        self._inbox = inbox
        self._policy = policy
        self._only_pilot = only_pilot
        self._report = report
        self._state = RunState(pipeline.limiter, max_open)
        self.outcome = self._state.outcome
        self._handout = Handout(journal, header, source, is_wanted=wants_results)
        self.results = self._handout.queue
        run = RunContext(
            pipeline,
            journal,
            header,
            submitter,
            cache,
            shared,
            suppression,
            self._state,
            self._handout,
            report,
        )
        self._sender = ChunkSender(run)
        self._collector = ChunkCollector(run)
        self._scope = anyio.CancelScope()
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

    def wake(self) -> None:
        """Make the run look at the journal again."""
        self._state.change.set()

    async def main(self) -> None:
        """Run to the end. Raises nothing of its own: see `outcome`, `results` and the journal."""
        clock, events = self._pipeline.limiter.clock, self._pipeline.events
        began, demand = clock(), Demand(self._submits_left)
        events.emit(RunStarted("job", self._header.enrichment_type, self._header.contacts))
        try:
            with self._scope:
                self._demands.add(demand)
                await self._run()
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
            report_end(events, "job", self._collector.settled, clock() - began, self.outcome.error)
            self.finished.set()
            self._report()

    async def _run(self) -> None:
        # Opening the journal did this too, but a cancelled run of this very object may have come since.
        self._journal.recover()
        self._journal.try_again()
        self._journal.pause(None)  # what paused the last run may be gone
        while True:
            try:
                # The inbox is read before the source: its events may prove that a chunk must not be sent
                # again. It is closed after the collectors, which its events wake.
                async with self._receiving_webhooks(), anyio.create_task_group() as group:
                    await self._pass(group)
            except* CleanlistError as stopped:
                self._state.stop(_first_of(stopped))
            if self._sender.kept_back is not None:
                self._state.stop(self._sender.kept_back)
            # A chunk that was proven or decided after its turn is planned or accepted again.
            if self._state.is_stopping or not self._has_work_left():
                break
        # For whoever looks at the status; what is left to do is decided by the states of the chunks alone.
        if self.outcome.stopped_by is not None:
            self._journal.pause(*_pause_note(self.outcome.stopped_by))
        if self.wants_results:
            await self._handout.give_leftovers()

    def _receiving_webhooks(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._inbox is None else self._inbox.receiving()

    def _has_work_left(self) -> bool:
        """Whether another pass over the source would find something to do."""
        if self._only_pilot:
            return False
        return bool(self._journal.counts().keys() & {ChunkState.PLANNED, ChunkState.ACCEPTED})

    # -- one pass over the source --------------------------------------------------------------

    async def _pass(self, group: anyio.abc.TaskGroup) -> None:
        self._walked = 0
        for count, step in enumerate(Walk(self._journal, self._header, self._source)):
            if count % STEPS_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            if self._state.is_stopping:
                return  # the task group still waits for the workflows that were accepted
            self._walked += len(step.contacts) if isinstance(step, PlannedChunk) else 1
            if isinstance(step, PlannedChunk):
                if step.row.is_pilot or not self._only_pilot:
                    await self._advance(step, group)
            elif isinstance(step, Invalid):
                self._handout.skip(step)
            else:
                self._handout.follow(step)
            await self._handout.room()
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
        unsent = max(0, self._header.contacts - self._walked)
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
        elif chunk.row.state is ChunkState.UNKNOWN and self._submitter.may_learn(chunk.row):
            self._in_doubt.append(chunk)
        elif chunk.row.state in {ChunkState.ACCEPTED, ChunkState.PARTIAL}:
            # Workflows of earlier runs take places too: a resumed job must not poll thousands at once.
            await self._state.room()
            self._collector.start(group, chunk, None)
        elif chunk.row.state in SETTLED:
            self._handout.give_stored(chunk)

    # -- unknown outcomes ----------------------------------------------------------------------

    async def _examine(self, chunk: PlannedChunk) -> None:
        """Look for evidence on a chunk whose outcome is unknown; without any, ask the policy."""
        number = chunk.row.number
        try:
            found = await self._submitter.look(chunk.row, chunk.contacts)
        except APIConnectionError:
            found = None  # not reached: that is evidence of nothing
        if isinstance(found, Acceptance):
            if found.attempt is not None:  # the answer to a repeated import, which is an attempt of its own
                await self._sender.accept(chunk, Intent(self._journal, found.attempt, chunk.row.held), found)
            else:
                chunk.row = self._journal.prove(number, "evidence", found.workflow_id)
        elif found is False:
            chunk.row = self._journal.prove(number, "replay", None)
        elif not self._submitter.may_learn(chunk.row):  # free evidence first, then what may cost twice
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


def _first_of(group: BaseExceptionGroup[CleanlistError]) -> CleanlistError:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _unwrapped(problem: Exception) -> Exception:
    """Return the first error of an exception group: callers never see groups."""
    while isinstance(problem, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", problem)
        problem = group.exceptions[0]
    return problem


def _pause_note(error: CleanlistError) -> tuple[str, float | None]:
    shortfall = error.shortfall_credits if isinstance(error, InsufficientCreditsError) else None
    return reason_of(error), shortfall
