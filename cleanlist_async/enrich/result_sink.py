"""Where the results of a bulk run go: the counts, the budget, the duplicates, and the consumer's queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.budget import RunBudget
from cleanlist_async.enrich.chunk import Chunk, RunSpec
from cleanlist_async.enrich.dedupe import Duplicates
from cleanlist_async.enrich.report import Summary
from cleanlist_async.enrich.result_queue import ResultQueue
from cleanlist_async.errors import CleanlistError
from cleanlist_async.events import RunKind
from cleanlist_async.events.delivery import report_settled
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.results import EnrichmentResult


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
        """Take the contacts of a chunk back that were not sent, with what is reserved for them."""
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
