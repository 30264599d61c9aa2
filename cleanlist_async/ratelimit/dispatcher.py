"""Decides which request goes next in one event loop: direct hand-off, one timer, pacing where it helps.

Organizations do not compete, so a change to the tokens of one affects its queues only. The window guarantees
the limit, `aiolimiter` shapes the traffic (see `shaper`). A token is charged before its waiter wakes; a
waiter that is cancelled after that returns it unsent, and the next one wakes.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence

from cleanlist_async import facts
from cleanlist_async.errors import RateLimitError
from cleanlist_async.ratelimit.buckets import Buckets, Lease, NamedBucket, Route
from cleanlist_async.ratelimit.indexed_heap import IndexedHeap
from cleanlist_async.ratelimit.shaper import Shaper
from cleanlist_async.ratelimit.wait_queues import Pace, RequestClass, Waiter, WaitQueues


class Dispatcher(ABC):
    """The waiters of one event loop, its one timer, and its shapers."""

    def __init__(self, store: Buckets, clock: Callable[[], float], wake_all: Callable[[str], None]) -> None:
        self.queues = WaitQueues(store.limits.window_s)
        self._store = store
        self._clock = clock
        self._wake_all = wake_all
        self._openings: IndexedHeap[str] = IndexedHeap()
        """When the next waiter of each organization can be served; no entry where only an answer decides."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._shapers: dict[str, Shaper] = {}
        # Names of buckets, the key's where there is one. One request at a time, so that the rest keep their
        # ranks in the queues: aiolimiter has no priorities.
        self._in_shaper: set[str] = set()

    async def acquire(self, route: Route, kind: RequestClass, pace: Pace) -> Lease:
        """Wait for the tokens of one request. Raises RateLimitError as `RateLimiter.acquire` does."""
        self._store.attach(route)  # routes that share a key are of one organization, and woken together
        waiter = Waiter(asyncio.get_running_loop().create_future(), route, kind, pace)
        self.queues.join(waiter, self._clock())
        while True:
            if self.queues.is_head(waiter):  # behind others, it cannot be served before they are
                self.dispatch(route.organization)
            lease = await self._granted(waiter)
            if waiter.shaped:
                await self._pass_shapers(lease)
            elif kind is RequestClass.INTERACTIVE:
                self._skip_shapers(lease)
            if not self._store.is_stale(lease, self._clock()):
                return lease
            self._store.settle(lease, "unsent", self._clock())  # a 429 came between the grant and this moment
            waiter.future = asyncio.get_running_loop().create_future()
            self.queues.rejoin(waiter)

    async def _granted(self, waiter: Waiter) -> Lease:
        try:
            return await waiter.future
        except BaseException:
            self.queues.leave(waiter)
            # Cancelled between the grant and this moment: a token that is not returned is lost for ever.
            if (lease := waiter.granted()) is not None:
                if waiter.shaped:
                    self._in_shaper.discard(lease.buckets[0].name)
                self._store.settle(lease, "unsent", self._clock())
            self._wake_all(waiter.route.organization)
            raise

    # -- hand-off ------------------------------------------------------------------------------

    def dispatch(self, organization: str) -> None:
        """Hand out all free tokens of *organization*, then set the timer for the next."""
        self._serve(organization, self._clock())
        self._set_timer()

    def wake(self, organization: str, returns_at: float = -math.inf) -> None:
        """Dispatch for a token that returns at *returns_at*, unless the timer comes first and will see it."""
        if self.queues and returns_at < self._openings[organization]:
            self.dispatch(organization)

    def _serve(self, organization: str, now: float) -> None:
        names = self._store.names_of(organization)
        if self._store.is_disturbed(now):
            self._refuse_paused(names, now)
        opens = 0.0
        while opens <= now:
            opens = self._hand_over_one(names, now)
        self._openings[names[0]] = opens

    def _hand_over_one(self, names: Sequence[str], now: float) -> float:
        """Hand its tokens to the first waiter that can be served; else return when the next one can be."""
        opens = math.inf
        heads = self.queues.heads(names)  # within a queue all need the same tokens, so heads are enough
        for waiter in heads:
            shaped = self._is_shaped(waiter, now)
            busy = self._in_shaper if shaped else ()
            keep = _tokens_kept_from(waiter, heads) if waiter.kind is RequestClass.STATUS else 0
            taken = self._take(waiter, now, keep, busy)
            if isinstance(taken, Lease):
                self.queues.leave(waiter)
                waiter.shaped = shaped
                if shaped:
                    self._in_shaper.add(taken.buckets[0].name)
                waiter.future.set_result(taken)
                return now
            opens = min(opens, taken)
        return opens

    @abstractmethod
    def _take(self, waiter: Waiter, now: float, keep: int, busy: Container[str]) -> Lease | float:
        """Take the tokens of *waiter*, or return when to try again: infinity when only an answer decides."""

    def _refuse_paused(self, names: Sequence[str], now: float) -> None:
        for waiter in self.queues.heads(names):
            if waiter.kind is not RequestClass.INTERACTIVE:
                continue
            # Only the server's own pause counts, not the length of the queue.
            pause = self._store.paused_for_s(waiter.route, now)
            if pause > facts.LONGEST_INTERACTIVE_PAUSE_S:
                for refused in self.queues.leave_all(waiter):
                    refused.future.set_exception(_paused(pause))

    # -- the one timer -------------------------------------------------------------------------

    def _set_timer(self) -> None:
        at, _ = self._openings.first()
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
        # Event loops may fire a little early. Compared with its own target, the timer is never early.
        now = max(self._clock(), self._timer_at)
        self._timer, self._timer_at = None, math.inf
        for organization in self._openings.take_until(now):
            self._serve(organization, now)
        self._set_timer()

    # -- shaping -------------------------------------------------------------------------------

    def _is_shaped(self, waiter: Waiter, now: float) -> bool:
        """Whether *waiter* goes through the shaper: decided at each hand-off, so a 429 counts at once."""
        if waiter.pace != "auto":
            return waiter.pace == "smooth"
        if self._store.must_be_smooth(waiter.route, now):
            return True
        # Bulk that shares a bucket with interactive calls is spread, so that tokens return evenly for those.
        return waiter.kind is not RequestClass.INTERACTIVE and self._store.has_interactive(waiter.route, now)

    async def _pass_shapers(self, lease: Lease) -> None:
        passed = False
        try:
            for bucket in lease.buckets:
                await self._shaper(bucket).acquire()
            passed = True
        finally:
            self._in_shaper.discard(lease.buckets[0].name)
            if not passed:  # cancelled while it waited for its turn
                self._store.settle(lease, "unsent", self._clock())
            self._wake_all(lease.bucket_name)

    def _skip_shapers(self, lease: Lease) -> None:
        """Let an interactive call take a turn without waiting, so that the traffic as a whole stays even."""
        for bucket in lease.buckets:
            if (shaper := self._shapers.get(bucket.name)) is not None:
                shaper.skip()

    def _shaper(self, bucket: NamedBucket) -> Shaper:
        if (shaper := self._shapers.get(bucket.name)) is None:
            # One less than the limit: requests at even intervals then stay below it in any window.
            interval_s = bucket.window.window_s / max(1, bucket.window.limit - 1)
            shaper = self._shapers[bucket.name] = Shaper(interval_s)
        return shaper


class Store(Buckets):
    """The place where the tokens of a limiter are.

    How tokens are taken is between a store and its dispatchers: at once from the memory of this process, or
    by a request to a store that others share.
    """

    @abstractmethod
    def dispatcher(self, clock: Callable[[], float], wake_all: Callable[[str], None]) -> Dispatcher:
        """Open the wait queues of the running event loop."""


def _tokens_kept_from(status: Waiter, heads: Sequence[Waiter]) -> int:
    """Return the number of key tokens that *status* leaves to submits, until it has aged past them."""
    rivals = (
        head
        for head in heads
        if head.kind is RequestClass.SUBMIT and not head.route.keys_apart_from(status.route)
    )
    first = next(rivals, None)
    return 0 if first is None or status.rank < first.rank else facts.TOKENS_KEPT_FROM_STATUS


def _paused(pause_s: float) -> RateLimitError:
    return RateLimitError(
        f"The server asked for a pause of {pause_s:.0f} s.",
        code="rate_limited",
        retry_after_s=pause_s,
        fix=f"Call again in {pause_s:.0f} s.",
    )


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
