"""Decides which request goes next in one event loop: direct hand-off, one timer, pacing where it helps.

A change to the tokens of an organization affects its queues only. The window guarantees the limit,
`aiolimiter` shapes the traffic (see `Shaper`). A token is charged before its waiter wakes; a waiter that is
cancelled after that returns it unsent, and the next one wakes.
"""

from __future__ import annotations

import asyncio
import logging
import math
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final, TypeAlias

import anyio

from cleanlist_async import facts
from cleanlist_async.ratelimit.buckets import Buckets, BucketState, Lease, NamedBucket, Rejection, Route
from cleanlist_async.ratelimit.limits import paused_error
from cleanlist_async.ratelimit.wait_queues import IndexedHeap, Pace, RequestClass, Shaper, Waiter, WaitQueues
from cleanlist_async.ratelimit.window import Outcome
from cleanlist_async.redact import one_line

log: Final = logging.getLogger("cleanlist_async")

_FEW_SHAPERS: Final = 64
_LONGEST_NAME: Final = 80
Take: TypeAlias = Callable[[Waiter, float, int, Container[str]], Lease | float]
"""Takes the tokens of a waiter at a time, but not the last so many of a key, nor those of some buckets; else
returns when to try again: infinity when only an answer decides."""


class Dispatcher:
    """The waiters of one event loop, its one timer, and its shapers."""

    def __init__(
        self, store: Buckets, take: Take, clock: Callable[[], float], wake_all: Callable[[str], None]
    ) -> None:
        self.queues = WaitQueues(store.limits.window_s)
        self._store = store
        self._take = take
        self._clock = clock
        self._wake_all = wake_all
        self._openings: IndexedHeap = IndexedHeap()
        """When the next waiter of each organization can be served; no entry where only an answer decides."""
        self._noted_until: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._shapers: defaultdict[str, Shaper] = defaultdict(Shaper)
        self._sweep_at = _FEW_SHAPERS

    async def acquire(self, route: Route, kind: RequestClass, pace: Pace) -> Lease:
        """Wait for the tokens of one request. Raises RateLimitError as `RateLimiter.acquire` does."""
        loop, now = asyncio.get_running_loop(), self._clock()
        self._store.attach(route, now)  # routes that share a key are of one organization, and woken together
        waiter = Waiter(loop.create_future(), route, kind, pace)
        waiter.gives_up_at = now + anyio.current_effective_deadline() - loop.time()
        self.queues.join(waiter, now)
        has_turn = False
        try:
            while True:
                future = waiter.future  # which is replaced when it gives a turn to await
                # Behind others it cannot be served before they are, unless it has brought a turn.
                if has_turn or self.queues.is_head(waiter):
                    self.dispatch(route.organization)
                given = await future
                if has_turn := isinstance(given, Shaper):
                    with anyio.CancelScope() as waiter.turn:
                        if not waiter.future.done():
                            await given.wait()
                    waiter.await_no_turn()
                elif not self._store.is_stale(given, self._clock()):
                    return given
                else:  # a 429 came between the grant and this moment
                    self._store.settle(given, "unsent", self._clock())
                    waiter.future = loop.create_future()
                    self.queues.rejoin(waiter)
        except BaseException:
            self.queues.leave(waiter)
            # Cancelled between the grant and this moment: a token that is not returned is lost for ever.
            if (lease := waiter.granted()) is not None:
                self._store.settle(lease, "unsent", self._clock())
            self._wake_all(route.organization)
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
        if opens >= now + facts.LONG_WAIT_S and now >= self._noted_until.get(names[0], -math.inf):
            self._note_wait(names, now)

    def _hand_over_one(self, names: Sequence[str], now: float) -> float:
        """Hand its tokens to the first waiter that can be served; else return when the next one can be."""
        opens = math.inf
        heads = self._in_order(self.queues.heads(names), now)  # of a queue, all need the same tokens
        for waiter in heads:
            busy = self._without_turn(waiter, now)
            keep = _tokens_kept_from(waiter, heads) if waiter.kind is RequestClass.STATUS else 0
            taken = self._take(waiter, now, keep, busy or ())
            if isinstance(taken, Lease):
                self.queues.leave(waiter)
                if busy is not None:
                    self._use_turns(taken, now)
                waiter.future.set_result(taken)
                return now
            opens = min(opens, taken)
            if busy and not self._await_turn(waiter, busy):
                return now
        return opens

    def _in_order(self, heads: list[Waiter], now: float) -> list[Waiter]:
        """Put interactive calls first, or last if they have had their half."""
        interactive = [head.route for head in heads if not head.kind.is_bulk]
        if 0 < len(interactive) < len(heads):
            bulk_first = any(self._store.prefers_bulk(route, now) for route in interactive)
            heads.sort(key=lambda head: head.kind.is_bulk is not bulk_first)
        return heads

    def _refuse_paused(self, names: Sequence[str], now: float) -> None:
        """Refuse requests whose deadline, or the longest pause of their class, lies within a pause."""
        for head in self.queues.heads(names):
            # Only the server's own pause counts, not the length of the queue.
            pause_s = self._store.paused_for_s(head.route, now)
            longest_s = facts.LONGEST_PAUSE_S if head.kind.is_bulk else facts.LONGEST_INTERACTIVE_PAUSE_S
            for waiter in self.queues.all_behind(head) if pause_s > 0 else ():
                if pause_s > min(longest_s, waiter.gives_up_at - now):
                    self.queues.leave(waiter)
                    waiter.future.set_exception(paused_error(pause_s))

    def _note_wait(self, names: Sequence[str], now: float) -> None:
        """Log that interactive calls will wait for long, once for all until then. Bulk always waits."""
        for route in [head.route for head in self.queues.heads(names) if not head.kind.is_bulk]:
            *keys, organization = self._store.states(now, route)
            bucket = max(organization, min(keys, key=_wait_s, default=organization), key=_wait_s)
            if facts.LONG_WAIT_S <= (wait_s := _wait_s(bucket)) < math.inf:
                self._noted_until = {name: at for name, at in self._noted_until.items() if at > now}
                self._noted_until[names[0]] = now + wait_s
                log.info("waiting %.0f s for a token of %s", wait_s, one_line(bucket.name, _LONGEST_NAME))
                return

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
        if waiter.pace == "smooth" or self._store.must_be_smooth(waiter.route, now):
            return True
        if waiter.pace == "burst":
            return False
        if waiter.kind.is_bulk:  # spread beside interactive calls, so that tokens return evenly for those
            return self._store.has_interactive(waiter.route, now)
        if not self._shapers:
            return False
        # An interactive call takes the turn of such bulk, so that the traffic as a whole stays even.
        return any(self._shapers[name].is_awaited for name in waiter.route.keys if name in self._shapers)

    def _without_turn(self, waiter: Waiter, now: float) -> Sequence[str] | None:
        """Return the buckets that *waiter* may not use before their turn; None if it needs no turn."""
        if not self._is_shaped(waiter, now):
            return None
        organization, keys = self._store.names_of(waiter.route.organization)[0], waiter.route.keys
        is_smooth = not keys or self._store.must_be_smooth(Route((), organization), now)
        if is_smooth and not self._shapers[organization].is_ready:
            return (organization, *keys)  # whichever key it is, the organization's turn comes first
        return [name for name in keys if not self._shapers[name].is_ready]

    def _use_turns(self, lease: Lease, now: float) -> None:
        for bucket in lease.buckets:
            self._shapers[bucket.name].use(bucket.window.allowance.interval_s(now))
        if len(self._shapers) > self._sweep_at:  # a shaper that is ready is as good as a new one
            for name in [name for name, one in self._shapers.items() if one.is_ready and not one.is_awaited]:
                del self._shapers[name]
            self._sweep_at = 2 * len(self._shapers) + _FEW_SHAPERS

    def _await_turn(self, waiter: Waiter, names: Sequence[str]) -> bool:
        """Let *waiter* wait for the first turn of any of these buckets; the best rank then gets it.

        Returns False where all have come since they were looked at: then nobody would wake it.
        """
        # The turn of a shaper that is ready would come at once, again and again while the others are not.
        shapers = [one for one in map(self._shapers.__getitem__, names) if not one.is_ready]
        if not shapers:
            return False
        shapers = [one for one in shapers if not one.is_awaited]
        if shapers and waiter.awaits is None:
            shaper = waiter.awaits = min(shapers, key=lambda one: one.comes_at)
            shaper.is_awaited = True
            woken, waiter.future = waiter.future, asyncio.get_running_loop().create_future()
            woken.set_result(shaper)
        return True


