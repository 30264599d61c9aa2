"""The journal of a job: what was planned, sent, answered and found, each on disk before the next step.

Each class that it builds on adds one idea: the file, its input and plan, chunks, results, attempts, evidence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Final, Self

from cleanlist_async.errors import JournalError
from cleanlist_async.facts import MAX_WAITING_EVENTS
from cleanlist_async.job.journal.chunks import JournalResults
from cleanlist_async.job.journal.database import Database
from cleanlist_async.job.journal.records import (
    NOTHING_TO_SEND,
    SETTLED,
    Acceptance,
    Attempt,
    AttemptOutcome,
    ChunkRow,
    ChunkState,
    Decision,
    Header,
    now,
)

_ATTEMPT: Final = ", ".join(field.name for field in fields(Attempt))
_LARGEST_BODY: Final = 64 * 1024


class JournalAttempts(JournalResults):
    """The attempts, and what came of them."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._generation = 0
        self.on_submit: Callable[[], None] = lambda: None
        """Called after an intent is on disk and before the first byte leaves."""

    def attempts(self, chunk: int) -> list[Attempt]:
        """Return the attempts to submit a chunk, the latest last."""
        rows = self._db.checked_rows(_ATTEMPT, "attempts", "WHERE chunk = ? ORDER BY rowid", (chunk,))
        return [Attempt(*row) for row in rows]

    def acceptances(self, chunk: int) -> tuple[int, int]:
        """Return how often a chunk was accepted, and how many decisions or proofs let it be sent again."""
        row = self._db.one(
            "SELECT (SELECT count(*) FROM attempts WHERE chunk = ? AND outcome = 'accepted'),"
            " (SELECT count(*) FROM decisions WHERE chunk = ? AND decision IN ('absent', 'resubmit'))",
            (chunk, chunk),
        )
        return int(row[0]), int(row[1])

    def chunk_of(self, submission: str) -> int | None:
        """Return the number of the chunk that an attempt was made with; None if it is not of this job."""
        row = self._db.row("SELECT chunk FROM attempts WHERE submission = ?", (submission,))
        return int(row[0]) if row else None

    def of_token(self, token: str) -> ChunkRow | None:
        """Return the chunk that was submitted with a token."""
        row = self._db.row("SELECT chunk FROM attempts WHERE token = ?", (token,))
        return self.chunk(row[0]) if row else None

    def raise_generation(self, least: int) -> None:
        """Begin a run: the generation becomes higher than it was, and than *least*."""
        # Above the record's as well: an adopted backup must overtake the journal that it replaces.
        with self._db.transaction():
            self._db.execute("UPDATE job SET generation = max(generation, ?) + 1", (least,))
        self._generation = self.generation

    def intend(self, attempt: Attempt, contacts: int) -> None:
        """Record that *contacts* of a chunk are about to be sent, before the first byte leaves."""
        with self._raising_generation():
            # What is sent is held against the budget from here on, whatever becomes of the answer.
            self._move(attempt.chunk, (ChunkState.PLANNED,), ChunkState.SENDING, held=contacts, reason=None)
            self._add_attempt(attempt)

    def intend_again(self, attempt: Attempt) -> None:
        """Record that the import of an unknown chunk is about to be repeated under the key it had."""
        with self._raising_generation():
            # The state stays UNKNOWN: a crash in the repetition leaves as much in doubt as there was before.
            if self.chunk(attempt.chunk).state is not ChunkState.UNKNOWN:
                raise JournalError(f"Chunk {attempt.chunk} is not unknown.")
            self._add_attempt(attempt)

    def accepted(self, attempt: Attempt, acceptance: Acceptance) -> ChunkRow:
        """Record the workflow of a chunk, before anything else is done with it."""
        answer = AttemptOutcome(
            outcome="accepted", status=200, request_id=acceptance.request_id, body=acceptance.body
        )
        with self._db.transaction():
            self.answered(attempt, answer)
            return self._move(
                attempt.chunk,
                (ChunkState.SENDING, ChunkState.UNKNOWN),  # UNKNOWN: a repeated import was answered
                ChunkState.ACCEPTED,
                workflow_id=acceptance.workflow_id,
                task_ids=json.dumps(acceptance.task_ids),
                key_name=acceptance.key_name,
                request_id=acceptance.request_id,
                reason=None,
            )

    def not_accepted(
        self, attempt: Attempt, answer: AttemptOutcome, state: ChunkState, reason: str
    ) -> ChunkRow:
        """Record that the server did not accept a chunk (PLANNED, REFUSED), or may have (UNKNOWN)."""
        # What may have been accepted can still be charged, so it stays held.
        held = {} if state is ChunkState.UNKNOWN else {"held": 0}
        with self._db.transaction():
            self.answered(attempt, answer)
            return self._move(attempt.chunk, (ChunkState.SENDING,), state, reason=reason, **held)

    def recover(self) -> None:
        """Recover from a crash: what was being sent is unknown, what was being read is read again."""
        # An attempt without an end may have reached the server or not: only the server knows.
        with self._db.transaction():
            self._db.execute(
                "UPDATE attempts SET ended_at = ?, outcome = 'crash' WHERE ended_at IS NULL", (now(),)
            )
            self._move_all(
                {ChunkState.SENDING: ChunkState.UNKNOWN}, "the process ended while it was being sent"
            )
            self._move_all({ChunkState.FETCHING: ChunkState.ACCEPTED}, None)

    @contextmanager
    def _raising_generation(self) -> Generator[None]:
        """Record an intent together with a higher generation. Raises JournalError after another run."""
        with self._db.transaction():
            yield
            # In the transaction of the intent: a run that was overtaken records none, and so sends nothing.
            raised = self._db.execute(
                "UPDATE job SET generation = generation + 1 WHERE generation = ?", (self._generation,)
            )
            if raised != 1:  # another process wrote to it: a restored backup, or a second name
                raise JournalError(
                    f"{self.path.name} was replaced, or opened under another name, while its job ran.",
                    fix="Nothing more is sent by this run. Restore the journal, then resume.",
                )
        self._generation += 1
        # After the journal: a crash in between leaves a record that is behind, which refuses nothing.
        self.on_submit()

    def _add_attempt(self, attempt: Attempt) -> None:
        self._db.execute(
            "INSERT INTO attempts (submission, chunk, token, idempotency_key, quote_id, started_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                attempt.submission,
                attempt.chunk,
                attempt.token,
                attempt.idempotency_key,
                attempt.quote_id,
                now(),
            ),
        )

    def answered(self, attempt: Attempt, answer: AttemptOutcome) -> None:
        """Record an attempt's outcome without changing the chunk's state."""
        self._db.execute(
            "UPDATE attempts SET ended_at = ?, outcome = ?, status = ?, code = ?, request_id = ?, body = ?"
            " WHERE submission = ?",
            (
                now(),
                answer.outcome,
                answer.status,
                answer.code,
                answer.request_id,
                answer.body and answer.body[:_LARGEST_BODY],  # the server decides how long it is
                attempt.submission,
            ),
        )


