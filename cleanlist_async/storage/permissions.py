"""Permissions of files that we write: never more readable than the file their contacts come from."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

_ORDINARY: Final = 0o666
_OWNER: Final = 0o600
_GROUP: Final = 0o070


def opener_for(target: Path, source: Path | int | None = None) -> Callable[[str, int], int]:
    """Return an opener, as `open` takes one, for a new file that is to become *target*.

    Its mode is that of an ordinary file, less the umask, less every permission that *source* (a path or a
    descriptor), or the *target* that it replaces, does not grant. Group permissions of a file of another
    group do not count.
    """
    mode = _ORDINARY
    if target.exists():
        mode &= _mode_of(target, target)
    if source is not None:
        try:
            mode &= _mode_of(source, target)
        except OSError:  # gone: assume the strictest
            mode &= _OWNER
    mode |= _OWNER  # a read-only input must not make the output unwritable
    return lambda path, flags: os.open(path, flags, mode)


def _mode_of(file: Path | int, target: Path) -> int:
    status = file.stat() if isinstance(file, Path) else os.fstat(file)
    mode = stat.S_IMODE(status.st_mode)
    if hasattr(os, "getegid") and status.st_gid != _new_group(target.parent):
        mode &= ~_GROUP | (mode << 3)  # the new group gets what the others of the old file had
    return mode


def _new_group(folder: Path) -> int:
    """Return the group that a new file gets in *folder*."""
    status = folder.stat()
    # macOS and folders with the setgid bit hand their own group down.
    inherits = sys.platform == "darwin" or status.st_mode & stat.S_ISGID
    return status.st_gid if inherits else os.getegid()
