"""Where the results of a bulk run go: counts, budget and duplicates, and the queue of its consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import anyio

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.chunk import Chunk, RunBudget, RunSpec
from cleanlist_async.enrich.report import Summary
from cleanlist_async.enrich.row_results import Duplicates
from cleanlist_async.errors import CleanlistError
from cleanlist_async.events import RunKind
from cleanlist_async.events.results import report_settled
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.results import EnrichmentResult

_LOOKS_PER_WINDOW: Final = 30
"""How often a waiting task looks without being woken: what others use of the limits changes unannounced."""


class ResultSink:
    """Takes one result for each contact, settles its credits, and hands it out, also for its duplicates."""

    def __init__(self, spec: RunSpec, summary: Summary, pipeline: Pipeline, *, ahead: int) -> None:
        self.queue = ResultQueue(ahead)
        self.budget = RunBudget(spec.max_credits, spec.enrichment_type)
        self.duplicates = Duplicates(spec.dedupe)
        self._enrichment_type: EnrichmentType = spec.enrichment_type
        self._summary = summary
        self._pipeline = pipeline
        self._kind: RunKind = spec.kind

    def put(self, result: EnrichmentResult) -> None:
        """Hand out a result that no budget was reserved for."""
        self._summary.count(result)
        self.queue.put(result)

    def set_aside(self, chunk: Chunk, invalid: Iterable[EnrichmentResult]) -> None:
        """Close the contacts of a chunk that the server refuses by name."""
        for result in invalid:
            self._release(chunk, 1)
            self._close(chunk, result)

    def settle(self, chunk: Chunk, fetched: Sequence[EnrichmentResult]) -> None:
        """Close every contact of a finished workflow. Credits for what is pending stay reserved."""
        settled = sum(result.status != "pending" for result in fetched)
        self._release(chunk, settled, sum(result.credits for result in fetched))
        workflow_id = None if chunk.workflow is None else chunk.workflow.workflow_id
        report_settled(self._pipeline.events, self._pipeline.counters, self._kind, workflow_id, fetched)
        for result in fetched:
            self._close(chunk, result)

    def end(self, chunk: Chunk, stopped_by: CleanlistError | None) -> None:
        """Hand out what is true of all that is left of a chunk. Awaits nothing: the run may be cancelled."""
        # What was accepted, or may have been, can still be charged: it stays reserved.
        if chunk.workflow is None and chunk.doubt is None:
            self._release(chunk, chunk.reserved)
        for contact, result in chunk.end(self._enrichment_type, stopped_by):
            self.put_to_all(contact, result)

    def withdraw(self, chunk: Chunk) -> list[Prepared]:
        """Take the contacts of a chunk back that were not sent, with what is reserved."""
        self._release(chunk, chunk.reserved)
        contacts = list(chunk.open.values())
        chunk.open.clear()
        return contacts

    def _release(self, chunk: Chunk, contacts: int, spent: float = 0.0) -> None:
        self.budget.settle(contacts, spent)
        chunk.reserved -= contacts

    def _close(self, chunk: Chunk, result: EnrichmentResult) -> None:
        self.put_to_all(chunk.open.pop(result.index), result)

    def put_to_all(self, contact: Prepared, result: EnrichmentResult) -> None:
        """Hand out the result of a contact, and of its duplicates."""
        self.put(result)
        for copy in self.duplicates.settle(contact.identity, result):
            self.put(copy)


class ResultQueue:
    """A queue that results are put into at once, and that its writers ask for room beforehand.

    `taken` counts the results that were taken. A stream that hands items over to a waiting task can lose or
    double the one that is on its way when that task is cancelled; here an item is taken in the very step that
    returns it.
    """

    __slots__ = ("_ahead", "_changed", "_closed", "_items", "taken")

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._items: deque[EnrichmentResult] = deque()
        self._closed = False
        self.taken = 0
        self._changed = _Change()

    @property
    def is_full(self) -> bool:
        """Whether the consumer has fallen behind."""
        return len(self._items) >= self._ahead

    @property
    def is_empty(self) -> bool:
        """Whether the consumer has taken all that was put."""
        return not self._items

    def put(self, result: EnrichmentResult) -> None:
        """Add a result, full or not."""
        self._items.append(result)
        self._changed.set()

    def close(self) -> None:
        """Add nothing more; what is there can still be taken."""
        self._closed = True
        self._changed.set()

    def drain(self) -> list[EnrichmentResult]:
        """Take all that is there."""
        drained = list(self._items)
        self._items.clear()
        return drained

    async def take(self) -> EnrichmentResult | None:
        """Wait for the next result; None once there are no more."""
        while not self._items:
            if self._closed:
                return None
            await self.change()
        self.taken += 1
        self._changed.set()
        return self._items.popleft()

    def take_ready(self, most: int) -> list[EnrichmentResult]:
        """Take up to so many that are there."""
        taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        self.taken += len(taken)
        self._changed.set()
        return taken

    async def room(self) -> None:
        """Wait until the consumer has caught up."""
        while self.is_full:
            await self.change()

    async def change(self) -> None:
        """Wait until a result is put or taken."""
        await self._changed.wait()


class _Change:
    """An event that each wait rearms, and that no wait misses."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake those that wait."""
        self._event.set()

    async def wait(self) -> None:
        """Wait for the next change."""
        if self._event.is_set():
            self._event = anyio.Event()
        await self._event.wait()


class ChangeSignal(_Change):
    """A change that is looked for, too: each wait lasts at most a thirtieth of the limits' window."""

    def __init__(self, limiter: RateLimiter) -> None:
        super().__init__()
        self._limiter = limiter

    async def wait(self) -> None:
        """Wait for the next change, or the next look."""
        with anyio.move_on_after(self._limiter.limits.window_s / _LOOKS_PER_WINDOW):
            await super().wait()
