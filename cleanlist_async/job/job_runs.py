"""The runs of a job, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import anyio

from cleanlist_async.api.modern import Session
from cleanlist_async.api.public import BULK_STATUS
from cleanlist_async.enrich.fetch import Fetcher
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.engine import Engine
from cleanlist_async.job.exact import ExactSubmitter
from cleanlist_async.job.run_state import Handout, RunContext, RunState
from cleanlist_async.job.shared_purchases import SharedPurchases
from cleanlist_async.job.spec import JobSpec, OpenJournal
from cleanlist_async.job.status import job_is_running
from cleanlist_async.job.submits import JobWebhooks, PlainSubmitter, Submitter, TrackedSubmitter, WebhookInbox
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.storage.store.records import REMEMBERED


class JobRuns:
    """Starts and ends engines on one journal; `turn` is held while a run is started or a pilot is planned."""

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        opened: OpenJournal,
        spec: JobSpec,
        *,
        session: StoreSession | None,
        webhooks: JobWebhooks,
        report: Callable[[], None],
    ) -> None:
        self.engine: Engine | None = None
        self.turn = anyio.Lock()
        self._pipeline = pipeline
        self._polls = polls
        self._opened = opened
        self._spec = spec
        self._session = session
        self._webhooks = webhooks
        self._report = report

    async def start(self, *, wants_results: bool, only_pilot: bool = False) -> Engine:
        """Start a run. Raises ConfigurationError while another run is active, or once the job is closed."""
        async with self.turn:
            await self.take_over()
            await self._pipeline.root.ensure()
            self._opened.check()  # again: it may have been closed during the waits above
            engine = self.engine = self._new_engine(wants_results=wants_results, only_pilot=only_pilot)
            # In the client's task group: cancelling the caller must not cut off a submit on its way.
            self._pipeline.root.spawn(engine.main)
        return engine

    def _new_engine(self, *, wants_results: bool, only_pilot: bool) -> Engine:
        journal, header, inbox = self._opened.journal, self._opened.header, self._new_inbox()
        run = RunContext(
            self._pipeline,
            journal,
            header,
            self.submitter(inbox),
            self._opened.cache,
            self._shared(),
            self._spec.input.suppression,
            RunState(self._pipeline.limiter, self._spec.max_open_workflows),
            Handout(journal, header, self._opened.source, is_wanted=wants_results),
            self._report,
        )
        return Engine(
            run,
            inbox=inbox,
            policy=self._spec.policy,
            demands=self._polls.demands,
            only_pilot=only_pilot,
        )

    async def take_over(self) -> None:
        """End an iteration that was left early, if there is one. Raises ConfigurationError for a `run`."""
        self._opened.check()
        # An `async for` that was left early may still be open: only the garbage collector closes it.
        if self.engine is not None and not self.engine.wants_results:
            raise job_is_running()
        await self.end("The job was run again while its results were read.")

    async def end(self, reason: str) -> None:
        """End the current run from outside; reading its results raises an error with this reason."""
        engine = self.engine
        if engine is None:
            return
        engine.interrupt(ConfigurationError(reason))
        await self.halt(engine)

    async def halt(self, engine: Engine) -> None:
        """Cancel a run, and wait until it is over."""
        engine.cancel()
        # Shielded, since a submit that is on its way must still reach the journal.
        with anyio.CancelScope(shield=True):
            await engine.finished.wait()
        if self.engine is engine:
            self.engine = None

    def wake(self) -> None:
        """Make the current run look at the journal again."""
        if self.engine is not None:
            self.engine.wake()

    # -- how chunks are submitted --------------------------------------------------------------

    def submitter(self, inbox: WebhookInbox | None = None) -> Submitter:
        """Make the submitter for the job's mode."""
        header, journal, options = self._opened.header, self._opened.journal, self._options
        if header.submit_mode == "exact":
            session = Session(self._pipeline, lambda: self._polls, options, self._spec.api_version)
            return ExactSubmitter(session, journal, header)
        fetcher = self._fetcher()
        if header.submit_mode == "tracked":
            return TrackedSubmitter(
                self._pipeline,
                fetcher,
                options,
                header.enrichment_type,
                webhook=header.webhook or "",
                journal=journal,
                patience=self._polls.estimator(BULK_STATUS.name),
                expected=self._webhooks.expected,
                receiver=self._spec.receiver,
                inbox=inbox,
            )
        return PlainSubmitter(self._pipeline, fetcher, options, header.enrichment_type)

    @property
    def _options(self) -> CallOptions:
        # The deadline of a single call is no deadline of a job, which may take hours.
        return replace(self._spec.options, deadline_s=None, outlasts_outages=True)

    def _fetcher(self) -> Fetcher:
        return Fetcher(self._pipeline, self._polls, self._options, lambda _count: None)

    def _shared(self) -> SharedPurchases | None:
        header = self._opened.header
        if self._session is None or header.enrichment_type not in REMEMBERED:
            return None
        return SharedPurchases(self._session, self._opened.journal, header, self._fetcher())

    def _new_inbox(self) -> WebhookInbox | None:
        receiver = self._spec.receiver
        if receiver is None or receiver.mailbox is None or self._opened.header.submit_mode != "tracked":
            return None
        return WebhookInbox(receiver, receiver.mailbox, self._opened.journal, self._receive)

    def _receive(self, token: str, payload: bytes) -> None:
        """Process an event that another worker has put into the mailbox."""
        self._webhooks.receive(token, payload)
        if self._spec.receiver is not None:
            self._spec.receiver.counts.received += 1
        self.wake()
