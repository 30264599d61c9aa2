"""Runs a job from its journal to the end, or to where it has to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

import anyio
import anyio.abc
import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich import row_results as settle
from cleanlist_async.enrich.budget import Budget
from cleanlist_async.enrich.dedupe import copy_for
from cleanlist_async.enrich.progress import tell_end
from cleanlist_async.enrich.report import Summary
from cleanlist_async.enrich.result_queue import ResultQueue
from cleanlist_async.errors import (
    APIConnectionError,
    APIError,
    BudgetExceededError,
    CleanlistError,
    ConfigurationError,
    InsufficientCreditsError,
    JournalError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitError,
    RequestValidationError,
    UnknownOutcomeError,
)
from cleanlist_async.events import RunStarted, identifier, report_failure
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.http.retry import backoff_s
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.job.classifier import Next, classify
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Answer, ChunkRow, Header
from cleanlist_async.job.journal.states import SETTLED, ChunkState
from cleanlist_async.job.planning import STEPS_AT_ONCE, Batch, Walk, fingerprint
from cleanlist_async.job.source import Source
from cleanlist_async.job.status import WITHOUT_RESULT
from cleanlist_async.job.submits.bulk import Accepted, Intent, Submitter, age_of
from cleanlist_async.job.submits.webhook_inbox import Mail
from cleanlist_async.job.unknown import UnknownPolicy
from cleanlist_async.results import EnrichmentResult

log: Final = logging.getLogger("cleanlist_async")

WaitsFor: TypeAlias = Literal["workflows", "credits", "connection", "evidence"]
"""Why nothing is sent right now: as many workflows are open as may be; credits that are held may come back;
the last attempt failed; nothing is left but chunks whose outcome is unknown."""

_RESULTS_AHEAD: Final = 2_000
_FAILURES_IN_A_ROW: Final = 3
"""Chunks in a row that end badly, or attempts without a connection, before the job pauses."""


@dataclass(slots=True)
class Outcome:
    """How a run of a job ended."""

    stopped_by: CleanlistError | None = None
    failure: Exception | None = None


class Engine:
    """One run of a job, in the client's task group; its results are read from `results`."""

    def __init__(
        self,
        pipeline: Pipeline,
        journal: Journal,
        header: Header,
        source: Source,
        submitter: Submitter,
        *,
        mail: Mail | None,
        policy: UnknownPolicy,
        cache: ResultCache | None,
        max_open: int,
        only_pilot: bool = False,
        wants_results: bool,
        tell: Callable[[], None],
    ) -> None:
        self.outcome = Outcome()
        self.finished = anyio.Event()
        self.results = ResultQueue(_RESULTS_AHEAD)
        self._pipeline = pipeline
        self._journal = journal
        self._header = header
        self._source = source
        self._submitter = submitter
        self._mail = mail
        self._policy = policy
        self._cache = cache
        self._max_open = max_open
        self._only_pilot = only_pilot
        self.wants_results = wants_results
        self._tell = tell
        self._scope = anyio.CancelScope()
        self._change = anyio.Event()
        self._budget = Budget(header.max_credits, header.enrichment_type)
        self._given = bytearray(header.contacts)
        self._followers: dict[int, list[Prepared]] = {}
        self._in_doubt: list[Batch] = []
        self.waits_for: WaitsFor | None = None
        self._open = 0
        self._settled = Summary()
        self._bad = 0

    def cancel(self) -> None:
        """Stop. A submit that is on its way is seen through; workflows go on, and wait on the disk."""
        self._scope.cancel()

    def wake(self) -> None:
        """Look again: something changed."""
        self._change.set()

    async def main(self) -> None:
        """Run to the end. Raises nothing of its own: `outcome`, `results` and the journal tell all."""
        clock, events = self._pipeline.limiter.clock, self._pipeline.events
        began = clock()
        events.emit(RunStarted("job", self._header.enrichment_type, self._header.contacts))
        try:
            with self._scope:
                await self._run()
        except CleanlistError as error:
            self.outcome.stopped_by = error
        except Exception as problem:  # noqa: BLE001  # for whoever waits for the job
            self.outcome.failure = _alone(problem)
            report_failure("a job", problem)
        except BaseException:
            self._stop(ConfigurationError("The client was closed before the job was over."))
            raise
        finally:
            self.results.close()
            ended_by = self.outcome.failure or self.outcome.stopped_by
            tell_end(events, "job", self._settled, clock() - began, ended_by)
            self.finished.set()
            self._tell()

    async def _run(self) -> None:
        self._journal.recover()
        self._journal.try_again()
        self._journal.pause(None)
        while True:
            try:
                async with self._mail_coming_in(), anyio.create_task_group() as group:
                    await self._pass(group)
            except* CleanlistError as stopped:
                self._stop(_first_of(stopped))
            if self._stopping or not self._something_left():
                break
        if self.outcome.stopped_by is not None:
            self._journal.pause(*_pause_note(self.outcome.stopped_by))
        if self.wants_results:
            await self._give_leftovers()

    def _mail_coming_in(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._mail is None else self._mail.coming_in()

    @property
    def _stopping(self) -> bool:
        return self.outcome.stopped_by is not None

    def _something_left(self) -> bool:
        """Whether another reading of the source would find something to do."""
        counts = self._journal.counts()
        if self._only_pilot:
            return False
        return bool(counts.keys() & {ChunkState.PLANNED, ChunkState.ACCEPTED})

    # -- one reading of the source -------------------------------------------------------------

    async def _pass(self, group: anyio.abc.TaskGroup) -> None:
        for count, step in enumerate(Walk(self._journal, self._header, self._source)):
            if count % STEPS_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            if self._stopping:
                return
            if isinstance(step, Batch):
                if step.chunk.is_pilot or not self._only_pilot:
                    await self._take(step, group)
            elif isinstance(step, Invalid):
                self._give(settle.kept_back(step))
            else:
                self._follow(step)
            if self.results.is_full:
                await self.results.room()
            if self._in_doubt:
                await self._reconsider(group)
        while self._in_doubt and not self._stopping:
            with self._waiting_for("evidence"):
                await self._next_change()
            await self._reconsider(group)

    async def _take(self, batch: Batch, group: anyio.abc.TaskGroup) -> None:
        """Do what the state of a chunk asks for."""
        await anyio.lowlevel.checkpoint()
        batch.chunk = self._journal.chunk(batch.chunk.number)
        if batch.chunk.state is ChunkState.UNKNOWN:
            await self._examine(batch)
        if batch.chunk.state is ChunkState.PLANNED:
            await self._send(batch, group)
            self._note_doubt(batch)
        elif batch.chunk.state is ChunkState.UNKNOWN and self._submitter.may_learn(batch.chunk):
            self._in_doubt.append(batch)
        elif batch.chunk.state in {ChunkState.ACCEPTED, ChunkState.PARTIAL}:
            await self._room()
            self._start(group, batch, None)
        elif batch.chunk.state in SETTLED:
            self._give_stored(batch)

    async def _room(self) -> None:
        with self._waiting_for("workflows"):
            while self._open >= self._max_open and not self._stopping:
                await self._next_change()

    @contextmanager
    def _waiting_for(self, what: WaitsFor) -> Generator[None]:
        self.waits_for = what
        try:
            yield
        finally:
            self.waits_for = None

    async def _next_change(self) -> None:
        if self._change.is_set():
            self._change = anyio.Event()
        with anyio.move_on_after(self._pipeline.limiter.limits.window_s / 30):
            await self._change.wait()

    # -- submitting ----------------------------------------------------------------------------

    async def _send(self, batch: Batch, group: anyio.abc.TaskGroup) -> None:
        """Submit a planned chunk, in as many attempts as it may take, and wait for it in a task."""
        await self._room()
        failures = 0
        while not self._stopping and (contacts := self._to_send(batch)):
            if not await self._afford(batch, contacts):
                return
            if not (contacts := self._to_send(batch)):
                return
            submitted_at = await self._attempt(batch, contacts)
            if submitted_at is not None:
                self._start(group, batch, submitted_at)
                return
            if batch.chunk.state is not ChunkState.PLANNED or self._stopping:
                return
            failures += 1
            with self._waiting_for("connection"):
                await anyio.sleep(self._patience_s(failures))

    def _to_send(self, batch: Batch) -> list[Prepared]:
        """Return the contacts of a chunk that have no result, after a look into the cache."""
        done = self._journal.has_result(batch.chunk.number)
        contacts = [contact for contact in batch.contacts if contact.index not in done]
        if self._cache is not None and contacts:
            hits = self._cache.find(contacts, self._header.enrichment_type)
            if hits:
                self._journal.known_already(batch.chunk.number, hits, cached=True)
                for result in hits:
                    self._give_to_all(result)
                found = {result.index for result in hits}
                contacts = [contact for contact in contacts if contact.index not in found]
        if not contacts:
            self._journal.nothing_to_send(batch.chunk.number)
            self._give_stored(batch)
        return contacts

    async def _afford(self, batch: Batch, contacts: Sequence[Prepared]) -> bool:
        """Wait for credits that may come back; cut the chunk to what is covered, or stop the job."""
        wanted = len(contacts)
        with self._waiting_for("credits"):
            while (count := self._affordable(wanted)) < wanted and self._open and not self._stopping:
                await self._next_change()
        if count == wanted:
            return True
        if count == 0 or batch.chunk.is_pilot:
            self._stop(_budget_error(self._budget))
            return False
        self._split(batch, contacts[count - 1])
        return True

    def _affordable(self, contacts: int) -> int:
        spent, held = self._journal.committed()
        self._budget.spent, self._budget.reserved = spent, held * self._budget.per_contact
        return self._budget.affordable(contacts)

    def _split(self, batch: Batch, last: Prepared) -> None:
        """Keep the contacts of a planned chunk up to *last*; the others become a chunk of their own."""
        count = sum(contact.index <= last.index for contact in batch.contacts)
        halves = [batch.contacts[:count], batch.contacts[count:]]
        first, _ = self._journal.split(
            batch.chunk,
            [
                (half[0].index, half[-1].index, len(half), fingerprint(self._header.salt, half))
                for half in halves
            ],
        )
        batch.chunk, batch.contacts = first, halves[0]

    async def _attempt(self, batch: Batch, contacts: Sequence[Prepared]) -> float | None:
        """Submit once, and write down what came of it. Returns the time, if it was accepted."""
        intent: Intent | None = None
        try:
            attempt = await self._submitter.prepare(batch.chunk, contacts)
            intent = Intent(self._journal, attempt, len(contacts))
            self._accept(intent, await self._submitter.submit(intent, batch.chunk, contacts))
        except JournalError:
            if not self._was_found(intent, batch.chunk.number):
                raise
        except CleanlistError as error:
            self._not_accepted(intent, batch, contacts, error)
        batch.chunk = self._journal.chunk(batch.chunk.number)
        self._tell()
        return self._pipeline.limiter.clock() if batch.chunk.state is ChunkState.ACCEPTED else None

    def _was_found(self, intent: Intent | None, number: int) -> bool:
        """Whether a chunk was not sent because a webhook of an earlier attempt came first."""
        was_sent = intent is not None and intent.written
        return not was_sent and self._journal.chunk(number).state is ChunkState.ACCEPTED

    def _accept(self, intent: Intent, accepted: Accepted) -> None:
        """Write down that a chunk was accepted. Raises UnknownOutcomeError for the answer of another one."""
        if self._journal.is_of_another(accepted.workflow_id, intent.attempt.chunk):
            raise UnknownOutcomeError("A submit was answered with the workflow of another chunk.")
        answer = Answer(outcome="accepted", status=200, request_id=accepted.request_id, body=accepted.body)
        try:
            self._journal.accepted(
                intent.attempt, accepted.workflow_id, accepted.task_ids, answer, accepted.key_name
            )
        except JournalError:
            workflow_id = identifier(accepted.workflow_id)
            log.error("workflow %s was accepted, and the journal cannot be written", workflow_id)  # noqa: TRY400
            raise
        self._bad = 0

    def _not_accepted(
        self, intent: Intent | None, batch: Batch, contacts: Sequence[Prepared], error: CleanlistError
    ) -> None:
        """Write down what a submit came to that was not plainly accepted."""
        intended = intent is not None and intent.written
        verdict = classify(error, intended=intended)
        if intent is not None and intended:
            if self._is_salvaged(intent, error):
                return
            mended = self._mend(batch, contacts, error)
            state = ChunkState.PLANNED if mended else verdict.state
            answer = _answer(error, verdict.outcome)
            self._journal.not_accepted(intent.attempt, answer, state, reason_of(error))
            if isinstance(error, PayloadTooLargeError) and mended:
                batch.chunk = self._journal.chunk(batch.chunk.number)
                self._split(batch, contacts[len(contacts) // 2 - 1])
            if mended:
                return
        if isinstance(error, RateLimitError):
            return
        self._bad += 1
        if verdict.next is Next.PAUSE or self._bad >= _FAILURES_IN_A_ROW:
            self._stop(error)

    def _is_salvaged(self, intent: Intent, error: CleanlistError) -> bool:
        """Whether an answer that is torn or odd still names the workflow, which is written down then."""
        if not (isinstance(error, UnknownOutcomeError) and error.workflow_id and _is_success(error.status)):
            return False
        if self._journal.is_of_another(error.workflow_id, intent.attempt.chunk):
            return False
        self._accept(intent, Accepted(error.workflow_id, request_id=error.request_id))
        return True

    def _mend(self, batch: Batch, contacts: Sequence[Prepared], error: CleanlistError) -> bool:
        """Whether the chunk can go without what the server refuses of it: contacts by name, or its half."""
        if isinstance(error, RequestValidationError):
            return self._set_aside(batch, contacts, error)
        return isinstance(error, PayloadTooLargeError) and len(contacts) > 1 and not batch.chunk.is_pilot

    def _set_aside(self, batch: Batch, contacts: Sequence[Prepared], error: RequestValidationError) -> bool:
        """Write down the contacts that a 422 names as invalid; False if it names none."""
        named = {found.contact_index: found.msg for found in error.field_errors}
        bad = [
            settle.without_row(contacts[index], "invalid", f"refused: {reason}")
            for index, reason in named.items()
            if index is not None and 0 <= index < len(contacts)
        ]
        self._journal.known_already(batch.chunk.number, bad, cached=False)
        for result in bad:
            self._give_to_all(result)
        return bool(bad)

    def _patience_s(self, failures: int) -> float:
        return backoff_s(failures, self._pipeline.limiter.rng)

    # -- results -------------------------------------------------------------------------------

    def _start(self, group: anyio.abc.TaskGroup, batch: Batch, at: float | None) -> None:
        self._open += 1
        group.start_soon(self._collect, batch, at)

    async def _collect(self, batch: Batch, at: float | None) -> None:
        """Wait for a workflow, and bring its results to the disk before anybody sees them."""
        chunk = batch.chunk
        left_out = self._journal.not_sent(chunk.number)
        contacts = [contact for contact in batch.contacts if contact.index not in left_out]
        try:
            results = await self._results(chunk, contacts, at)
            self._settle(batch, results)
        except JournalError:
            raise
        except NotFoundError as error:
            self._journal.expired(chunk.number, reason_of(error))
        except CleanlistError as error:
            self._stop(error)
        finally:
            self._open -= 1
            self._change.set()
            self._tell()

    async def _results(
        self, chunk: ChunkRow, contacts: Sequence[Prepared], at: float | None
    ) -> list[EnrichmentResult]:
        """Ask for results; within ten minutes of the submit a 404 only means that a replica lags."""
        clock, attempts = self._pipeline.limiter.clock, self._journal.attempts(chunk.number)
        began, age_s = clock(), age_of(attempts[-1].started_at) if attempts else 0.0
        while True:
            try:
                return await self._submitter.results(
                    chunk, contacts, at, lambda: self._journal.fetching(chunk.number)
                )
            except NotFoundError:
                if age_s + clock() - began >= facts.NEW_WORKFLOW_GRACE_S:
                    raise
            await anyio.sleep(self._pipeline.limiter.limits.window_s / 2)

    def _settle(self, batch: Batch, results: Sequence[EnrichmentResult]) -> None:
        number = batch.chunk.number
        before = {
            result.index
            for result in self._journal.results_of(batch.chunk, _contacts(batch))
            if result.status != "pending"
        }
        fresh = [result for result in results if result.index not in before]
        if self._header.half_full_price == "each":
            fresh = [settle.priced_by_halves(result) for result in fresh]
        self._journal.settled(number, fresh, batch.chunk.request_id)
        certain = [result for result in fresh if result.status != "pending"]
        if self._cache is not None:
            self._cache.keep(batch.contacts, certain, self._header.enrichment_type)
        for result in certain:
            self._settled.count(result)
            self._pipeline.counters.count_credits(result.credits_charged, result.credits_estimated)
            self._give_to_all(result)

    # -- unknown -------------------------------------------------------------------------------

    async def _examine(self, batch: Batch) -> None:
        """Look for evidence on a chunk whose outcome is unknown, and ask the policy where there is none."""
        number = batch.chunk.number
        try:
            found = await self._submitter.look(batch.chunk, batch.contacts)
        except APIConnectionError:
            found = None
        if isinstance(found, Accepted):
            if found.attempt is not None:
                self._accept(Intent(self._journal, found.attempt, batch.chunk.held), found)
            else:
                self._journal.prove(number, "evidence", found.workflow_id)
        elif found is False:
            self._journal.prove(number, "replay", None)
        elif not self._submitter.may_learn(batch.chunk):
            at_risk = batch.chunk.held * self._budget.per_contact
            decision = self._policy.decide(batch.chunk, at_risk, self._journal.resubmitted_credits())
            if decision is not None:
                self._journal.decide(number, decision, "policy", at_risk)
        batch.chunk = self._journal.chunk(number)

    def _note_doubt(self, batch: Batch) -> None:
        if batch.chunk.state is ChunkState.UNKNOWN:
            self._in_doubt.append(batch)

    async def _reconsider(self, group: anyio.abc.TaskGroup) -> None:
        """Look again at chunks whose outcome is unknown, and go on with those of which it no longer is."""
        waiting, self._in_doubt = self._in_doubt, []
        for batch in waiting:
            await self._take(batch, group)

    # -- handing out ---------------------------------------------------------------------------

    def _follow(self, contact: Prepared) -> None:
        """Hand out the result of a duplicate's first, now or when it comes."""
        if not self.wants_results or self._given[contact.index]:
            return
        first = self._journal.first_of(contact.index)
        result = self._journal.result_at(first, contact.contact)
        if result is not None and result.status != "pending":
            self._give(copy_for(contact, result))
        else:
            self._followers.setdefault(first, []).append(contact)

    def _give_stored(self, batch: Batch) -> None:
        if self.wants_results:
            for result in self._journal.results_of(batch.chunk, _contacts(batch)):
                self._give_to_all(result)

    def _give_to_all(self, result: EnrichmentResult) -> None:
        self._give(result)
        for follower in self._followers.pop(result.index, ()):
            self._give(copy_for(follower, result))

    def _give(self, result: EnrichmentResult) -> None:
        if self.wants_results and not self._given[result.index]:
            self._given[result.index] = 1
            self.results.put(result)

    async def _give_leftovers(self) -> None:
        """Hand out what is neither found nor lost when the run ends: pending and unknown contacts."""
        if not self._journal.counts().keys() & WITHOUT_RESULT.keys():
            return
        for step in Walk(self._journal, self._header, self._source):
            if isinstance(step, Prepared):
                self._follow(step)
            if not isinstance(step, Batch):
                continue
            await anyio.lowlevel.checkpoint()
            chunk = self._journal.chunk(step.chunk.number)
            if (status := WITHOUT_RESULT.get(chunk.state)) is None:
                continue
            stored = {r.index: r for r in self._journal.results_of(chunk, _contacts(step))}
            for contact in step.contacts:
                left = stored.get(contact.index) or settle.without_row(
                    contact,
                    status,
                    chunk.reason,
                    workflow_id=chunk.workflow_id,
                    enrichment_type=self._header.enrichment_type,
                )
                self._give_to_all(left)
            if self.results.is_full:
                await self.results.room()

    def _stop(self, error: CleanlistError) -> None:
        """Send nothing more. Workflows that were accepted are still waited for."""
        if self.outcome.stopped_by is None:
            self.outcome.stopped_by = error
        self._change.set()


def _first_of(group: BaseExceptionGroup[CleanlistError]) -> CleanlistError:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _contacts(batch: Batch) -> dict[int, Contact]:
    return {contact.index: contact.contact for contact in batch.contacts}


def _alone(problem: Exception) -> Exception:
    """Return the one error in a group of a task group: groups stay with us."""
    while isinstance(problem, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", problem)
        problem = group.exceptions[0]
    return problem


def _is_success(status: int | None) -> bool:
    """Whether an answer said yes, torn or odd as it may have been; an id in a refusal is no acceptance."""
    return status is not None and 200 <= status < 300


def _answer(error: CleanlistError, outcome: str) -> Answer:
    said = error if isinstance(error, APIError) else None
    status = said.status if said else getattr(error, "status", None)
    code = said.code if said else getattr(error, "code", None)
    return Answer(outcome=outcome, status=status, code=code, request_id=error.request_id)


def _pause_note(error: CleanlistError) -> tuple[str, float | None]:
    shortfall = error.shortfall_credits if isinstance(error, InsufficientCreditsError) else None
    return reason_of(error), shortfall


def reason_of(error: CleanlistError) -> str:
    """Say what went wrong without the server's own words, which may quote contacts."""
    said = error.answer if isinstance(error, UnknownOutcomeError) else error
    if isinstance(said, APIError):
        return f"{type(said).__name__}: {said.status} {said.code}"
    return f"{type(said).__name__}: {said.problem}" if said else "the outcome is not known"


def _budget_error(budget: Budget) -> BudgetExceededError:
    committed = budget.spent + budget.reserved
    error = BudgetExceededError(
        f"max_credits = {budget.max_credits:,.10g} does not cover another contact at {budget.per_contact}"
        f" credits; {committed:,.10g} are spent or held.",
        fix="Resume with a higher max_credits.",
    )
    error.max_credits, error.committed_credits = budget.max_credits, committed
    return error
