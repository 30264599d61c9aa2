"""One process for one file: a lock that the system gives back however a process ends."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # pyright: ignore[reportConstantRedefinition]

IS_SUPPORTED: Final = fcntl is not None

_TRIES: Final = 3
_PAUSE_S: Final = 0.05
"""Times that a lock is tried for, and seconds between them: another process may just be looking at it."""


class FileLockedError(Exception):
    """Somebody else has the lock; `holder` is the number of that process, where it is known."""

    def __init__(self, holder: int | None) -> None:
        super().__init__(f"held by process {holder}")
        self.holder = holder


class FileLock:
    """An exclusive lock on ``<target>.lock``. Without flock, as on Windows, it locks nothing.

    Not on the target itself: that may be replaced while the lock is held, and SQLite drops its own locks when
    any descriptor of its file is closed.

    Parameters
    ----------
    target
        The file that is to be used by one process at a time.
    is_removed
        Whether the lock's file is removed when it is given back.

    """

    def __init__(self, target: Path, *, is_removed: bool = False) -> None:
        resolved = target.resolve()
        self.path = resolved.with_name(resolved.name + ".lock")
        self._is_removed = is_removed
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock. Raises FileLockedError where it is held, OSError where its file cannot be made."""
        if not IS_SUPPORTED:
            return
        holder = ""
        for attempt in range(_TRIES):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if _locked(descriptor) and self._is_at(descriptor):
                    self._note_holder(descriptor)
                    self._descriptor = descriptor
                    return
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            finally:
                if self._descriptor != descriptor:
                    os.close(descriptor)
            if attempt < _TRIES - 1:
                time.sleep(_PAUSE_S)
        raise FileLockedError(int(holder) if holder.isdigit() else None)

    @property
    def is_taken(self) -> bool:
        """Whether some process has the lock right now."""
        if not IS_SUPPORTED:
            return False
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that two processes that look do not take each other for a holder.
            return not _locked(descriptor, is_shared=True)
        finally:
            os.close(descriptor)

    def give_back(self) -> None:
        """Give the lock back."""
        if self._descriptor is None:
            return
        if self._is_removed:  # before it is given back: who takes it later sees that it is another file
            with suppress(OSError):
                self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = None

    def _is_at(self, descriptor: int) -> bool:
        """Whether the locked file is the one that others will find: its holder may have removed it."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        return False

    @staticmethod
    def _note_holder(descriptor: int) -> None:
        with suppress(OSError):  # only for a message
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def _locked(descriptor: int, *, is_shared: bool = False) -> bool:
    if fcntl is None:
        raise AssertionError
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
