"""The wait queues: one for each route, class and pace, each first come first served. Pure: no clock."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias

import anyio

from cleanlist_async.ratelimit.buckets import Lease, Route
from cleanlist_async.ratelimit.shaper import Shaper

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