class Journal(JournalAttempts):
    """A journal on disk, for one process at a time: see :class:`JournalLock`."""

    @classmethod
    def create(cls, path: Path) -> Self:
        """Create an empty journal, which must not exist, readable by its owner alone."""
        return cls(Database(path, create=True))

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open a journal that is there. Raises JournalError for anything else, and for a damaged one."""
        journal = cls(Database(path, read_only=read_only))
        try:
            journal.check()
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def at(cls, path: Path) -> Self:
        """Open the journal at *path*, or create it."""
        return cls.open(path) if path.exists() else cls.create(path)

    # -- what became of submits that were not answered: evidence, and decisions of the owner --------------

    def workflow_seen(self, chunk: int) -> str | None:
        """Return the workflow that the latest evidence names for a chunk, and that is no other chunk's."""
        # Evidence that names another chunk's workflow is recorded, and must stay without effect.
        row = self._db.row(
            "SELECT workflow_id FROM evidence e WHERE chunk = ? AND workflow_id IS NOT NULL AND NOT EXISTS ("
            "SELECT 1 FROM chunks WHERE workflow_id = e.workflow_id AND number != e.chunk) ORDER BY id DESC",
            (chunk,),
        )
        return row[0] if row else None

    def open_tokens(self) -> list[str]:
        """Return the tokens of the submits whose webhooks may still bring evidence or results."""
        # PLANNED by decision counts too: until it is sent again, evidence prevents that.
        rows = self._db.rows(
            "SELECT token FROM attempts JOIN chunks ON number = chunk WHERE token IS NOT NULL"
            " AND (state IN ('sending', 'unknown', 'accepted', 'fetching', 'partial')"
            " OR state = 'planned' AND EXISTS (SELECT 1 FROM decisions WHERE decisions.chunk = number))"
        )
        return [row[0] for row in rows]

    def takes_word_of_webhook(self, chunk: int, workflow_id: str) -> bool:
        """Whether a webhook of a chunk names a known workflow, or one of the first few for each attempt."""
        # Whoever knows a token can name any number of workflows, and each would be a row.
        row = self._db.row(
            "SELECT count(DISTINCT workflow_id) < ?1 * (SELECT count(*) FROM attempts WHERE chunk = ?2)"
            " OR total(workflow_id = ?3) FROM evidence WHERE chunk = ?2 AND source = 'webhook'",
            (MAX_WAITING_EVENTS, chunk, workflow_id),
        )
        return bool(row and row[0])

    def is_resent_at_risk(self, chunk: int) -> bool:
        """Whether the latest decision on a chunk is to send it again though it may have been bought."""
        row = self._db.row(
            "SELECT decision FROM decisions WHERE chunk = ? ORDER BY id DESC LIMIT 1", (chunk,)
        )
        return row == ("resubmit",)

    def resubmitted_credits(self) -> float:
        """Return the credits that decisions to send again have put at risk so far, over all runs."""
        row = self._db.one("SELECT sum(credits_at_risk) FROM decisions WHERE decision = 'resubmit'")
        return float(row[0] or 0)

    def prove(self, chunk: int, source: str, workflow_id: str | None) -> ChunkRow:
        """Record evidence on an unknown chunk: its workflow, or that there is none. Return the chunk.

        A workflow also counts for a chunk that is to be sent again and was not yet. Evidence that comes too
        late for either, or names the workflow of another chunk, is recorded and changes nothing.
        """
        with self._db.transaction():
            # A few times at most: whoever knows the token could otherwise fill the disk with repetitions.
            self._db.execute(
                "INSERT INTO evidence (chunk, at, source, workflow_id) SELECT ?1, ?2, ?3, ?4 WHERE ?5 >"
                " (SELECT count(*) FROM evidence WHERE chunk = ?1 AND source = ?3 AND workflow_id = ?4)",
                (chunk, self._now_of(chunk), source, workflow_id, MAX_WAITING_EVENTS),
            )
            # Proof of absence lets the chunk be sent again; a workflow settles the question for good.
            state = self.chunk(chunk).state
            if workflow_id is None and state is ChunkState.UNKNOWN:
                self._move(chunk, (state,), ChunkState.PLANNED, reason=None, held=0)
            elif (
                workflow_id is not None
                and state in {ChunkState.UNKNOWN, ChunkState.PLANNED}
                and not self.is_of_another(workflow_id, chunk)
            ):
                self._accept_late(chunk, state, workflow_id)
            return self.chunk(chunk)

    def decide(
        self,
        chunk: int,
        decision: Decision,
        actor: str,
        credits_at_risk: float,
        workflow_id: str | None = None,
    ) -> ChunkRow:
        """Record a decision about an unknown chunk, and act on it."""
        new = {
            "accepted": ChunkState.ACCEPTED,
            "absent": ChunkState.PLANNED,
            "resubmit": ChunkState.PLANNED,
            "abandon": ChunkState.ABANDONED,
        }[decision]
        # The decision first: a trigger lets no chunk back from UNKNOWN to PLANNED without one.
        with self._db.transaction():
            self._db.execute(
                "INSERT INTO decisions (chunk, at, decision, actor, credits_at_risk) VALUES (?, ?, ?, ?, ?)",
                (chunk, self._now_of(chunk), decision, actor, credits_at_risk),
            )
            columns: dict[str, object] = {"workflow_id": workflow_id} if workflow_id else {}
            # What was sent before may have been bought: the budget counts it as well as the next submit.
            if decision == "resubmit":
                columns["doubtful"] = self.chunk(chunk).doubtful + self.chunk(chunk).held
            if new is ChunkState.PLANNED:
                columns["held"] = 0
            old = [ChunkState.UNKNOWN]
            if decision in {"accepted", "abandon"}:  # a workflow that is not found may be mistyped, or gone
                old.append(ChunkState.REMOTE_EXPIRED)
            return self._move(chunk, old, new, reason=None, **columns)

    def _accept_late(self, number: int, state: ChunkState, workflow_id: str) -> None:
        """Record that an earlier submit of a chunk was accepted after all."""
        columns: dict[str, object] = {"workflow_id": workflow_id, "reason": None}
        # The decision to send it again moved its contacts from `held` to `doubtful`: this moves them back.
        if state is ChunkState.PLANNED:
            chunk = self.chunk(number)
            held = chunk.contacts - len(self.has_result(number))
            columns |= {"held": held, "doubtful": max(0, chunk.doubtful - held)}
        self._move(number, (state,), ChunkState.ACCEPTED, **columns)

    def _now_of(self, chunk: int) -> str:
        """Return the time, or that of the last event of a chunk if the clock was set back since."""
        # The trigger takes only a decision that is no older than the chunk's state.
        return max(now(), self.chunk(chunk).since or "")


