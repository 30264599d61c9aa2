"""Learns how long workflows take, so that each of them is asked about once. Pure.

A status request costs as much of the rate limit as a submit of 250 contacts. All times are ages of a
workflow in seconds: time since its submit was answered.
"""

from __future__ import annotations

import math
from typing import Final

from cleanlist_async.facts import WEBHOOK_RETRIES_S, WINDOW_S

# Ages of the first questions while nothing is known, in windows: 1 s and 15 s of a minute.
_FIRST_ASK: Final = 1 / 60
_FIRST_BUSY_ASK: Final = 1 / 4
# The first workflow seen to be done is an ordinary one; almost all take no more than half as long again.
_FIRST_GUESS: Final = 1.5
# Up after a miss, down after a hit: they balance where 1 in 100 first questions is too early.
_FIRST_STEPS_UP: Final = 1.45
_STEP_UP: Final = 1.2
_STEP_DOWN: Final = 0.998
_FIRST_FINISHED: Final = 10
_SCOUT_STEP: Final = 2.0
# A larger step: the webhook itself will say when the workflow is done.
_SILENT_SCOUT_STEP: Final = 3.0
# Factor on the age of a late workflow before it is asked about again: while tokens are scarce, while they
# are idle, and while they are idle and few questions have been too early.
LATE_STEP: Final = 1.3
_IDLE_STEP: Final = 1.15
_EAGER_STEP: Final = 1.05
# Age in windows at which one workflow without a webhook so far is asked about while nothing is known.
_FIRST_SILENCE: Final = 1.0
# Factor on the age by which almost all are done: a question that is too early costs a token, one that is too
# late costs nothing where the webhook does come.
_SILENCE: Final = 2.0
_RETRIES: Final = WEBHOOK_RETRIES_S / WINDOW_S
# Questions that may be too early before eagerness ends: these, and 3 more for 100 finished workflows.
_FREE_MISSES: Final = 5
_MISSES_PER_FINISHED: Final = 0.03


class DurationEstimator:
    """Decides at which age a workflow is worth asking about.

    `due_age_s` is the age by which almost every workflow is done; None until one has been seen to finish.
    """

    __slots__ = ("_finished", "_misses", "_unfinished_s", "_window_s", "due_age_s", "streak")

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self.due_age_s: float | None = None
        self._misses = 0
        self._finished = 0
        self._unfinished_s = 0.0
        self.streak = 0
        """Questions in a row that were not too early: while there are few, few are asked at once."""

    def ask_at(self, last_age_s: float, *, eager: bool, scout: bool) -> float:
        """Return the age at which to ask next; infinity for "not before something else is learned".

        *last_age_s* is the age at the last question, 0 before the first. *eager*: tokens are idle, so
        a question that is too early costs little. *scout*: this one is asked to learn how long they take.
        """
        if self.due_age_s is None:
            # The age doubles each time, so the end is found after at most twice the time that it took.
            first, seen_s = (_FIRST_ASK, 0.0) if eager else (_FIRST_BUSY_ASK, self._unfinished_s)
            return max(first * self._window_s, _SCOUT_STEP * max(seen_s, last_age_s)) if scout else math.inf
        if not (eager and self._may_miss):
            return max(self.due_age_s, (_IDLE_STEP if eager else LATE_STEP) * last_age_s)
        if last_age_s < self.due_age_s:  # idle tokens are worth nothing: look for those that end early
            return max(self.due_age_s / 2, min(self.due_age_s, last_age_s + self.due_age_s / 4))
        return _EAGER_STEP * last_age_s

    def silent_at(self, last_age_s: float, *, eager: bool, scout: bool) -> float:
        """Return the age at which to ask about a workflow whose webhook has not come; see `ask_at`."""
        if self.due_age_s is None:
            first = _FIRST_BUSY_ASK if eager else _FIRST_SILENCE
            seen_s = max(self._unfinished_s, last_age_s)
            return max(first * self._window_s, _SILENT_SCOUT_STEP * seen_s) if scout else math.inf
        # The server may still be repeating the webhook: not before its last retry.
        return max(_SILENCE * self.due_age_s, LATE_STEP * last_age_s) + _RETRIES * self._window_s

    def was_signalled(self, age_s: float) -> None:
        """Learn that the webhook of a workflow came at this age: right after its end."""
        self._finished += 1
        if self.due_age_s is None:
            self.due_age_s = _FIRST_GUESS * age_s
        elif age_s <= self.due_age_s:
            self.due_age_s *= _STEP_DOWN
        else:
            self._raise_due(self.due_age_s, age_s)

    def was_finished(self, age_s: float) -> None:
        """Learn that a workflow of this age was found to be done."""
        self._finished += 1
        self.streak += 1
        if self.due_age_s is None:
            self.due_age_s = min(_FIRST_GUESS * age_s, self._unfinished_s + age_s)
        elif age_s <= 1.2 * self.due_age_s:  # found much later, it says nothing about when it was done
            self.due_age_s *= _STEP_DOWN

    def was_unfinished(self, age_s: float, *, first: bool) -> None:
        """Learn that a workflow of this age was still at work; *first*, when asked for the first time."""
        self._misses += 1
        self._unfinished_s = max(self._unfinished_s, age_s)
        self.streak = 0
        # Only first questions: the later ones of one slow workflow would count it as many.
        if first and self.due_age_s is not None and age_s >= self.due_age_s:
            self._raise_due(self.due_age_s, age_s)

    def _raise_due(self, due_age_s: float, age_s: float) -> None:
        """Raise the due age by one step, however late the miss was: one slow workflow is only one miss."""
        step = _FIRST_STEPS_UP if self._finished < _FIRST_FINISHED else _STEP_UP
        self.due_age_s = max(step * due_age_s, age_s)

    @property
    def _may_miss(self) -> bool:
        return self._misses < _FREE_MISSES + _MISSES_PER_FINISHED * self._finished
