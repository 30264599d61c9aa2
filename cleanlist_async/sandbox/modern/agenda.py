"""Actions for later moments of the sandbox's clock; carried out when somebody looks."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

Action: TypeAlias = Callable[[], None]


@dataclass(order=True, slots=True)
class _Due:
    at: float
    # Keeps the order in which actions for the same moment were added.
    number: int
    action: Action = field(compare=False)


class Agenda:
    """Actions in order of their moments."""

    def __init__(self) -> None:
        self._due: list[_Due] = []
        self._added = 0

    @property
    def settled(self) -> bool:
        """Whether everything has happened, as of the last ``advance``."""
        return not self._due

    def at(self, moment: float, action: Action) -> None:
        """Schedule an action for a moment (seconds on the sandbox's clock)."""
        self._added += 1
        heapq.heappush(self._due, _Due(moment, self._added, action))

    def advance(self, now: float) -> None:
        """Do what is due by ``now``."""
        while self._due and self._due[0].at <= now:
            heapq.heappop(self._due).action()
