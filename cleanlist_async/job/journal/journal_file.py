"""The file of a journal: what it is, and whether it is as it was written."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields
from hashlib import sha256
from typing import Final

from cleanlist_async.job.journal.database import Database
from cleanlist_async.job.journal.records import Header
from cleanlist_async.job.journal.schema import CHECKED, SMALL

HEADER: Final = ", ".join(field.name for field in fields(Header))


class JournalFile:
    """A journal as a file. What it holds is read and written by the classes that build on this one."""

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
        return Header(**dict(zip((f.name for f in fields(Header)), row, strict=True))) if row else None

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

    def unsound_tables(self) -> list[str]:
        """Return the tables with rows that are not as they were written. Reads everything."""
        return [table for table in CHECKED if self._db.unsound_rows(table)]

    def is_sound(self) -> bool:
        """Whether SQLite finds nothing wrong with the file."""
        return self._db.is_sound()
