"""Who goes next: waiting lines by class, direct hand-off of tokens, and even pacing where it helps.

The window guarantees, `aiolimiter` shapes. A token is charged before its waiter wakes; a waiter that was
cancelled after that gives it back unsent, and the next one wakes.
"""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections.abc import Callable
from random import Random
from typing import Literal, TypeAlias

from aiolimiter import AsyncLimiter

from cleanlist_async import facts
from cleanlist_async.errors import RateLimitError
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.lines import RequestClass, Waiter, WaitingLines
from cleanlist_async.ratelimit.memory import BucketState, Lease, MemoryStore, Route

Pace: TypeAlias = Literal["auto", "burst", "smooth"]

Clock: TypeAlias = Callable[[], float]


class Permit:
    """Leave to send one request. Exactly one of `answered`, `lost` and `unsent` must be called."""

    __slots__ = ("_limiter", "lease", "settled", "waited_s")

    def __init__(self, limiter: RateLimiter, lease: Lease, waited_s: float) -> None:
        self._limiter = limiter
        self.lease = lease
        self.waited_s = waited_s
        self.settled = False

    @property
    def key(self) -> str | None:
        """The name of the key to send with; None for a JWT."""
        return self.lease.key

    def answered(
        self, at: float, *, rejected: bool = False, asked_s: float | None = None, named: str | None = None
    ) -> None:
        """The answer's head arrived at *at*, by the limiter's clock.

        A 429 (*rejected*) pauses the buckets for *asked_s* seconds; *named* is the one the body names.
        """
        if self._settle():
            self._limiter._answered(self.lease, at, rejected=rejected, asked_s=asked_s, named=named)

    def lost(self) -> None:
        """The attempt ended without an answer, after a byte may have left."""
        if self._settle():
            self._limiter._lost(self.lease)

    def unsent(self) -> None:
        """Not a byte left."""
        if self._settle():
            self._limiter._unsent(self.lease)

    def _settle(self) -> bool:
        first, self.settled = not self.settled, True
        return first


class RateLimiter:
    """Keeps every request of a key and an organization within their limits.

    Parameters
    ----------
    limits
        The limits to keep to.
    clock
        Seconds that never go back; replaced in tests.
    rng
        Source of jitter; replaced in tests.

    """

    def __init__(
        self, limits: RateLimits | None = None, *, clock: Clock = time.monotonic, rng: Random | None = None
    ) -> None:
        self.limits = limits or RateLimits()
        self.clock = clock
        self.rng = rng or Random()  # noqa: S311  # jitter, not cryptography
        self.store = MemoryStore(self.limits)
        self.rejections = 0
        self._dispatchers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Dispatcher]
        self._dispatchers = weakref.WeakKeyDictionary()

    async def acquire(self, route: Route, kind: RequestClass, pace: Pace = "auto") -> Permit:
        """Wait for both tokens of a request of class *kind*.

        Raises RateLimitError for an interactive call that would have to wait longer than 120 s because
        the server asked for it.
        """
        started = self.clock()
        if kind is RequestClass.INTERACTIVE:
            self.store.note_interactive(route, started)
        lease = await self._dispatcher().acquire(route, kind, pace)
        return Permit(self, lease, self.clock() - started)

    def waiting(self, kind: RequestClass | None = None) -> int:
        """Return how many requests (of one class) wait in this event loop."""
        return self._dispatcher().lines.count(kind)

    def available(self, route: Route) -> int:
        """Return how many tokens of the freest key of *route* can be taken now."""
        return self.store.available(route, self.clock())

    def states(self) -> tuple[BucketState, ...]:
        """Return the state of every bucket."""
        return self.store.states(self.clock())

    def join(self, organization: str, other: str) -> None:
        """Make two organization names one bucket, as soon as an answer shows that they are one."""
        self.store.join(organization, other)

    # -- what happened to a permit -------------------------------------------------------------

    def _answered(
        self, lease: Lease, at: float, *, rejected: bool, asked_s: float | None, named: str | None
    ) -> None:
        self.store.answered(lease, at, accepted=not rejected)
        if rejected:
            self.rejections += 1
            self.store.reject(lease, self.clock(), asked_s, named, self.rng)
        unblocks = rejected or any(lease.probes)
        self._wake_all(-math.inf if unblocks else at + self.limits.window_s)

    def _lost(self, lease: Lease) -> None:
        self.store.lost(lease, self.clock())
        self._wake_all(-math.inf)

    def _unsent(self, lease: Lease) -> None:
        self.store.unsent(lease)
        self._wake_all(-math.inf)

    def _wake_all(self, returns_at: float) -> None:
        for loop, dispatcher in list(self._dispatchers.items()):
            if loop is _running_loop():
                dispatcher.wake(returns_at)
            elif dispatcher.lines and not loop.is_closed():
                loop.call_soon_threadsafe(dispatcher.wake, returns_at)

    def _dispatcher(self) -> _Dispatcher:
        loop = asyncio.get_running_loop()
        if (dispatcher := self._dispatchers.get(loop)) is None:
            dispatcher = self._dispatchers[loop] = _Dispatcher(self)
        return dispatcher


