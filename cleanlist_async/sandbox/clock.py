"""The sandbox's clock: what is due at later moments, and its time as the wire shows it."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

from .options import Clock


class Agenda:
    """Actions for later moments of the clock; carried out when somebody looks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        # They keep the order in which actions for the same moment were added.
        self._numbers = count()

    @property
    def settled(self) -> bool:
        """Whether everything has happened, as of the last ``advance``."""
        return not self._due

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Schedule an action for a moment (seconds on the sandbox's clock)."""
        heapq.heappush(self._due, (moment, next(self._numbers), action))

    def advance(self) -> float:
        """Do what is due by now, and return that moment."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        return now


class Moments:
    """Wall time at the start, moved on by the injected clock: a virtual clock moves the dates too."""

    def __init__(self, clock: Clock) -> None:
        self.now = clock
        # Once: the machine's clock may be set while the sandbox runs.
        self._offset_s = time.time() - clock()

    def epoch_s(self, now: float | None = None) -> float:
        """Seconds since 1970, at ``now`` of the sandbox's clock."""
        return self._offset_s + (self.now() if now is None else now)

    def utc(self, now: float | None = None) -> datetime:
        """Return the date, at ``now`` of the sandbox's clock."""
        return datetime.fromtimestamp(self.epoch_s(now), UTC)

    def iso(self, now: float | None = None) -> str:
        """Return the date as ISO 8601, at ``now`` of the sandbox's clock."""
        return f"{self.utc(now):%Y-%m-%dT%H:%M:%SZ}"
