"""Limiters of one place that send as fast as they may, while something happens to it."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cleanlist_async import RateLimiter, RateLimits
from cleanlist_async.ratelimit.shared.backend import boot_clock
from tests.support.limited_wire import ROUTE, SUBMIT

WINDOW_S = 1.2
LIMITS = RateLimits(window_s=WINDOW_S)


@dataclass
class Crowd:
    """Limiters, each with a sync worker as in a process of its own, that send as fast as they may."""

    limiters: list[RateLimiter]
    arrivals: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        calls = [asyncio.ensure_future(self._call(limiter)) for limiter in self.limiters for _ in range(5)]
        try:
            yield
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            for limiter in self.limiters:
                await asyncio.to_thread(limiter.store.worker.flush)  # type: ignore[attr-defined]

    async def send(self, count: int) -> None:
        """Wait until so many more have been sent."""
        enough = len(self.arrivals) + count
        async with asyncio.timeout(60):
            while len(self.arrivals) < enough:  # noqa: ASYNC110  # what it waits for comes from threads
                await asyncio.sleep(0.01)

    def busiest(self) -> int:
        """The most that were sent within a window."""
        ends = [bisect_left(self.arrivals, at + WINDOW_S) for at in self.arrivals]
        return max(end - start for start, end in enumerate(ends))

    async def _call(self, limiter: RateLimiter) -> None:
        while True:
            permit = await limiter.acquire(ROUTE, SUBMIT, "burst")
            if permit.is_void:
                permit.unsent()
                continue
            self.arrivals.append(boot_clock())
            permit.answered(boot_clock())
