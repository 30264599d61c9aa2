"""Events between the workers of one machine, in the file in which they share their limits."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

import anyio.to_thread

from cleanlist_async.shared_file import SharedFile

_KEPT_S: Final = 3_600.0
_KEPT: Final = 10_000
"""Events that may wait at once; the oldest go first. Each is at most one request of the server."""


class FileMailbox:
    """Keeps an event until its recipient takes it, for an hour at most.

    Events hold contact data: the file is for its owner alone, and what was taken is gone from it. When
    `put` returns, the event is on the disk. Raises ConfigurationError when the file cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        self._file = SharedFile(path, durable=True)
        self._lock = threading.Lock()
        self._clock = clock

    async def put(self, recipient: str, event: bytes, /) -> None:
        """Keep an event until its recipient takes it."""
        await anyio.to_thread.run_sync(partial(self._put, recipient, event))

    async def take(self, recipients: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these recipients there are by now, and forget them. Does not wait.

        A caller that is cancelled in the middle has taken them or has not; either is on the disk.
        """
        return await anyio.to_thread.run_sync(partial(self._take, recipients))

    def _put(self, recipient: str, event: bytes) -> None:
        now = self._clock()
        with self._lock, self._file.transaction() as rows:
            rows.execute("DELETE FROM mail WHERE sent < ?", (now - _KEPT_S,))
            rows.execute("DELETE FROM mail WHERE id <= (SELECT max(id) FROM mail) - ?", (_KEPT,))
            rows.execute(
                "INSERT INTO mail (recipient, content, sent) VALUES (?, ?, ?)", (recipient, event, now)
            )

    def _take(self, recipients: Collection[str]) -> Mapping[str, Sequence[bytes]]:
        taken: dict[str, list[bytes]] = {}
        with self._lock, self._file.transaction() as rows:
            for recipient in recipients:
                found = rows.execute("SELECT content FROM mail WHERE recipient = ? ORDER BY id", (recipient,))
                if events := [content for (content,) in found]:
                    taken[recipient] = events
                    rows.execute("DELETE FROM mail WHERE recipient = ?", (recipient,))
        return taken
