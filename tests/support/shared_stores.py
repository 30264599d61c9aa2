"""A limiter on a shared store in virtual time: the sync worker runs in the event loop itself, at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from cleanlist_async.ratelimit import RateLimiter, RateLimits
from cleanlist_async.ratelimit.dispatcher import running_loop
from cleanlist_async.ratelimit.shared.backend import Backend, LocalStore, SyncAnswer, SyncRequest
from cleanlist_async.ratelimit.shared.pool import Pool
from cleanlist_async.ratelimit.shared.store import SharedStore
from cleanlist_async.ratelimit.shared.sync_worker import SyncWorker
from cleanlist_async.ratelimit.sqlite import LimitsFile

T = TypeVar("T")

SHARED_IS_SLOW = pytest.mark.parametrize(
    "every_store", ["memory", pytest.param("shared", marks=pytest.mark.slow)], indirect=True
)
"""For tests of `every_store` that take long: the rules of a shared store have other, faster tests."""


class LoopSyncWorker(SyncWorker):
    """Runs its pending syncs in the caller's thread, as far as the backend answers without waiting."""

    def __init__(self, backend: Backend, clock: Callable[[], float], local: LocalStore) -> None:
        super().__init__(backend, clock, local)
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        if self._busy:
            return  # whoever is at it sees what has come
        self._busy = True
        try:
            due_at = finish(self.run_due())
        finally:
            self._busy = False
        if self._timer is not None:
            self._timer.cancel()
        if due_at < math.inf and (loop := running_loop()) is not None:
            self._timer = loop.call_at(loop.time() + max(0.0, due_at - self.clock()), self.wake)

    def flush(self, timeout_s: float = 0.0) -> bool:
        with self._lock:
            for pending in self._pending.values():
                self._due(pending, self.clock())
        self.wake()
        return True

    def crash(self) -> None:
        """Go as a killed process does: without a word."""
        self._busy = True
        if self._timer is not None:
            self._timer.cancel()


class PoolBackend:
    """Pools in memory, for several stores of one process: the rules of every backend, and nothing else."""

    def __init__(self, limits: RateLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.clock = clock
        self.pools: dict[str, Pool] = {}

    async def sync(self, request: SyncRequest) -> SyncAnswer:
        pool = self._pool(request.organization)
        for key in {key for one in request.wanted for key in one.keys}:
            pool = self._made_one(pool, key)
        return pool.sync(request, self.clock())

    async def join(self, organization: str, other: str) -> None:
        self._made_one(self._pool(organization), other)

    async def aclose(self) -> None:
        """There is nothing to close."""

    def _pool(self, name: str) -> Pool:
        if name not in self.pools:
            self.pools[name] = Pool(self.limits)
        return self.pools[name]

    def _made_one(self, pool: Pool, name: str) -> Pool:
        other = self.pools.setdefault(name, pool)
        if other is not pool:
            pool.absorb(other)
            self.pools = {name: pool if known is other else known for name, known in self.pools.items()}
        return pool


def shared_limiter(backend: Backend, clock: Callable[[], float]) -> RateLimiter:
    return RateLimiter(clock=clock, store=SharedStore(backend, clock, LoopSyncWorker))


def flush_reports(limiter: RateLimiter) -> None:
    """Let a sync worker say what it has kept for its next sync."""
    if isinstance(limiter.store, SharedStore):
        limiter.store.worker.flush()


def finish(coroutine: Coroutine[object, object, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a backend waited in virtual time")


def sqlite_limiter(
    path: Path, limits: RateLimits | None = None, clock: Callable[[], float] | None = None
) -> RateLimiter:
    clock = clock or asyncio.get_running_loop().time
    limiter = shared_limiter(LimitsFile(path, limits or RateLimits(), clock), clock)
    return limiter.limit_endpoints(lambda own: sqlite_limiter(path, own, clock))
