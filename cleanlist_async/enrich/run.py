"""One bulk run: read, submit, wait, match, hand out. Memory stays flat, whatever the input's length."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace
from itertools import chain
from typing import Final

import anyio
import anyio.lowlevel

from cleanlist_async.contacts.checks import FormCheck
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared
from cleanlist_async.enrich.change_signal import ChangeSignal
from cleanlist_async.enrich.chunk import Chunk, RunSpec
from cleanlist_async.enrich.chunk_runner import ChunkRunner, RunParts
from cleanlist_async.enrich.chunk_submitter import ChunkSubmitter
from cleanlist_async.enrich.claims import Claims
from cleanlist_async.enrich.dedupe import Duplicates, repeated_identities
from cleanlist_async.enrich.fetch import Fetcher
from cleanlist_async.enrich.look_alikes import LookAlikes
from cleanlist_async.enrich.progress import ProgressReporter, report_end
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.report import RunOutcome
from cleanlist_async.enrich.result_sink import ResultSink
from cleanlist_async.enrich.row_results import skipped
from cleanlist_async.errors import (
    CleanlistError,
    ConfigurationError,
    DeadlineExceededError,
    StoreError,
)
from cleanlist_async.events import RunKind, RunStarted, report_failure
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.webhooks.submissions import Submissions

_DUPLICATES_AHEAD: Final = 50_000
"""Duplicates of an endless source that wait for the result of their first before it is read on."""
_SILENCE_S: Final = 10.0
"""Seconds that claimed contacts wait for others to share their request, while none come."""


class BulkRun:
    """Runs in the client's task group; its results are read from `results`.

    Only the results of identities that occur more than once in *repeated_in* are remembered for later
    contacts; without it, those that the spec says.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        submissions: Submissions,
        spec: RunSpec,
        source: AsyncGenerator[Prepared | Invalid, None],
        *,
        purchases: Purchases | None,
        total: int | None,
        repeated_in: Iterable[ContactLike] | None = None,
    ) -> None:
        self.outcome = RunOutcome()
        self.finished = anyio.Event()
        self._spec = spec
        self._source = source
        self._total = total
        self._pipeline = pipeline
        self._polls = polls
        self._progress = ProgressReporter(pipeline, polls, spec.progress, total)
        self.summary = self._progress.summary
        self._sink = ResultSink(spec, self.summary, pipeline.counters)
        self.results = self._sink.queue
        self._submitter = ChunkSubmitter(pipeline, submissions, purchases, spec)
        options = replace(spec.options, deadline_s=None)
        fetcher = Fetcher(pipeline, polls, options, self._progress.report_lookups)
        claims = Claims(
            None if spec.is_unclaimed else purchases,
            spec.wanted,
            fetcher,
            put=self._sink.put_to_all,
            buy=self._start,
            fail=self._stop,
        )
        self._repeated_in = repeated_in
        self._scope = anyio.CancelScope()
        self._reading = anyio.CancelScope()
        self._contacts_read = 0
        self._form = FormCheck()
        self._is_read = anyio.Event()
        self._starts = 0
        self._change = ChangeSignal(pipeline.limiter)
        self._parts = RunParts(
            spec,
            self.outcome,
            self._progress,
            self._sink,
            self._submitter,
            fetcher,
            claims,
            self._change,
            stop=self._stop,
            start=self._start_chunk,
        )

    def cancel(self) -> None:
        """Stop: nothing more is submitted; what was accepted becomes pending."""
        self._scope.cancel()

    async def main(self) -> None:
        """Run to the end. Raises nothing of its own: see `outcome` and `results`."""
        events = self._pipeline.events
        self._progress.start()
        kind: RunKind = "enrich" if self._spec.job is None else "job"
        events.emit(RunStarted(kind, self._spec.enrichment_type, self._total))
        try:
            with self._scope:
                await self._run()
        except Exception as problem:  # noqa: BLE001  # raised again where the results are read
            self.outcome.failure = problem
            report_failure("a bulk run", problem)
        except BaseException:
            self._stop(ConfigurationError("The client was closed before the run was over."))
            raise
        finally:
            self.results.close()
            self._progress.report()
            report_end(events, kind, self.summary, self.summary.elapsed_s, self.outcome.error)
            self.finished.set()

    async def _run(self) -> None:
        deadline_s = self._spec.options.deadline_s
        with anyio.move_on_after(deadline_s) as deadline:
            if self._repeated_in is not None:
                self._sink.duplicates = Duplicates("all", await repeated_identities(self._repeated_in))
            try:
                async with anyio.create_task_group() as self._group:
                    self._runner = ChunkRunner(self._parts, self._group)
                    await self._feed()
            finally:
                self._parts.end(Chunk.of(self._parts.claims.left()))
                await self._parts.claims.aclose()
        if deadline.cancelled_caught:
            self._stop(_deadline_error(deadline_s, accepted=self.outcome.accepted))

    # -- reading -------------------------------------------------------------------------------

    async def _feed(self) -> None:
        """Start one task for each chunk, as fast as tokens, room and budget allow."""
        chunker = Chunker(apart=LookAlikes())
        if self._parts.claims.is_shared:
            self._group.start_soon(self._send_in_silence, chunker)
        try:
            with self._reading:
                async with aclosing(self._source) as contacts:
                    async for contact in contacts:
                        self._contacts_read += 1
                        self._form.add(contact)
                        await self._take(contact, chunker)
                await self._queue(await self._parts.claims.flush(self._group), chunker)
                await self._start_all(chunker.rest())
            if (error := self._form.error) is not None:
                self._stop(error)
        except StoreError as error:
            self._stop(error)
        except Exception as problem:  # noqa: BLE001  # the source is the caller's, and so is what it raises
            self.outcome.failure = problem
            report_failure("the source of contacts", problem)
        finally:
            # These were read and are in no chunk: they get a result all the same.
            self._parts.end(Chunk.of(chain.from_iterable(chunker.rest())))
            self._is_read.set()

    async def _send_in_silence(self, chunker: Chunker) -> None:
        """Start the chunk that is being filled when nothing is read for a while.

        Others may wait for what is claimed in it, and our source or our consumer for them.
        """
        before = 0
        while not self._is_read.is_set():
            if before == self._contacts_read and not self._starts:
                await self._start_all(chunker.rest())
            before = self._contacts_read
            with anyio.move_on_after(_SILENCE_S):
                await self._is_read.wait()

    async def _take(self, contact: Prepared | Invalid, chunker: Chunker) -> None:
        """Put a contact into the next chunk, or hand out what is known of it already."""
        duplicates = self._sink.duplicates
        if isinstance(contact, Invalid):
            self._sink.put(skipped(contact))
        elif (known := duplicates.follow(contact)) is False:
            await self._queue(await self._parts.claims.add(contact, self._group), chunker)
        elif known is not True:
            self._sink.put(known)
        elif self._total is None and duplicates.waiting >= _DUPLICATES_AHEAD:
            # Their firsts may be in the chunk that is being filled, which would wait for more contacts.
            await self._start_all(chunker.rest())
            while duplicates.waiting >= _DUPLICATES_AHEAD:
                await self._change.wait()
        if self.results.is_full:
            await self.results.room()

    async def _queue(self, contacts: list[Prepared], chunker: Chunker) -> None:
        """Put contacts that are ours to buy into chunks, and start those that are full."""
        rest = deque(contacts)
        try:
            while rest:
                if chunk := chunker.add(rest.popleft()):
                    await self._start(chunk)
        finally:
            self._parts.end(Chunk.of(rest))
        if self._parts.claims.is_full:
            # Others may wait for what is in the chunk that is being filled, as we wait for theirs.
            await self._start_all(chunker.rest())
            while self._parts.claims.is_full:
                await self._change.wait()

    async def _start_all(self, chunks: Iterable[list[Prepared]]) -> None:
        rest = deque(chunks)
        try:
            while rest:
                await self._start(rest.popleft())
        finally:
            self._parts.end(Chunk.of(chain.from_iterable(rest)))

    async def _start(self, contacts: list[Prepared]) -> None:
        """Start as many chunks as the budget needs for these contacts; usually one."""
        rest = deque(contacts)
        self._starts += 1
        try:
            while rest and self.outcome.error is None:
                await self._room()
                count = await self._affordable(len(rest))
                await self._submitter.enter_line()
                self._sink.budget.reserve(count)
                chunk = Chunk.of([rest.popleft() for _ in range(count)])
                chunk.reserved = count
                self._start_chunk(chunk)
        finally:
            self._starts -= 1
            self._parts.end(Chunk.of(rest))

    def _start_chunk(self, chunk: Chunk) -> None:
        """Start the task of a chunk that has a place in the line."""
        chunk.in_line = True
        self._progress.open_workflows += 1
        self._group.start_soon(self._runner.run, chunk)

    async def _room(self) -> None:
        """Wait until another workflow may be opened. The first goes alone: it shows if the key is good."""
        while (
            self._progress.open_workflows >= self._spec.max_open_workflows
            or (self._progress.open_workflows and not self._parts.tried_one)
            or self._polls.overdue >= self._pipeline.limiter.limits.key
        ):
            await self._change.wait()

    async def _affordable(self, wanted: int) -> int:
        """Return how many contacts the budget covers, waiting for reservations that may come back."""
        budget = self._sink.budget
        while (count := budget.affordable(wanted)) < wanted and self._progress.open_workflows:
            await self._change.wait()
        if not count:
            self._stop(budget.exceeded())
            await anyio.lowlevel.checkpoint()  # which ends the reading
        return count

    # -- stopping ------------------------------------------------------------------------------

    def _stop(self, error: CleanlistError) -> None:
        """Read and submit nothing more. Workflows that were accepted are still waited for."""
        if self.outcome.stopped_by is None:
            self.outcome.stopped_by = error
        self._reading.cancel()
        self._submitter.stop()


def _deadline_error(deadline_s: float | None, *, accepted: bool) -> DeadlineExceededError:
    return DeadlineExceededError(
        f"The run took longer than deadline_s = {deadline_s or 0:g} s.",
        fix="What was accepted is pending: client.collect() fetches it for free.",
        billed="unknown" if accepted else "no",
    )
