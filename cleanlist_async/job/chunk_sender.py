"""Submitting the chunks of a job. Each step is on disk before the next one is taken."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Final

import anyio

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.chunk import RunBudget
from cleanlist_async.enrich.row_results import skipped
from cleanlist_async.enrich.submit_outcome import (
    FAILURES_IN_A_ROW,
    Accepted,
    Refused,
    Retry,
    SetAside,
    Split,
    Stop,
    SubmitOutcome,
    Unknown,
    judge,
    reason_of,
)
from cleanlist_async.errors import (
    ClaimLostError,
    CleanlistError,
    JournalError,
    RateLimitError,
    StoreError,
    UnknownOutcomeError,
)
from cleanlist_async.events import identifier
from cleanlist_async.http.options import backoff_s
from cleanlist_async.job.journal.records import SETTLED, Acceptance, AttemptOutcome, ChunkState
from cleanlist_async.job.planning import PlannedChunk, fingerprint
from cleanlist_async.job.run_state import RunContext
from cleanlist_async.job.submits import Intent
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables.input_options import SUPPRESSED, Suppression

log: Final = logging.getLogger("cleanlist_async")

_NOT_SENT: Final = frozenset({ChunkState.PLANNED, ChunkState.REFUSED, *SETTLED})


class ChunkSender:
    """Submits planned chunks within the budget, and records the outcome of each.

    `kept_back` is the error for contacts that nobody knows to be bought or not, if there are any.
    """

    def __init__(self, run: RunContext) -> None:
        self.kept_back: StoreError | None = None
        self.budget = RunBudget(run.header.max_credits, run.header.enrichment_type)
        self._run = run
        self._failures = 0  # in a row, over all chunks
        self._troubles = 0
        self._held_off_since = math.inf  # by 429s, or because the server is away

    async def send(self, chunk: PlannedChunk) -> float | None:
        """Submit a planned chunk, in as many attempts as it takes.

        Return the time of its acceptance by the limiter's clock, or None if it was not accepted.
        """
        try:
            return await self._send(chunk)
        finally:
            # Where it may have been accepted, others must not buy it. On disk that is known in any case.
            if self._run.shared is not None and self._run.journal.chunk(chunk.row.number).state in _NOT_SENT:
                self._run.shared.release(chunk.contacts)

    async def _send(self, chunk: PlannedChunk) -> float | None:
        await self._run.state.room()
        failures = 0
        while not self._run.state.is_stopping and (contacts := self._to_send(chunk)):
            if not (await self._claim(chunk, contacts) and await self._cover(chunk)):
                return None
            # Again: the chunk may have been cut, and while it waited another job may have filled the cache.
            if not (contacts := self._to_send(chunk)):
                return None
            await self._attempt(chunk, contacts)
            if chunk.row.state is ChunkState.ACCEPTED:
                return self._run.pipeline.limiter.clock()
            if chunk.row.state is not ChunkState.PLANNED or self._run.state.is_stopping:
                return None
            failures += 1
            with self._run.state.waiting_for("connection"):
                await anyio.sleep(backoff_s(failures, self._run.pipeline.limiter.rng))
        return None

    def _to_send(self, chunk: PlannedChunk) -> list[Prepared]:
        """Return the contacts of a chunk that have no result of its own or in the cache, and may be sent."""
        # Results of its own: contacts refused by name in an earlier attempt, or settled before a decision to
        # send the chunk again.
        done = self._run.journal.has_result(chunk.row.number)
        contacts = [contact for contact in chunk.contacts if contact.index not in done]
        # Not when the job is planned: the list may have grown since.
        if suppressed := _suppressed(contacts, self._run.suppression):
            self._run.know(chunk.row.number, suppressed, cached=False)
            contacts = _without(contacts, suppressed)
        if self._run.cache is not None and contacts:
            found = self._run.cache.find(contacts, self._run.header.enrichment_type)
            if hits := [result for result, _age_s in found]:
                self._run.know(chunk.row.number, hits, cached=True)
                contacts = _without(contacts, hits)
        if not contacts:
            chunk.row = self._run.journal.nothing_to_send(chunk.row.number)
            self._run.handout.give_stored(chunk)
        return contacts

    async def _claim(self, chunk: PlannedChunk, contacts: Sequence[Prepared]) -> bool:
        """Take over what others have bought; return False if they may have bought more of the chunk."""
        if self._run.shared is None:
            return True
        again = bool(self._run.journal.attempts(chunk.row.number))
        with self._run.state.waiting_for("workflows"):
            results = await self._run.shared.claim(contacts, again=again)
        known = [result for result in results if result.status in {"found", "not_found"}]
        if known:
            self._run.know(chunk.row.number, known, cached=True)
        doubtful = [result for result in results if result.status not in {"found", "not_found"}]
        if not doubtful:
            return True
        self.kept_back = StoreError(
            f"{len(doubtful)} contacts of chunk {chunk.row.number} were not sent: {doubtful[0].error}",
            fix="When that is decided, or over, run the job again.",
        )
        return False

    # -- the budget ----------------------------------------------------------------------------

    async def _cover(self, chunk: PlannedChunk) -> bool:
        """Wait for credits that may come back; cut the chunk to what is covered, or stop the job."""
        if not (contacts := self._to_send(chunk)):
            return False
        wanted, state = len(contacts), self._run.state
        # The worst case is held for each open workflow; most settle below it and give credits back.
        with state.waiting_for("credits"):
            while (count := await self._affordable(wanted)) < wanted:
                if not state.open_workflows or state.is_stopping:
                    break  # nothing is left that could give credits back
                await state.change.wait()
        if count == wanted:
            return True
        # A smaller pilot than was asked for would have other intervals: the caller decides.
        if count == 0 or chunk.row.is_pilot:
            if self.budget.affordable(wanted) >= (wanted if chunk.row.is_pilot else 1):
                return True  # to be refused by the store, whose error has the figures
            state.stop(self.budget.exceeded())
            return False
        self._split(chunk, contacts[count - 1])
        return True

    async def _affordable(self, contacts: int) -> int:
        # Read from the journal each time: webhooks and decisions change what is held as well.
        # An unknown chunk stays held, so a budget is kept even if it was bought.
        spent, held = self._run.journal.committed()
        self.budget.spent, self.budget.reserved = spent, held * self.budget.per_contact
        count = self.budget.affordable(contacts)
        if self._run.shared is not None:
            count = int(min(count, await self._run.shared.room() / self.budget.per_contact))
        return count

    def _split(self, chunk: PlannedChunk, last: Prepared) -> None:
        """Keep the contacts of a planned chunk up to *last*; the others become a chunk of their own."""
        count = sum(contact.index <= last.index for contact in chunk.contacts)
        halves = [chunk.contacts[:count], chunk.contacts[count:]]
        # With a fingerprint each: on resume the halves are compared with the source one by one.
        chunk.row = self._run.journal.split(
            chunk.row,
            [
                (half[0].index, half[-1].index, len(half), fingerprint(self._run.header.salt, half))
                for half in halves
            ],
        )
        chunk.contacts = halves[0]
        if self._run.shared is not None:
            self._run.shared.release(halves[1])  # its turn may come late, or not in this run

    # -- one attempt ---------------------------------------------------------------------------

    async def _attempt(self, chunk: PlannedChunk, contacts: Sequence[Prepared]) -> None:
        """Submit once, and record the outcome."""
        intent: Intent | None = None
        try:
            # Outside the window of doubt: what prepares a submit is free, so a crash in it leaves PLANNED.
            attempt = await self._run.submitter.prepare(chunk.row, contacts)
            shared = self._run.shared
            record = shared.record(attempt.submission, contacts) if shared is not None else None
            intent = Intent(self._run.journal, attempt, len(contacts), record=record)
            await self.accept(chunk, intent, await self._run.submitter.submit(intent, chunk.row, contacts))
        except JournalError:
            # While this attempt waited for a token, a webhook of an earlier one may have proved that the
            # chunk was bought: then the intent is refused, and nothing more is to be sent.
            latest = self._run.journal.chunk(chunk.row.number)
            was_sent = intent is not None and intent.written
            if was_sent or latest.state is not ChunkState.ACCEPTED:
                raise
            chunk.row = latest
        except CleanlistError as error:
            await self._apply(error, intent, chunk, contacts)
        self._run.report()

    async def accept(self, chunk: PlannedChunk, intent: Intent, acceptance: Acceptance) -> None:
        """Record that a chunk was accepted. Raises UnknownOutcomeError for the answer of another one."""
        if self._run.journal.is_of_another(acceptance.workflow_id, chunk.row.number):
            raise UnknownOutcomeError("A submit was answered with the workflow of another chunk.")
        try:
            chunk.row = self._run.journal.accepted(intent.attempt, acceptance)
        except JournalError:
            # Paid for, and the disk fails: the log is the last place for the id.
            workflow_id = identifier(acceptance.workflow_id)
            log.error("workflow %s was accepted, and the journal cannot be written", workflow_id)  # noqa: TRY400
            raise
        self._run.state.outcome.accepted = True
        self._failures, self._held_off_since = 0, math.inf
        if self._run.shared is not None and intent.record is not None:
            try:
                await self._run.shared.accepted(intent.record, acceptance)
            except StoreError as error:  # it is in the journal, and recorded later
                self._run.state.stop(error)

    async def _apply(
        self, error: CleanlistError, intent: Intent | None, chunk: PlannedChunk, contacts: Sequence[Prepared]
    ) -> None:
        """Act on the outcome of a submit that was not plainly accepted."""
        was_sent = intent is not None and intent.written
        outcome = judge(error, contacts, sent=was_sent)
        if isinstance(outcome, Accepted) and self._run.journal.is_of_another(
            outcome.workflow_id, chunk.row.number
        ):
            outcome = Unknown()  # the answer to another request, so nothing is known of this one
        if isinstance(outcome, Split) and chunk.row.is_pilot:
            outcome = Refused()  # half a sample would not be the sample that was asked for
        # An attempt that is not on disk was not sent: the chunk is still PLANNED, and stays so.
        if intent is not None and was_sent:
            await self._record(outcome, error, intent, chunk, contacts)
        # Neither a 429 nor a server that is away says what would become of the next submit.
        may_pass = isinstance(error, RateLimitError) or (isinstance(outcome, Retry) and not was_sent)
        if not may_pass:
            self._held_off_since = math.inf
        elif self._is_held_off_for_too_long():
            self._run.state.stop(error)
        if may_pass or isinstance(outcome, Accepted | SetAside | Split) or isinstance(error, ClaimLostError):
            return
        # An outage must not turn chunk after chunk into unknown ones. Those in flight together count once.
        before, self._troubles = self._troubles, self._run.pipeline.submit_troubles
        self._failures += not isinstance(outcome, Unknown) or before != self._troubles
        if isinstance(outcome, Stop) or self._failures >= FAILURES_IN_A_ROW:
            self._run.state.stop(error)

    def _is_held_off_for_too_long(self) -> bool:
        now = self._run.pipeline.limiter.clock()
        self._held_off_since = min(self._held_off_since, now)
        return now - self._held_off_since > facts.GIVE_UP_AFTER_S

    async def _record(
        self,
        outcome: SubmitOutcome,
        error: CleanlistError,
        intent: Intent,
        chunk: PlannedChunk,
        contacts: Sequence[Prepared],
    ) -> None:
        state = ChunkState.PLANNED  # the only state in which a chunk is sent again without a decision
        match outcome:
            case Accepted(workflow_id):
                await self.accept(chunk, intent, Acceptance(workflow_id, request_id=error.request_id))
                return
            case SetAside(invalid):
                # They count as done from here on, so the next attempt goes without them.
                self._run.know(chunk.row.number, [*invalid.values()], cached=False)
            case Refused():
                log.warning("the server refused %d contacts of a job: %s", len(contacts), reason_of(error))
                state = ChunkState.REFUSED
            case Unknown():
                state = ChunkState.UNKNOWN
            case Split() | Retry() | Stop():
                pass
        # After the results, so that a crash in between leaves the attempt open and the chunk unknown.
        answer = AttemptOutcome.of(error, "ambiguous" if state is ChunkState.UNKNOWN else "rejected")
        chunk.row = self._run.journal.not_accepted(intent.attempt, answer, state, reason_of(error))
        if self._run.shared is not None and intent.record is not None:
            await self._run.shared.ended(intent.record, outcome, error)
        # Only a chunk that is PLANNED again can be split.
        if isinstance(outcome, Split):
            self._split(chunk, contacts[len(contacts) // 2 - 1])


def _without(contacts: Sequence[Prepared], results: Sequence[EnrichmentResult]) -> list[Prepared]:
    """Return the contacts that have none of these results."""
    done = {result.index for result in results}
    return [contact for contact in contacts if contact.index not in done]


def _suppressed(contacts: Sequence[Prepared], suppression: Suppression | None) -> list[EnrichmentResult]:
    if suppression is None:
        return []
    return [
        skipped(Invalid(contact.index, contact.contact, SUPPRESSED))
        for contact in contacts
        if suppression.covers(contact.sent)
    ]
