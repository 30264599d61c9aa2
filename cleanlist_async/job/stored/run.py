"""One run of a job in a store: what has a result is handed out, the rest is enriched as any bulk run is."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Container, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Invalid, Prepared, prepare
from cleanlist_async.enrich.chunk import RunSpec
from cleanlist_async.enrich.report import Progress
from cleanlist_async.enrich.result_stream import ResultStream
from cleanlist_async.enrich.row_results import copy_for
from cleanlist_async.enrich.service import BulkService
from cleanlist_async.errors import CleanlistError, UnknownOutcomeError
from cleanlist_async.job.journal.records import ChunkState
from cleanlist_async.job.status import JobStatus, pause_note
from cleanlist_async.job.stored.reader import PAGE, StoredJobReader, outcomes
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.storage.store import jobs
from cleanlist_async.storage.store.job_records import JobLease, JobRow
from cleanlist_async.storage.store.jobs import Values
from cleanlist_async.tables.input_options import SUPPRESSED


class LiveStatus:
    """Adds what happens in a run to the status at its beginning, and to the `outcomes` recorded by then.

    In memory, since to read the status from the store takes a while.
    """

    def __init__(self, before: JobStatus, outcomes: Mapping[ResultStatus, int]) -> None:
        self.workflows = 0
        self.submitted = 0
        """Contacts in these workflows."""
        self.waits_for_credits = False
        self._before = before
        self._results = Counter[ResultStatus](outcomes)
        self._spent = before.credits_spent

    def count(self, result: EnrichmentResult) -> None:
        """Add the result of a contact that had no outcome yet."""
        self._results[result.status] += 1
        self._spent += result.credits

    @property
    def now(self) -> JobStatus:
        """The status by now."""
        before = self._before
        to_send = before.contacts - before.invalid - before.duplicates - self._results.total()
        to_send -= self.submitted
        chunks: dict[ChunkState, int] = {}
        if unknown := before.chunks.get(ChunkState.UNKNOWN):
            chunks[ChunkState.UNKNOWN] = unknown
        if self.workflows:
            chunks[ChunkState.ACCEPTED] = self.workflows
        if to_send > 0:
            chunks[ChunkState.PLANNED] = -(-to_send // facts.MAX_CONTACTS_PER_REQUEST)
        price = facts.WORST_CASE_CREDITS[before.enrichment_type]
        held = self.submitted * price
        return replace(
            before,
            state="running",
            chunks=chunks,
            results=dict(self._results),
            credits_spent=self._spent,
            credits_held=before.credits_at_risk + float(held),
            paused_by=None,
            shortfall_credits=None,
            was_sent=True,
            credits_to_go=float(max(0, to_send) * price),
        )


_FINAL: Final = frozenset({"found", "not_found", "invalid"})


class StoredRun:
    """Reads open contacts from the store, enriches them, and records what became of each.

    `stopped_by` is the error that stopped it, if one did.
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
        self._with_known = False

    async def results(self, *, with_known: bool) -> AsyncGenerator[EnrichmentResult, None]:
        """Run to the end. Yields each result once; with those of earlier runs and duplicates if *with_known*.

        What stopped it is in `stopped_by`; only what the caller's own code raised is raised.
        """
        self._with_known = with_known
        try:
            job = await self._store.run(jobs.begin_run(self._lease))
            # The status also counts what is under way, which would count twice once its result is here.
            live = LiveStatus(
                await self._reader.status(), outcomes(await self._store.run(jobs.outcomes(job.id)))
            )
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
        """Enrich what is open. Final results come first, then what is left without one."""
        left: list[EnrichmentResult] = []
        job = await self._reader.refresh()
        # Without max_credits: each submit asks the store, which knows what earlier runs have spent.
        spec = replace(self._spec, job_age_s=job.age_s, progress=partial(self._show, live))
        stream = self._stream = self._bulk.stream_rows(self._rows(), spec, job.contacts)
        async with stream:
            if self._is_closed:  # while the stream was opened
                return
            try:
                async for first in stream:
                    some = [first, *stream.ready(PAGE - 1)]
                    final = [result for result in some if _is_final(result)]
                    left += [result for result in some if not _is_final(result)]
                    for result in some:
                        if result.status != "failed" or _is_final(result):  # else it is still to be sent
                            live.count(result)
                    async with aclosing(
                        self._with_duplicates(final, [_outcome(one) for one in final])
                    ) as them:
                        async for result in them:
                            yield result
            except CleanlistError as error:
                self.stop(error)
        if (kept_back := _kept_back(left, stream.fault)) is not None:
            self.stop(kept_back)
        async with aclosing(self._with_duplicates(left, [])) as results:
            async for result in results:
                yield result

    async def _rows(self) -> AsyncGenerator[Prepared | Invalid, None]:
        """Yield the contacts that are open, in the order of the input."""
        after = -1
        while rows := await self._store.run(jobs.rows(self._reader.job.id, after, PAGE, is_open=True)):
            for row in rows:
                if self._only is None or row.place in self._only:
                    yield await self._checked(row)
            after = rows[-1].place

    async def _checked(self, row: JobRow) -> Prepared | Invalid:
        """Check a contact; one that is suppressed by now is kept back, unless it is on its way."""
        contact, suppression = prepare(row.place, row.contact), self._spec.input.suppression
        if suppression is None or isinstance(contact, Invalid) or not suppression.covers(contact.sent):
            return contact
        # Paid for already: its result is fetched, not thrown away.
        [(_, result)] = await self._reader.with_results([row])
        is_sent = result.status in {"pending", "unknown"}
        return contact if is_sent else Invalid(row.place, row.contact, SUPPRESSED)

    async def _with_duplicates(
        self, results: list[EnrichmentResult], outcomes: list[Values]
    ) -> AsyncGenerator[EnrichmentResult, None]:
        """Record *outcomes*, then yield the results, each with those of its duplicates."""
        job = self._reader.job.id
        for start in range(0, len(results), PAGE):
            some = results[start : start + PAGE]
            if recorded := outcomes[start : start + PAGE]:
                await self._store.run(jobs.record(job, recorded))
            followers: dict[int, list[JobRow]] | None = {}
            if self._with_known:
                places = [result.index for result in some]
                followers = await self._store.run(jobs.followers(job, places, PAGE))
            for result in some:
                yield result
                for row in (followers or {}).get(result.index, ()):
                    yield copy_for(row.prepared, result)
                if followers is None:
                    async with aclosing(self._followers(result.index)) as rows:
                        async for row in rows:
                            yield copy_for(row.prepared, result)

    async def _followers(self, first: int) -> AsyncGenerator[JobRow, None]:
        """Yield the duplicates of one contact, of which there may be any number."""
        after = -1
        while rows := await self._store.run(jobs.followers_of(self._reader.job.id, first, after, PAGE)):
            for row in rows:
                yield row
            after = rows[-1].place

    async def _end(self) -> None:
        if self._is_closed:  # from outside: there is still something to do
            return
        error = self.stopped_by
        if self._only is None or error is not None:
            reason, shortfall = (None, None) if error is None else pause_note(error)
            await self._store.run(jobs.end(self._lease, reason, shortfall))

    def _show(self, live: LiveStatus, progress: Progress) -> None:
        live.workflows = progress.accepted_workflows
        live.submitted = progress.accepted_contacts
        live.waits_for_credits = progress.waits_for_credits
        self._report(live)


def _kept_back(left: list[EnrichmentResult], fault: CleanlistError | None) -> CleanlistError | None:
    """Return the error of a workflow that could not be read, so that another run has to ask for it."""
    is_pending = any(result.status == "pending" for result in left)
    return fault if is_pending and not isinstance(fault, UnknownOutcomeError) else None


def _is_final(result: EnrichmentResult) -> bool:
    """Whether nothing can change a result: the server has ended a failed one that has a workflow."""
    return result.status in _FINAL or (result.status == "failed" and result.workflow_id is not None)


def _outcome(result: EnrichmentResult) -> Values:
    """Return what is recorded of a result that no submit of this job has brought."""
    rule = "cache" if result.status in {"found", "not_found"} else "none"
    return (result.index, result.status, result.error, result.workflow_id, rule)
