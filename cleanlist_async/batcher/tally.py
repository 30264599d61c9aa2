"""What the micro-batcher has done so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from cleanlist_async.events.statistics import BatchStatistics
from cleanlist_async.results import EnrichmentResult

_SAMPLE: Final = 2_000
"""Callers whose waits are remembered: the latest ones."""


class Tally:
    """Counts for `BatchStatistics`; the waits of the latest callers, so that its size is bounded."""

    def __init__(self) -> None:
        self.callers = 0
        # int() is 0 and list() is empty, which is true as long as no batcher was made.
        self.count_waiting: Callable[[], int] = int
        self.list_untaken: Callable[[], list[EnrichmentResult]] = list
        self.shared = 0
        self.overloaded = 0
        self.is_draining = False
        self._contacts = 0
        self._batches = 0
        self._largest = 0
        self._queued: deque[float] = deque(maxlen=_SAMPLE)
        self._answered: deque[float] = deque(maxlen=_SAMPLE)

    def accepted(self, contacts: int, queued_s: Iterable[float]) -> None:
        """Count a batch that the server accepted, and how long its callers had waited for it."""
        self._batches += 1
        self._contacts += contacts
        self._largest = max(self._largest, contacts)
        self._queued.extend(queued_s)

    def answered(self, answered_s: float) -> None:
        """Count a caller that has its answer."""
        self._answered.append(answered_s)

    def statistics(self) -> BatchStatistics:
        """Return the counts as they are now."""
        queued, answered = sorted(self._queued), sorted(self._answered)
        return BatchStatistics(
            callers=self.callers,
            waiting=self.count_waiting(),
            contacts=self._contacts,
            batches=self._batches,
            largest_batch=self._largest,
            shared=self.shared,
            overloaded=self.overloaded,
            queued_p50_s=_quantile(queued, 0.5),
            queued_p99_s=_quantile(queued, 0.99),
            answered_p50_s=_quantile(answered, 0.5),
            answered_p99_s=_quantile(answered, 0.99),
            untaken=tuple(self.list_untaken()),
            is_draining=self.is_draining,
        )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
