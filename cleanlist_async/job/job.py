"""A durable bulk job, as its owner holds it."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import anyio

from cleanlist_async import facts
from cleanlist_async.budget import Budget
from cleanlist_async.bulk.fetch import Fetcher
from cleanlist_async.bulk.plan import Plan, seconds_for
from cleanlist_async.bulk.report import EnrichmentResult
from cleanlist_async.calls import CallOptions
from cleanlist_async.errors import ConfigurationError, InputChangedError, JournalError
from cleanlist_async.facts import ApiVersion, EnrichmentType
from cleanlist_async.identity import prepare
from cleanlist_async.job.audit import problems_of
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.job.engine import Engine, WaitsFor
from cleanlist_async.job.exact import ExactSubmits
from cleanlist_async.job.journal import Journal
from cleanlist_async.job.lock import JournalLock
from cleanlist_async.job.pilot import Pilot, choose
from cleanlist_async.job.planning import refuse_changed_input, write_plan
from cleanlist_async.job.receipts import receipts
from cleanlist_async.job.records import Decision, Header, SubmitMode, now
from cleanlist_async.job.source import JobSource, Source
from cleanlist_async.job.states import ChunkState
from cleanlist_async.job.status import IN_DOUBT, UNFINISHED, JobReport, JobState, JobStatus, Receipt
from cleanlist_async.job.submitting import PlainSubmits, Submitter, TrackedSubmits
from cleanlist_async.job.unknown import UnknownChunk, UnknownPolicy, decide, unknown_chunks
from cleanlist_async.pipeline import Pipeline
from cleanlist_async.polling import PollScheduler
from cleanlist_async.resources.modern import Session
from cleanlist_async.resources.public import BULK_STATUS, check_enrichment_type, check_webhook_url
from cleanlist_async.webhooks.event import Event, RefusedEventError
from cleanlist_async.webhooks.receiver import WebhookReceiver
from cleanlist_async.webhooks.submission import Submission

log: Final = logging.getLogger("cleanlist_async")

HalfFullPrice: TypeAlias = Literal["full", "each"]
"""What a ``full`` enrichment costs that found one half: 11 credits, or those of the half. Not documented."""
ChosenMode: TypeAlias = Literal["auto", "plain", "tracked", "exact"]
_CHUNK_CONTACTS: Final = facts.MAX_CONTACTS_PER_REQUEST
_LISTED: Final = 1_000
"""Invalid and duplicate contacts that a plan lists one by one; it counts them all."""
_REQUESTS: Final[dict[SubmitMode, int]] = {"plain": 2, "tracked": 2, "exact": 5}
"""Requests for each chunk, where nothing goes wrong: in mode exact, the list, the price, the import, the
status and the leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What the caller of `client.job` asked for. `max_credits` in credits."""

    enrichment_type: EnrichmentType
    max_credits: float | None
    webhook: str | None
    submit_mode: ChosenMode
    policy: UnknownPolicy
    options: CallOptions
    cache: Path | None = None
    cache_ttl_s: float = facts.CACHE_TTL_S
    max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS
    half_full_price: HalfFullPrice = "full"
    api_version: ApiVersion = "v2"
    receiver: WebhookReceiver | None = None
    """The client's own, to which `webhook` leads if it is not given."""

    @property
    def mode(self) -> SubmitMode:
        """The way to submit: `auto` is tracked with a webhook, else plain."""
        if self.submit_mode == "auto":
            return "tracked" if self.address else "plain"
        return self.submit_mode

    @property
    def address(self) -> str | None:
        """Where the webhooks go: the `webhook` given, or the client's receiver, where the mode has any."""
        if self.webhook is not None or self.receiver is None or self.submit_mode in {"plain", "exact"}:
            return self.webhook
        return self.receiver.public_url

    def check(self) -> None:
        """Raise ConfigurationError for what cannot work."""
        check_enrichment_type(self.enrichment_type)
        check_webhook_url(self.webhook)
        Budget(self.max_credits, self.enrichment_type)
        if self.half_full_price not in {"full", "each"}:
            raise ConfigurationError(f"half_full_price is full or each, not {self.half_full_price!r}.")
        if self.submit_mode not in {"auto", "plain", "tracked", "exact"}:
            raise ConfigurationError(
                f"submit_mode is auto, plain, tracked or exact, not {self.submit_mode!r}."
            )
        if self.mode == "tracked" and not self.address:
            raise ConfigurationError(
                "submit_mode='tracked' needs a webhook: the public address of your receiver."
            )
        if self.mode == "exact" and self.enrichment_type not in facts.PERSON_TYPES:
            raise ConfigurationError(
                f"submit_mode='exact' takes an enrichment_type of {', '.join(facts.PERSON_TYPES)}."
            )
        if self.max_open_workflows < 1:
            raise ConfigurationError("max_open_workflows must be at least 1.")


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
        """Open the journal at *path*, or plan a new job and write it there. Sends nothing."""
        spec.check()
        await pipeline.root.ensure()
        source = Source(given)
        lock = JournalLock(path).take()
        journal: Journal | None = None
        cache: ResultCache | None = None
        try:
            if spec.cache is not None:
                cache = ResultCache(spec.cache, pipeline.secret, ttl_s=spec.cache_ttl_s)
            journal = Journal.at(path)
            header = journal.header
            if header is None:
                header = await _begin(journal, source, spec, pipeline)
            else:
                header = await _resumed(journal, header, source, spec, pipeline)
                journal.recover()
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
        self._check_open()
        if self._engine is not None:
            await self._take_over(self._engine)
        await self._pipeline.root.ensure()
        engine = Engine(
            self._pipeline,
            self._journal,
            self._header,
            self._source,
            self._submitter(),
            policy=self._spec.policy,
            cache=self._cache,
            max_open=self._spec.max_open_workflows,
            by_halves=self._spec.half_full_price == "each",
            only_pilot=only_pilot,
            wants_results=wants_results,
            tell=self._tell,
        )
        self._engine = engine
        self._pipeline.root.spawn(engine.main)
        return engine

    async def _take_over(self, engine: Engine) -> None:
        """End an iteration that was left early. Raises ConfigurationError when it is not one."""
        if not engine.wants_results:
            raise ConfigurationError("This job is running already.")
        await self._end(engine, "The job was run anew while its results were read.")

    async def _end(self, engine: Engine, reason: str) -> None:
        """End a run from outside: whoever reads its results is told that they are not all."""
        if not engine.finished.is_set() and engine.outcome.stopped_by is None:
            engine.outcome.stopped_by = ConfigurationError(reason)
        await self._halt(engine)

    def _raise(self, engine: Engine) -> None:
        problem = engine.outcome.failure or engine.outcome.stopped_by
        if problem is not None:
            raise problem

    def _submitter(self) -> Submitter:
        options = replace(self._spec.options, deadline_s=None)
        fetcher = Fetcher(self._pipeline, self._polls, options, lambda _count: None)
        kind = self._header.enrichment_type
        if self._header.submit_mode == "exact":
            session = Session(self._pipeline, lambda: self._polls, options, self._spec.api_version)
            return ExactSubmits(session, self._journal, self._header)
        if self._header.submit_mode == "tracked":
            patience = self._polls.patience(BULK_STATUS.name)
            address = self._header.webhook or ""
            return TrackedSubmits(
                self._pipeline,
                fetcher,
                options,
                kind,
                webhook=address,
                journal=self._journal,
                patience=patience,
                expected=self._expected,
                receiver=self._spec.receiver,
            )
        return PlainSubmits(self._pipeline, fetcher, options, kind)

    def _tell(self) -> None:
        if self.on_progress is None or self._closed:
            return
        try:
            self.on_progress(self.status())
        except Exception:  # a display's trouble is not the job's
            log.warning("on_progress failed", exc_info=True)

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

        Returns the hit rate and the cost per contact with 95 % intervals, and what they mean for all. Raises
        JournalError once anything else of the job was sent.
        """
        self._check_open()
        number = self._pilot_number()
        if number is None:
            places = await choose(self._source, n, self._header.salt)
            with self._journal.transaction():
                self._journal.forget_plan()
                await write_plan(
                    self._journal,
                    self._source,
                    self._header.salt,
                    _CHUNK_CONTACTS,
                    places,
                    max_bytes=_max_bytes(self._header.submit_mode),
                )
            number = self._pilot_number()
        if number is None:
            raise ConfigurationError("There is no contact to buy.")
        report = await self._run(only_pilot=True)
        report.raise_for_error()
        picked = self._journal.picked()
        contacts = {
            place: prepare(place, given).contact
            for place, given in enumerate(self._source)
            if place in picked
        }
        results = self._journal.results_of(self._journal.chunk(number), contacts)
        worst = facts.WORST_CASE_CREDITS.get(self._header.enrichment_type, math.inf)
        return Pilot.of(results, sum(chunk.contacts for chunk in self._journal.chunks()), worst)

    def _pilot_number(self) -> int | None:
        return next((chunk.number for chunk in self._journal.chunks("WHERE is_pilot = 1")), None)

    # -- looking at it -------------------------------------------------------------------------

    def status(self) -> JobStatus:
        """Return where the job stands."""
        return status_of(self._journal, self._header, running=self._engine is not None)

    def unknown(self) -> list[UnknownChunk]:
        """Return the chunks that were sent, and of which nobody can say whether they were accepted."""
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
        nowhere; `absent` says that they know of
        none, so it is sent again; `resubmit` sends it again at the risk of buying it twice; `abandon` gives
        it up. Exactly one of them. Raises JournalError when the chunk is not unknown.
        """
        self._check_open()
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
        return self._journal.of_token(token) is not None

    def receive(self, token: str, payload: bytes) -> bool:
        """Take a webhook that came to ``<webhook>/<token>``. Returns whether the token is one of ours.

        Answer the sender with 2xx if so, and with 404 if not: it is on the disk when this returns. Webhooks
        are not signed; the token is the secret that only this job and the server know. A client that has a
        `WebhookReceiver` needs no call of this.
        """
        self._check_open()
        chunk = self._journal.of_token(token)
        if chunk is None:
            return False
        try:
            event = Event.read(payload)
        except RefusedEventError:
            return True  # ours, and nothing in it
        self._journal.prove(chunk.number, "webhook", event.workflow_id)
        if (submission := self._expected.get(chunk.number)) is not None:
            submission.receive(event)
        if self._engine is not None:
            self._engine.wake()
        return True

    def verify(self) -> list[str]:
        """Check the journal against its own rules, and return what is wrong with it, if anything is."""
        return problems_of(self._journal, self._header)

    def receipts(self) -> Iterator[Receipt]:
        """Yield a receipt for every contact, in the order of the input."""
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


