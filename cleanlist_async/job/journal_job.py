"""A job whose memory is a journal, a file on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path
from typing import Final, Self

import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.checks import check_flag, check_function, check_instance, optional
from cleanlist_async.enrich.plan import LISTED, Plan, seconds_for
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.job import Job
from cleanlist_async.job.job_runs import JobRuns
from cleanlist_async.job.journal.journal import Journal, problems_of
from cleanlist_async.job.journal.records import Decision, Header, SubmitMode
from cleanlist_async.job.pilot import Pilot, plan_pilot, read_pilot
from cleanlist_async.job.source import STEPS_AT_ONCE, JobSource, Source
from cleanlist_async.job.spec import JobSpec, OpenJournal
from cleanlist_async.job.status import (
    JobReport,
    JobStatus,
    Receipt,
    WaitsFor,
    keeps_both,
    receipts,
    status_of,
)
from cleanlist_async.job.submits import JobWebhooks
from cleanlist_async.job.unknown import UnknownChunk, decide, unknown_chunks
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.submission import WebhookStatistics

_REQUESTS_PER_CHUNK: Final[dict[SubmitMode, int]] = {"plain": 2, "tracked": 2, "exact": 5}
"""Requests for each chunk if nothing goes wrong: in mode exact these are the list, the price, the import, the
status and the leads."""


def plan_of(journal: Journal, header: Header, pipeline: Pipeline) -> Plan:
    """Return what the whole job takes: requests, minutes, and credits at most."""
    invalid, duplicates = journal.set_aside()
    counts = journal.counts().values()  # chunks hold neither duplicates nor invalid contacts
    unique = sum(contacts for _, contacts in counts)
    worst = facts.WORST_CASE_CREDITS.get(header.enrichment_type)
    limits, keys = pipeline.limiter.limits, len(pipeline.route.keys)
    plan = Plan(
        header.enrichment_type,
        contacts=header.contacts,
        unique=unique,
        invalid=invalid,
        duplicates=duplicates,
        chunks=sum(chunks for chunks, _ in counts),
        credits_max=None if worst is None else worst * unique,
        invalid_contacts=list(islice(journal.invalid(), LISTED)),
        duplicate_contacts=list(islice(journal.duplicates(), LISTED)),
        requests_per_chunk=_REQUESTS_PER_CHUNK[header.submit_mode],
    )
    plan.minutes = seconds_for(plan.requests, limits, keys) / 60
    return plan


class JournalJob(Job):
    """A job in a journal. See :class:`Job`."""

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        opened: OpenJournal,
        spec: JobSpec,
        *,
        session: StoreSession | None,
    ) -> None:
        self._pipeline = pipeline
        self._opened = opened
        self._journal = opened.journal
        self._header = opened.header
        self._source = opened.source
        self._receiver = spec.receiver
        counts = WebhookStatistics() if spec.receiver is None else spec.receiver.counts
        self._webhooks = JobWebhooks(opened.journal, counts)
        self._runs = JobRuns(
            pipeline,
            polls,
            opened,
            spec,
            session=session,
            webhooks=self._webhooks,
            report=self._report_progress,
        )
        if self._receiver is not None:
            self._receiver.attach(self)

    @classmethod
    async def open(
        cls,
        pipeline: Pipeline,
        polls: PollScheduler,
        path: Path,
        given: JobSource | None,
        spec: JobSpec,
        *,
        session: StoreSession | None,
    ) -> Self:
        """Open the job at *path*, or plan a new one and write it there. Sends nothing.

        Raises JournalError for a journal that is not the latest of its job.
        """
        await pipeline.root.ensure()
        source = None if given is None else Source(given, spec.input.rows)
        opened = await OpenJournal.open(path, source, spec, pipeline)
        return cls(pipeline, polls, opened, spec, session=session)

    # -- running -------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """End the run, and close the journal."""
        if self._opened.is_closed:
            return
        # The run first: the answer to its last submit still has to reach the journal.
        await self._runs.end("The job was closed while it ran.")
        if self._receiver is not None:
            self._receiver.detach(self)
        self._opened.close()

    async def __aiter__(self) -> AsyncIterator[EnrichmentResult]:
        optional(check_function, "on_progress", self.on_progress)
        engine = await self._runs.start(wants_results=True)
        try:
            while (result := await engine.results.take()) is not None:
                yield result
        finally:
            await self._runs.halt(engine)
        # Last, so that an error hides no result that was bought.
        if engine.outcome.error is not None:
            raise engine.outcome.error

    async def run(self) -> JobReport:
        """Run it; results stay in the journal."""
        return await self._run()

    async def _run(self, *, only_pilot: bool = False) -> JobReport:
        optional(check_function, "on_progress", self.on_progress)
        engine = await self._runs.start(wants_results=False, only_pilot=only_pilot)
        try:
            await engine.finished.wait()
        finally:
            await self._runs.halt(engine)
        # A failure is raised, as it comes from the caller's own code; what the API said is in the report.
        if engine.outcome.failure is not None:
            raise engine.outcome.failure
        return JobReport(self._status(), await self.unknown(), engine.outcome.stopped_by)

    def _report_progress(self) -> None:
        if not self._opened.is_closed:
            self._show(self._status)

    # -- before it spends ----------------------------------------------------------------------

    @property
    def promise(self) -> str:
        """What becomes of a submit whose answer is lost, in this submit mode, in one sentence."""
        return self._runs.submitter().promise

    @property
    def submit_mode(self) -> SubmitMode:
        """The submit mode that was chosen."""
        return self._header.submit_mode

    @property
    def waits_for(self) -> WaitsFor | None:
        """Why nothing is sent right now, besides the rate limit and the workflows that are open."""
        return self._runs.engine.waits_for if self._runs.engine is not None else None

    @property
    def lists_to_create(self) -> int:
        """How many lead lists the job makes in your workspace: one for each chunk in mode `exact`."""
        return sum(1 for _ in self._journal.chunks()) if self._header.submit_mode == "exact" else 0

    async def plan(self) -> Plan:
        """Return what the whole job takes."""
        self._opened.check()
        return plan_of(self._journal, self._header, self._pipeline)

    async def _pilot(self, n: int) -> Pilot:
        # Within the turn, no run can start and send chunks of the plan that is being replaced.
        async with self._runs.turn:
            await self._runs.take_over()
            number = await plan_pilot(self._journal, self._source, self._header, n)
        report = await self._run(only_pilot=True)
        report.raise_for_error()
        return read_pilot(self._journal, number, self._source, self._header)

    # -- looking at it -------------------------------------------------------------------------

    async def status(self) -> JobStatus:
        """Return its state."""
        return self._status()

    def _status(self) -> JobStatus:
        self._opened.check()
        return status_of(self._journal, self._header, running=self._runs.engine is not None)

    async def unknown(self) -> list[UnknownChunk]:
        """Return the chunks whose outcome is unknown."""
        self._opened.check()
        return unknown_chunks(self._journal, self._header)

    async def _decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        self._opened.check()
        decide(self._journal, self._header, chunk, decision, actor=actor, workflow_id=workflow_id)
        # A run that waits for evidence acts on the decision at once.
        self._runs.wake()

    def knows(self, token: str) -> bool:
        """Whether a token is one of this job's."""
        self._opened.check()
        return self._webhooks.chunk_of(token) is not None

    def receive(self, token: str, payload: bytes) -> bool:
        """Write an event to the journal, and act on it."""
        self._opened.check()
        check_instance("payload", payload, bytes)
        is_ours = self._webhooks.receive(token, payload)
        if is_ours:
            self._runs.wake()
        return is_ours

    async def verify(self) -> list[str]:
        """Check the journal against its own rules."""
        self._opened.check()
        return problems_of(self._journal, self._header)

    async def receipts(self) -> AsyncIterator[Receipt]:
        """Yield a receipt for every contact."""
        self._opened.check()
        for count, receipt in enumerate(receipts(self._journal, self._header, self._source.prepared())):
            if count % STEPS_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            yield receipt

    async def purge(self, *, keep_results: bool = False) -> None:
        """Remove all contact data from the journal and the result cache."""
        self._opened.check()
        check_flag("keep_results", keep_results)
        if keep_results:
            raise keeps_both()
        self._opened.purge()
