"""The plan of a job in its journal: its header, its chunks before they are sent, and what is not sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Final

from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.journal_file import HEADER
from cleanlist_async.job.journal.kept_input import JournalInput
from cleanlist_async.job.journal.records import Header

_WITH_REASON: Final = "JOIN reasons ON id = why"


class JournalPlan(JournalInput):
    """What was planned."""

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

    def forget_plan(self) -> None:
        """Remove a plan of which nothing was sent. Raises JournalError if anything was."""
        # Results too: a chunk that was all in the cache has results and no attempt.
        if self._db.row("SELECT 1 FROM attempts LIMIT 1") or self._db.row("SELECT 1 FROM results LIMIT 1"):
            raise JournalError("Something of this job was sent already.")
        # Those that refer to others first, as foreign keys ask.
        for table in ("picked", "duplicates", "invalid", "reasons", "chunks"):
            self._db.execute(f"DELETE FROM {table}")

    def first_of(self, place: int) -> int:
        """Return the place of the first contact with the same data as the duplicate at *place*."""
        row = self._db.checked_row("first", "duplicates", "WHERE place = ?", (place,))
        return int(row[0]) if row else place

    def duplicates(self) -> Iterator[tuple[int, int]]:
        """Yield (place, place of the first) of every duplicate, in their order."""
        yield from self._db.checked_rows("place, first", "duplicates", "ORDER BY place")

    def invalid(self) -> Iterator[tuple[int, str]]:
        """Yield (place, reason) of every skipped contact, in their order."""
        yield from self._db.checked_rows("place, reason", "invalid", f"{_WITH_REASON} ORDER BY place")

    def picked(self) -> dict[int, int]:
        """Return the chunk of each contact that a pilot took."""
        return dict(self._db.checked_rows("place, chunk", "picked"))

    def set_aside(self) -> tuple[int, int]:
        """Return how many contacts are invalid, and how many duplicates."""
        row = self._db.one("SELECT (SELECT count(*) FROM invalid), (SELECT count(*) FROM duplicates)")
        return int(row[0]), int(row[1])

    def set_aside_between(self, first: int, last: int) -> tuple[dict[int, int], dict[int, str]]:
        """Return the first of each duplicate in a span, and the reason for each invalid contact in it."""
        span, places = "WHERE place BETWEEN ? AND ?", (first, last)
        duplicates = self._db.checked_rows("place, first", "duplicates", span, places)
        invalid = self._db.checked_rows("place, reason", "invalid", f"{_WITH_REASON} {span}", places)
        return dict(duplicates), dict(invalid)
