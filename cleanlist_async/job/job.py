"""A durable bulk job, as its owner holds it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio

from cleanlist_async import facts
from cleanlist_async.api.modern import Session
from cleanlist_async.api.public import BULK_STATUS
from cleanlist_async.checks import (
    check_flag,
    check_function,
    check_instance,
    check_text,
    check_whole,
    checked_id,
    is_encodable,
    optional,
)
from cleanlist_async.contacts.identity import prepare
from cleanlist_async.enrich.fetch import Fetcher
from cleanlist_async.enrich.plan import Plan, seconds_for
from cleanlist_async.errors import (
    ConfigurationError,
    UnknownOutcomeError,
)
from cleanlist_async.events import report_failure
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.job.engine import Engine
from cleanlist_async.job.journal.audit import problems_of
from cleanlist_async.job.journal.filesystem import refuse_network
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.known_journals import Fence
from cleanlist_async.job.journal.lock import JournalLock
from cleanlist_async.job.journal.records import ChunkRow, Decision, Header, SubmitMode
from cleanlist_async.job.journal.states import ChunkState
from cleanlist_async.job.pilot import Pilot, choose
from cleanlist_async.job.receipts import receipts
from cleanlist_async.job.run_state import WaitsFor
from cleanlist_async.job.source import JobSource, Source
from cleanlist_async.job.spec import JobSpec, begin, resumed, write_chunks
from cleanlist_async.job.status import JobReport, JobStatus, Receipt, status_of
from cleanlist_async.job.submits.bulk import PlainSubmitter, Submitter, TrackedSubmitter
from cleanlist_async.job.submits.exact import ExactSubmitter
from cleanlist_async.job.submits.webhook_inbox import WebhookInbox
from cleanlist_async.job.unknown import UnknownChunk, decide, unknown_chunks
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.event import Event, RefusedEventError
from cleanlist_async.webhooks.submission import Submission

_LISTED: Final = 1_000
"""Invalid and duplicate contacts that a plan lists one by one; it counts them all."""
_REQUESTS: Final[dict[SubmitMode, int]] = {"plain": 2, "tracked": 2, "exact": 5}
"""Requests for each chunk, where nothing goes wrong: in mode exact, the list, the price, the import, the
status and the leads."""


class Job:
    """A bulk enrichment that survives whatever ends its process. Made by `client.job`.

    ::

        job = await client.job("run.journal", "contacts.csv", enrichment_type="partial", max_credits=5_000)
        async with job:
            async for result in job:
                ...

    The same call resumes it. Iterating gives every result, also those of earlier runs, at least once in each
    run: so what handles them should not mind to see one again. `run` does the same without handing them out.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        *,
        journal: Journal,
        lock: JournalLock,
        source: Source,
        spec: JobSpec,
        header: Header,
        cache: ResultCache | None,
    ) -> None:
        self._pipeline = pipeline
        self._polls = polls
        self._journal = journal
        self._lock = lock
        self._source = source
        self._spec = spec
        self._header = header
        self._cache = cache
        self._engine: Engine | None = None
        self._expected: dict[int, Submission] = {}
        self._turn = anyio.Lock()
        self._closed = False
        self.on_progress: Callable[[JobStatus], None] | None = None
        if spec.receiver is not None:
            spec.receiver.attach(self)

    @classmethod
    async def open(
        cls,
        pipeline: Pipeline,
        polls: PollScheduler,
        path: Path,
        given: JobSource,
        spec: JobSpec,
    ) -> Self:
        """Open the journal at *path*, or plan a new job and write it there. Sends nothing.

        Raises JournalError for a journal that is not the latest of its job; see :class:`Fence`.
        """
        spec.check()
        await pipeline.root.ensure()
        refuse_network(path)
        source = Source(given)
        lock = JournalLock(path).take()
        fence = Fence(path, adopt=spec.adopt)
        journal: Journal | None = None
        cache: ResultCache | None = None
        try:
            fence.check_place()
            if spec.cache is not None:
                cache = ResultCache(spec.cache, pipeline.secret, ttl_s=spec.cache_ttl_s)
            journal = Journal.at(path)
            fence.check(journal)
            header = journal.header
            if header is None:
                header = await begin(journal, source, spec, pipeline)
            else:
                header = await resumed(journal, header, source, spec, pipeline)
                journal.recover()
            fence.raise_generation(journal)
            return cls(
                pipeline,
                polls,
                journal=journal,
                lock=lock,
                source=source,
                spec=spec,
                header=header,
                cache=cache,
            )
        except BaseException:
            for opened in (journal, cache):
                if opened is not None:
                    opened.close()
            lock.give_back()
            raise

    # -- running -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop, and close the journal. A submit that is on its way is seen through to its answer."""
        if self._closed:
            return
        if self._engine is not None:
            await self._end(self._engine, "The job was closed while it ran.")
        if self._spec.receiver is not None:
            self._spec.receiver.detach(self)
        self._closed = True
        self._journal.close()
        if self._cache is not None:
            self._cache.close()
        self._lock.give_back()

    async def _halt(self, engine: Engine) -> None:
        engine.cancel()
        with anyio.CancelScope(shield=True):
            await engine.finished.wait()
        if self._engine is engine:
            self._engine = None

    async def __aiter__(self) -> AsyncIterator[EnrichmentResult]:
        """Run the job, and yield every result once. Raises the error that stopped it, after the last."""
        engine = await self._start(wants_results=True)
        try:
            while (result := await engine.results.take()) is not None:
                yield result
        finally:
            await self._halt(engine)
        self._raise(engine)

    async def run(self) -> JobReport:
        """Run the job to its end, or to where it has to stop. Results stay in the journal; see `report`.

        Whatever stopped it is in ``stopped_by``: out of credits, a bad key, an outage. The same call resumes.
        """
        return await self._run()

    async def _run(self, *, only_pilot: bool = False) -> JobReport:
        engine = await self._start(wants_results=False, only_pilot=only_pilot)
        try:
            await engine.finished.wait()
        finally:
            await self._halt(engine)
        if engine.outcome.failure is not None:
            raise engine.outcome.failure
        self._check_open()
        return JobReport(self.status(), self.unknown(), engine.outcome.stopped_by)

    async def _start(self, *, wants_results: bool, only_pilot: bool = False) -> Engine:
        optional(check_function, "on_progress", self.on_progress)
        async with self._turn:
            await self._take_over()
            await self._pipeline.root.ensure()
            self._check_open()
            engine = self._engine = self._new_engine(wants_results=wants_results, only_pilot=only_pilot)
            self._pipeline.root.spawn(engine.main)
        return engine

    def _new_engine(self, *, wants_results: bool, only_pilot: bool) -> Engine:
        inbox = self._inbox()
        return Engine(
            self._pipeline,
            self._journal,
            self._header,
            self._source,
            self._submitter(inbox),
            inbox=inbox,
            policy=self._spec.policy,
            cache=self._cache,
            max_open=self._spec.max_open_workflows,
            only_pilot=only_pilot,
            wants_results=wants_results,
            report=self._report_progress,
        )

    async def _take_over(self) -> None:
        """End an iteration that was left early, if there is one. Raises ConfigurationError for a run."""
        self._check_open()
        if self._engine is None:
            return
        if not self._engine.wants_results:
            raise ConfigurationError("This job is running already.")
        await self._end(self._engine, "The job was run anew while its results were read.")

    async def _end(self, engine: Engine, reason: str) -> None:
        """End a run from outside: whoever reads its results is told that they are not all."""
        if not engine.finished.is_set() and engine.outcome.stopped_by is None:
            engine.outcome.stopped_by = ConfigurationError(reason)
        await self._halt(engine)

    def _raise(self, engine: Engine) -> None:
        problem = engine.outcome.failure or engine.outcome.stopped_by
        if problem is not None:
            raise problem

    def _inbox(self) -> WebhookInbox | None:
        receiver = self._spec.receiver
        if receiver is None or receiver.store is None or self._header.submit_mode != "tracked":
            return None
        return WebhookInbox(receiver, receiver.store, self._journal, self.receive)

    def _submitter(self, inbox: WebhookInbox | None = None) -> Submitter:
        options = replace(self._spec.options, deadline_s=None)
        fetcher = Fetcher(self._pipeline, self._polls, options, lambda _count: None)
        kind = self._header.enrichment_type
        if self._header.submit_mode == "exact":
            session = Session(self._pipeline, lambda: self._polls, options, self._spec.api_version)
            return ExactSubmitter(session, self._journal, self._header)
        if self._header.submit_mode == "tracked":
            patience = self._polls.patience(BULK_STATUS.name)
            address = self._header.webhook or ""
            return TrackedSubmitter(
                self._pipeline,
                fetcher,
                options,
                kind,
                webhook=address,
                journal=self._journal,
                patience=patience,
                expected=self._expected,
                receiver=self._spec.receiver,
                inbox=inbox,
            )
        return PlainSubmitter(self._pipeline, fetcher, options, kind)

    def _report_progress(self) -> None:
        if self.on_progress is None or self._closed:
            return
        try:
            self.on_progress(self.status())
        except Exception as problem:  # noqa: BLE001  # a failing display must not end the job
            report_failure("on_progress", problem)

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError("This job is closed; open it again with the same call.")

    # -- before it spends ----------------------------------------------------------------------

    @property
    def promise(self) -> str:
        """What the way of submitting can say of a submit whose answer is lost."""
        return self._submitter().promise

    @property
    def submit_mode(self) -> SubmitMode:
        """The way of submitting that was chosen."""
        return self._header.submit_mode

    @property
    def was_sent(self) -> bool:
        """Whether anything was sent beyond a pilot, in this run or an earlier one."""
        return self._journal.was_sent(but_the_pilot=True)

    @property
    def credits_to_go(self) -> float | None:
        """What the contacts that are still to be sent cost at most; None where nothing bounds it."""
        worst = facts.WORST_CASE_CREDITS.get(self._header.enrichment_type)
        _, contacts = self._journal.counts().get(ChunkState.PLANNED, (0, 0))
        return None if worst is None else float(worst * contacts)

    @property
    def waits_for(self) -> WaitsFor | None:
        """Why nothing is sent right now, besides the rate limit and the workflows that are open."""
        return self._engine.waits_for if self._engine is not None else None

    @property
    def lists_to_create(self) -> int:
        """How many lead lists the job will make in your workspace: one for each chunk in mode `exact`."""
        return sum(1 for _ in self._journal.chunks()) if self._header.submit_mode == "exact" else 0

    @property
    def requests(self) -> int:
        """How many requests the whole job takes, where nothing goes wrong."""
        chunks = sum(chunks for chunks, _ in self._journal.counts().values())
        return _REQUESTS[self._header.submit_mode] * chunks

    def plan(self) -> Plan:
        """Return what the whole job takes: requests, minutes, and credits at most. Free."""
        self._check_open()
        invalid, duplicates = self._journal.set_aside()
        chunks = sum(chunks for chunks, _ in self._journal.counts().values())
        unique = sum(contacts for _, contacts in self._journal.counts().values())
        worst = facts.WORST_CASE_CREDITS.get(self._header.enrichment_type)
        limits, keys = self._pipeline.limiter.limits, len(self._pipeline.route.keys)
        return Plan(
            self._header.enrichment_type,
            contacts=self._header.contacts,
            unique=unique,
            invalid=invalid,
            duplicates=duplicates,
            chunks=chunks,
            minutes=seconds_for(_REQUESTS[self._header.submit_mode] * chunks, limits, keys) / 60,
            credits_max=None if worst is None else worst * unique,
            invalid_contacts=list(islice(self._journal.invalid(), _LISTED)),
            duplicate_contacts=list(islice(self._journal.duplicates(), _LISTED)),
        )

    async def pilot(self, n: int = 15) -> Pilot:
        """Buy a sample of *n* contacts first, spread over the kinds of contacts there are. Spends credits.

        Returns the hit rate and the cost per contact with 95 % intervals, and what they mean for all, without
        the contacts that are pending. Raises JournalError once anything else of the job was sent,
        UnknownOutcomeError when nobody can say what became of the sample.
        """
        check_whole("n", n, "a number of contacts", at_least=1, at_most=facts.MAX_CONTACTS_PER_REQUEST)
        async with self._turn:
            await self._take_over()
            number = await self._plan_pilot(n)
        report = await self._run(only_pilot=True)
        report.raise_for_error()
        if self._journal.chunk(number).state in {ChunkState.UNKNOWN, ChunkState.ABANDONED}:
            raise UnknownOutcomeError(
                "The pilot was sent, and nobody can say whether it was accepted.",
                fix="Decide about it with resolve, then ask for it again.",
            )
        picked = self._journal.picked()
        contacts = {
            place: prepare(place, given).contact
            for place, given in enumerate(self._source)
            if place in picked
        }
        results = self._journal.results_of(self._journal.chunk(number), contacts)
        worst = facts.WORST_CASE_CREDITS.get(self._header.enrichment_type, math.inf)
        return Pilot.of(results, sum(chunk.contacts for chunk in self._journal.chunks()), worst)

    async def _plan_pilot(self, n: int) -> int:
        """Return the number of the pilot's chunk; plan anew for it where nothing was sent yet."""
        number = self._pilot_number()
        if number is None or not self._journal.was_sent():  # it may have been too large
            places = await choose(self._source, n, self._header.salt)
            with self._journal.transaction():
                self._journal.forget_plan()
                await write_chunks(
                    self._journal, self._source, self._header.salt, self._header.submit_mode, places
                )
            number = self._pilot_number()
        if number is None:
            raise ConfigurationError("There is no contact to buy.")
        return number

    def _pilot_number(self) -> int | None:
        return next((chunk.number for chunk in self._journal.chunks("WHERE is_pilot = 1")), None)

    # -- looking at it -------------------------------------------------------------------------

    def status(self) -> JobStatus:
        """Return where the job stands."""
        self._check_open()
        return status_of(self._journal, self._header, running=self._engine is not None)

    def unknown(self) -> list[UnknownChunk]:
        """Return the chunks that were sent, and of which nobody can say whether they were accepted."""
        self._check_open()
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
        """Decide about an unknown chunk, for the record.

        `accepted` is the workflow id that the portal or the support named, also where an earlier one led
        nowhere; `absent` says that they know of none, so it is sent again; `resubmit` sends it again at the
        risk of buying it twice; `abandon` gives it up, also where the server has forgotten its workflow.
        Exactly one of them. Raises JournalError when the chunk is not unknown.
        """
        self._check_open()
        check_whole("chunk", chunk, "the number of a chunk")
        check_text("actor", actor)
        for name, is_chosen in (("absent", absent), ("resubmit", resubmit), ("abandon", abandon)):
            check_flag(name, is_chosen)
        optional(checked_id, "accepted", accepted)
        given: dict[Decision, bool] = {
            "accepted": accepted is not None,
            "absent": absent,
            "resubmit": resubmit,
            "abandon": abandon,
        }
        chosen: list[Decision] = [decision for decision, is_given in given.items() if is_given]
        if len(chosen) != 1:
            raise ConfigurationError("Give exactly one of accepted, absent, resubmit and abandon.")
        decide(self._journal, self._header, chunk, chosen[0], actor=actor, workflow_id=accepted)
        if self._engine is not None:
            self._engine.wake()

    def knows(self, token: str) -> bool:
        """Whether a webhook that came to ``<webhook>/<token>`` is one of ours."""
        self._check_open()
        return self._chunk_of(token) is not None

    def receive(self, token: str, payload: bytes) -> bool:
        """Take a webhook that came to ``<webhook>/<token>``. Returns whether the token is one of ours.

        Answer the sender with 2xx if so, and with 404 if not: it is on the disk when this returns. Webhooks
        are not signed; the token is the secret that only this job and the server know. A client that has a
        `WebhookReceiver` needs no call of this.
        """
        self._check_open()
        check_instance("payload", payload, bytes)
        chunk = self._chunk_of(token)
        if chunk is None:
            return False
        try:
            event = Event.read(payload)
        except RefusedEventError:
            return True  # ours, and nothing in it
        if self._journal.takes_word_of_webhook(chunk.number, event.workflow_id):
            self._journal.prove(chunk.number, "webhook", event.workflow_id)
        if (submission := self._expected.get(chunk.number)) is not None:
            submission.receive(event)
        if self._engine is not None:
            self._engine.wake()
        return True

    def _chunk_of(self, token: str) -> ChunkRow | None:
        """Return the chunk of a token, which a stranger may have made up."""
        is_text = isinstance(token, str) and is_encodable(token)  # pyright: ignore[reportUnnecessaryIsInstance]
        return self._journal.of_token(token) if is_text else None

    def verify(self) -> list[str]:
        """Check the journal against its own rules, and return what is wrong with it, if anything is."""
        self._check_open()
        return problems_of(self._journal, self._header)

    def receipts(self) -> Iterator[Receipt]:
        """Yield a receipt for every contact, in the order of the input."""
        self._check_open()
        yield from receipts(self._journal, self._source)

    def report(self) -> JobReport:
        """Return where the job stands, and what is unknown."""
        return JobReport(self.status(), self.unknown())

    def purge(self) -> None:
        """Remove all contact data from the journal and the result cache. What was bought is gone with it."""
        self._check_open()
        self._journal.purge()
        if self._cache is not None:
            self._cache.purge()
