"""What requests wait for: their place in a queue, turns at even spacing, the pause of an endpoint."""

from __future__ import annotations

import asyncio
import heapq
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio

from cleanlist_async import facts
from cleanlist_async.ratelimit.buckets import BucketState, Lease, Rejection, Route
from cleanlist_async.ratelimit.limits import pause_s, paused_error
from cleanlist_async.ratelimit.window import Outcome

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

_SPARE: Final = 16
"""Outdated entries that are not worth a rebuild."""


class IndexedHeap:
    """Numbers by name, which may change at any time; a name without a number counts as infinite.

    Setting a number takes O(log n), and so does finding the least, on average.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        """Every number that was set; those that were replaced since are skipped when they come up."""

    def __getitem__(self, name: str) -> float:
        return self._numbers.get(name, math.inf)

    def __setitem__(self, name: str, number: float) -> None:
        if number == math.inf:
            self._numbers.pop(name, None)
        elif number != self._numbers.get(name):
            self._numbers[name] = number
            # The old entry stays, since removing it from the middle takes O(n).
            heapq.heappush(self._heap, (number, name))
            if len(self._heap) > 2 * len(self._numbers) + _SPARE:
                self._heap = [(one, of) for of, one in self._numbers.items()]
                heapq.heapify(self._heap)

    def first(self) -> tuple[float, str | None]:
        """Return the least number, and its name; infinity and None if there is none."""
        while self._heap:
            number, name = self._heap[0]
            if self._numbers.get(name) == number:
                return number, name
            heapq.heappop(self._heap)
        return math.inf, None

    def take_until(self, limit: float) -> list[str]:
        """Remove and return the names whose number is at most *limit*, the least first."""
        taken: list[str] = []
        while self._heap and self._heap[0][0] <= limit:
            number, name = heapq.heappop(self._heap)
            if self._numbers.get(name) == number:
                del self._numbers[name]
                taken.append(name)
        return taken


class Shaper:
    """The turns of one bucket: each comes one interval after the last one was used.

    `comes_at` is when the next one comes, by the clock of the event loop, and `is_awaited` says whether a
    request waits for it. Only one does, so that the others keep their ranks: aiolimiter has no priorities.
    """

    __slots__ = ("_has_turn", "_limiter", "comes_at", "is_awaited")

    def __init__(self) -> None:
        self.comes_at = 0.0
        self.is_awaited = False
        self._has_turn = False
        self._limiter: AsyncLimiter | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the next turn has come."""
        return self._has_turn or self._limiter is None or self._limiter.has_capacity()

    async def wait(self) -> None:
        """Wait for the next turn."""
        if self._limiter is not None:
            await self._limiter.acquire()
        self._has_turn = True

    def use(self, interval_s: float) -> None:
        """Use the turn: the next one comes *interval_s* seconds from now."""
        # Most clients never shape, and aiolimiter takes 20 ms to import: it reads its version from disk.
        from aiolimiter import AsyncLimiter  # noqa: PLC0415

        # A new one, since a turn may be used long after it came, and at another rate than the last.
        self._has_turn, self._limiter = False, AsyncLimiter(1, interval_s)
        self.comes_at = asyncio.get_running_loop().time() + interval_s
        with suppress(StopIteration):
            self._limiter.acquire().send(None)  # a new one lets the first through at once


Pace: TypeAlias = Literal["auto", "burst", "smooth"]


class RequestClass(Enum):
    """The purpose of a request. The value is its handicap, in windows.

    The rank is the time of arrival plus the handicap, so later arrivals rank behind and nothing starves.
    Interactive calls have an order of their own, before or after all others (see `Bucket`).
    """

    INTERACTIVE = 0
    SUBMIT = 1
    STATUS = 2

    @property
    def is_bulk(self) -> bool:
        """Whether it is no interactive call's."""
        return self is not RequestClass.INTERACTIVE


_Queue: TypeAlias = "OrderedDict[Waiter, None]"
_QueueKey: TypeAlias = tuple[tuple[str, ...], RequestClass, Pace]


@dataclass(eq=False, slots=True)
class Waiter:
    """One request that waits. Its future gives its tokens, or a shaper whose next turn it is to wait for."""

    future: asyncio.Future[Lease | Shaper]
    route: Route
    kind: RequestClass
    pace: Pace = "auto"
    rank: float = 0.0
    gives_up_at: float = math.inf
    awaits: Shaper | None = None
    turn: anyio.CancelScope | None = None  # in which it waits for that
    queue: _Queue = field(init=False)

    def await_no_turn(self) -> None:
        """Let another request wait for the turn."""
        if self.awaits is not None:
            self.awaits.is_awaited, self.awaits = False, None

    def granted(self) -> Lease | None:
        """Return the tokens that were charged for this waiter, if any were."""
        # `exception` raises CancelledError on a cancelled future, so that comes first.
        if not self.future.done() or self.future.cancelled() or self.future.exception() is not None:
            return None
        given = self.future.result()
        return given if isinstance(given, Lease) else None