def status_of(journal: Journal, header: Header, *, running: bool) -> JobStatus:
    """Read where a job stands."""
    latest = journal.header or header
    counts = {state: chunks for state, (chunks, _) in journal.counts().items()}
    per_contact = facts.WORST_CASE_CREDITS.get(header.enrichment_type) or 0
    spent, held = journal.committed()
    doubtful = sum(
        chunk.held + chunk.doubtful for chunk in journal.chunks("WHERE state = 'unknown' OR doubtful > 0")
    )
    invalid, duplicates = journal.set_aside()
    return JobStatus(
        name=header.name,
        state=_state(counts, latest, running=running),
        enrichment_type=header.enrichment_type,
        submit_mode=header.submit_mode,
        contacts=header.contacts,
        invalid=invalid,
        duplicates=duplicates,
        chunks=counts,
        results=journal.statuses(),
        credits_spent=spent,
        credits_held=held * per_contact,
        credits_at_risk=doubtful * per_contact,
        max_credits=latest.max_credits,
        paused_by=latest.paused_by,
        shortfall_credits=latest.shortfall,
    )


def _state(counts: dict[ChunkState, int], header: Header, *, running: bool) -> JobState:
    if counts.keys() & UNFINISHED:
        if header.paused_by is not None and not running:
            return "paused"
        return "planned" if counts.keys() <= {ChunkState.PLANNED} and not running else "running"
    return "complete_with_unknown" if counts.keys() & IN_DOUBT else "complete"


