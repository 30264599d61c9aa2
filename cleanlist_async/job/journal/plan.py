"""The file of a journal, and the plan of its job: the input, the header, the chunks, and what is not sent."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from hashlib import sha256
from itertools import islice
from typing import Final
from zlib import compress, decompress

from cleanlist_async.contacts.contact import CONTACT_FIELDS, Contact
from cleanlist_async.contacts.identity import Invalid, Prepared, prepare
from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.database import Database
from cleanlist_async.job.journal.records import Header
from cleanlist_async.job.journal.schema import CHECKED, SMALL

HEADER: Final = ", ".join(field.name for field in fields(Header))
_AT_ONCE: Final = 500
"""Contacts of one row: together they take a fifth of the room."""
_NOBODY: Final = Contact(linkedin_url="https://www.linkedin.com/in/nobody")
_WITH_REASON: Final = "JOIN reasons ON id = why"


class JournalPlan:
    """A journal as a file, and what was planned. Classes that build on this one read and write the rest."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.path = database.path

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Make several writes at once, or none of them."""
        with self._db.transaction():
            yield

    @property
    def id(self) -> str:
        """An id that all copies of a planned journal share, and no other journal has."""
        # A digest: the salt, which keys the fingerprints of contacts, stays in the journal.
        row = self._db.checked_row("salt", "job")
        return sha256(b"cleanlist_async journal" + row[0]).hexdigest()[:32] if row else ""

    @property
    def generation(self) -> int:
        """The number of runs and submits of this copy of the journal."""
        row = self._db.row("SELECT generation FROM job")
        return int(row[0]) if row else 0

    @property
    def header(self) -> Header | None:
        """What the job is; None until its plan is complete."""
        row = self._db.checked_row(HEADER, "job")
        return Header(*row) if row else None

    def check(self) -> None:
        """Raise JournalError when what decides about the job is not as it was written; no result is read."""
        # Results are checked when they are read: a million of them would hold up every start.
        for table in SMALL:
            if self._db.unsound_rows(table):
                raise self._db.damaged(f"a row of its {table}")
        # Checksums find changed rows. Lost rows are found by the sums, here and below.
        if self._db.row(
            "SELECT 1 FROM chunks WHERE state IN ('done', 'remote_failed')"
            " AND contacts IS NOT (SELECT sum(results) FROM tallies WHERE chunk = number) LIMIT 1"
        ):
            raise self._db.damaged("the number of its results")
        missing = self._db.row(
            "SELECT contacts - (SELECT coalesce(sum(contacts), 0) FROM chunks)"
            " - (SELECT count(*) FROM invalid) - (SELECT count(*) FROM duplicates) FROM job"
        )
        if missing is not None and missing[0]:
            raise self._db.damaged("the list of its contacts")

    def damage(self) -> Iterator[str]:
        """Say, in sentences, what is not as it was written. Reads everything."""
        if self._db.row("PRAGMA integrity_check") != ("ok",):
            yield "SQLite finds the file damaged."
        for table in CHECKED:
            if self._db.unsound_rows(table):
                yield f"Rows of the table {table} are not as they were written."

    # -- the input -----------------------------------------------------------------------------

    def keeping(self, contacts: Iterable[Prepared | Invalid]) -> Iterator[Prepared | Invalid]:
        """Yield all contacts of an input, and write them as they pass. To be called within a transaction."""
        rest = iter(contacts)
        while some := list(islice(rest, _AT_ONCE)):
            text = json.dumps([_as_row(contact) for contact in some], default=str)
            self._db.execute("INSERT INTO input VALUES (?, ?, 0)", (some[0].index, compress(text.encode())))
            yield from some

    @property
    def keeps_input(self) -> bool:
        """Whether it has the contacts: not of an earlier version of the package, and not purged."""
        return self._db.has_table("input") and self._db.row("SELECT 1 FROM input LIMIT 1") is not None

    def kept(self, count: int) -> Iterator[Prepared | Invalid]:
        """Yield the *count* contacts in their order; where there are none, nobody in place of each."""
        if not self.keeps_input:
            yield from (Prepared(place, _NOBODY, b"") for place in range(count))
            return
        place = 0
        # Row by row: a query that is left open would keep others from writing.
        while row := self._db.checked_row("contacts", "input", "WHERE first = ?", (place,)):
            for *values, reason in json.loads(decompress(row[0])):
                contact = Contact(**dict(zip(CONTACT_FIELDS, values, strict=True)))
                # What made it invalid may be what no journal can hold, such as a field that does not exist.
                yield prepare(place, contact) if reason is None else Invalid(place, contact, reason)
                place += 1
        if place != count:
            raise self._db.damaged("the copy of its input")

    # -- the plan ------------------------------------------------------------------------------

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


def _as_row(contact: Prepared | Invalid) -> list[object]:
    values = [getattr(contact.contact, name) for name in CONTACT_FIELDS]
    return [*values, contact.reason if isinstance(contact, Invalid) else None]
