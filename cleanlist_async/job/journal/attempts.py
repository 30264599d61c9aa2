"""The attempts to submit chunks: what is about to be sent is on disk before its first byte leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import fields
from typing import Final

from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.database import Database
from cleanlist_async.job.journal.records import Acceptance, Attempt, AttemptOutcome, ChunkRow, now
from cleanlist_async.job.journal.results import JournalResults
from cleanlist_async.job.journal.states import ChunkState

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
        names = [field.name for field in fields(Attempt)]
        return [Attempt(**dict(zip(names, row, strict=True))) for row in rows]

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
            self._end(attempt, answer)
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
            self._end(attempt, answer)
            return self._move(attempt.chunk, (ChunkState.SENDING,), state, reason=reason, **held)

    def answered(self, attempt: Attempt, answer: AttemptOutcome) -> None:
        """Record an attempt's outcome without changing the chunk's state."""
        self._end(attempt, answer)

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

    def _end(self, attempt: Attempt, answer: AttemptOutcome) -> None:
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
