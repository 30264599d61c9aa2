"""Backends on servers for tests without an event loop, or with a virtual one: a loop in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cleanlist_async.ratelimit.postgres import PostgresLimits
from cleanlist_async.ratelimit.redis import RedisLimits
from cleanlist_async.ratelimit.shared.backend import Backend, SyncAnswer, SyncRequest
from cleanlist_async.ratelimit.shared.data_loss import Server
from cleanlist_async.ratelimit.shared.remote import RemoteLimits

T = TypeVar("T")


class LoopInThread:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(60)
        self.loop.close()


class BlockingBackend:
    """Answers without waiting, as far as its caller can tell."""

    def __init__(self, backend: Backend, thread: LoopInThread) -> None:
        self.backend = backend
        self.limits = backend.limits
        self._thread = thread

    async def sync(self, request: SyncRequest) -> SyncAnswer:
        return self._thread.run(self.backend.sync(request))

    async def join(self, organization: str, other: str) -> None:
        self._thread.run(self.backend.join(organization, other))

    async def aclose(self) -> None:
        self._thread.run(self.backend.aclose())


class ClockedServer(RemoteLimits):
    """A real server that is told the time: the only thing about it that a test must not wait for.

    It has been up for a day by then, so that it is not taken for one that may just have lost its data.
    """

    server_clock: Callable[[], float] | None = None

    def server(self, run: str, now: float, started_at: float) -> Server:
        now = (self.server_clock or self.clock)()
        return super().server(run, now, min(started_at, now - 86_400))


class ClockedRedis(ClockedServer, RedisLimits):
    """A Redis that is told the time."""


class ClockedPostgres(ClockedServer, PostgresLimits):
    """A PostgreSQL that is told the time."""
