"""A heap of names, each with a number that may change. Pure: no clock, no I/O."""

from __future__ import annotations

import heapq
import math
from typing import Final

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
                self._rebuild()

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

    def _rebuild(self) -> None:
        self._heap = [(number, name) for name, number in self._numbers.items()]
        heapq.heapify(self._heap)