_WITH_WORKFLOW = frozenset(
    {
        ChunkState.ACCEPTED,
        ChunkState.FETCHING,
        ChunkState.DONE,
        ChunkState.PARTIAL,
        ChunkState.REMOTE_FAILED,
        ChunkState.REMOTE_EXPIRED,
    }
)


def problems_of(journal: Journal, header: Header) -> list[str]:
    """Return what breaks the rules of a journal, in sentences. Changes nothing."""
    return list(_problems(journal, header))


def _problems(journal: Journal, header: Header) -> Iterator[str]:
    try:
        yield from _broken_rules(journal, header)
    except JournalError as error:  # the rest of a damaged journal cannot be read
        yield error.problem


def _broken_rules(journal: Journal, header: Header) -> Iterator[str]:
    yield from journal.damage()
    for number in sorted(journal.miscounted()):
        yield f"Chunk {number} has other results than it counts."
    invalid, duplicates = journal.set_aside()
    sent = 0
    for chunk in journal.chunks():
        sent += chunk.contacts
        name = f"Chunk {chunk.number}"
        if chunk.state in _WITH_WORKFLOW and not chunk.workflow_id and chunk.reason != NOTHING_TO_SEND:
            yield f"{name} is {chunk.state} but has no workflow."
        accepted, decisions = journal.acceptances(chunk.number)
        # Each decision to send it again allows one more acceptance: any other is a purchase made twice.
        if accepted > 1 + decisions:
            yield f"{name} was accepted {accepted} times with {decisions} decisions to send it again."
        places = journal.has_result(chunk.number)
        if any(not chunk.first <= place <= chunk.last for place in places):
            yield f"{name} has results of contacts that are not its own."
        if chunk.state in SETTLED and len(places) != chunk.contacts:
            yield f"{name} is {chunk.state} with {len(places)} of {chunk.contacts} results."
    # Every contact of the input in exactly one place: none is lost, and none planned twice.
    if sent + invalid + duplicates != header.contacts:
        yield (
            f"{header.contacts} contacts were planned, but {sent} are in chunks, {invalid} are invalid and"
            f" {duplicates} are duplicates."
        )
