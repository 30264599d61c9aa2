"""Writing the plan of a job into its journal: its header, and its chunks before they are sent."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import fields

from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.queries import HEADER, JournalQueries
from cleanlist_async.job.journal.records import ChunkRow, Header


class JournalPlan(JournalQueries):
    """The writes of a plan."""

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Make several writes at once, or none of them."""
        with self._db.transaction():
            yield

    def begin(self, header: Header) -> None:
        """Record the header, which completes the plan."""
        values = tuple(getattr(header, field.name) for field in fields(Header))
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT INTO job (id, {HEADER}) VALUES (1, {marks})", values)

    def set_budget(self, max_credits: float | None) -> None:
        """Change the budget."""
        self._db.execute("UPDATE job SET max_credits = ?", (max_credits,))

    def pause(self, reason: str | None, shortfall: float | None = None) -> None:
        """Record why the job is paused; None while it runs."""
        self._db.execute("UPDATE job SET paused_by = ?, shortfall = ?", (reason, shortfall))

    def plan_chunk(
        self, first: int, last: int, contacts: int, fingerprint: bytes, *, is_pilot: bool = False
    ) -> int:
        """Add a chunk to be sent, and return its number."""
        self._db.execute(
            "INSERT INTO chunks (first, last, contacts, fingerprint, is_pilot) VALUES (?, ?, ?, ?, ?)",
            (first, last, contacts, fingerprint, int(is_pilot)),
        )
        row = self._db.one("SELECT last_insert_rowid()")
        return int(row[0])

    def plan_picked(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Add (place, chunk) of contacts that are taken out of their order, for a pilot."""
        self._db.execute_many("INSERT INTO picked (place, chunk) VALUES (?, ?)", pairs)

    def forget_plan(self) -> None:
        """Remove a plan of which nothing was sent. Raises JournalError if anything was."""
        # Results too: a chunk that was all in the cache has results and no attempt.
        if self._db.row("SELECT 1 FROM attempts LIMIT 1") or self._db.row("SELECT 1 FROM results LIMIT 1"):
            raise JournalError("Something of this job was sent already.")
        # Those that refer to others first, as foreign keys ask.
        for table in ("picked", "duplicates", "invalid", "reasons", "chunks"):
            self._db.execute(f"DELETE FROM {table}")

    def plan_duplicates(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Add contacts that repeat an earlier one, with the place of that."""
        self._db.execute_many("INSERT INTO duplicates (place, first) VALUES (?, ?)", pairs)

    def plan_invalid(self, reasons: Iterable[tuple[int, str]]) -> None:
        """Add contacts that are not sent, with the reason."""
        found = list(reasons)  # a bad file has a million of them, and the same few reasons for all
        known = {reason for _, reason in found}
        self._db.execute_many("INSERT OR IGNORE INTO reasons (reason) VALUES (?)", ((one,) for one in known))
        self._db.execute_many(
            "INSERT INTO invalid (place, why) SELECT ?, id FROM reasons WHERE reason = ?", found
        )

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

    def _tally(self, chunk: int) -> None:
        # Kept beside the results, so that a status counts chunks and not millions of contacts.
        self._db.execute("DELETE FROM tallies WHERE chunk = ?", (chunk,))
        self._db.execute(
            "INSERT INTO tallies (chunk, status, results)"
            " SELECT chunk, status, count(*) FROM results WHERE chunk = ? GROUP BY status",
            (chunk,),
        )