class WaitQueues:
    """All waiters of one event loop, by organization. Joining and leaving take constant time."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._queues: dict[str, dict[_QueueKey, _Queue]] = {}
        self._counts = dict.fromkeys(RequestClass, 0)

    def __bool__(self) -> bool:
        return bool(self._queues)

    def count(self, kind: RequestClass | None = None) -> int:
        """Return how many wait (in one class)."""
        return sum(self._counts.values()) if kind is None else self._counts[kind]

    def join(self, waiter: Waiter, now: float) -> None:
        """Add *waiter* to the end of its queue."""
        waiter.rank = now + waiter.kind.value * self._window_s
        self._enter(waiter)

    def rejoin(self, waiter: Waiter) -> None:
        """Put *waiter* back at the front, with the rank of its first arrival."""
        self._enter(waiter)
        waiter.queue.move_to_end(waiter, last=False)

    def leave(self, waiter: Waiter) -> None:
        """Remove *waiter* from its queue, if it is in it."""
        if waiter in waiter.queue:
            waiter.await_no_turn()  # so that the next in line can
            if waiter.turn is not None:
                waiter.turn.cancel()
            del waiter.queue[waiter]
            self._counts[waiter.kind] -= 1
            if not waiter.queue:
                self._close_queue(waiter)

    def all_behind(self, head: Waiter) -> list[Waiter]:
        """Return all that wait in the queue of *head*, itself first."""
        return [waiter for waiter in head.queue if not waiter.future.done()]

    def heads(self, names: Iterable[str]) -> list[Waiter]:
        """Return the first of each queue of the organization with these *names*, best rank first."""
        firsts: list[Waiter] = []
        for name in names:
            # A copy, since `leave` closes queues that become empty.
            for queue in list(self._queues.get(name, {}).values()):
                first = next(iter(queue), None)
                while first is not None and first.future.done():
                    self.leave(first)  # it was cancelled, and its own task has not run yet
                    first = next(iter(queue), None)
                if first is not None:
                    firsts.append(first)
        if len(firsts) > 1:
            firsts.sort(key=lambda first: first.rank)
        return firsts

    def is_head(self, waiter: Waiter) -> bool:
        """Whether *waiter* is the first of its queue."""
        return next(iter(waiter.queue), None) is waiter

    def _enter(self, waiter: Waiter) -> None:
        queues = self._queues.setdefault(waiter.route.organization, {})
        waiter.queue = queues.setdefault((waiter.route.keys, waiter.kind, waiter.pace), OrderedDict())
        waiter.queue[waiter] = None
        self._counts[waiter.kind] += 1

    def _close_queue(self, waiter: Waiter) -> None:
        # Empty queues go: a process that serves many organizations would look through all of them.
        queues = self._queues[waiter.route.organization]
        del queues[waiter.route.keys, waiter.kind, waiter.pace]
        if not queues:
            del self._queues[waiter.route.organization]


@dataclass(eq=False, slots=True)
class Endpoint:
    """One endpoint of an organization, and its pause after a 429.

    `accepted_at` is when the latest request that the server accepted had got its token.
    """

    name: str
    paused_until: float = -math.inf
    rejections: int = 0
    rejected_at: float = -math.inf
    accepted_at: float = -math.inf

    def settle(self, outcome: Outcome, taken_at: float) -> None:
        """Note the outcome of a request whose token was taken at *taken_at*."""
        if outcome == "answered":
            self.rejections = 0
            self.accepted_at = max(self.accepted_at, taken_at)

    def reject(self, at: float, rejection: Rejection) -> None:
        """Pause after a 429."""
        self.rejections += at >= self.paused_until  # the 429s of one volley count as one
        pause = pause_s(self.rejections, rejection.rng, rejection.asked_s)
        self.paused_until, self.rejected_at = max(self.paused_until, at + pause), at

    def state(self, now: float) -> BucketState:
        """Return its state at *now*."""
        pause = max(0.0, self.paused_until - now)
        return BucketState(
            name=self.name,
            limit=0,
            capacity=0,
            available=0,
            in_flight=0,
            opens_in_s=pause,
            paused_for_s=pause,
        )


class Endpoints:
    """The endpoints that requests were sent to, by organization. Methods may be called from any thread.

    The Public API's limits are per endpoint, and not published. So a 429 that names no limit pauses its
    endpoint first, beside the key and the organization: if that has a limit of its own (`RateLimiter` has
    those), or if the server accepted another's request that was sent later.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Endpoint]] = {}

    def of(self, route: Route, name: str) -> Endpoint:
        """Return an endpoint."""
        with self._lock:
            ours = self._known.setdefault(route.organization, {})
            if (found := ours.get(name)) is None:
                found = ours[name] = Endpoint(name)
            return found

    def paused(self, route: Route, now: float) -> tuple[BucketState, ...]:
        """Return the state of those that are paused."""
        ours = tuple(self._known.get(route.organization, {}).values())
        return tuple(one.state(now) for one in ours if one.paused_until > now)

    def is_another_accepted(self, route: Route, endpoint: Endpoint, taken_at: float) -> bool:
        """Whether another endpoint's request was accepted that got its token after *taken_at*."""
        others = tuple(self._known.get(route.organization, {}).values())
        return any(other is not endpoint and other.accepted_at > taken_at for other in others)


async def wait_for(endpoint: Endpoint, kind: RequestClass, clock: Callable[[], float]) -> None:
    """Wait for the end of the pause of *endpoint*.

    Raises RateLimitError where it is longer than requests of class *kind* wait.
    """
    longest_s = facts.LONGEST_PAUSE_S if kind.is_bulk else facts.LONGEST_INTERACTIVE_PAUSE_S
    while (left_s := endpoint.paused_until - clock()) > 0:
        if left_s > longest_s:
            raise paused_error(left_s)
        await anyio.sleep(left_s)