async def _begin(journal: Journal, source: Source, spec: JobSpec, pipeline: Pipeline) -> Header:
    """Plan a new job. The journal holds all of the plan, or none."""
    salt = secrets.token_bytes(16)
    with journal.transaction():
        contacts, duplicates_digest = await write_plan(
            journal, source, salt, _CHUNK_CONTACTS, max_bytes=_max_bytes(spec.mode)
        )
        if contacts == 0:
            raise ConfigurationError(f"{source.name} has no contacts.")
        header = Header(
            name=journal.path.name,
            created_at=now(),
            origin=_origin(pipeline),
            enrichment_type=spec.enrichment_type,
            submit_mode=spec.mode,
            webhook=spec.address,
            max_credits=spec.max_credits,
            source_name=source.name,
            source_digest=source.digest,
            salt=salt,
            contacts=contacts,
            duplicates_digest=duplicates_digest,
        )
        journal.begin(header)
    return header


async def _resumed(
    journal: Journal, header: Header, source: Source, spec: JobSpec, pipeline: Pipeline
) -> Header:
    """Check that this is the same job; the wall may have moved."""
    by_default = spec.submit_mode == "auto" and spec.address != spec.webhook and header.submit_mode != "exact"
    asked: dict[str, tuple[Any, Any]] = {
        "enrichment_type": (header.enrichment_type, spec.enrichment_type),
        "submit_mode": (header.submit_mode, header.submit_mode if by_default else spec.mode),
        "webhook": (header.webhook, header.webhook if by_default else spec.address),
        "base_url": (header.origin, _origin(pipeline)),
    }
    for name, (old, new) in asked.items():
        if old != new:
            raise InputChangedError(
                f"The job was begun with {name} = {old!r}, and is now asked for with {new!r}.",
                fix="Resume it as it was, or begin a new job with another journal.",
            )
    await refuse_changed_input(journal, header, source)
    if header.max_credits != spec.max_credits:
        journal.set_wall(spec.max_credits)
    resumed = journal.header
    if resumed is None:
        raise JournalError("The journal has lost its header.")
    return resumed


def _max_bytes(mode: SubmitMode) -> int:
    """Return the bytes of one chunk; a contact takes no more of them as a row of CSV than as JSON."""
    return facts.MAX_IMPORT_BYTES if mode == "exact" else facts.MAX_REQUEST_BYTES


def _origin(pipeline: Pipeline) -> str:
    return pipeline.route.organization.rpartition("@")[2]
