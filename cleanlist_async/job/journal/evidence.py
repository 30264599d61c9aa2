"""What became of submits that were not answered: evidence, and decisions of the owner."""

from __future__ import annotations

from cleanlist_async.facts import MAX_WAITING_EVENTS
from cleanlist_async.job.journal.attempts import JournalAttempts
from cleanlist_async.job.journal.records import ChunkRow, Decision, now
from cleanlist_async.job.journal.states import ChunkState


class JournalEvidence(JournalAttempts):
    """The evidence and the decisions."""

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
