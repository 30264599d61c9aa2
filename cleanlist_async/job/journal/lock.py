"""One process per journal: a lock on a file beside it, held for the life of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from cleanlist_async.errors import ConfigurationError, JournalError, JournalLockedError
from cleanlist_async.job.journal.database import explained
from cleanlist_async.storage.file_lock import IS_SUPPORTED, FileLock, FileLockedError


class JournalLock:
    """The lock of a journal. Its file stays: a job that is not running has one, too."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = FileLock(journal)

    def take(self) -> Self:
        """Take the lock. Raises JournalLockedError when another process, or another job here, has it.

        Raises JournalError for a journal with a second name, which would have a second lock; SQLite would not
        find what a crash under the other name left (sqlite.org/howtocorrupt.html, section 2.5).
        """
        _refuse_hard_link(self._journal)  # symbolic links are resolved to one lock, hard links cannot be
        if not IS_SUPPORTED:
            raise ConfigurationError("Durable jobs need a POSIX system: they lock their journal.")
        try:
            with explained(self._lock.path):
                self._lock.take()
        except FileLockedError as locked:
            by = f" (process {locked.holder})" if locked.holder else ""
            raise JournalLockedError(
                f"Another job is running on {self._lock.path.stem}{by}.",
                fix="Wait for it, or look at its status.",
            ) from None
        return self

    @property
    def is_taken(self) -> bool:
        """Whether some process has the lock right now."""
        return self._lock.is_taken

    def __enter__(self) -> Self:
        return self.take()

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        """Give the lock back."""
        self._lock.give_back()


def _refuse_hard_link(journal: Path) -> None:
    with explained(journal):
        if journal.exists() and (names := journal.stat().st_nlink) > 1:
            raise JournalError(
                f"{journal.name} has {names} names (hard links), so that it could be run twice at once.",
                fix="Keep one of its names and remove the others, or make the other one a copy.",
            )
