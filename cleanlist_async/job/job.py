"""The public face of a durable bulk job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from cleanlist_async import facts
from cleanlist_async.checks import (
    check_flag,
    check_function,
    check_instance,
    check_text,
    check_whole,
    optional,
)
from cleanlist_async.enrich.plan import Plan
from cleanlist_async.events import report_failure
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.forecast import plan_of, requests_of
from cleanlist_async.job.job_runs import JobRuns
from cleanlist_async.job.job_webhooks import JobWebhooks
from cleanlist_async.job.journal.audit import problems_of
from cleanlist_async.job.journal.records import SubmitMode
from cleanlist_async.job.journal.states import ChunkState
from cleanlist_async.job.open_journal import OpenJournal
from cleanlist_async.job.pilot import Pilot, plan_pilot, read_pilot
from cleanlist_async.job.receipts import receipts
from cleanlist_async.job.run_state import WaitsFor
from cleanlist_async.job.source import JobSource, Source
from cleanlist_async.job.spec import JobSpec
from cleanlist_async.job.status import JobReport, JobStatus, Receipt, status_of
from cleanlist_async.job.unknown import UnknownChunk, decide, the_decision, unknown_chunks
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.results import EnrichmentResult


class Job:
    """A bulk enrichment that survives whatever ends its process. Made by `client.job`.

    ::

        job = await client.job("run.journal", "contacts.csv", enrichment_type="partial", max_credits=5_000)
        async with job:
            async for result in job:
                ...

    The same call resumes it. Iterating gives every result, also those of earlier runs, at least once in each
    run, so handling them should be idempotent. `run` does the same without handing them out.
    """

    def __init__(
        self, pipeline: Pipeline, polls: PollScheduler, opened: OpenJournal, source: Source, spec: JobSpec
    ) -> None:
        self._pipeline = pipeline
        self._opened = opened
        self._journal = opened.journal
        self._header = opened.header
        self._source = source
        self._receiver = spec.receiver
        self._webhooks = JobWebhooks(opened.journal)
        self._runs = JobRuns(
            pipeline,
            polls,
            opened,
            source,
            spec,
            webhooks=self._webhooks,
            report=self._report_progress,
        )
        self.on_progress: Callable[[JobStatus], None] | None = None
        if self._receiver is not None:
            self._receiver.attach(self)

    @classmethod
    async def open(
        cls, pipeline: Pipeline, polls: PollScheduler, path: Path, given: JobSource, spec: JobSpec
    ) -> Self:
        """Open the job at *path*, or plan a new one and write it there. Sends nothing.

        Raises JournalError for a journal that is not the latest of its job.
        """
        await pipeline.root.ensure()
        source = Source(given)
        opened = await OpenJournal.open(path, source, spec, pipeline)
        return cls(pipeline, polls, opened, source, spec)

    # -- running -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop, and close the journal. A submit that is on its way is awaited to its answer."""
        if self._opened.is_closed:
            return
        # The run first: the answer to its last submit still has to reach the journal.
        await self._runs.end("The job was closed while it ran.")
        if self._receiver is not None:
            self._receiver.detach(self)
        self._opened.close()

    async def __aiter__(self) -> AsyncIterator[EnrichmentResult]:
        """Run the job and yield every result once; then raise the error that stopped it, if one did."""
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
        """Run the job to its end, or to where it has to stop. Results stay in the journal; see `report`.

        Whatever stopped it is in ``stopped_by``: out of credits, a bad key, an outage. The same call resumes.
        """
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
        return JobReport(self.status(), self.unknown(), engine.outcome.stopped_by)

    def _report_progress(self) -> None:
        if self.on_progress is None or self._opened.is_closed:
            return
        try:
            self.on_progress(self.status())
        except Exception as problem:  # noqa: BLE001  # a failing display must not end the job
            report_failure("on_progress", problem)

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
    def was_sent(self) -> bool:
        """Whether anything was sent beyond a pilot, in this run or an earlier one."""
        return self._journal.was_sent(but_the_pilot=True)

    @property
    def credits_to_go(self) -> float | None:
        """Most credits that the contacts still to be sent can cost; None where nothing bounds it."""
        worst = facts.WORST_CASE_CREDITS.get(self._header.enrichment_type)
        _, contacts = self._journal.counts().get(ChunkState.PLANNED, (0, 0))
        return None if worst is None else float(worst * contacts)

    @property
    def waits_for(self) -> WaitsFor | None:
        """Why nothing is sent right now, besides the rate limit and the workflows that are open."""
        return self._runs.engine.waits_for if self._runs.engine is not None else None

    @property
    def lists_to_create(self) -> int:
        """How many lead lists the job makes in your workspace: one for each chunk in mode `exact`."""
        return sum(1 for _ in self._journal.chunks()) if self._header.submit_mode == "exact" else 0

    @property
    def requests(self) -> int:
        """How many requests the whole job takes if nothing goes wrong."""
        return requests_of(self._journal, self._header)

    def plan(self) -> Plan:
        """Return what the whole job takes: requests, minutes, and credits at most. Free."""
        self._opened.check()
        return plan_of(self._journal, self._header, self._pipeline)

    async def pilot(self, n: int = 15) -> Pilot:
        """Buy a sample of *n* contacts first, in proportion to the kinds of contacts. Spends credits.

        Returns the hit rate and the cost per contact with 95 % intervals, and what they mean for the whole
        job; pending contacts are left out. Raises JournalError once anything else of the job was sent,
        UnknownOutcomeError when the sample may or may not have been bought.
        """
        check_whole("n", n, "a number of contacts", at_least=1, at_most=facts.MAX_CONTACTS_PER_REQUEST)
        # Within the turn, no run can start and send chunks of the plan that is being replaced.
        async with self._runs.turn:
            await self._runs.take_over()
            number = await plan_pilot(self._journal, self._source, self._header, n)
        report = await self._run(only_pilot=True)
        report.raise_for_error()
        return read_pilot(self._journal, number, self._source, self._header)

    # -- looking at it -------------------------------------------------------------------------

    def status(self) -> JobStatus:
        """Return the state of the job."""
        self._opened.check()
        return status_of(self._journal, self._header, running=self._runs.engine is not None)

    def unknown(self) -> list[UnknownChunk]:
        """Return the chunks whose outcome is unknown: sent, and perhaps accepted."""
        self._opened.check()
        return unknown_chunks(self._journal, self._header)

    def resolve(
        self,
        chunk: int,
        *,
        accepted: str | None = None,
        absent: bool = False,
        resubmit: bool = False,
        abandon: bool = False,
        actor: str = "owner",
    ) -> None:
        """Decide about an unknown chunk; the decision is recorded in the journal.

        `accepted` is the workflow id that the portal or support named, also to correct an earlier one that
        was not found; `absent` says that they know of no workflow, so the chunk is sent again; `resubmit`
        sends it again at the risk of buying it twice; `abandon` gives it up, also where the server has
        forgotten its workflow. Give exactly one of them. Raises JournalError when the chunk is not unknown.
        """
        self._opened.check()
        check_whole("chunk", chunk, "the number of a chunk")
        check_text("actor", actor)
        for name, is_chosen in (("absent", absent), ("resubmit", resubmit), ("abandon", abandon)):
            check_flag(name, is_chosen)
        decision = the_decision(
            accepted=accepted is not None, absent=absent, resubmit=resubmit, abandon=abandon
        )
        decide(self._journal, self._header, chunk, decision, actor=actor, workflow_id=accepted)
        # A run that waits for evidence acts on the decision at once.
        self._runs.wake()

    def knows(self, token: str) -> bool:
        """Whether a webhook to ``<webhook>/<token>`` is for this job."""
        self._opened.check()
        return self._webhooks.chunk_of(token) is not None

    def receive(self, token: str, payload: bytes) -> bool:
        """Process a webhook that was sent to ``<webhook>/<token>``. Return whether it is for this job.

        Answer the sender with 2xx if so, and with 404 if not: the event is on disk when this returns.
        Webhooks are not signed; the token is a secret of this job and the server. A client with a
        `WebhookReceiver` calls this itself.
        """
        self._opened.check()
        check_instance("payload", payload, bytes)
        is_ours = self._webhooks.receive(token, payload)
        if is_ours:
            self._runs.wake()
        return is_ours

    def verify(self) -> list[str]:
        """Check the journal against its own rules, and return the problems found."""
        self._opened.check()
        return problems_of(self._journal, self._header)

    def receipts(self) -> Iterator[Receipt]:
        """Yield a receipt for every contact, in the order of the input."""
        self._opened.check()
        yield from receipts(self._journal, self._header, self._source)

    def report(self) -> JobReport:
        """Return the state of the job, and the chunks whose outcome is unknown."""
        return JobReport(self.status(), self.unknown())

    def purge(self) -> None:
        """Remove all contact data from the journal and the result cache, including the results bought."""
        self._opened.check()
        self._opened.purge()
