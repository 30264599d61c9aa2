"""The results in a journal, as they are written."""

from __future__ import annotations

from collections.abc import Sequence

from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.records import PURGED, ChunkRow, as_row
from cleanlist_async.job.journal.result_queries import RESULT, ResultQueries
from cleanlist_async.job.journal.states import ChunkState
from cleanlist_async.results import EnrichmentResult


class JournalResults(ResultQueries):
    """The results, each on disk before anyone sees it."""

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

    def split(self, chunk: ChunkRow, halves: Sequence[tuple[int, int, int, bytes]]) -> list[ChunkRow]:
        """Replace a planned chunk by two: each is (first, last, contacts, fingerprint)."""
        (first, last, contacts, fingerprint), rest = halves
        with self._db.transaction():
            changed = self._db.execute(
                "UPDATE chunks SET first = ?, last = ?, contacts = ?, fingerprint = ?"
                " WHERE number = ? AND state = 'planned' AND NOT is_pilot",
                (first, last, contacts, fingerprint, chunk.number),
            )
            if changed != 1:
                raise JournalError("Only a planned chunk can be split.")
            # The lower half keeps the number, which its attempts refer to.
            other = self.plan_chunk(*rest)
            # Contacts of the upper half may have results already, from the cache or refused by name.
            self._db.execute(
                "UPDATE results SET chunk = ? WHERE chunk = ? AND place > ?", (other, chunk.number, last)
            )
            for number in (chunk.number, other):
                self._tally(number)
        return [self.chunk(chunk.number), self.chunk(other)]

    def purge(self) -> None:
        """Remove all contact data: input, results, and what the server answered. The counts stay."""
        # Rows stay, emptied: receipts and the budget need them, and a lost row is taken for damage.
        with self._db.transaction():
            self._db.execute(
                "UPDATE results SET email = NULL, phones = NULL, raw = NULL,"
                " error = CASE status WHEN 'found' THEN ? END",
                (PURGED,),
            )
            self._db.execute("UPDATE attempts SET body = NULL")
            self._db.execute("DELETE FROM input")
        # Else free pages still hold what was removed. SQLite refuses it within a transaction.
        self._db.execute("VACUUM")

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

    def _tally(self, chunk: int) -> None:
        # Kept beside the results, so that a status counts chunks and not millions of contacts.
        self._db.execute("DELETE FROM tallies WHERE chunk = ?", (chunk,))
        self._db.execute(
            "INSERT INTO tallies (chunk, status, results)"
            " SELECT chunk, status, count(*) FROM results WHERE chunk = ? GROUP BY status",
            (chunk,),
        )

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
