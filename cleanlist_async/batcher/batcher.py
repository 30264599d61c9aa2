"""One request for many callers: a batch closes at the moment the limiter grants its token.

So a contact on an idle client is sent at once, without a window in which others could join it; while tokens
are scarce, contacts that come meanwhile join its request, up to 250.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import anyio

from cleanlist_async import facts
from cleanlist_async.api.public import submit_call
from cleanlist_async.batcher.batch import Batch, Lane
from cleanlist_async.batcher.batch_fetcher import BatchFetcher
from cleanlist_async.batcher.capacity import Capacity
from cleanlist_async.batcher.purchase import Caller, Purchase
from cleanlist_async.batcher.tally import Tally
from cleanlist_async.checks import check_enrichment_type
from cleanlist_async.contacts.checks import check_contact
from cleanlist_async.contacts.chunking import bulk_body
from cleanlist_async.contacts.identity import ContactLike, Invalid, prepare
from cleanlist_async.enrich.fetch import AcceptedWorkflow
from cleanlist_async.enrich.row_results import skipped
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
from cleanlist_async.errors import (
    CleanlistError,
    ConfigurationError,
)
from cleanlist_async.events import report_failure
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.http.root_task import client_is_closed
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.submission import Submission
from cleanlist_async.webhooks.submissions import Submissions

_Name: TypeAlias = tuple[EnrichmentType, bytes]
"""What is bought, of which person: calls with the same name share a purchase."""


class Batcher:
    """Gathers the callers of `enrich_one` of one client.

    What was paid for is not lost when its callers leave: its workflow is waited for to the end, for at
    least 15 minutes, and its result is kept until a caller that asks for the same contact has taken it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        submissions: Submissions,
        tally: Tally,
        max_queued: int,
    ) -> None:
        self._pipeline = pipeline
        self._submissions = submissions
        self._capacity = Capacity(pipeline, polls, submissions, max_queued)
        self._fetcher = BatchFetcher(pipeline, polls)
        self._clock = pipeline.limiter.clock
        self._tally = tally
        self._lanes: dict[EnrichmentType, Lane] = {}
        self._under_way: dict[_Name, Purchase] = {}
        self._untaken: dict[_Name, EnrichmentResult] = {}
        self._callers = 0
        self._is_draining = False
        self._empty = anyio.Event()
        tally.count_waiting = self._count_waiting

    async def enrich_one(
        self, given: ContactLike, enrichment_type: EnrichmentType, options: CallOptions, deadline_s: float
    ) -> EnrichmentResult:
        """Return the result of one contact."""
        check_contact(given)
        check_enrichment_type(enrichment_type)
        await self._pipeline.root.ensure()
        contact = prepare(0, given)
        if isinstance(contact, Invalid):
            return skipped(contact)
        # It was bought for callers that left before it was there.
        if (bought := self._untaken.pop((enrichment_type, contact.identity), None)) is not None:
            self._tally.callers += 1
            self._tally.shared += 1
            return replace(bought, contact=contact.contact, key=contact.contact.key)
        now = self._clock()
        caller = Caller(contact, now, now + deadline_s)
        purchase = self._join(caller, enrichment_type, options)
        try:
            with anyio.move_on_after(deadline_s):
                await self._pipeline.root.unless_closed(caller.done.wait())
        except ConfigurationError as closed:
            closed.billed = purchase.billed
            raise
        finally:
            self._leave(caller, purchase)
        return self._outcome(caller, purchase, deadline_s)

    async def drain(self) -> None:
        """Take no more callers, and wait until those that wait have their answers."""
        self._is_draining = True
        while self._callers:
            self._empty = anyio.Event()
            await self._empty.wait()

    # -- callers -------------------------------------------------------------------------------

    def _join(self, caller: Caller, enrichment_type: EnrichmentType, options: CallOptions) -> Purchase:
        """Let a caller share the purchase of its contact, or begin one; may raise OverloadedError."""
        if self._is_draining or self._pipeline.root.closed:
            raise client_is_closed()
        name = (enrichment_type, caller.contact.identity)
        if (purchase := self._under_way.get(name)) is None:
            if (refusal := self._capacity.refusal(caller, self._count_waiting())) is not None:
                self._tally.overloaded += 1
                raise refusal
            # A deadline is its caller's own; the purchase goes on for the others.
            purchase = Purchase(caller.contact, enrichment_type, replace(options, deadline_s=None))
            lane = self._lanes.setdefault(enrichment_type, Lane(enrichment_type))
            lane.waiting[purchase] = None
            self._under_way[name] = purchase
            self._stand_in_line(lane)
        else:
            self._tally.shared += 1
        purchase.callers[caller] = None
        self._tally.callers += 1
        self._callers += 1
        return purchase

    def _leave(self, caller: Caller, purchase: Purchase) -> None:
        """Let a caller go. What no caller waits for is not sent any more."""
        del purchase.callers[caller]
        waiting = self._lanes[purchase.enrichment_type].waiting
        if not purchase.callers and purchase in waiting:
            del waiting[purchase]
            self._forget([purchase])
        self._callers -= 1
        if not self._callers:
            self._empty.set()

    def _outcome(self, caller: Caller, purchase: Purchase, deadline_s: float) -> EnrichmentResult:
        outcome = caller.outcome
        if outcome is None:
            raise purchase.timeout(caller, f"There was no result within {deadline_s:g} s.")
        if isinstance(outcome, CleanlistError):
            raise outcome
        self._untaken.pop(_name(purchase), None)
        self._tally.answered(self._clock() - caller.since)
        return outcome

    def _count_waiting(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    # -- batches -------------------------------------------------------------------------------

    def _stand_in_line(self, lane: Lane) -> None:
        """Have a batch wait for a token if contacts wait for a batch."""
        if lane.waiting and lane.next_batch is None and not self._pipeline.root.closed:
            batch = Batch(lane, first=next(iter(lane.waiting)))
            self._start(batch)
            lane.next_batch = batch

    def _start(self, batch: Batch) -> None:
        # In the context of its first caller, so that the request belongs to that trace.
        batch.first.context.run(self._pipeline.root.spawn, self._carry, batch)

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
        finally:
            self._forget(batch.purchases)

    def _fail(self, batch: Batch, error: CleanlistError) -> None:
        """Give all callers of a batch an error; without a token, those of the contacts it would take."""
        if batch is batch.lane.next_batch:
            self._close(batch)
            batch.reopen()  # nothing was sent, so none of them may have been bought
        for purchase in batch.purchases:
            purchase.fail(error)

    async def _buy(self, batch: Batch, submission: Submission) -> None:
        """Submit a batch, in as many attempts as it takes, and give each caller its own result."""
        call = submit_call(
            partial(self._body, batch, submission.webhook_url), before_retry=batch.reopen_later
        )
        is_done = False
        while not is_done and (batch.is_open or batch.purchases):
            try:
                options = replace(batch.options, pace=self._capacity.pace(batch))
                reply = await self._pipeline.call(call, options)
            except _NobodyWaitsError:
                return
            except CleanlistError as error:
                is_done = await self._apply(error, batch, submission)
            else:
                workflow = AcceptedWorkflow.of(reply, batch.contacts, self._clock(), submission.signal)
                await self._collect(batch, workflow, submission)
                return

    async def _apply(self, error: CleanlistError, batch: Batch, submission: Submission) -> bool:
        """Act on the outcome of a submit that was not plainly accepted; return whether the batch is done.

        Raises *error* if its callers have to know.
        """
        match judge(error, batch.contacts, sent=True):
            case Accepted(workflow_id):
                workflow = AcceptedWorkflow.salvaged(
                    self._pipeline, workflow_id, batch.contacts, submission.signal
                )
                await self._collect(batch, workflow, submission)
                return True
            case SetAside(invalid):
                self._forget(batch.set_aside(invalid))
            case Split():
                self._start(batch.split())
            case Unknown():
                error.billed = "unknown"
                if (results := await self._fetcher.fetch_lost(batch, submission)) is None:
                    raise error
                self._deliver(batch, results)
                return True
            case Retry() | Refused() | Stop():  # the pipeline has tried as often as it may
                raise error
        return False

    def _body(self, batch: Batch, webhook_url: str | None) -> bytes:
        """Build the request of a batch, at the moment its token is granted."""
        self._close(batch)
        if not batch.purchases:
            raise _NobodyWaitsError
        return bulk_body(batch.contacts, batch.lane.enrichment_type, webhook_url)

    def _close(self, batch: Batch) -> None:
        """Choose the contacts of this batch; those that come from now on wait for the next."""
        self._forget(batch.close())
        if batch is batch.lane.next_batch:
            batch.lane.next_batch = None
            self._stand_in_line(batch.lane)

    async def _collect(self, batch: Batch, workflow: AcceptedWorkflow, submission: Submission) -> None:
        """Wait for the workflow of a batch that was accepted."""
        submission.accepted(workflow.workflow_id, workflow.task_ids)
        now = self._clock()
        for purchase, task_id in zip(batch.purchases, workflow.ids_before_the_end, strict=True):
            purchase.accepted(workflow.workflow_id, task_id)
        self._tally.accepted(len(batch.purchases), (now - caller.since for caller in batch.callers))
        try:
            results = await self._fetcher.fetch(batch, workflow)
        except BaseException:  # the client is closed before it is finished
            self._pipeline.counters.detached_workflows.append(workflow.workflow_id)
            raise
        self._deliver(batch, results)

    def _deliver(self, batch: Batch, results: Iterable[EnrichmentResult]) -> None:
        for purchase, result in zip(batch.purchases, results, strict=False):
            self._pipeline.counters.count_credits(result.credits_charged, result.credits_estimated)
            self._keep(purchase, result)
            purchase.deliver(result)

    def _keep(self, purchase: Purchase, result: EnrichmentResult) -> None:
        """Keep a result until a caller has taken it. Those that callers wait for are taken at once."""
        if result.status == "failed":  # it cost nothing, and the next caller may have better luck
            return
        self._untaken[_name(purchase)] = result
        if len(self._untaken) > facts.MAX_UNTAKEN_RESULTS:
            del self._untaken[next(iter(self._untaken))]

    def _forget(self, purchases: Iterable[Purchase]) -> None:
        for purchase in purchases:
            if self._under_way.get(_name(purchase)) is purchase:
                del self._under_way[_name(purchase)]


def _name(purchase: Purchase) -> _Name:
    return (purchase.enrichment_type, purchase.contact.identity)


class _NobodyWaitsError(Exception):
    """All callers left before a token was there."""
