"""Our limiter and what users would pick instead, each behind the same door, in virtual time.

Each keeps 30 requests a minute, as its documentation shows it. aiolimiter goes by the event loop's clock;
pyrate-limiter takes a clock; the modules of the other two read `time`, which is replaced in them here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from typing import Protocol, TypeAlias, TypeVar
from unittest import mock

import aiolimiter
import limits.aio.storage.memory
import limits.aio.strategies
import pyrate_limiter
import throttled.utils
from pyrate_limiter.limiter import SingleBucketFactory
from throttled.asyncio import Throttled

from cleanlist_async.ratelimit import Pace, RateLimiter, RequestClass, Route
from cleanlist_async.testing import VirtualTimeLoop

T = TypeVar("T")

LIMIT, WINDOW_S = 30, 60.0
ROUTE = Route(("key",), "organization")

Leave: TypeAlias = Callable[[float], Awaitable[None]]
"""Called after the answer, with the seconds that a 429 asked to wait, or 0."""


class Door(Protocol):
    """A limiter as the benchmarks use it."""

    async def __call__(self, kind: RequestClass) -> Leave:
        """Wait until a request may be sent."""
        ...


class Ours:
    """Both buckets, told of each answer."""

    def __init__(self, pace: Pace) -> None:
        self._limiter = RateLimiter(clock=now)
        self._pace: Pace = pace

    async def __call__(self, kind: RequestClass) -> Leave:
        permit = await self._limiter.acquire(ROUTE, kind, self._pace)

        async def leave(asked_s: float) -> None:
            permit.answered(now(), rejected=asked_s > 0, asked_s=asked_s or None)

        return leave


class Rival:
    """A limiter that is not told of answers: whoever is refused sleeps as asked and comes again."""

    def __init__(self, acquire: Callable[[], Awaitable[object]]) -> None:
        self._acquire = acquire

    async def __call__(self, kind: RequestClass) -> Leave:  # noqa: ARG002  # they know one class
        await self._acquire()
        return asyncio.sleep


def now() -> float:
    return asyncio.get_running_loop().time()


def aiolimiter_of(rate: int, seconds: float) -> Door:
    return Rival(aiolimiter.AsyncLimiter(rate, seconds).acquire)


class _PyrateClock(pyrate_limiter.AbstractClock):
    def now(self) -> int:
        return int(now() * 1000)


class _PyrateBucket(pyrate_limiter.InMemoryBucket):
    _clock = _PyrateClock()


def pyrate() -> Door:
    """The default, an exact log. Its thread that forgets old entries is left out: there is no such time here."""
    bucket = _PyrateBucket([pyrate_limiter.Rate(LIMIT, pyrate_limiter.Duration.MINUTE)])
    return Rival(pyrate_limiter.Limiter(SingleBucketFactory(bucket, schedule_leak=False)).try_acquire_async)


class _LimitsStorage(limits.aio.storage.MemoryStorage):
    async def _MemoryStorage__schedule_expiry(self) -> None:  # noqa: N802
        """Nothing: forgetting old entries takes a thread, whose answer would come at no time in particular."""


def limits_moving_window() -> Door:
    """It has no waiting: ask, and sleep until the window opens. One asks at a time, or a thousand would."""
    strategy = limits.aio.strategies.MovingWindowRateLimiter(_LimitsStorage())
    item = limits.RateLimitItemPerMinute(LIMIT)
    turn = asyncio.Lock()

    async def acquire() -> None:
        async with turn:
            while not await strategy.hit(item, "key"):
                stats = await strategy.get_window_stats(item, "key")
                await asyncio.sleep(max(stats.reset_time - now(), 0.001))

    return Rival(acquire)


def throttled_token_bucket() -> Door:
    """Its default. Waiters poll, so one waits at a time: a thousand would cost minutes of CPU each minute."""
    limiter = Throttled(
        key="key",
        quota=throttled.rate_limiter.per_min(LIMIT),
        timeout=3600,
        store=throttled.asyncio.MemoryStore(),
    )
    turn = asyncio.Lock()

    async def acquire() -> None:
        async with turn:
            while (await limiter.limit()).limited:
                pass

    return Rival(acquire)


DOORS: dict[str, Callable[[], Door]] = {
    "ours": lambda: Ours("auto"),
    'ours, pace="smooth"': lambda: Ours("smooth"),
    "aiolimiter (30, 60)": lambda: aiolimiter_of(LIMIT, WINDOW_S),
    "aiolimiter (1, 60/29)": lambda: aiolimiter_of(1, WINDOW_S / (LIMIT - 1)),
    "pyrate-limiter": pyrate,
    "limits, moving window": limits_moving_window,
    "throttled-py": throttled_token_bucket,
}


class _LoopTime:
    """Stands for the module `time`."""

    @staticmethod
    def time() -> float:
        return now()

    monotonic = time


def run(main: Coroutine[object, object, T]) -> T:
    """Run in virtual time, which limiters that read `time` go by too."""
    modules = (limits.aio.storage.memory, limits.aio.strategies, throttled.utils)
    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(mock.patch.object(module, "time", _LoopTime))
        return stack.enter_context(asyncio.Runner(loop_factory=VirtualTimeLoop)).run(main)
