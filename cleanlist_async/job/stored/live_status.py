"""Where a job stands while it runs: counted in memory, since to read it from the store takes a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from cleanlist_async import facts
from cleanlist_async.job.journal.states import ChunkState
from cleanlist_async.job.status import JobStatus
from cleanlist_async.results import EnrichmentResult, ResultStatus


class LiveStatus:
    """Adds what happens in a run to the status at its beginning, and to the `outcomes` recorded by then."""

    def __init__(self, before: JobStatus, outcomes: Mapping[ResultStatus, int]) -> None:
        self.workflows = 0
        self.submitted = 0
        """Contacts in these workflows."""
        self.waits_for_credits = False
        self._before = before
        self._results = Counter[ResultStatus](outcomes)
        self._spent = before.credits_spent

    def count(self, result: EnrichmentResult) -> None:
        """Add the result of a contact that had no outcome yet."""
        self._results[result.status] += 1
        self._spent += result.credits

    @property
    def now(self) -> JobStatus:
        """The status by now."""
        before = self._before
        to_send = before.contacts - before.invalid - before.duplicates - self._results.total()
        to_send -= self.submitted
        chunks: dict[ChunkState, int] = {}
        if unknown := before.chunks.get(ChunkState.UNKNOWN):
            chunks[ChunkState.UNKNOWN] = unknown
        if self.workflows:
            chunks[ChunkState.ACCEPTED] = self.workflows
        if to_send > 0:
            chunks[ChunkState.PLANNED] = -(-to_send // facts.MAX_CONTACTS_PER_REQUEST)
        price = facts.WORST_CASE_CREDITS[before.enrichment_type]
        held = self.submitted * price
        return replace(
            before,
            state="running",
            chunks=chunks,
            results=dict(self._results),
            credits_spent=self._spent,
            credits_held=before.credits_at_risk + float(held),
            paused_by=None,
            shortfall_credits=None,
            was_sent=True,
            credits_to_go=float(max(0, to_send) * price),
        )
