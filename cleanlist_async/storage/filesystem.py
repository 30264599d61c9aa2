"""Where a file of SQLite may lie: on a disk of this machine, where a lock and an fsync mean something."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from cleanlist_async.errors import CleanlistError

_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|davfs|ncpfs|fuse\.(sshfs|s3fs|rclone|gcsfuse|davfs2?|glusterfs)"
)
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def refuse_network(path: Path, noun: str, error: type[CleanlistError]) -> None:
    """Raise *error* for a file on a file system that is known to be another machine's.

    SQLite and flock cannot keep two processes apart there (sqlite.org/howtocorrupt.html, section 2.1). Where
    the system does not say what is mounted, as on macOS, nothing is refused.
    """
    try:
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return
    kind = kind_of(path.resolve().parent, mounts)
    if _NETWORK.fullmatch(kind):
        raise error(
            f"The {noun} {path.name} would lie on a network file system ({kind}), where locks are not"
            " to be relied on.",
            fix="Put it on a disk of this machine.",
        )


def kind_of(folder: Path, mounts: str) -> str:
    """Return the type of the file system that *folder* is on, by the text of a mountinfo file."""
    kind, longest = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
        # The longest mount point above the folder is the one it is on; of two on one point, the later.
        if len(point) >= longest and folder.is_relative_to(point):
            kind, longest = after.split(" ")[0], len(point)
    return kind
