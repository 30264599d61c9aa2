"""How long workflows take, learned from what was seen, so as to ask about each of them once. Pure.

A status request costs as much of the rate limit as a submit of 250 contacts. All times are ages of a
workflow in seconds: time since its submit was answered.
"""

from __future__ import annotations

import math
from typing import Final

_FIRST_ASK: Final = 1 / 60
_FIRST_BUSY_ASK: Final = 1 / 4
"""Ages of the first questions while nothing is known, in windows: 1 s and 15 s of a minute."""
_STEP_UP: Final = 1.45
_STEP_DOWN: Final = 0.99
"""Up after a miss, down after a hit: they balance where 3 in 100 first questions come too early."""
_FREE_MISSES: Final = 6
_MISSES_PER_FINISHED: Final = 0.005


class Patience:
    """Decides at which age a workflow is worth asking about.

    `due_age_s` is the age by which almost every workflow is done; None until one was seen to be.
    """

    __slots__ = ("_early_misses", "_finished", "_window_s", "due_age_s")

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self.due_age_s: float | None = None
        self._early_misses = 0
        self._finished = 0

    def ask_at(self, asked: int, last_age_s: float, *, eager: bool, scout: bool) -> float:
        """Return the age at which to ask next; infinity for "not before something else is learned".

        *asked* counts the earlier questions, the last of them at *last_age_s*. *eager*: tokens are idle, so
        a question too early costs little. *scout*: this workflow is asked to learn how long they take.
        """
        if eager and not self._may_miss:
            eager = False
        if self.due_age_s is None:
            first = _FIRST_ASK if eager else _FIRST_BUSY_ASK
            return max(first * self._window_s, 2 * last_age_s if asked else 0.0) if scout else math.inf
        if not eager:
            return max(self.due_age_s, 1.3 * last_age_s)
        return max(self.due_age_s / 2, last_age_s + min(self.due_age_s / 4, 0.3 * last_age_s))

    def was_finished(self, age_s: float) -> None:
        """A workflow of this age was found to be done."""
        self._finished += 1
        if self.due_age_s is None:
            self.due_age_s = age_s
        elif age_s < self.due_age_s:
            self.due_age_s = max(age_s, self.due_age_s * 0.9)
        elif age_s <= 1.2 * self.due_age_s:
            self.due_age_s *= _STEP_DOWN

    def was_unfinished(self, age_s: float) -> None:
        """A workflow of this age was found to be still at work."""
        if self.due_age_s is None or age_s < self.due_age_s:
            self._early_misses += 1
        else:
            self.due_age_s *= _STEP_UP

    @property
    def _may_miss(self) -> bool:
        return self._early_misses < _FREE_MISSES + _MISSES_PER_FINISHED * self._finished
