"""One run of a job in a store: what has a result is handed out, the rest is enriched as any bulk run is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Container
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Invalid, Prepared, prepare
from cleanlist_async.enrich.chunk import RunSpec
from cleanlist_async.enrich.dedupe import copy_for
from cleanlist_async.enrich.report import Progress
from cleanlist_async.enrich.service import BulkService
from cleanlist_async.enrich.stream import ResultStream
from cleanlist_async.errors import (
    BudgetExceededError,
    CleanlistError,
    InsufficientCreditsError,
    SpendingPausedError,
)
from cleanlist_async.job.journal.records import reason_of
from cleanlist_async.job.stored.live_status import LiveStatus
from cleanlist_async.job.stored.reader import PAGE, StoredJobReader
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store import jobs
from cleanlist_async.storage.store.job_records import JobLease, JobRow
from cleanlist_async.storage.store.jobs import Values

_FINAL: Final = frozenset({"found", "not_found", "invalid"})


class StoredRun:
    """Reads open contacts from the store, enriches them, and records what became of each.

    Attributes
    ----------
    stopped_by
        The error that stopped it, if one did.

    """

    def __init__(
        self,
        bulk: BulkService,
        reader: StoredJobReader,
        lease: JobLease,
        spec: RunSpec,
        report: Callable[[LiveStatus], None],
        *,
        only: Container[int] | None = None,
    ) -> None:
        self.stopped_by: CleanlistError | None = None
        self._bulk = bulk
        self._reader = reader
        self._store = reader.store
        self._lease = lease  # not that of the reader, which sees who has taken the job over
        self._spec = replace(spec, job=lease)
        self._report = report
        self._only = only
        self._stream: ResultStream | None = None
        self._is_closed = False
        self._submits_before = 0

    async def results(self, *, with_known: bool) -> AsyncGenerator[EnrichmentResult, None]:
        """Run to the end. Yields each result once, those of earlier runs too if *with_known*.

        What stopped it is in `stopped_by`; only what the caller's own code raised is raised.
        """
        try:
            job = await self._store.run(jobs.begin_run(self._lease))
            live = LiveStatus(await self._reader.status())
            if with_known:
                async with aclosing(self._known()) as results:
                    async for result in results:
                        yield result
            if job.state in {"open", "doubtful"}:
                async with aclosing(self._open(live)) as results:
                    async for result in results:
                        yield result
                await self._end()
        except CleanlistError as error:
            self.stop(error)

    def stop(self, error: CleanlistError) -> None:
        """Note what stopped it, unless something has before."""
        if self.stopped_by is None:
            self.stopped_by = error

    async def aclose(self) -> None:
        """Stop. A submit that is on its way is awaited to its answer."""
        self._is_closed = True
        if self._stream is not None:
            await self._stream.aclose()

    async def _known(self) -> AsyncGenerator[EnrichmentResult, None]:
        async with aclosing(self._reader.pages()) as pages:
            async for page in pages:
                for row, result in page:
                    if row.status is not None:
                        yield result

    async def _open(self, live: LiveStatus) -> AsyncGenerator[EnrichmentResult, None]:
        """Enrich what is open, once more while the limit of the job gets room for another contact."""
        left: list[EnrichmentResult] = []
        while not self._is_closed:
            left.clear()
            async with aclosing(self._pass(live, left)) as results:
                async for result in results:
                    yield result
            if not await self._has_room_again():
                break
            self.stopped_by = None
        async with aclosing(self._with_duplicates(left, [])) as results:
            async for result in results:
                yield result

    async def _pass(
        self, live: LiveStatus, left: list[EnrichmentResult]
    ) -> AsyncGenerator[EnrichmentResult, None]:
        """Enrich what is open, yield final results, and put others into *left*."""
        job = await self._reader.refresh()
        self._submits_before = job.submits
        spec = replace(
            self._spec,
            max_credits=job.credits_left,
            job_age_s=job.age_s,
            progress=partial(self._show, live),
        )
        stream = self._stream = self._bulk.stream_rows(self._rows(), spec, job.contacts)
        async with stream:
            if self._is_closed:  # while the stream was opened
                return
            try:
                async for first in stream:
                    some = [first, *stream.ready(PAGE - 1)]
                    final = [result for result in some if _is_final(result)]
                    left += [result for result in some if not _is_final(result)]
                    for result in final:
                        live.count(result)
                    async with aclosing(
                        self._with_duplicates(final, [_outcome(one) for one in final])
                    ) as them:
                        async for result in them:
                            yield result
            except CleanlistError as error:
                self.stop(error)

    async def _rows(self) -> AsyncGenerator[Prepared | Invalid, None]:
        """Yield the contacts that are open, in the order of the input."""
        after = -1
        while rows := await self._store.run(jobs.rows(self._reader.job.id, after, PAGE, is_open=True)):
            for row in rows:
                if self._only is None or row.place in self._only:
                    yield prepare(row.place, row.contact)
            after = rows[-1].place

    async def _with_duplicates(
        self, results: list[EnrichmentResult], outcomes: list[Values]
    ) -> AsyncGenerator[EnrichmentResult, None]:
        """Record *outcomes*, then yield the results, each with those of its duplicates."""
        for start in range(0, len(results), PAGE):
            some = results[start : start + PAGE]
            places = [result.index for result in some]
            followers = await self._store.run(
                jobs.record(self._reader.job.id, outcomes[start : start + PAGE], places)
            )
            for result in some:
                yield result
                for row in followers.get(result.index, ()):
                    yield _copy(row, result)

    async def _has_room_again(self) -> bool:
        """Whether the limit covers another contact now that all workflows of the pass are settled."""
        error = self.stopped_by
        is_of_job = isinstance(error, BudgetExceededError) and error.period is None
        if not is_of_job or isinstance(error, SpendingPausedError) or self._is_closed:
            return False
        job = await self._reader.refresh()
        price = float(facts.WORST_CASE_CREDITS[self._spec.enrichment_type])
        if job.credits_left is not None and job.credits_left < price:
            self.stopped_by = jobs.limit_reached(job, price)
            return False
        return job.submits > self._submits_before

    async def _end(self) -> None:
        if self._is_closed:  # from outside: there is still something to do
            return
        error = self.stopped_by
        reason = None if error is None else reason_of(error)
        shortfall = error.shortfall_credits if isinstance(error, InsufficientCreditsError) else None
        if self._only is None or error is not None:
            await self._store.run(jobs.end(self._lease, reason, shortfall))

    def _show(self, live: LiveStatus, progress: Progress) -> None:
        live.open_workflows = progress.open_workflows
        self._report(live)


def _is_final(result: EnrichmentResult) -> bool:
    """Whether nothing can change a result: the server has ended a failed one that has a workflow."""
    return result.status in _FINAL or (result.status == "failed" and result.workflow_id is not None)


def _outcome(result: EnrichmentResult) -> Values:
    """Return what is recorded of a result that no submit of this job has brought."""
    rule = "cache" if result.status in {"found", "not_found"} else "none"
    return (result.index, result.status, result.error, result.workflow_id, rule)


def _copy(row: JobRow, result: EnrichmentResult) -> EnrichmentResult:
    return copy_for(row.prepared, result)
