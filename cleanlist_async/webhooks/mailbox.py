"""Passes events between workers: through a file on one machine, or a Redis or a store between several."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from cleanlist_async import facts
from cleanlist_async.checks import check_function, checked_path
from cleanlist_async.storage.redis_connection import SharedRedis, check_namespace
from cleanlist_async.storage.sqlite_file import SharedFile
from cleanlist_async.storage.store import mail

if TYPE_CHECKING:
    from cleanlist_async.storage.store.store import Store


class FileMailbox:
    """Keeps an event until its recipient takes it, for an hour at most.

    At most four events wait for one recipient (2 MiB together), and 10,000 for all (512 MiB). An event that
    finds no room is refused, and displaces no other. Events hold contact data: only its owner may read the
    file, and events that were taken are gone from it. When `put` returns True, the event is on the disk.
    Raises ConfigurationError when the file cannot be used, or others than its owner have access.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        check_function("clock", clock)
        self._file = SharedFile(checked_path("path", path), holds_contacts=True)
        # The connection is for one thread at a time, and each call may be in another.
        self._lock = threading.Lock()
        self._clock = clock
        with self._file.transaction() as rows:  # a file of an earlier version has no index
            rows.execute("CREATE INDEX IF NOT EXISTS mail_by_age ON mail (sent)")
        self._file.close()

    async def put(self, recipient: str, event: bytes, /) -> bool:
        """Keep an event until its recipient takes it, a repeated one only once. Return whether it is kept."""
        return await anyio.to_thread.run_sync(self._put, recipient, event)

    async def take(self, recipients: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these recipients so far, and delete them. Does not wait.

        If the caller is cancelled meanwhile, all of them are taken, or none.
        """
        return await anyio.to_thread.run_sync(self._take, recipients)

    def _put(self, recipient: str, event: bytes) -> bool:
        now = self._clock()
        with self._lock, self._file.transaction() as rows:
            rows.execute("DELETE FROM mail WHERE sent < ?", (now - facts.MAILBOX_KEPT_S,))
            # The sender repeats an event if it missed our answer: two copies would take the room of another.
            waiting, size, same = rows.execute(
                "SELECT count(*), total(length(content)), total(content = ?) FROM mail WHERE recipient = ?",
                (event, recipient),
            ).fetchone()
            if same:
                return True
            if waiting >= facts.MAX_WAITING_EVENTS or size + len(event) > facts.MAX_WAITING_BYTES:
                return False
            # A bound for all as well: many tokens together could fill the disk.
            of_all, size = rows.execute("SELECT count(*), total(length(content)) FROM mail").fetchone()
            if of_all >= facts.MAX_MAILBOX_EVENTS or size + len(event) > facts.MAX_MAILBOX_BYTES:
                return False
            rows.execute(
                "INSERT INTO mail (recipient, content, sent) VALUES (?, ?, ?)", (recipient, event, now)
            )
        return True

    def _take(self, recipients: Collection[str]) -> Mapping[str, Sequence[bytes]]:
        taken: dict[str, list[bytes]] = {}
        with self._lock, self._file.transaction() as rows:
            for recipient in recipients:
                found = rows.execute("SELECT content FROM mail WHERE recipient = ? ORDER BY id", (recipient,))
                if events := [content for (content,) in found]:
                    taken[recipient] = events
                    rows.execute("DELETE FROM mail WHERE recipient = ?", (recipient,))
        return taken


# One script, so that no other worker can fill the room between the check and the push.
_PUT: Final = """
-- KEYS: the events of a recipient; for each recipient the bytes that wait, how many events, and until when.
-- ARGV: the recipient, the event, how long to keep it in s; then how many events and bytes may wait for one
-- recipient, and for all. Returns 1 when it is kept, 0 when there is no room.
local function number(place) return tonumber(ARGV[place]) end
local size, waiting_bytes = #ARGV[2], 0
local waiting = redis.call('LRANGE', KEYS[1], 0, -1)
for _, event in ipairs(waiting) do
  if event == ARGV[2] then return 1 end
  waiting_bytes = waiting_bytes + #event
end
if #waiting >= number(4) or waiting_bytes + size > number(5) then return 0 end
local now, of_all, bytes_of_all = tonumber(redis.call('TIME')[1]), 0, 0
local all = redis.call('HGETALL', KEYS[2])
for place = 1, #all, 2 do
  local bytes, events, keep_until = all[place + 1]:match('(%d+) (%d+) (%d+)')
  if tonumber(keep_until) < now then
    redis.call('HDEL', KEYS[2], all[place])
  else
    of_all, bytes_of_all = of_all + events, bytes_of_all + bytes
  end
end
if of_all >= number(6) or bytes_of_all + size > number(7) then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
local counts = string.format('%d %d %d', waiting_bytes + size, #waiting + 1, now + number(3))
redis.call('HSET', KEYS[2], ARGV[1], counts)
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""


class RedisMailbox:
    """Keeps an event until its recipient takes it, for an hour at most. Any process, thread or loop may call.

    At most four events wait for one recipient (2 MiB together), and 10,000 for all (512 MiB). An event that
    finds no room is refused, and displaces no other. Events hold contact data: use a private Redis, over TLS
    (``rediss://``). When `put` returns True, Redis has the event; whether it survives a restart depends on
    Redis's own persistence. Making one raises ConfigurationError if redis-py is missing or *url* is no
    address; `put` and `take` raise RedisUnavailableError while Redis cannot be reached.
    """

    def __init__(self, url: str, *, namespace: str = "cleanlist") -> None:
        try:
            check_namespace(namespace)
            self._redis = SharedRedis(url)
        finally:
            del url  # it may hold a password, which a traceback that shows local variables must not show
        self._waiting = f"{{{namespace}}}:mail"  # in braces, so that a cluster keeps all of it in one slot
        self._prefix = f"{self._waiting}:"

    async def put(self, recipient: str, event: bytes, /) -> bool:
        """Keep an event until its recipient takes it, a repeated one only once. Return whether it is kept."""
        bounds = (
            int(facts.MAILBOX_KEPT_S),
            *(facts.MAX_WAITING_EVENTS, facts.MAX_WAITING_BYTES),
            *(facts.MAX_MAILBOX_EVENTS, facts.MAX_MAILBOX_BYTES),
        )

        async def put() -> bool:
            # A client for each call: connections belong to an event loop, and any loop may call.
            async with self._redis.client() as client:
                keys = [self._prefix + recipient, self._waiting]
                return bool(await client.register_script(_PUT)(keys, [recipient, event, *bounds]))

        return await self._redis.run(put)

    async def take(self, recipients: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these recipients so far, and delete them. Does not wait.

        If the caller is cancelled meanwhile, they may have been taken.
        """
        recipients = list(recipients)
        if not recipients:
            return {}

        async def take() -> list[Sequence[bytes]]:
            # One transaction: an event that comes between reading and deleting would be lost.
            async with self._redis.client() as client, client.pipeline(transaction=True) as transaction:
                for recipient in recipients:
                    transaction.lrange(self._prefix + recipient, 0, -1)
                transaction.delete(*(self._prefix + recipient for recipient in recipients))
                transaction.hdel(self._waiting, *recipients)
                *found, _, _ = await transaction.execute()  # the last two are counts of what was deleted
                return found

        found = await self._redis.run(take)
        return {recipient: events for recipient, events in zip(recipients, found, strict=True) if events}


class StoreMailbox:
    """Keeps events in the store of a client, within the bounds of the other mailboxes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_made = False

    async def put(self, recipient: str, event: bytes, /) -> bool:
        """Keep an event until its recipient takes it, a repeated one only once. Return whether it is kept."""
        await self._open()
        return await self._store.run(mail.put(recipient, event))

    async def take(self, recipients: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these recipients so far, and delete them. Does not wait.

        If the caller is cancelled meanwhile, all of them are taken, or none.
        """
        await self._open()
        return await self._store.run(mail.take(recipients))

    async def _open(self) -> None:
        await self._store.open()
        if not self._is_made:
            await self._store.run(mail.create())
            self._is_made = True
