"""The submits that are still to come: each of them goes before any question."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Demand:
    """The submits that one source of contacts will still make.

    *left* returns how many, and None where the source may go on for ever. *is_streamed*: somebody reads its
    first results while others are still to come.
    """

    __slots__ = ("_is_paused", "_submitted_at", "is_streamed", "left")

    def __init__(self, left: Callable[[], int | None], *, is_streamed: bool = False) -> None:
        self.left = left
        self.is_streamed = is_streamed
        self._is_paused = False
        self._submitted_at: deque[float] = deque()

    @contextmanager
    def paused(self) -> Generator[None]:
        """Count nothing within the block: no submit can be made, however many tokens there are."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def note_submit(self, now: float) -> None:
        """Note that a submit of this source leaves."""
        self._submitted_at.append(now)

    def at_once(self, *, is_waiting: bool) -> float:
        """Return how many submits would take tokens at once; *is_waiting*: a submit waits for its own."""
        if self._is_paused:
            return 0.0
        if (left := self.left()) is None:
            return math.inf if is_waiting else 0.0
        return left

    def within(self, seconds: float, now: float, window_s: float) -> float:
        """Return how many submits of a source of unknown length are to be expected: as many as came last."""
        while self._submitted_at and self._submitted_at[0] < now - window_s:
            self._submitted_at.popleft()
        return len(self._submitted_at) * seconds / window_s if self.left() is None else 0.0


class Demands:
    """All sources of one client."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._sources: set[Demand] = set()
        self._ended_at: deque[float] = deque()

    def add(self, source: Demand) -> None:
        """Count the submits of a source."""
        self._sources.add(source)

    def discard(self, source: Demand, now: float) -> None:
        """Count them no longer."""
        self._sources.discard(source)
        self._ended_at.append(now)

    def new_sources(self, seconds: float, now: float) -> float:
        """Return how many sources are to be expected in so many seconds: as many as ended last."""
        while self._ended_at and self._ended_at[0] < now - self._window_s:
            self._ended_at.popleft()
        return len(self._ended_at) * seconds / self._window_s

    @property
    def left(self) -> float:
        """Submits that are left of all sources; infinity where one may go on for ever."""
        known = [one.left() for one in self._sources]
        return sum(math.inf if left is None else left for left in known)

    @property
    def is_streamed(self) -> bool:
        """Whether somebody reads the first results of a source while others are still to come."""
        return any(one.is_streamed for one in self._sources)

    def at_once(self, *, is_waiting: bool) -> float:
        """Return how many submits would take tokens at once; *is_waiting*: a submit waits for its own."""
        return sum(one.at_once(is_waiting=is_waiting) for one in self._sources)

    def within(self, seconds: float, now: float) -> float:
        """Return how many submits of sources of unknown length are to be expected in so many seconds."""
        return sum(one.within(seconds, now, self._window_s) for one in self._sources)
