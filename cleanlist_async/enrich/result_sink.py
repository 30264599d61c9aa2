"""Where the results of a bulk run go: counts, budget, duplicates, its consumer, and its progress."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Final

import anyio

from cleanlist_async import facts
from cleanlist_async.api.public import BULK_STATUS
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.chunk import Chunk, RunBudget, RunSpec
from cleanlist_async.enrich.report import Progress, Summary
from cleanlist_async.enrich.row_results import Duplicates
from cleanlist_async.errors import CleanlistError
from cleanlist_async.events import Events, RunFinished, RunKind, report_failure
from cleanlist_async.events.delivery import report_settled
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.results import EnrichmentResult

_LOOKS_PER_WINDOW: Final = 30
"""How often a waiting task looks without being woken: what others use of the limits changes unannounced."""
log: Final = logging.getLogger("cleanlist_async")


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


class ProgressReporter:
    """Keeps the time and the counts of a run, and calls the progress callback."""

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        callback: Callable[[Progress], None] | None,
        total: int | None,
    ) -> None:
        self.summary = Summary()
        self.open_workflows = 0
        self.accepted: dict[str, int] = {}
        self._waiting_for_credits = 0
        self._pipeline = pipeline
        self._polls = polls
        self._callback = callback
        self._total = total
        self._clock = pipeline.limiter.clock
        self.start()

    def start(self) -> None:
        """Count time and requests from here."""
        self._started_at = self._clock()
        self._requests_before = self._pipeline.counters.requests

    def report(self, note: str | None = None) -> None:
        """Update the summary and call the progress callback; what that raises is only logged."""
        self.summary.elapsed_s = self._clock() - self._started_at
        self.summary.requests = self._pipeline.counters.requests - self._requests_before
        if self._callback is None:
            return
        try:
            self._callback(self._progress(note))
        except Exception as problem:  # noqa: BLE001  # a failing display must not end the run
            report_failure("the progress callback", problem)

    @contextmanager
    def short_of_credits(self) -> Generator[None]:
        """Report within the block that credits are waited for."""
        self._waiting_for_credits += 1
        try:
            self.report()
            yield
        finally:
            self._waiting_for_credits -= 1

    def report_end(self, kind: RunKind, error: Exception | None, *, interrupted: bool) -> None:
        """Emit the event that the run is over."""
        summary = self.summary
        total = None if kind == "job" else self._total  # other runs of a job did the rest
        events, elapsed_s = self._pipeline.events, summary.elapsed_s
        report_end(events, kind, summary, elapsed_s, error, total=total, interrupted=interrupted)

    def report_lookups(self, count: int) -> None:
        """Report the requests that the rows missing from an answer take."""
        self.summary.lookups += count
        log.warning("%d results are not in their workflow's answer: asking for each", count)
        note = f"{count} results are not in their workflow's answer: asking for each, one request apiece"
        self.report(note)

    def _progress(self, note: str | None) -> Progress:
        summary = self.summary
        return Progress(
            done=summary.contacts,
            total=self._total,
            found=summary.statuses["found"],
            credits=summary.credits,
            requests=summary.requests,
            open_workflows=self.open_workflows,
            elapsed_s=summary.elapsed_s,
            eta_s=self._eta_s(),
            note=note,
            at_server=self._polls.open_workflows,
            oldest_s=self._polls.oldest_s,
            accepted_workflows=len(self.accepted),
            accepted_contacts=sum(self.accepted.values()),
            waits_for_credits=self._waiting_for_credits > 0,
        )

    def _eta_s(self) -> float | None:
        if self._total is None or self._waiting_for_credits:  # credits come back at no known time
            return None
        limits = self._pipeline.limiter.limits
        rate = limits.per_window(len(self._pipeline.route.keys))
        left = max(0, self._total - self.summary.contacts)
        chunks = math.ceil(left / facts.MAX_CONTACTS_PER_REQUEST)
        # Each chunk takes a submit and a status request; open workflows have had the first.
        to_send = max(0, 2 * chunks - self.open_workflows - rate // 2)
        wait_s = (self._polls.estimator(BULK_STATUS.name).due_age_s or 0.0) if left else 0.0
        return to_send / rate * limits.window_s + wait_s


def report_end(
    events: Events,
    kind: RunKind,
    summary: Summary,
    elapsed_s: float,
    error: CleanlistError | Exception | None,
    *,
    total: int | None = None,
    interrupted: bool = False,
) -> None:
    """Emit the event that a run of *total* contacts is over; *error* is what stopped it, if anything did."""
    statuses = summary.statuses
    events.emit(
        RunFinished(
            kind,
            summary.contacts,
            statuses["found"],
            summary.credits,
            elapsed_s,
            None if error is None else type(error).__name__,
            pending=statuses["pending"],
            unknown=statuses["unknown"],
            failed=statuses["failed"],
            total=total,
            interrupted=interrupted,
        )
    )