class _Dispatcher:
    """The waiters of one event loop, its one timer, and its shapers."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._clock = limiter.clock
        self.lines = WaitingLines(limiter.limits.window_s)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._shapers: dict[str, AsyncLimiter] = {}
        self._in_shaper: set[str] = set()

    async def acquire(self, route: Route, kind: RequestClass, pace: Pace) -> Lease:
        waiter = Waiter(asyncio.get_running_loop().create_future(), route, kind)
        waiter.shaped = self._is_shaped(waiter, pace)
        self.lines.join(waiter, self._clock())
        while True:
            if self.lines.is_head(waiter):
                self.dispatch()
            lease = await self._turn(waiter)
            if waiter.shaped:
                await self._pass_shapers(lease)
            if not self._store.is_paused(lease, self._clock()):
                return lease
            self._store.unsent(lease)  # a 429 came while we passed the shaper
            waiter.future = asyncio.get_running_loop().create_future()
            self.lines.rejoin(waiter)

    async def _turn(self, waiter: Waiter) -> Lease:
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled():
                self._store.unsent(waiter.future.result())
            self.lines.leave(waiter)
            self.dispatch()
            raise

    # -- hand-off ------------------------------------------------------------------------------

    def dispatch(self, now: float | None = None) -> None:
        """Hand out every token that can be handed out, then set the timer for the next."""
        now = self._clock() if now is None else now
        if self._store.is_disturbed(now):
            self._refuse_hopeless(now)
        opens = 0.0
        while opens <= now:
            opens = self._hand_over_one(now)
        self._set_timer(opens)

    def _hand_over_one(self, now: float) -> float:
        """Give the first waiter that can be served its tokens; else return when the next one can be."""
        opens = math.inf
        for waiter in self.lines.heads():
            keep = self._keep(waiter) if waiter.kind is RequestClass.STATUS else 0
            taken = self._store.take(waiter.route, now, keep=keep, busy=self._in_shaper if waiter.shaped else ())
            if isinstance(taken, Lease):
                self.lines.leave(waiter)
                if waiter.shaped:
                    self._in_shaper.add(taken.buckets[0].name)
                waiter.future.set_result(taken)
                return now
            opens = min(opens, taken)
        return opens

    def _keep(self, waiter: Waiter) -> int:
        """Key tokens a status request leaves to the submits that wait, until it has aged ahead of them."""
        if not self.lines.count(RequestClass.SUBMIT):
            return 0
        first_submit = self.lines.heads(RequestClass.SUBMIT)[0]
        return 0 if waiter.rank < first_submit.rank else facts.TOKENS_KEPT_FROM_STATUS

    def _refuse_hopeless(self, now: float) -> None:
        for waiter in self.lines.heads(RequestClass.INTERACTIVE):
            pause = self._store.paused_for_s(waiter.route, now)
            if pause > facts.LONGEST_INTERACTIVE_PAUSE_S:
                for hopeless in self.lines.leave_all(waiter):
                    hopeless.future.set_exception(_paused(pause))

    # -- the one timer -------------------------------------------------------------------------

    def wake(self, returns_at: float) -> None:
        """A token returns at *returns_at*: dispatch, unless the timer comes first and will see it anyway."""
        if self.lines and returns_at < self._timer_at:
            self.dispatch()

    def _set_timer(self, at: float) -> None:
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if at < math.inf:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, at - self._clock()), self._on_timer)

    def _on_timer(self) -> None:
        # Loops may fire a little early; by its own target the timer is never early.
        now = max(self._clock(), self._timer_at)
        self._timer, self._timer_at = None, math.inf
        self.dispatch(now)

    # -- shaping -------------------------------------------------------------------------------

    def _is_shaped(self, waiter: Waiter, pace: Pace) -> bool:
        if pace != "auto":
            return pace == "smooth"
        now = self._clock()
        if self._store.must_be_smooth(waiter.route, now):
            return True
        return waiter.kind is not RequestClass.INTERACTIVE and self._store.has_interactive(waiter.route, now)

    async def _pass_shapers(self, lease: Lease) -> None:
        try:
            for bucket in lease.buckets:
                await self._shaper(bucket.name, bucket.window.limit).acquire()
        except BaseException:
            self._store.unsent(lease)
            raise
        finally:
            self._in_shaper.discard(lease.buckets[0].name)
            self.dispatch()

    def _shaper(self, name: str, limit: int) -> AsyncLimiter:
        if (shaper := self._shapers.get(name)) is None:
            interval = self._limiter.limits.window_s / max(1, limit - 1)
            shaper = self._shapers[name] = AsyncLimiter(1, interval)
        return shaper


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _paused(pause_s: float) -> RateLimitError:
    return RateLimitError(
        f"The server asked for a pause of {pause_s:.0f} s.",
        code="rate_limited",
        retry_after_s=pause_s,
        fix=f"Call again in {pause_s:.0f} s.",
    )
