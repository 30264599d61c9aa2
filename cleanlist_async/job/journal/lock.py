"""One process per journal: a lock on a file beside it, held for the life of the job."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from cleanlist_async.errors import ConfigurationError, JournalError, JournalLockedError
from cleanlist_async.job.journal.database import explained

_GLANCES: Final = 3
_GLANCE_S: Final = 0.05
"""Times that a lock is tried for, and seconds between them: another process may just be looking at it."""


class JournalLock:
    """An exclusive lock on ``<journal>.lock``. The system gives it back however the process ends.

    Not on the journal itself: any close of any descriptor of that file would drop SQLite's own locks.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._path = journal.resolve().with_name(journal.resolve().name + ".lock")
        self._descriptor: int | None = None

    def take(self) -> Self:
        """Take the lock. Raises JournalLockedError when another process, or another job here, has it.

        Raises JournalError for a journal with a second name, which would have a second lock; SQLite would not
        find what a crash under the other name left (sqlite.org/howtocorrupt.html, section 2.5).
        """
        _refuse_hard_link(self._journal)  # symbolic links are resolved to one lock, hard links cannot be
        try:
            import fcntl  # noqa: PLC0415  # not on Windows
        except ImportError:
            raise ConfigurationError("Durable jobs need a POSIX system: they lock their journal.") from None
        with explained(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for _ in range(_GLANCES):
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_GLANCE_S)
        else:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            by = f" (process {holder})" if holder.isdigit() else ""
            raise JournalLockedError(
                f"Another job is running on {self._path.stem}{by}.", fix="Wait for it, or look at its status."
            ) from None
        with suppress(OSError):  # only for the message above
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return self

    @property
    def is_taken(self) -> bool:
        """Whether some process has the lock right now."""
        try:
            import fcntl  # noqa: PLC0415  # not on Windows

            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except (ImportError, FileNotFoundError):
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def __enter__(self) -> Self:
        return self.take()

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes hold it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _refuse_hard_link(journal: Path) -> None:
    with explained(journal):
        if journal.exists() and (names := journal.stat().st_nlink) > 1:
            raise JournalError(
                f"{journal.name} has {names} names (hard links), so that it could be run twice at once.",
                fix="Keep one of its names and remove the others, or make the other one a copy.",
            )
