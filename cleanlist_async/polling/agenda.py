"""The open workflows of one kind, in the order in which they are worth asking about."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from itertools import count, islice
from operator import attrgetter
from typing import Any, Final, TypeAlias

from cleanlist_async.polling.estimator import DurationEstimator
from cleanlist_async.polling.open_workflow import OpenWorkflow

Workflow: TypeAlias = OpenWorkflow[Any]

_SAMPLE: Final = 16
"""Workflows that an expectation is made from: of more, every so many is looked at."""
_UNLIKELY: Final = 1e-6
_by_submit: Final = attrgetter("submitted_at")


class Agenda:
    """Open workflows that spend the same tokens, and take times that are learned together.

    Those that were never asked about are likely done in the order of their submits, whatever is learned. The
    others are in the order of the times to ask at that `refresh` computed. No question is about any of them.
    """

    def __init__(self, estimator: DurationEstimator, due_age: Callable[[Workflow, float], float]) -> None:
        self.estimator = estimator
        self.asking = 0
        """Questions in flight."""
        self._due_age = due_age
        self._fresh: list[Workflow] = []
        self._asked: list[tuple[float, int, Workflow]] = []
        self._entries: dict[Workflow, int] = {}
        self._limited: dict[Workflow, None] = {}  # a set in order
        self._numbers = count()
        self._chance = self._later = 1.0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._entries)

    def add(self, workflow: Workflow, *, is_fresh: bool) -> None:
        """Add a workflow; *is_fresh* where it was never asked about, and its age alone decides."""
        if is_fresh:
            insort(self._fresh, workflow, key=_by_submit)
        else:
            number = self._entries[workflow] = next(self._numbers)
            if workflow.until() is not None:
                self._limited[workflow] = None
            heappush(self._asked, (self._due_at(workflow), number, workflow))

    def discard(self, workflow: Workflow) -> None:
        """Remove a workflow, if it is here."""
        self._limited.pop(workflow, None)
        if self._entries.pop(workflow, None) is not None:
            return
        place = bisect_left(self._fresh, workflow.submitted_at, key=_by_submit)
        while place < len(self._fresh) and self._fresh[place].submitted_at == workflow.submitted_at:
            if self._fresh[place] is workflow:
                del self._fresh[place]
                return
            place += 1

    def refresh(self, chance: float, later: float) -> None:
        """Compute again when each is due, now that a question is worth a token at this *chance*."""
        self._chance, self._later = chance, later
        self._asked = [(self._due_at(one), number, one) for one, number in self._entries.items()]
        heapify(self._asked)

    def first(self, chance: float) -> tuple[float, Workflow | None]:
        """Return when the first is due, and which: once it is done with this *chance*."""
        while self._asked and self._entries.get(self._asked[0][2]) != self._asked[0][1]:
            heappop(self._asked)
        due_at, first = (self._asked[0][0], self._asked[0][2]) if self._asked else (math.inf, None)
        if self._fresh:
            oldest = self._fresh[0]
            oldest_at = oldest.submitted_at + self._due_age(oldest, chance)
            if oldest_at < due_at:
                return oldest_at, oldest
        return due_at, first

    @property
    def oldest_at(self) -> float:
        """When the oldest of those that were never asked about was submitted; infinity without one."""
        return self._fresh[0].submitted_at if self._fresh else math.inf

    def overdue(self, now: float) -> int:
        """Return how many were never asked about, and are almost surely done."""
        due_s = self.estimator.due_age_s
        return 0 if due_s is None else bisect_right(self._fresh, now - due_s, key=_by_submit)

    def expected(self, now: float, horizons: Sequence[float]) -> list[float]:
        """Return how many are done within each of *horizons*, in seconds from now."""
        expected = [0.0] * len(horizons)
        asked = [entry[2] for entry in self._asked[:: max(1, len(self._asked) // _SAMPLE)]]
        fresh = self._fresh[:: max(1, len(self._fresh) // _SAMPLE)]
        for sample, total in ((asked, len(self._entries)), (fresh, len(self._fresh))):
            for workflow in sample:
                if workflow.signal is not None and workflow.signal.is_expected:
                    continue
                weight, age_s = total / len(sample), now - workflow.submitted_at
                share_done, last_s = workflow.estimator.share_done, workflow.last_age_s
                known = share_done(last_s) if last_s else 0.0
                weight /= max(1 - known, _UNLIKELY)
                for place, horizon in enumerate(horizons):
                    expected[place] += weight * (share_done(age_s + horizon) - known)
        return expected

    def last_looks(self) -> list[float]:
        """Return when some workflows are asked about whatever the chance, since callers give up."""
        some = islice(self._limited, 8 * _SAMPLE)
        return [one.submitted_at + self._due_age(one, math.inf) for one in some]

    def _due_at(self, workflow: Workflow) -> float:
        return workflow.submitted_at + self._due_age(
            workflow, self._later if workflow.asked else self._chance
        )
