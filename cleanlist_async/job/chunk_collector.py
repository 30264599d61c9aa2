"""Waiting for the workflows of a job, and writing their results to disk before anyone sees them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import anyio
import anyio.abc

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.report import Summary
from cleanlist_async.enrich.row_results import priced_by_halves
from cleanlist_async.enrich.submit_outcome import reason_of
from cleanlist_async.errors import CleanlistError, JournalError, NotFoundError, StoreError
from cleanlist_async.events.delivery import report_settled
from cleanlist_async.job.journal.records import ChunkRow
from cleanlist_async.job.planning import PlannedChunk
from cleanlist_async.job.run_context import RunContext
from cleanlist_async.job.submits.bulk import age_of
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
