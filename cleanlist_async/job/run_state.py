"""What the parts of a run share: how it stands, where it writes, and where its results go."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import anyio.lowlevel

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.report import RunOutcome
from cleanlist_async.enrich.result_sink import ChangeSignal, ResultQueue
from cleanlist_async.enrich.row_results import copy_for, skipped
from cleanlist_async.errors import CleanlistError
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Header
from cleanlist_async.job.planning import PlannedChunk, Walk
from cleanlist_async.job.shared_purchases import SharedPurchases
from cleanlist_async.job.source import Source
from cleanlist_async.job.status import WITHOUT_RESULT, WaitsFor, left_without
from cleanlist_async.job.submits import Submitter
from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables.input_options import Suppression


class RunState:
    """The state of a run: whether it should stop, why it waits, and how many workflows are open."""

    def __init__(self, limiter: RateLimiter, max_open: int) -> None:
        self.outcome = RunOutcome(is_remembered=True)
        self.change = ChangeSignal(limiter)
        self.waits_for: WaitsFor | None = None
        self.open_workflows = 0
        self._max_open = max_open

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more will be sent."""
        return self.outcome.stopped_by is not None

    def stop(self, error: CleanlistError) -> None:
        """Send nothing more. Workflows that were accepted are still waited for."""
        # The first error is the cause; later ones are often its consequences.
        if self.outcome.stopped_by is None:
            self.outcome.stopped_by = error
        self.change.set()  # a task that waits for room or credits must see it

    @contextmanager
    def waiting_for(self, what: WaitsFor) -> Generator[None]:
        """Show that the run waits for *what* within the block."""
        self.waits_for = what
        try:
            yield
        finally:
            self.waits_for = None

    async def room(self) -> None:
        """Wait until another workflow may be opened, or the run is to stop."""
        with self.waiting_for("workflows"):
            while self.open_workflows >= self._max_open and not self.is_stopping:
                await self.change.wait()


_RESULTS_AHEAD: Final = 2_000
"""Results that may wait for a slow consumer before reading of the source pauses."""


class Handout:
    """Puts results into a queue, each once in a run; *is_wanted* says whether anyone reads it."""

    def __init__(self, journal: Journal, header: Header, source: Source, *, is_wanted: bool) -> None:
        self.queue = ResultQueue(_RESULTS_AHEAD)
        self.is_wanted = is_wanted
        self._journal = journal
        self._header = header
        self._source = source
        self._given = bytearray(header.contacts)  # a set would take some sixty times the memory
        self._followers: dict[int, list[Prepared]] = {}

    def walk(self) -> Walk:
        """Begin to read the source of the job once more."""
        return Walk(self._journal, self._header, self._source)

    async def room(self) -> None:
        """Wait until the consumer has caught up."""
        await self.queue.room()

    def skip(self, contact: Invalid) -> None:
        """Hand out the result of a contact that is not sent."""
        self._give(skipped(contact))

    def follow(self, contact: Prepared) -> None:
        """Hand out a duplicate's result: that of its first, now or as soon as there is one."""
        if not self.is_wanted or self._given[contact.index]:
            return
        first = self._journal.first_of(contact.index)
        result = self._journal.result_at(first, contact.contact)
        if result is not None and result.status != "pending":
            self._give(copy_for(contact, result))
        else:
            self._followers.setdefault(first, []).append(contact)

    def give_stored(self, chunk: PlannedChunk) -> None:
        """Hand out the results of a chunk that are on disk."""
        if self.is_wanted:
            for result in self._journal.results_of(chunk.row, chunk.by_place()):
                self.give(result)

    def give(self, result: EnrichmentResult) -> None:
        """Hand out a result, also to the duplicates that wait for it."""
        self._give(result)
        for follower in self._followers.pop(result.index, ()):
            self._give(copy_for(follower, result))

    def _give(self, result: EnrichmentResult) -> None:
        # Each pass over the source meets the stored results again.
        if self.is_wanted and not self._given[result.index]:
            self._given[result.index] = 1
            self.queue.put(result)  # full or not: a task that settles a chunk must not wait for a slow reader

    async def give_leftovers(self) -> None:
        """Hand out what has no final result when the run ends: pending and unknown contacts."""
        # The usual end: spare it another pass over the source.
        if not self._journal.counts().keys() & WITHOUT_RESULT.keys():
            return
        for step in self.walk():
            if isinstance(step, Prepared):
                self.follow(step)
            if isinstance(step, PlannedChunk):
                await anyio.lowlevel.checkpoint()
                self._give_leftovers_of(step)
                await self.room()

    def _give_leftovers_of(self, planned: PlannedChunk) -> None:
        row = self._journal.chunk(planned.row.number)  # again: a webhook may have moved it since
        if row.state not in WITHOUT_RESULT:
            return
        contacts: dict[int, Contact] = planned.by_place()
        stored = {result.index: result for result in self._journal.results_of(row, contacts)}
        for contact in planned.contacts:
            result = stored.get(contact.index)
            self.give(result or left_without(contact, row, self._header.enrichment_type))


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run: where it writes, how it submits, whom it leaves out, how it stands, where its results go."""

    pipeline: Pipeline
    journal: Journal
    header: Header
    submitter: Submitter
    cache: ResultCache | None
    shared: SharedPurchases | None
    suppression: Suppression | None
    state: RunState
    handout: Handout
    report: Callable[[], None]
    """Called after each change of the job's state."""

    def know(self, chunk: int, results: Sequence[EnrichmentResult], *, cached: bool) -> None:
        """Record results that need no submit, bought before or refused by name, and hand them out."""
        # On disk first: the cache may be purged, or its file be gone, before the job is resumed.
        self.journal.known_already(chunk, results, cached=cached)
        for result in results:
            self.handout.give(result)
