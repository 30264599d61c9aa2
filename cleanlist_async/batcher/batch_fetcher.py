"""The results of a batch that was accepted, or may have been."""

from __future__ import annotations

import anyio

from cleanlist_async import facts
from cleanlist_async.batcher.batch import Batch
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.errors import CleanlistError
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.submission import Submission


class BatchFetcher:
    """Fetches the results of batches, each with the options of the caller that asked first."""

    def __init__(self, pipeline: Pipeline, polls: PollScheduler) -> None:
        self._pipeline = pipeline
        self._polls = polls

    async def fetch(self, batch: Batch, workflow: AcceptedWorkflow) -> list[EnrichmentResult]:
        """Wait for the results of what is paid.

        When its status cannot be had for good, callers get that error at once. The workflow is asked about
        again all the same, since the next caller for the same contact would buy what is forgotten.
        """
        fetcher, clock = self.with_options(batch.options), self._pipeline.limiter.clock
        window_s, held_until = self._pipeline.limiter.limits.window_s, workflow.at + facts.WAIT_TIMEOUT_S
        pause_s = window_s / 4
        results: list[EnrichmentResult] = []
        while not results and (any(batch.callers) or clock() < held_until):
            # A workflow may never end: then it is looked at anew whether anybody still waits for it.
            with anyio.move_on_after(facts.WAIT_TIMEOUT_S):
                try:
                    results = await fetcher.fetch(workflow, batch.lane.enrichment_type, until=batch.until)
                except CleanlistError as error:
                    if not error.retryable:
                        for purchase in batch.purchases:
                            purchase.give_up(error)
                        if clock() >= held_until:
                            break
                    await anyio.sleep(pause_s)
                    pause_s = min(2 * pause_s, window_s)
        return results

    async def fetch_lost(self, batch: Batch, submission: Submission) -> list[EnrichmentResult] | None:
        """Return the results of a batch whose submit was not answered, if its webhook names the workflow."""
        fetcher = self.with_options(batch.options)
        return await fetcher.fetch_lost(submission, batch.contacts, batch.lane.enrichment_type)

    def with_options(self, options: CallOptions) -> Fetcher:
        """Return what fetches the results of workflows for callers that wait."""
        return Fetcher(self._pipeline, self._polls, options, _ignore, kind=RequestClass.INTERACTIVE)


def _ignore(_count: int) -> None:
    pass
