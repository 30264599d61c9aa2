"""The contacts that wait for a request, and the next request of each lane."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from cleanlist_async.batcher.batch import Batch, Lane
from cleanlist_async.batcher.purchase import Purchase
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import LatestFailure
from cleanlist_async.http.root_task import RootTask


class Lanes:
    """A lane for each enrichment type. While contacts wait in it, one batch waits for a token."""

    def __init__(self, root: RootTask, carry: Callable[[Batch], Coroutine[Any, Any, None]]) -> None:
        self._root = root
        self._carry = carry
        self._lanes: dict[EnrichmentType, Lane] = {}

    def __len__(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def enter(self, purchase: Purchase) -> None:
        """Let a contact wait for a request."""
        lane = self._lanes.setdefault(purchase.enrichment_type, Lane(purchase.enrichment_type))
        lane.waiting[purchase] = None
        self._stand_in_line(lane)

    def discard(self, purchase: Purchase) -> bool:
        """Take out a contact that waits; return whether it did."""
        lane = self._lanes.get(purchase.enrichment_type)
        if lane is None or purchase not in lane.waiting:
            return False
        del lane.waiting[purchase]
        return True

    def latest_failure(self, purchase: Purchase) -> LatestFailure:
        """Return how the latest attempt failed of the request that a contact is in, or waits for."""
        lane = self._lanes.get(purchase.enrichment_type)
        is_waiting = lane is not None and purchase in lane.waiting
        return lane.next_batch.latest if lane and is_waiting and lane.next_batch else purchase.latest

    def close(self, batch: Batch) -> list[Purchase]:
        """Choose the contacts of a batch; those that come from now on wait for the next.

        Returns those that nobody waits for any more.
        """
        left = batch.close()
        if batch is batch.lane.next_batch:
            batch.lane.next_batch = None
            self._stand_in_line(batch.lane)
        return left

    def start(self, batch: Batch) -> None:
        """Carry a batch in the context of its first caller, so that its requests belong to that trace."""
        batch.first.context.run(self._root.spawn, self._carry, batch)

    def _stand_in_line(self, lane: Lane) -> None:
        if lane.waiting and lane.next_batch is None and not self._root.closed:
            batch = Batch(lane, first=next(iter(lane.waiting)))
            self.start(batch)
            lane.next_batch = batch
