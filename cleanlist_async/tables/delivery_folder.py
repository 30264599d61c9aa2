"""The temporary folder in which an output is made that is then delivered elsewhere."""

from __future__ import annotations

import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from cleanlist_async.storage.file_lock import IS_SUPPORTED, FileLock
from cleanlist_async.tables.formats.location import deliver

_PREFIX: Final = "cleanlist-output-"
_LOCKED: Final = "output"
_LOCK: Final = f"{_LOCKED}.lock"
_RENEWABLE: Final = (".tmp", ".packed")
"""Ends of the names of files that can be written again; any other may hold what was paid for."""


class DeliveryFolder:
    """A folder of one process, for its owner alone.

    It stays where the output cannot be delivered. What a killed run left is removed by the next one, unless
    it may be the only copy of results. Raises OSError where there is no room for a folder.
    """

    def __init__(self) -> None:
        _remove_leftovers()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = FileLock(self.path / _LOCKED)
        self._lock.take()

    def deliver(self, path: Path, address: str) -> None:
        """Copy a file of the folder to its address, and remove the folder. Raises OSError if that fails."""
        deliver(path, address)
        self.remove()

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        self._lock.give_back()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_leftovers() -> None:
    if not IS_SUPPORTED:  # nothing tells whose process is gone
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process removed it, or it is another user's
            names = {path.name for path in folder.iterdir()} - {_LOCK}
            # An empty one may belong to a process that has yet to create its file.
            is_renewable = bool(names) and all(name.endswith(_RENEWABLE) for name in names)
            is_ours = stat.S_ISDIR(folder.lstat().st_mode) and (folder / _LOCK).exists()
            if is_renewable and is_ours and not FileLock(folder / _LOCKED).is_taken:
                shutil.rmtree(folder)