class Store(Buckets):
    """The tokens of a limiter, which its dispatchers take at once or by a request to a shared store."""

    @abstractmethod
    def dispatcher(self, clock: Callable[[], float], wake_all: Callable[[str], None]) -> Dispatcher:
        """Open the wait queues of the running event loop."""


def _wait_s(bucket: BucketState) -> float:
    return math.inf if bucket.opens_in_s is None else bucket.opens_in_s


def _tokens_kept_from(status: Waiter, heads: Sequence[Waiter]) -> int:
    """Return the number of key tokens that *status* leaves to submits, until it has aged past them."""
    is_behind = any(
        head.kind is RequestClass.SUBMIT and head.rank <= status.rank and head.route.shares_key(status.route)
        for head in heads
    )
    return facts.TOKENS_KEPT_FROM_STATUS if is_behind else 0


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class MemoryStore(Store):
    """Buckets that no other process shares. Every method may be called from any thread.

    Two calls of `asyncio.run` within one minute do not double the rate; a restarted process has forgotten its
    last minute.
    """

    def dispatcher(self, clock: Callable[[], float], wake_all: Callable[[str], None]) -> Dispatcher:
        """Open the wait queues of the running event loop."""
        return Dispatcher(self, self._take, clock, wake_all)

    def _take(self, waiter: Waiter, now: float, keep: int, busy: Container[str]) -> Lease | float:
        route, is_bulk = waiter.route, waiter.kind.is_bulk
        with self._lock:
            organization = self._organization(route.organization)
            opens = organization.opens_at(now, is_bulk=is_bulk)
            key: NamedBucket | None = None
            if route.keys:
                keys = (self._key(name) for name in route.keys if name not in busy)
                key, key_opens = _best_key(keys, now, keep, is_bulk=is_bulk)
                opens = max(opens, key_opens)
            elif organization.name in busy:
                return math.inf
            if opens > now:
                return opens
            buckets = (organization,) if key is None else (key, organization)
            for bucket in buckets:
                bucket.taken += 1
                bucket.take(now, is_bulk=is_bulk)
            return Lease(None if key is None else key.name, buckets, now)

    def settle(
        self, lease: Lease, outcome: Outcome, at: float, *, rejection: Rejection | None = None
    ) -> None:
        """Record the outcome of *lease* at *at*; *rejection* is the 429, if it was one."""
        with self._lock:
            for bucket in lease.buckets:
                bucket.settle(outcome, at, lease.taken_at)
            if rejection is not None:
                self._reject(lease, at, rejection)


def _best_key(
    keys: Iterable[NamedBucket], now: float, keep: int, *, is_bulk: bool
) -> tuple[NamedBucket | None, float]:
    """Return the bucket with most free tokens above *keep*, or the first that will have one, and when."""
    best: NamedBucket | None = None
    # Those with equally many take turns.
    first = (math.inf, 1, 0)  # later than any bucket that opens at all
    for bucket in keys:
        opens = bucket.opens_at(now, is_bulk=is_bulk, keep=keep)
        rank = (opens, -bucket.window.available(now), bucket.taken)
        if rank < first:
            best, first = bucket, rank
    return best, first[0]
