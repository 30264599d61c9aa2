"""Events between workers, where they share their limits: a file on one machine, a Redis between several."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

import anyio.to_thread

from cleanlist_async.shared_file import SharedFile
from cleanlist_async.shared_redis import SharedRedis

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


class RedisMailbox:
    """Keeps an event until its recipient takes it, for an hour at most. Any process, thread and loop may ask.

    Events hold contact data: give it a Redis that is yours alone, and TLS (``rediss://``) on the way. When
    `put` returns, Redis has the event; whether it outlives a restart of Redis is for its own persistence.
    Raises ConfigurationError when redis-py is missing or *url* is no address, at once when it is made, and
    RedisUnavailableError from `put` and `take` while Redis is away.
    """

    def __init__(self, url: str, *, namespace: str = "cleanlist") -> None:
        try:
            self._redis = SharedRedis(url)
        finally:
            del url  # it may hold a password, which a traceback that shows local variables must not show
        self._prefix = f"{{{namespace}}}:mail:"

    async def put(self, recipient: str, event: bytes, /) -> None:
        """Keep an event until its recipient takes it."""
        key = self._prefix + recipient

        async def put() -> None:
            async with self._redis.client() as client, client.pipeline(transaction=True) as stroke:
                stroke.rpush(key, event)
                stroke.ltrim(key, -_KEPT, -1)
                stroke.expire(key, int(_KEPT_S))
                await stroke.execute()

        await self._redis.run(put)

    async def take(self, recipients: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these recipients there are by now, and forget them. Does not wait.

        A caller that is cancelled in the middle may have taken them.
        """
        recipients = list(recipients)
        if not recipients:
            return {}

        async def take() -> list[Sequence[bytes]]:
            async with self._redis.client() as client, client.pipeline(transaction=True) as stroke:
                for recipient in recipients:
                    stroke.lrange(self._prefix + recipient, 0, -1)
                stroke.delete(*(self._prefix + recipient for recipient in recipients))
                *found, _ = await stroke.execute()
                return found

        found = await self._redis.run(take)
        return {recipient: events for recipient, events in zip(recipients, found, strict=True) if events}
