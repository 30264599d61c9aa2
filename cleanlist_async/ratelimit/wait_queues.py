"""The wait queues: one for each route, class and pace, each first come first served. Pure: no clock."""

from __future__ import annotations

import asyncio
import operator
from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum
from typing import Final, Literal, TypeAlias

from cleanlist_async.ratelimit.buckets import Lease, Route

Pace: TypeAlias = Literal["auto", "burst", "smooth"]


class RequestClass(Enum):
    """The purpose of a request. The value is its handicap, in windows.

    The rank is the time of arrival plus the handicap, so later arrivals rank behind and nothing starves.
    """

    INTERACTIVE = 0
    SUBMIT = 1
    STATUS = 2


_Queue: TypeAlias = "OrderedDict[Waiter, None]"
_QueueKey: TypeAlias = tuple[tuple[str, ...], RequestClass, Pace]


class Waiter:
    """One request that waits for its tokens."""

    __slots__ = ("future", "kind", "pace", "queue", "rank", "route", "shaped")

    def __init__(
        self, future: asyncio.Future[Lease], route: Route, kind: RequestClass, pace: Pace = "auto"
    ) -> None:
        self.future = future
        self.route = route
        self.kind = kind
        self.pace: Pace = pace
        self.queue: _Queue
        self.rank = 0.0
        self.shaped = False

    def granted(self) -> Lease | None:
        """Return the tokens that were charged for this waiter, if any were."""
        # `exception` raises CancelledError on a cancelled future, so that comes first.
        if not self.future.done() or self.future.cancelled() or self.future.exception() is not None:
            return None
        return self.future.result()


_by_rank: Final = operator.attrgetter("rank")


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
            del waiter.queue[waiter]
            self._counts[waiter.kind] -= 1
            if not waiter.queue:
                self._close_queue(waiter)

    def leave_all(self, waiter: Waiter) -> list[Waiter]:
        """Empty the queue that *waiter* heads, and return its waiters."""
        left = list(waiter.queue)
        waiter.queue.clear()
        self._counts[waiter.kind] -= len(left)
        self._close_queue(waiter)
        return [one for one in left if not one.future.done()]

    def heads(self, names: Iterable[str]) -> list[Waiter]:
        """Return the first of each queue of the organization with these *names*, best rank first."""
        firsts: list[Waiter] = []
        for name in names:
            # A copy, since `leave` closes queues that become empty.
            for queue in list(self._queues.get(name, _NO_QUEUES).values()):
                first = next(iter(queue), None)
                while first is not None and first.future.done():
                    self.leave(first)  # it was cancelled, and its own task has not run yet
                    first = next(iter(queue), None)
                if first is not None:
                    firsts.append(first)
        if len(firsts) > 1:
            firsts.sort(key=_by_rank)
        return firsts

    def is_head(self, waiter: Waiter) -> bool:
        """Whether *waiter* is the first of its queue."""
        return next(iter(waiter.queue), None) is waiter

    def is_alone(self, waiter: Waiter) -> bool:
        """Whether *waiter* is the only one in its queue."""
        return len(waiter.queue) == 1

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


_NO_QUEUES: Final[dict[_QueueKey, _Queue]] = {}
