"""A job whose memory is the client's store: any process that shares it can run the job."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Container
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

import anyio

from cleanlist_async import facts
from cleanlist_async.checks import check_flag, check_function, optional
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.chunk import RunSpec
from cleanlist_async.enrich.plan import Plan, Planner
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.service import BulkService
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.errors import (
    CleanlistError,
    ConfigurationError,
    InputChangedError,
    JobLockedError,
    JobNotFoundError,
    StoreError,
)
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.job import Job
from cleanlist_async.job.journal.records import Decision, SubmitMode
from cleanlist_async.job.pilot import Pilot, Sampler, in_doubt
from cleanlist_async.job.source import JobSource, Source
from cleanlist_async.job.spec import JobSpec
from cleanlist_async.job.status import JobReport, JobStatus, Receipt, WaitsFor, job_is_closed, job_is_running
from cleanlist_async.job.stored.reader import StoredJobReader, no_such_job, purged
from cleanlist_async.job.stored.run import LiveStatus, StoredRun
from cleanlist_async.job.stored.snapshot import compare, import_cache, take_snapshot
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store import job_owners, jobs
from cleanlist_async.storage.store.job_records import JobLease, JobRecord
from cleanlist_async.storage.store.jobs import NewJob
from cleanlist_async.storage.store.operations import Buyer
from cleanlist_async.storage.store.statements import Operation
from cleanlist_async.tables.input_options import SUPPRESSED

log: Final = logging.getLogger("cleanlist_async")


class StoredJob(Job):
    """A job in a store, which this client alone runs until it is closed. See :class:`Job`."""

    def __init__(
        self,
        bulk: BulkService,
        session: StoreSession,
        job: JobRecord,
        spec: JobSpec,
    ) -> None:
        self._bulk = bulk
        self._session = session
        self._lease = job.lease
        self._reader = StoredJobReader(session.store, job)
        self._spec = RunSpec(
            job.enrichment_type,
            # The deadline of a single call is none of a job.
            replace(spec.options, deadline_s=None, outlasts_outages=True),
            max_open_workflows=spec.max_open_workflows,
            input=spec.input,
        )
        self._turn = anyio.Lock()
        self._run: StoredRun | None = None
        self._is_iterated = False
        self._is_closed = False
        self._waits_for_credits = False

    @classmethod
    async def open(
        cls,
        bulk: BulkService,
        session: StoreSession,
        name: str,
        given: JobSource | None,
        spec: JobSpec,
        *,
        asked_type: EnrichmentType | None,
    ) -> StoredJob:
        """Take over the job of that name, or begin it. Sends nothing.

        Where the caller asks for no enrichment type it is that of the job, or ``partial``.

        Raises JobLockedError while another runs it, InputChangedError for another input or other options,
        JobNotFoundError without an input for a job that is not there, or another organization's, and
        ConfigurationError for one whose input was not read to its end.
        """
        await session.pipeline.root.ensure()
        source = None if given is None else Source(given, spec.input.rows)
        async with session.taking_job:  # two opened at once would each find it free
            job = await _take_over(session, name, source, spec, asked_type)
            session.jobs.add(job.id)
        try:
            job = await _prepare(session, job, source, spec, asked_type)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await _leave(session, job.lease)
            raise
        return cls(bulk, session, job, spec)

    # -- running -------------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[EnrichmentResult]:
        """Run it, and yield all results."""
        run = await self._start(is_iterated=True)
        try:
            async with aclosing(run.results(with_known=True)) as results:
                async for result in results:
                    yield result
        finally:
            self._forget(run)
        if run.stopped_by is not None:
            raise run.stopped_by

    async def run(self) -> JobReport:
        """Run it; results stay in the store."""
        return await self._run_through()

    async def _run_through(self, *, only: Container[int] | None = None) -> JobReport:
        run = await self._start(is_iterated=False, only=only)
        try:
            async with aclosing(run.results(with_known=False)) as results:
                async for _ in results:
                    pass
        finally:
            self._forget(run)
        return await self._reported(run.stopped_by)

    async def _start(self, *, is_iterated: bool, only: Container[int] | None = None) -> StoredRun:
        optional(check_function, "on_progress", self.on_progress)
        async with self._turn:
            self._check()
            # An `async for` that was left early may still be open: only the garbage collector closes it.
            if self._run is not None and not self._is_iterated:
                raise job_is_running()
            await self._halt("The job was run again while its results were read.")
            self._check()  # it may have been closed during the wait
            self._run = StoredRun(self._bulk, self._reader, self._lease, self._spec, self._report, only=only)
            self._is_iterated = is_iterated
            return self._run

    async def _halt(self, reason: str) -> None:
        """End the current run from outside; reading its results raises an error with this reason."""
        if (run := self._run) is not None:
            run.stop(ConfigurationError(reason))
            await run.aclose()
            self._forget(run)

    def _forget(self, run: StoredRun) -> None:
        if self._run is run:
            self._run = None

    async def aclose(self) -> None:
        """End the run, and let other processes run the job."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._halt("The job was closed while it ran.")
        with anyio.CancelScope(shield=True):
            await _leave(self._session, self._lease)

    def _report(self, live: LiveStatus) -> None:
        self._waits_for_credits = live.waits_for_credits
        if not self._is_closed:
            self._show(lambda: live.now)

    def _check(self) -> None:
        """Raise ConfigurationError once it is closed."""
        if self._is_closed:
            raise job_is_closed()

    # -- before it spends ----------------------------------------------------------------------

    @property
    def submit_mode(self) -> SubmitMode:
        """Always ``plain``."""
        return "plain"

    @property
    def promise(self) -> str:
        """What becomes of a submit whose answer is lost, in one sentence."""
        return "a submit whose answer is lost stays unknown, and is not sent again, until you decide"

    @property
    def waits_for(self) -> WaitsFor | None:
        """Credits, while a budget lets nothing be sent."""
        return "credits" if self._waits_for_credits else None

    async def plan(self) -> Plan:
        """Return what the whole job takes, less what the store knows."""
        self._check()
        planner, purchases = Planner(self._spec.enrichment_type), Purchases(self._session)
        suppression = self._spec.input.suppression
        wanted = replace(self._spec, job_age_s=(await self._reader.refresh()).age_s).wanted
        async for page in self._reader.rows():
            contacts: list[Prepared] = []
            for row in page:
                if row.digest is None:
                    planner.skip(row.place, row.error or "")
                elif row.first is not None:
                    planner.repeat(row.place, row.first)
                elif not row.status and suppression and suppression.covers(row.prepared.sent):
                    planner.skip(row.place, SUPPRESSED)
                else:
                    planner.accept(is_known=row.status is not None)
                    contacts += [row.prepared] if row.status is None else []
            if contacts:
                planner.sort(contacts, await purchases.look(contacts, wanted))
        pipeline = self._session.pipeline
        return planner.finish(pipeline.limiter.limits, len(pipeline.route.keys))

    async def _pilot(self, n: int) -> Pilot:
        self._check()
        sampler = Sampler(n, self._lease.job.encode())  # the same sample each time
        async for page in self._reader.rows():
            for row in page:
                if row.digest is not None and row.first is None:
                    sampler.add(row.place, row.contact)
        chosen = sampler.chosen()
        if self._reader.job.submits and any(not row.status for row in await self._reader.rows_at(chosen)):
            raise StoreError("The job was begun already: a pilot comes first.")
        (await self._run_through(only=chosen)).raise_for_error()
        sample = [result for _, result in await self._reader.with_results(await self._reader.rows_at(chosen))]
        if any(result.status == "unknown" for result in sample):
            raise in_doubt()
        bought = [replace(result, credits_charged=result.bought_for) for result in sample]
        return Pilot.of(bought, sampler.total, facts.WORST_CASE_CREDITS[self._spec.enrichment_type])

    # -- looking at it -------------------------------------------------------------------------

    async def status(self) -> JobStatus:
        """Return its state."""
        self._check()
        return await self._reader.status()

    async def report(self) -> JobReport:
        """Return its state, what is unknown, and which submits of other calls hold its contacts."""
        self._check()
        return await self._reported(None)

    async def _reported(self, stopped_by: CleanlistError | None) -> JobReport:
        reader = self._reader
        return JobReport(
            await reader.status(), await reader.unknown(), stopped_by, held_by=await reader.held_by()
        )

    async def unknown(self) -> list[UnknownChunk]:
        """Return the chunks whose outcome is unknown."""
        self._check()
        return await self._reader.unknown()

    async def receipts(self) -> AsyncIterator[Receipt]:
        """Yield a receipt for every contact."""
        self._check()
        async for receipt in self._reader.receipts():
            yield receipt

    async def verify(self) -> list[str]:
        """Compare its sums."""
        self._check()
        return await self._reader.verify()

    async def _decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        self._check()
        await self._reader.decide(chunk, decision, actor, workflow_id)

    async def purge(self, *, keep_results: bool = False) -> None:
        """Remove the contacts and what was found for them. Raises ConfigurationError while it runs."""
        self._check()
        check_flag("keep_results", keep_results)
        if self._run is not None:
            raise ConfigurationError("The job is running: let it end before it is purged.")
        await self._reader.purge(is_ours=True, keep_results=keep_results)


