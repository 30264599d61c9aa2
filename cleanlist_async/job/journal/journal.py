"""The journal of a job: what was planned, sent, answered and found, each on disk before the next step.

Each class that it builds on adds one idea: the file, its input and plan, chunks, results, attempts, evidence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from cleanlist_async.job.journal.database import Database
from cleanlist_async.job.journal.evidence import JournalEvidence


class Journal(JournalEvidence):
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
