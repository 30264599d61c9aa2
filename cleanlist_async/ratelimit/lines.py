"""The waiting lines: one for each route and class, each first come first served. No await, no clock."""

from __future__ import annotations

import asyncio
import operator
from collections import OrderedDict
from enum import Enum
from typing import Final, Literal, TypeAlias

from cleanlist_async.ratelimit.buckets import Lease, Route

Pace: TypeAlias = Literal["auto", "burst", "smooth"]


class RequestClass(Enum):
    """What a request is for. The value is its handicap, in windows.

    Rank is the time of arrival plus the handicap, so a waiter's rank ages and nothing starves.
    """

    INTERACTIVE = 0
    SUBMIT = 1
    STATUS = 2


class Waiter:
    """One request that waits for its tokens."""

    __slots__ = ("future", "kind", "pace", "rank", "route", "shaped")

    def __init__(
        self, future: asyncio.Future[Lease], route: Route, kind: RequestClass, pace: Pace = "auto"
    ) -> None:
        self.future = future
        self.route = route
        self.kind = kind
        self.pace: Pace = pace
        self.rank = 0.0
        self.shaped = False

    def granted(self) -> Lease | None:
        """Return the tokens that were charged for this waiter, if any were."""
        if not self.future.done() or self.future.cancelled() or self.future.exception() is not None:
            return None
        return self.future.result()


_Line: TypeAlias = "OrderedDict[Waiter, None]"
_by_rank: Final = operator.attrgetter("rank")


class WaitingLines:
    """All waiters of one event loop. Joining, leaving and finding the next take constant time."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._lines: dict[tuple[Route, RequestClass, Pace], _Line] = {}
        self._counts = dict.fromkeys(RequestClass, 0)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def count(self, kind: RequestClass | None = None) -> int:
        """Return how many wait (in one class)."""
        return len(self) if kind is None else self._counts[kind]

    def join(self, waiter: Waiter, now: float) -> None:
        """Go to the end of the line."""
        waiter.rank = now + waiter.kind.value * self._window_s
        self._line(waiter)[waiter] = None
        self._counts[waiter.kind] += 1

    def rejoin(self, waiter: Waiter) -> None:
        """Go back to the front, with the rank of the first arrival."""
        line = self._line(waiter)
        line[waiter] = None
        line.move_to_end(waiter, last=False)
        self._counts[waiter.kind] += 1

    def leave(self, waiter: Waiter) -> None:
        """Leave the line; nothing happens to one who is not in it."""
        key = (waiter.route, waiter.kind, waiter.pace)
        line = self._lines.get(key)
        if line is None or waiter not in line:
            return
        del line[waiter]
        self._counts[waiter.kind] -= 1
        if not line:
            del self._lines[key]

    def leave_all(self, waiter: Waiter) -> list[Waiter]:
        """Dissolve the line that *waiter* heads, and return who stood in it."""
        line = self._lines.pop((waiter.route, waiter.kind, waiter.pace))
        self._counts[waiter.kind] -= len(line)
        return [left for left in line if not left.future.done()]

    def heads(self, kind: RequestClass | None = None) -> list[Waiter]:
        """Return the first of each line (of one class), the best rank first."""
        wanted = [key for key in self._lines if kind is None or key[1] is kind]
        firsts = [first for key in wanted if (first := self._first(key)) is not None]
        if len(firsts) > 1:
            firsts.sort(key=_by_rank)
        return firsts

    def _first(self, key: tuple[Route, RequestClass, Pace]) -> Waiter | None:
        """Return the first of a line who still waits: a cancelled one stands there until its task has run."""
        while line := self._lines.get(key):
            first = next(iter(line))
            if not first.future.done():
                return first
            self.leave(first)
        return None

    def is_head(self, waiter: Waiter) -> bool:
        """Whether nobody stands before *waiter* in its line."""
        return next(iter(self._line(waiter)), None) is waiter

    def is_alone(self, waiter: Waiter) -> bool:
        """Whether nobody else stands in the line of *waiter*."""
        return len(self._line(waiter)) == 1

    def _line(self, waiter: Waiter) -> _Line:
        return self._lines.setdefault((waiter.route, waiter.kind, waiter.pace), OrderedDict())
