"""Fetching what was submitted earlier and is still pending. Costs no credits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import anyio

from cleanlist_async.bulk.dedupe import copy_for
from cleanlist_async.bulk.fetch import Fetcher, Submitted
from cleanlist_async.bulk.report import EnrichmentReport, EnrichmentResult, Summary
from cleanlist_async.errors import CleanlistError, DeadlineExceededError
from cleanlist_async.identity import Prepared, prepare
from cleanlist_async.pipeline import CallOptions, Pipeline
from cleanlist_async.polling import PollScheduler


class Collector:
    """One `collect` call: workflow by workflow, each asked for all of its pending contacts at once."""

    def __init__(self, pipeline: Pipeline, polls: PollScheduler, options: CallOptions) -> None:
        self._clock = pipeline.limiter.clock
        self._options = options
        self._fetcher = Fetcher(pipeline, polls, replace(options, deadline_s=None), self._note_lookups)
        self._summary = Summary()
        self._stopped_by: CleanlistError | None = None

    async def collect(self, pending: Sequence[EnrichmentResult]) -> EnrichmentReport:
        """Return *pending* in its order, with results where there are some by now."""
        started = self._clock()
        results = {position: result for position, result in enumerate(pending)}
        workflows: defaultdict[str, list[int]] = defaultdict(list)
        for position, result in results.items():
            if result.workflow_id is not None and result.status in {"pending", "unknown"}:
                workflows[result.workflow_id].append(position)
        with anyio.move_on_after(self._options.deadline_s) as deadline:
            async with anyio.create_task_group() as group:
                for positions in workflows.values():
                    group.start_soon(self._collect_workflow, results, positions)
        if deadline.cancelled_caught:
            self._stopped_by = DeadlineExceededError(
                f"Collecting took longer than deadline_s = {self._options.deadline_s:g} s."
            )
        for result in results.values():
            self._summary.count(result)
        self._summary.elapsed_s = self._clock() - started
        return EnrichmentReport(tuple(results.values()), self._summary, self._stopped_by)

    async def _collect_workflow(self, results: dict[int, EnrichmentResult], positions: Sequence[int]) -> None:
        firsts: dict[bytes, Prepared] = {}
        same: defaultdict[bytes, list[int]] = defaultdict(list)
        for position in positions:
            contact = prepare(results[position].index, results[position].contact)
            if isinstance(contact, Prepared):
                firsts.setdefault(contact.identity, contact)
                same[contact.identity].append(position)
        submitted = self._submitted(results, firsts, same)
        enrichment_type = results[positions[0]].enrichment_type or "partial"
        try:
            fetched = await self._fetcher.fetch(submitted, enrichment_type)
        except CleanlistError as error:
            self._stopped_by = error
            return
        for first, result in zip(firsts.values(), fetched, strict=True):
            for position in same[first.identity]:
                results[position] = self._updated(results[position], first, result)

    def _submitted(
        self,
        results: dict[int, EnrichmentResult],
        firsts: dict[bytes, Prepared],
        same: dict[bytes, list[int]],
    ) -> Submitted:
        ids = tuple(results[same[identity][0]].task_id for identity in firsts)
        workflow_id = results[next(iter(same.values()))[0]].workflow_id
        assert workflow_id is not None  # noqa: S101  # only results with one get here
        return Submitted(workflow_id, tuple(firsts.values()), ids, None, self._clock(), is_new=False)

    def _updated(
        self, old: EnrichmentResult, first: Prepared, result: EnrichmentResult
    ) -> EnrichmentResult:
        if old.index == first.index:
            return replace(result, duplicate_of=old.duplicate_of)
        own = Prepared(old.index, old.contact, first.payload, first.identity)
        return copy_for(own, result)

    def _note_lookups(self, count: int) -> None:
        self._summary.lookups += count
