"""Handing out the results of a job: each once in a run, together with its duplicates."""

from __future__ import annotations

from typing import Final

import anyio.lowlevel

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.result_sink import ResultQueue
from cleanlist_async.enrich.row_results import copy_for, skipped, without_row
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Header
from cleanlist_async.job.planning import PlannedChunk, Walk
from cleanlist_async.job.source import Source
from cleanlist_async.job.status import WITHOUT_RESULT
from cleanlist_async.results import EnrichmentResult

_RESULTS_AHEAD: Final = 2_000
"""Results that may wait for a slow consumer before reading of the source pauses."""


class Handout:
    """Puts results into a queue; *is_wanted* says whether anyone reads it."""

    def __init__(self, journal: Journal, header: Header, source: Source, *, is_wanted: bool) -> None:
        self.queue = ResultQueue(_RESULTS_AHEAD)
        self.is_wanted = is_wanted
        self._journal = journal
        self._header = header
        self._source = source
        self._given = bytearray(header.contacts)  # a set would take some sixty times the memory
        self._followers: dict[int, list[Prepared]] = {}

    async def room(self) -> None:
        """Wait until the consumer has caught up."""
        if self.queue.is_full:
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
        for step in Walk(self._journal, self._header, self._source):
            if isinstance(step, Prepared):
                self.follow(step)
            if isinstance(step, PlannedChunk):
                await anyio.lowlevel.checkpoint()
                self._give_leftovers_of(step)
                await self.room()

    def _give_leftovers_of(self, planned: PlannedChunk) -> None:
        row = self._journal.chunk(planned.row.number)  # again: a webhook may have moved it since
        if (status := WITHOUT_RESULT.get(row.state)) is None:
            return
        contacts: dict[int, Contact] = planned.by_place()
        stored = {result.index: result for result in self._journal.results_of(row, contacts)}
        for contact in planned.contacts:
            left = stored.get(contact.index) or without_row(
                contact,
                status,
                row.reason,
                workflow_id=row.workflow_id,
                enrichment_type=self._header.enrichment_type,
            )
            self.give(left)
