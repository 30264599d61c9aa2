"""One request for many callers: a batch closes at the moment the limiter grants its token.

So a caller on an idle client is sent at once, without a window to wait for company; while tokens are
scarce, whoever comes meanwhile rides along, up to 250 in a request.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import anyio

from cleanlist_async import facts
from cleanlist_async.batcher.batch import Batch, Lane
from cleanlist_async.batcher.purchase import Caller, Purchase
from cleanlist_async.batcher.tally import Tally
from cleanlist_async.bulk import settle
from cleanlist_async.bulk.fetch import Fetcher, Submitted
from cleanlist_async.bulk.report import EnrichmentResult
from cleanlist_async.calls import CallOptions
from cleanlist_async.chunking import bulk_body
from cleanlist_async.errors import (
    CleanlistError,
    ConfigurationError,
    OverloadedError,
    PayloadTooLargeError,
    RequestValidationError,
)
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.identity import ContactLike, Invalid, prepare
from cleanlist_async.pipeline import Pipeline
from cleanlist_async.polling import PollScheduler
from cleanlist_async.ratelimit import Pace, RequestClass
from cleanlist_async.resources.public import check_enrichment_type, submit_call
from cleanlist_async.root_task import client_is_closed


class Batcher:
    """Gathers the callers of `enrich_one` of one client.

    A workflow that was accepted is waited for to its end, for at least 15 minutes, also when all its
    callers have left: whoever asks for the same contact meanwhile shares the purchase.
    """

    def __init__(self, pipeline: Pipeline, polls: PollScheduler, tally: Tally, max_queued: int) -> None:
        self._pipeline = pipeline
        self._polls = polls
        self._clock = pipeline.limiter.clock
        self._tally = tally
        self._max_queued = max_queued
        self._lanes: dict[EnrichmentType, Lane] = {}
        self._under_way: dict[tuple[EnrichmentType, bytes], Purchase] = {}
        self._callers = 0
        self._is_draining = False
        self._empty = anyio.Event()
        tally.count_waiting = self._count_waiting

    async def enrich_one(
        self, given: ContactLike, enrichment_type: EnrichmentType, options: CallOptions, deadline_s: float
    ) -> EnrichmentResult:
        """Return the result of one contact."""
        check_enrichment_type(enrichment_type)
        await self._pipeline.root.ensure()
        contact = prepare(0, given)
        if isinstance(contact, Invalid):
            return settle.kept_back(contact)
        caller = Caller(contact, self._clock())
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
        """Take no more callers, and wait until those who are here have their answers."""
        self._is_draining = True
        while self._callers:
            self._empty = anyio.Event()
            await self._empty.wait()

    # -- callers -------------------------------------------------------------------------------

    def _join(self, caller: Caller, enrichment_type: EnrichmentType, options: CallOptions) -> Purchase:
        """Let a caller share the purchase of its contact that is under way, or begin one."""
        if self._is_draining:
            raise client_is_closed()
        name = (enrichment_type, caller.contact.identity)
        if (purchase := self._under_way.get(name)) is None:
            if self._count_waiting() >= self._max_queued:
                raise self._overloaded()
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
        """Let a caller go. What nobody wants is not sent any more."""
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
        self._tally.answered(self._clock() - caller.since)
        return outcome

    def _count_waiting(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def _overloaded(self) -> OverloadedError:
        self._tally.overloaded += 1
        waiting = self._count_waiting()
        limits, keys = self._pipeline.limiter.limits, max(1, len(self._pipeline.route.keys))
        batches = math.ceil(waiting / facts.MAX_CONTACTS_PER_REQUEST)
        error = OverloadedError(
            f"{waiting:,} contacts wait for their request already.",
            fix="Call again later; for lists there is client.enrich.",
        )
        error.retry_after_s = batches * limits.window_s / min(limits.org, limits.key * keys)
        return error

    # -- batches -------------------------------------------------------------------------------

    def _stand_in_line(self, lane: Lane) -> None:
        """Have a batch wait for a token if contacts wait for a batch."""
        if lane.waiting and lane.next_batch is None and not self._pipeline.root.closed:
            first = next(iter(lane.waiting))
            batch = Batch(lane, first.options)
            self._pipeline.root.spawn(self._carry, batch)
            lane.next_batch = batch

    async def _carry(self, batch: Batch) -> None:
        """Bring a batch to its end, whatever that is, and give it to everybody in it."""
        try:
            if (submitted := await self._submit(batch)) is not None:
                await self._collect(batch, submitted)
        except CleanlistError as error:
            if batch is batch.lane.next_batch:
                self._close(batch)
            for purchase in batch.purchases:
                purchase.fail(error)
        finally:
            self._forget(batch.purchases)

    async def _submit(self, batch: Batch) -> Submitted | None:
        """Submit, without those whom the server refuses by name, and by halves what is too large.

        Returns None if nobody wants it any more by the time a token is there.
        """

        def body() -> bytes:
            self._close(batch)
            if not batch.purchases:
                raise _NobodyWaitsError
            return self._body(batch)

        call = submit_call(body, before_retry=batch.reopen)
        while True:
            try:
                reply = await self._pipeline.call(call, self._paced(batch))
            except _NobodyWaitsError:
                return None
            except RequestValidationError as error:
                batch.reopen()
                refused = batch.set_aside(error)
                if not refused:
                    raise
                self._forget(refused)
            except PayloadTooLargeError:
                batch.reopen()
                if len(batch.purchases) < 2:
                    raise
                self._pipeline.root.spawn(self._carry, batch.split())
            else:
                contacts = tuple(purchase.contact for purchase in batch.purchases)
                return Submitted.of(reply, contacts, self._clock())

    def _body(self, batch: Batch) -> bytes:
        contacts = [purchase.contact for purchase in batch.purchases]
        return bulk_body(contacts, batch.lane.enrichment_type)

    def _close(self, batch: Batch) -> None:
        """Draw up who rides in this batch; those who come from now on wait for the next."""
        self._forget(batch.close())
        if batch is batch.lane.next_batch:
            batch.lane.next_batch = None
            self._stand_in_line(batch.lane)

    async def _collect(self, batch: Batch, submitted: Submitted) -> None:
        """Wait for the workflow, and give each caller its own result."""
        now = self._clock()
        for purchase, task_id in zip(batch.purchases, submitted.task_ids, strict=True):
            purchase.accepted(submitted.workflow_id, task_id)
        callers = [caller for purchase in batch.purchases for caller in purchase.callers]
        self._tally.accepted(len(batch.purchases), (now - caller.since for caller in callers))
        try:
            results = await self._fetch(batch, submitted)
        except CleanlistError as error:
            for purchase in batch.purchases:
                purchase.give_up(error)
            return
        for purchase, result in zip(batch.purchases, results, strict=False):
            purchase.deliver(result)

    async def _fetch(self, batch: Batch, submitted: Submitted) -> Iterable[EnrichmentResult]:
        fetcher = Fetcher(
            self._pipeline, self._polls, self._paced(batch), lambda _count: None, RequestClass.INTERACTIVE
        )
        results: list[EnrichmentResult] = []
        while not results and (batch.is_wanted or self._clock() < submitted.at + facts.WAIT_TIMEOUT_S):
            with anyio.move_on_after(facts.WAIT_TIMEOUT_S):
                results = await fetcher.fetch(submitted, batch.lane.enrichment_type)
        return results

    def _paced(self, batch: Batch) -> CallOptions:
        """Space requests evenly, so that batches grow instead of burning tokens on crumbs."""
        options = batch.options
        pace: Pace = "smooth" if options.pace == "auto" else options.pace
        return replace(options, pace=pace)

    def _forget(self, purchases: Iterable[Purchase]) -> None:
        for purchase in purchases:
            name = (purchase.enrichment_type, purchase.contact.identity)
            if self._under_way.get(name) is purchase:
                del self._under_way[name]


class _NobodyWaitsError(Exception):
    """Everybody left before a token was there."""