async def _take_over(
    session: StoreSession,
    name: str,
    source: Source | None,
    spec: JobSpec,
    asked_type: EnrichmentType | None,
) -> JobRecord:
    """Take the job over, also from a process of this machine that has ended."""
    buyer = await session.opened()
    new = None
    if source is not None:
        new = NewJob(asked_type or "partial", source.name, source.digest, spec.max_credits)
    take = partial(_take, buyer, name, new, session.jobs, adopt=spec.adopt)
    try:
        job = await session.store.run(take())
    except JobLockedError:
        if not await session.end_leases_of_the_dead():
            raise
        job = await session.store.run(take())
    except JobNotFoundError:
        # It may well be ours: what keeps us from knowing is what is wrong.
        if session.not_identified is not None:
            raise session.not_identified from None
        raise
    if job is None:
        raise no_such_job(name, session.store, fix="Begin it with an input.")
    return job


def _take(
    buyer: Buyer, name: str, new: NewJob | None, opened: Container[str], *, adopt: bool
) -> Operation[JobRecord | None]:
    """Take over our own job, else one of others that we may have, else begin a new one."""
    job = yield from jobs.take(buyer.owner, buyer.organization, name, None, opened)
    if job is None:
        yield from job_owners.adopt(buyer.organization, name, is_asked=adopt)
        job = yield from jobs.take(buyer.owner, buyer.organization, name, new, opened)
    if job is None:
        yield from job_owners.refuse(buyer.organization, name)
    return job


