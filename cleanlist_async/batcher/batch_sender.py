"""Sending batches, and what becomes of them: each to its end, in as many requests as it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import anyio

from cleanlist_async import facts
from cleanlist_async.api.public import submit_call
from cleanlist_async.batcher.batch import Batch, Lanes
from cleanlist_async.batcher.capacity import Capacity
from cleanlist_async.batcher.purchase import Purchase
from cleanlist_async.batcher.tally import Tally
from cleanlist_async.contacts.chunking import bulk_body
from cleanlist_async.enrich.chunk import contacts_within
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.submit_outcome import (
    Accepted,
    Refused,
    Retry,
    SetAside,
    Split,
    Stop,
    Unknown,
    judge,
)
from cleanlist_async.errors import BudgetExceededError, ClaimLostError, CleanlistError
from cleanlist_async.events import report_failure
from cleanlist_async.events.delivery import report_settled
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import REMEMBERED
from cleanlist_async.webhooks.submission import Submission
from cleanlist_async.webhooks.submissions import Submissions


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
        return Fetcher(
            self._pipeline, self._polls, options, lambda _count: None, kind=RequestClass.INTERACTIVE
        )


class BatchSender:
    """Makes the requests of `lanes`, and gives each caller its own result or error.

    `interrupted` counts by workflow the contacts that the end of the client cut off. *forget* is called with
    contacts that are over, *keep* with each result, *lost* with contacts that another process has taken over.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        submissions: Submissions,
        purchases: Purchases | None,
        *,
        fetcher: BatchFetcher,
        capacity: Capacity,
        tally: Tally,
        forget: Callable[[Sequence[Purchase]], None],
        keep: Callable[[Purchase, EnrichmentResult], None],
        lost: Callable[[Sequence[Purchase]], None],
    ) -> None:
        self.lanes = Lanes(pipeline.root, self._carry)
        self.interrupted: dict[str, int] = {}
        self._pipeline = pipeline
        self._submissions = submissions
        self._purchases = purchases
        self._fetcher = fetcher
        self._capacity = capacity
        self._tally = tally
        self._clock = pipeline.limiter.clock
        self._forget = forget
        self._keep = keep
        self._lost = lost

    async def _carry(self, batch: Batch) -> None:
        """Bring a batch to its end, and give that to all its callers."""
        try:
            with self._submissions.begin() as submission:
                await self._buy(batch, submission)
        except CleanlistError as error:
            self._fail(batch, error)
        except Exception as problem:  # noqa: BLE001  # its callers would wait for ever
            report_failure("a batch of contacts", problem)
            why = f"The batch failed with {type(problem).__name__}."
            self._fail(batch, CleanlistError(why, billed=batch.billed))
            # A CleanlistError was recorded when it was judged; after any other the store has it as ours.
            await batch.leave()
        finally:
            self._forget(batch.purchases)

    def _fail(self, batch: Batch, error: CleanlistError) -> None:
        """Give all callers of a batch an error; without a token, those of the contacts it would take."""
        if batch is batch.lane.next_batch:
            self._forget(self.lanes.close(batch))
            batch.reopen()  # nothing was sent, so none of them may have been bought
        for purchase in batch.purchases:
            purchase.fail(error)

    async def _buy(self, batch: Batch, submission: Submission) -> None:
        """Submit a batch, in as many attempts as it takes, and give each caller its own result."""
        call = submit_call(
            partial(self._body, batch, submission.webhook_url),
            shield_answer=self._purchases is not None,  # what was accepted is recorded, also at the end
            before=None if self._purchases is None else batch.intend,
            before_retry=batch.reopen_later,
            spend=batch.spend,
            submission=batch.submission,
        )
        if self._submissions.receiver is None:  # otherwise no questions need tokens
            await self._gather(batch)
        is_done = False
        while not is_done and (batch.is_open or batch.purchases):
            try:
                # For each attempt anew: the tokens, and the contacts that wait, are others by then.
                options = replace(batch.options, pace=self._capacity.pace(batch))
                reply = await self._pipeline.call(call, options)
            except _NobodyWaitsError:
                return
            except ClaimLostError:
                self._lost(batch.withdraw())
                return
            except CleanlistError as error:
                is_done = await self._apply(error, batch, submission)
            else:
                workflow = AcceptedWorkflow.of(reply, batch.contacts, self._clock(), submission.signal)
                await self._collect(batch, workflow, submission)
                return

    async def _gather(self, batch: Batch) -> None:
        """Let contacts join the batch until its turn has come; tokens and callers change meanwhile."""
        longest_s = self._pipeline.limiter.limits.window_s / 60
        while batch.is_open and (wait_s := self._capacity.wait_s(len(batch.lane.waiting))) > 0:  # noqa: ASYNC110
            await anyio.sleep(min(wait_s, longest_s))

    async def _apply(self, error: CleanlistError, batch: Batch, submission: Submission) -> bool:
        """Act on the outcome of a submit that was not plainly accepted; return whether the batch is done.

        Raises *error* if its callers have to know.
        """
        if isinstance(error, BudgetExceededError):
            self._shrink(batch, error)
            return False
        outcome = judge(error, batch.contacts, sent=True)
        if batch.record is not None:
            await batch.record.ended(outcome, error)
        match outcome:
            case Accepted(workflow_id):
                workflow = AcceptedWorkflow.salvaged(
                    self._pipeline, workflow_id, batch.contacts, submission.signal
                )
                await self._collect(batch, workflow, submission)
                return True
            case SetAside(invalid):
                self._forget(batch.set_aside(invalid))
            case Split():
                self.lanes.start(batch.split())
            case Unknown():
                error.billed = "unknown"
                if (results := await self._fetcher.fetch_lost(batch, submission)) is None:
                    raise error
                await self._deliver(batch, results)
                return True
            case Retry() | Refused() | Stop():  # the pipeline has tried as often as it may
                batch.reopen()
                raise error
        return False

    def _shrink(self, batch: Batch, error: BudgetExceededError) -> None:
        """Keep of a batch what the budget of the store still covers. Raises *error* where that is nothing."""
        fitting = contacts_within(error, batch.lane.enrichment_type)
        if not 0 < fitting < len(batch.purchases):
            batch.reopen()
            raise error
        self.lanes.start(batch.split(fitting))

    def _body(self, batch: Batch, webhook_url: str | None) -> bytes:
        """Build the request of a batch, at the moment its token is granted."""
        self._forget(self.lanes.close(batch))
        if not batch.purchases:
            raise _NobodyWaitsError
        self._capacity.note_sent(len(batch.purchases))
        if self._purchases is not None:
            wanted = batch.purchases[0].wanted
            is_unclaimed = wanted.enrichment_type not in REMEMBERED
            batch.record = self._purchases.submit(batch.contacts, wanted, is_unclaimed=is_unclaimed)
        return bulk_body(batch.contacts, batch.lane.enrichment_type, webhook_url)

    async def _collect(self, batch: Batch, workflow: AcceptedWorkflow, submission: Submission) -> None:
        """Wait for the workflow of a batch that was accepted."""
        submission.accepted(workflow.workflow_id, workflow.task_ids)
        now = self._clock()
        # Before the store is written: a caller whose time ends meanwhile is told what it can collect.
        for purchase, task_id in zip(batch.purchases, workflow.ids_before_the_end, strict=True):
            purchase.accepted(workflow.workflow_id, task_id)
        self._tally.accepted(len(batch.purchases), (now - caller.since for caller in batch.callers))
        await batch.accepted(workflow)
        try:
            results = await self._fetcher.fetch(batch, workflow)
        except BaseException:  # the client is closed before it is finished
            self._pipeline.counters.detached_workflows.append(workflow.workflow_id)
            self.interrupted[workflow.workflow_id] = len(batch.purchases)
            raise
        await self._deliver(batch, results)

    async def _deliver(self, batch: Batch, results: Sequence[EnrichmentResult]) -> None:
        """Record results, then hand them out."""
        await batch.settle(results)
        workflow_id = next((one.workflow_id for one in results), None)
        events, counters = self._pipeline.events, self._pipeline.counters
        report_settled(events, counters, "enrich_one", workflow_id, results)
        # Not strict: there are no results of a workflow that was given up.
        for purchase, result in zip(batch.purchases, results, strict=False):
            self._keep(purchase, result)
            purchase.deliver(result)


# Not a CleanlistError: there is nobody to tell, and the token goes back before an attempt begins.
class _NobodyWaitsError(Exception):
    """All callers left before a token was there."""
