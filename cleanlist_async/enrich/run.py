"""One bulk run: read, submit, wait, match, hand out. Memory stays flat, whatever the input's length."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace
from itertools import chain
from typing import Final, TypeAlias

import anyio
import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.contacts.checks import FormCheck
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.enrich.chunk import Chunk, RunSpec
from cleanlist_async.enrich.chunk_runner import ChunkRunner, RunParts
from cleanlist_async.enrich.chunk_submitter import ChunkSubmitter, Claims, UnsentContacts
from cleanlist_async.enrich.fetch import Fetcher
from cleanlist_async.enrich.people import LookAlikes
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.report import RunOutcome, Summary
from cleanlist_async.enrich.result_sink import ChangeSignal, ProgressReporter, ResultSink
from cleanlist_async.enrich.row_results import Duplicates, skipped
from cleanlist_async.enrich.source import repeated_identities
from cleanlist_async.errors import (
    CleanlistError,
    ConfigurationError,
    DeadlineExceededError,
    StoreError,
)
from cleanlist_async.events import RunStarted, report_failure
from cleanlist_async.http.options import LatestFailure
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.price import Demand
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.tables.input_options import Prepare
from cleanlist_async.webhooks.submissions import Submissions

RepeatedIn: TypeAlias = tuple[Iterable[ContactLike], Prepare]
"""Rows that can be read again, and what checks each."""
NOTHING_REPEATED: Final[RepeatedIn] = ((), prepare)
_DUPLICATES_AHEAD: Final = 50_000
"""Duplicates of an endless source that wait for their first before it is read on."""
_SILENCE_S: Final = 10.0
"""Seconds that claimed contacts wait for others to share their request, while none come."""


class BulkRun:
    """Runs in the client's task group; its results are read from `results`.

    Only the results of identities that occur more than once in *repeated_in* are remembered for later
    contacts; without it, those that the spec says. *is_streamed*: the caller reads results while others come.
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
        is_streamed: bool,
        repeated_in: RepeatedIn | None = None,
    ) -> None:
        self.outcome = RunOutcome(is_remembered=purchases is not None and spec.is_remembered)
        self.finished = anyio.Event()
        self._spec = spec
        self._source = source
        self._total = total
        self._pipeline = pipeline
        self._polls = polls
        self._progress = ProgressReporter(pipeline, polls, spec.progress, total)
        self.summary = self._progress.summary
        self._sink = ResultSink(spec, self.summary, pipeline, ahead=spec.ahead or _a_window(pipeline))
        self.results = self._sink.queue
        self._latest = LatestFailure()
        options = replace(spec.options, deadline_s=None, watch=self._latest)  # the deadline is the run's
        self._submitter = ChunkSubmitter(pipeline, submissions, purchases, spec, options)
        fetcher = Fetcher(pipeline, polls, options, self._progress.report_lookups, self.outcome.note)
        shared, put = None if spec.is_unclaimed else purchases, self._sink.put_to_all
        claims = Claims(shared, spec.wanted, fetcher, put=put, buy=self._start, fail=self._stop)
        self._repeated_in = repeated_in
        self._scope = anyio.CancelScope()
        self._reading = anyio.CancelScope()
        self._form = FormCheck()
        self._is_read, self._starts = anyio.Event(), 0
        self._change = ChangeSignal(pipeline.limiter)
        self._unsent = UnsentContacts(self._submitter, total, spec.ahead)
        self._demand = Demand(self._unsent.submits, is_streamed=is_streamed)
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
        events, kind = self._pipeline.events, self._spec.kind
        self._progress.start()
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
            self.outcome.conclude(self.summary)
            self.results.close()
            self._progress.report()
            self._progress.report_end(kind, self.outcome.error, interrupted=self._scope.cancelled_caught)
            self.finished.set()  # last: who waits for it takes what is left

    async def _run(self) -> None:
        with anyio.move_on_after(self._spec.options.deadline_s) as deadline:
            if self._repeated_in is not None:
                self._sink.duplicates = Duplicates("all", await repeated_identities(*self._repeated_in))
            try:
                async with anyio.create_task_group() as self._group:
                    self._polls.demands.add(self._demand)
                    self._runner = ChunkRunner(self._parts, self._group)
                    await self._feed()
            finally:
                self._parts.end(Chunk.of(self._parts.claims.end()))  # before `aclose`, which gives it back
                self._polls.demands.discard(self._demand, self._pipeline.limiter.clock())
                await self._parts.claims.aclose()
        if deadline.cancelled_caught:
            self._stop(_deadline_error(self._spec, self._latest, self.summary))

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
                        self._unsent.read += 1
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
            self._unsent.is_over = True
            self._is_read.set()

    async def _send_in_silence(self, chunker: Chunker) -> None:
        """Start the chunk that is being filled when nothing is read for a while.

        Others may wait for what is claimed in it, and our source or our consumer for them.
        """
        before = 0
        while not self._is_read.is_set():
            if before == self._unsent.read and not self._starts:
                await self._start_all(chunker.rest())
            before = self._unsent.read
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
                await self._wait()
        if self.results.is_full:
            with self._demand.paused():
                await self.results.room()
        elif self._unsent.is_far_ahead(self.results.taken):
            # What was read would otherwise wait for more contacts, and its consumer with it.
            await self._queue(await self._parts.claims.flush(self._group), chunker)
            await self._start_all(chunker.rest())
            # Until all is taken: each result that is taken would otherwise make a request of one contact.
            with self._demand.paused():
                while not self.results.is_empty or self._unsent.is_far_ahead(self.results.taken):
                    await self.results.change()

    async def _queue(self, contacts: list[Prepared], chunker: Chunker) -> None:
        """Put contacts that are ours to buy into chunks, and start those that are full."""
        rest = deque(contacts)
        self._unsent.gathered += len(contacts)
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
                await self._wait()

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
                # Before the line: who starts a chunk meanwhile must not count the same credits.
                self._sink.budget.reserve(count)
                chunk = Chunk.of([rest.popleft() for _ in range(count)])
                chunk.reserved = count
                await self._parts.start_in_turn(chunk)
                self._unsent.gathered -= count
                self._demand.note_submit(self._pipeline.limiter.clock())
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
            or self._parts.held
            or self._polls.is_behind
        ):
            await self._wait()

    async def _affordable(self, wanted: int) -> int:
        """Return how many contacts the budget covers, waiting for reservations that may come back."""
        while (count := self._sink.budget.affordable(wanted)) < wanted and self._parts.is_busy:
            with self._progress.short_of_credits():
                await self._wait()
        if not count:
            self._stop(self._sink.budget.exceeded())
            await anyio.lowlevel.checkpoint()  # which ends the reading
        return count

    async def _wait(self) -> None:
        """Wait for a change, while nothing can be submitted."""
        with self._demand.paused():
            await self._change.wait()

    # -- stopping ------------------------------------------------------------------------------

    def _stop(self, error: CleanlistError) -> None:
        """Read and submit nothing more. Workflows that were accepted are still waited for."""
        if self.outcome.stopped_by is None:
            self.outcome.stopped_by = error
        self._unsent.is_over = True
        self._reading.cancel()
        self._submitter.stop()


def _deadline_error(spec: RunSpec, latest: LatestFailure, summary: Summary) -> DeadlineExceededError:
    is_pending = summary.statuses["pending"] > 0
    error = DeadlineExceededError(
        f"The run took longer than deadline_s = {spec.options.deadline_s or 0:g} s.{latest.words()}",
        fix="What was accepted is pending: client.collect() fetches it for free." if is_pending else None,
    )
    error.__cause__ = latest.error
    return error


def _a_window(pipeline: Pipeline) -> int:
    limits, keys = pipeline.limiter.limits, len(pipeline.route.keys)
    return limits.per_window(keys) * facts.MAX_CONTACTS_PER_REQUEST