async def _prepare(
    session: StoreSession,
    job: JobRecord,
    source: Source | None,
    spec: JobSpec,
    asked_type: EnrichmentType | None,
) -> JobRecord:
    """Check that this is the same job, and copy the input of a new one."""
    store = session.store
    if job.state == "purged":
        raise purged(job)
    if asked_type not in {None, job.enrichment_type}:
        raise InputChangedError(
            f"The job {job.name!r} began with enrichment_type = {job.enrichment_type!r}, and is now opened"
            f" with {asked_type!r}.",
            fix="Open it with the old value, or begin a job of another name.",
        )
    if job.state == "planning":
        if source is None:
            raise ConfigurationError(
                f"The input of the job {job.name!r} was not read to its end.", fix="Give it once more."
            )
        job = await take_snapshot(store, job, source)
        if not job.contacts:
            await store.run(jobs.forget_unsent(job.id))
            raise source.has_no_contacts()
    # Of a finished job nothing is sent any more.
    elif source is not None and job.state != "finished" and not source.is_of(job.source_digest):
        (await compare(store, job, source)).require_same(job.name, source)
    if spec.cache is not None:
        await import_cache(session, job, spec.cache, ttl_s=spec.cache_ttl_s)
    if spec.max_credits != job.max_credits and (source is not None or spec.max_credits is not None):
        await store.run(jobs.limit(job.lease, spec.max_credits))
    return await store.run(jobs.read(job.id))


async def _leave(session: StoreSession, lease: JobLease) -> None:
    """Let other processes run the job. Raises nothing: at the latest they may when the client is closed."""
    session.jobs.discard(lease.job)
    if session.pipeline.root.closed:
        return

    async def release() -> None:
        await session.store.run(jobs.release(lease))

    try:
        await session.owed.make(release)
    except StoreError as error:
        log.warning("the store could not be told that a job is no longer run: %s", error)
