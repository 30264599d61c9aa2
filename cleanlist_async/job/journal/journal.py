"""The journal of a job: what was planned, sent, answered and found, each on disk before the next step."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from cleanlist_async.errors import JournalError
from cleanlist_async.facts import MAX_WAITING_EVENTS
from cleanlist_async.job.journal.database import Database
from cleanlist_async.job.journal.queries import RESULT
from cleanlist_async.job.journal.records import (
    NOTHING_TO_SEND,
    PURGED,
    Acceptance,
    Attempt,
    AttemptOutcome,
    ChunkRow,
    Decision,
    as_row,
    now,
)
from cleanlist_async.job.journal.states import ChunkState
from cleanlist_async.job.journal.written_plan import JournalPlan
from cleanlist_async.results import EnrichmentResult

_LARGEST_BODY: Final = 64 * 1024


class Journal(JournalPlan):
    """A journal on disk, for one process at a time: see :class:`JournalLock`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._generation = 0
        self.on_submit: Callable[[], None] = lambda: None
        """Called after an intent is on disk and before the first byte leaves."""

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

    def _move(self, number: int, old: Sequence[ChunkState], new: ChunkState, **columns: object) -> ChunkRow:
        """Move a chunk to a new state, and return it. Raises JournalError unless it is in an *old* one."""
        # By the system clock, the only one that a later process shares.
        columns |= {"state": new.value, "since": now()}
        sets = ", ".join(f"{name} = ?" for name in columns)
        marks = ", ".join("?" * len(old))
        # Compare and set: a webhook or a decision may have moved the chunk since the caller read it.
        changed = self._db.execute(
            f"UPDATE chunks SET {sets} WHERE number = ? AND state IN ({marks})",
            (*columns.values(), number, *(state.value for state in old)),
        )
        if changed != 1:
            raise JournalError(f"Chunk {number} is not {' or '.join(old)}, so it cannot be {new}.")
        return self.chunk(number)

    def raise_generation(self, least: int) -> None:
        """Begin a run: the generation becomes higher than it was, and than *least*."""
        # Above the record's as well: an adopted backup must overtake the journal that it replaces.
        with self._db.transaction():
            self._db.execute("UPDATE job SET generation = max(generation, ?) + 1", (least,))
        self._generation = self.generation

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

    def set_list(self, chunk: int, list_id: str, key_name: str | None) -> ChunkRow:
        """Record the list that was made for a chunk, and the key it was made with."""
        self._db.execute(
            "UPDATE chunks SET list_id = ?, key_name = ? WHERE number = ?", (list_id, key_name, chunk)
        )
        return self.chunk(chunk)

    def workflow_seen(self, chunk: int) -> str | None:
        """Return the workflow that the latest evidence names for a chunk, and that is no other chunk's."""
        # Evidence that names another chunk's workflow is recorded, and must stay without effect.
        row = self._db.row(
            "SELECT workflow_id FROM evidence e WHERE chunk = ? AND workflow_id IS NOT NULL AND NOT EXISTS ("
            "SELECT 1 FROM chunks WHERE workflow_id = e.workflow_id AND number != e.chunk) ORDER BY id DESC",
            (chunk,),
        )
        return row[0] if row else None

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

    def _accept_late(self, number: int, state: ChunkState, workflow_id: str) -> None:
        """Record that an earlier submit of a chunk was accepted after all."""
        columns: dict[str, object] = {"workflow_id": workflow_id, "reason": None}
        # The decision to send it again moved its contacts from `held` to `doubtful`: this moves them back.
        if state is ChunkState.PLANNED:
            chunk = self.chunk(number)
            held = chunk.contacts - len(self.has_result(number))
            columns |= {"held": held, "doubtful": max(0, chunk.doubtful - held)}
        self._move(number, (state,), ChunkState.ACCEPTED, **columns)

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

    def _now_of(self, chunk: int) -> str:
        """Return the time, or that of the last event of a chunk if the clock was set back since."""
        # The trigger takes only a decision that is no older than the chunk's state.
        return max(now(), self.chunk(chunk).since or "")

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

    def try_again(self) -> None:
        """Reopen what failed in an earlier run: refused chunks, and workflows that were not found."""
        # Once in each run: the cause may be gone, such as a bad key or a replica that lagged.
        with self._db.transaction():
            self._move_all(
                {
                    ChunkState.REFUSED: ChunkState.PLANNED,
                    ChunkState.REMOTE_EXPIRED: ChunkState.ACCEPTED,
                },
                None,
            )

    def _move_all(self, arrows: Mapping[ChunkState, ChunkState], reason: str | None) -> None:
        for old, new in arrows.items():
            # A list, since the rows must not be moved while they are being read.
            for chunk in list(self.chunks("WHERE state = ?", (old.value,))):
                self._move(chunk.number, (old,), new, reason=reason)

    def fetching(self, chunk: int) -> None:
        """Record that a workflow is finished, and that its results are being read."""
        if self.chunk(chunk).state is ChunkState.FETCHING:
            return  # reading its rows ended in a 404, and begins again
        self._move(chunk, (ChunkState.ACCEPTED, ChunkState.PARTIAL), ChunkState.FETCHING)

    def settled(self, chunk: int, results: Sequence[EnrichmentResult], request_id: str | None) -> ChunkRow:
        """Record the results of a finished workflow, and with them that the chunk is done."""
        # In one transaction: a chunk that is DONE without its results would never be fetched again.
        with self._db.transaction():
            self._put(chunk, results, request_id=request_id)
            pending = self._pending_of(chunk)
            state = ChunkState.PARTIAL if pending else ChunkState.DONE
            # Where only late rows failed, what was found before decides.
            if results and self._all_failed(chunk):
                state = ChunkState.REMOTE_FAILED
            # Ids are long, and needed only as long as rows are pending.
            ids = {} if pending else {"task_ids": None}
            spent = self._spent_on(chunk)
            return self._move(chunk, (ChunkState.FETCHING,), state, held=pending, spent=spent, **ids)

    def known_already(self, chunk: int, results: Sequence[EnrichmentResult], *, cached: bool) -> None:
        """Record results that need no submit: bought before, or refused by name."""
        with self._db.transaction():
            self._put(chunk, results, cached=cached)

    def nothing_to_send(self, chunk: int) -> ChunkRow:
        """Record that all contacts of a planned chunk already have their results."""
        return self._move(chunk, (ChunkState.PLANNED,), ChunkState.DONE, reason=NOTHING_TO_SEND)

    def expired(self, chunk: int, reason: str) -> ChunkRow:
        """Record that the server no longer knows a workflow."""
        known = (ChunkState.ACCEPTED, ChunkState.FETCHING, ChunkState.PARTIAL)
        return self._move(chunk, known, ChunkState.REMOTE_EXPIRED, reason=reason)

    def _pending_of(self, chunk: int) -> int:
        query = "SELECT count(*) FROM results WHERE chunk = ? AND status = 'pending'"
        return int(self._db.one(query, (chunk,))[0])

    def _all_failed(self, chunk: int) -> bool:
        """Whether every contact of a chunk that was sent has failed, in this run or an earlier one."""
        others = "status NOT IN ('failed', 'invalid') AND NOT cached"
        query = f"SELECT 1 FROM results WHERE chunk = ? AND {others} LIMIT 1"
        return self._db.row(query, (chunk,)) is None

    def _spent_on(self, chunk: int) -> float:
        row = self._db.one(
            "SELECT sum(coalesce(credits_charged, credits_estimated)) FROM results"
            " WHERE chunk = ? AND status != 'pending'",
            (chunk,),
        )
        return float(row[0] or 0)

    def _put(
        self,
        chunk: int,
        results: Sequence[EnrichmentResult],
        *,
        request_id: str | None = None,
        cached: bool = False,
    ) -> None:
        marks = ", ".join("?" * 14)
        self._db.execute_many(
            # A pending result is replaced when its row is found.
            f"INSERT OR REPLACE INTO results (chunk, {RESULT}) VALUES ({marks})",
            ((chunk, *as_row(result, request_id, cached=cached)) for result in results),
        )
        self._tally(chunk)

    def purge(self) -> None:
        """Remove all contact data: results, and what the server answered. The counts stay."""
        # Rows stay, emptied: receipts and the budget need them, and a lost row is taken for damage.
        with self._db.transaction():
            self._db.execute(
                "UPDATE results SET email = NULL, phones = NULL, raw = NULL,"
                " error = CASE status WHEN 'found' THEN ? END",
                (PURGED,),
            )
            self._db.execute("UPDATE attempts SET body = NULL")
        # Else free pages still hold what was removed. SQLite refuses it within a transaction.
        self._db.execute("VACUUM")
