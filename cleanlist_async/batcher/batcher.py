"""One request for many callers: a batch closes at the moment the limiter grants its token.

So a contact on an idle client is sent at once, without a window in which others could join it; while tokens
are scarce, contacts that come meanwhile join its request, up to 250.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

import anyio

from cleanlist_async.batcher.batch_sender import BatchFetcher, BatchSender
from cleanlist_async.batcher.capacity import Capacity
from cleanlist_async.batcher.claim_queue import ClaimQueue
from cleanlist_async.batcher.purchase import Caller, Leftovers, Name, Purchase
from cleanlist_async.batcher.tally import Tally
from cleanlist_async.checks import check_enrichment_type, check_flag, check_seconds, optional
from cleanlist_async.contacts.checks import check_contact
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.row_results import skipped
from cleanlist_async.enrich.submit_record import Wanted
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.events import ContactFinished, ContactStarted, identifier
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.http.root_task import client_is_closed
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import REMEMBERED, Freshness
from cleanlist_async.tables.input_options import Suppression, preparation
from cleanlist_async.webhooks.submissions import Submissions

_numbers: Final = count(1)


class Batcher:
    """Gathers the callers of `enrich_one` of one client.

    What was paid for is not lost when its callers leave: its workflow is waited for to the end, for at
    least 15 minutes, and its result is kept, in the client's store or, without one, in its memory. With a
    store, a contact is claimed there before it waits for a request.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        submissions: Submissions,
        purchases: Purchases | None,
        *,
        tally: Tally,
        max_queued: int,
    ) -> None:
        self._pipeline = pipeline
        self._capacity = Capacity(pipeline, polls, submissions, max_queued)
        fetcher = BatchFetcher(pipeline, polls)
        self._clock = pipeline.limiter.clock
        self._tally = tally
        self._sender = BatchSender(
            pipeline,
            submissions,
            purchases,
            fetcher=fetcher,
            capacity=self._capacity,
            tally=tally,
            forget=self._forget,
            keep=self._keep,
            lost=self._claim_again,
        )
        self._lanes = self._sender.lanes
        self._claims = (
            None
            if purchases is None
            else ClaimQueue(
                purchases, pipeline.root, fetcher.with_options, won=self._enter, ended=self._forget
            )
        )
        self._leftovers = Leftovers(self._clock)
        self._under_way: dict[Name, Purchase] = {}
        self._callers = 0
        self._empty = anyio.Event()
        tally.count_waiting = self._count_waiting
        tally.list_untaken = self._leftovers.untaken

    async def enrich_one(
        self,
        given: ContactLike,
        enrichment_type: EnrichmentType,
        options: CallOptions,
        deadline_s: float,
        *,
        fresh: bool,
        max_age_s: float | None,
        suppression: Suppression | None,
    ) -> EnrichmentResult:
        """Return the result of one contact."""
        check_contact(given)
        check_enrichment_type(enrichment_type)
        check_flag("fresh", fresh)
        optional(check_seconds, "max_age_s", max_age_s)
        if suppression is not None:
            await suppression.load()
        contact = preparation(suppression)(0, given)
        await self._pipeline.root.ensure()
        wanted = Wanted(enrichment_type, Freshness.of(max_age_s, fresh=fresh), "enrich_one")
        return await self._reported(enrichment_type, self._result(contact, wanted, options, deadline_s))

    async def _reported(
        self, enrichment_type: EnrichmentType, call: Awaitable[EnrichmentResult]
    ) -> EnrichmentResult:
        """Report one call to the listeners, from its start to its end."""
        number, began, events = next(_numbers), self._clock(), self._pipeline.events
        # Asked once: if the level of the log changes meanwhile, there are both events of a call or none.
        if not events.are_all_wanted:
            return await call

        def finish(outcome: EnrichmentResult | BaseException) -> None:
            result = outcome if isinstance(outcome, EnrichmentResult) else None
            workflow_id = getattr(outcome, "workflow_id", None)
            events.emit(
                ContactFinished(
                    number,
                    None if result is None else result.status,
                    identifier(workflow_id) if workflow_id else None,
                    0.0 if result is None else result.credits,
                    self._clock() - began,
                    type(outcome).__name__ if result is None else None,
                )
            )

        events.emit(ContactStarted(number, enrichment_type))
        try:
            result = await call
        except BaseException as problem:
            finish(problem)
            raise
        finish(result)
        return result

    async def _result(
        self, contact: Prepared | Invalid, wanted: Wanted, options: CallOptions, deadline_s: float
    ) -> EnrichmentResult:
        if isinstance(contact, Invalid):
            return skipped(contact)
        # It was bought for callers that left before it was there.
        name = self._name(wanted, contact)
        if (bought := self._leftovers.take(name, contact, wanted.freshness)) is not None:
            self._tally.callers += 1
            self._tally.shared += 1
            return bought
        now = self._clock()
        caller = Caller(contact, now, now + deadline_s)
        purchase = self._join(caller, name, wanted, options)
        try:
            with anyio.move_on_after(deadline_s):
                await self._pipeline.root.unless_closed(caller.done.wait())
            result = self._outcome(caller, purchase, deadline_s)
        except BaseException as problem:
            purchase.was_left = True
            if isinstance(problem, ConfigurationError):  # the client was closed
                problem.billed = purchase.billed
            raise
        finally:
            self._leave(caller, purchase)
        if not (purchase.was_left or purchase.callers):
            self._leftovers.discard(name)
        return result

    async def drain(self) -> None:
        """Take no more callers, and wait until those that wait have their answers."""
        self._tally.is_draining = True
        # The event is set whenever no caller was left for a moment, so an older one says nothing.
        while self._callers:
            self._empty = anyio.Event()
            await self._empty.wait()

    def undelivered(self) -> Counter[str]:
        """Count the contacts by workflow that were bought, and that no caller was given."""
        left = Counter(self._sender.interrupted)
        left.update(one.workflow_id for one in self._leftovers.untaken() if one.workflow_id is not None)
        return left

    # -- callers -------------------------------------------------------------------------------

    def _name(self, wanted: Wanted, contact: Prepared) -> Name:
        freshness = wanted.freshness if self._claims_for(wanted) else None
        return (wanted.enrichment_type, contact.identity, freshness)

    def _claims_for(self, wanted: Wanted) -> ClaimQueue | None:
        """Return where contacts wait for a claim; None where none is needed."""
        return self._claims if wanted.enrichment_type in REMEMBERED else None

    def _join(self, caller: Caller, name: Name, wanted: Wanted, options: CallOptions) -> Purchase:
        """Let a caller share the purchase of its contact, or begin one; may raise OverloadedError."""
        if self._tally.is_draining or self._pipeline.root.closed:
            raise client_is_closed()
        if (purchase := self._under_way.get(name)) is None:
            # A deadline is its caller's own; the purchase goes on for the others.
            purchase = Purchase(caller.contact, wanted, name, replace(options, deadline_s=None))
            if (claims := self._claims_for(wanted)) is not None:
                claims.add(purchase)
            elif (refusal := self._capacity.refusal(caller, len(self._lanes))) is not None:
                self._tally.overloaded += 1
                raise refusal
            else:
                self._let_wait(purchase)
            self._under_way[name] = purchase
        else:
            self._tally.shared += 1
        purchase.callers[caller] = None
        self._tally.callers += 1
        self._callers += 1
        return purchase

    def _enter(self, purchase: Purchase) -> None:
        """Let a contact that was claimed wait for a request, or refuse its callers."""
        # Where even the one with the most time would be answered too late, all would be.
        patient = max(purchase.callers, key=lambda caller: caller.until)
        if (refusal := self._capacity.refusal(patient, len(self._lanes))) is None:
            self._let_wait(purchase)
        else:
            self._tally.overloaded += len(purchase.callers)
            purchase.fail(refusal)
            self._forget([purchase])

    def _let_wait(self, purchase: Purchase) -> None:
        self._capacity.note_contact()
        self._lanes.enter(purchase)

    def _leave(self, caller: Caller, purchase: Purchase) -> None:
        """Let a caller go. What no caller waits for is not sent any more."""
        del purchase.callers[caller]
        if not purchase.callers and self._is_waiting(purchase):
            self._forget([purchase])
        self._callers -= 1
        if not self._callers:
            self._empty.set()

    def _is_waiting(self, purchase: Purchase) -> bool:
        """Take out a contact that waits; return whether it did."""
        is_in_lane = self._lanes.discard(purchase)
        return is_in_lane or (self._claims is not None and self._claims.discard(purchase))

    def _outcome(self, caller: Caller, purchase: Purchase, deadline_s: float) -> EnrichmentResult:
        outcome = caller.outcome
        if outcome is None:
            latest = self._lanes.latest_failure(purchase)
            problem = f"There was no result within {deadline_s:g} s.{latest.words()}"
            raise purchase.timeout(caller, problem) from latest.error
        if isinstance(outcome, CleanlistError):
            raise outcome
        self._tally.answered(self._clock() - caller.since)
        return outcome

    def _count_waiting(self) -> int:
        return len(self._lanes) + (0 if self._claims is None else len(self._claims))

    def _forget(self, purchases: Sequence[Purchase]) -> None:
        """Share purchases with no other caller. Claims of what was not sent are given back."""
        for purchase in purchases:
            # A later purchase may have the name by now: one whose callers left is forgotten again at its end.
            if self._under_way.get(purchase.name) is purchase:
                del self._under_way[purchase.name]
        if self._claims is not None:
            self._claims.give_back([one for one in purchases if one.is_claimed and not one.sent])

    def _claim_again(self, purchases: Sequence[Purchase]) -> None:
        """Give up the claims of contacts that are in part no longer ours, and ask for them again."""
        if self._claims is None:
            raise AssertionError
        self._claims.give_back(purchases)
        for purchase in purchases:
            if purchase.callers:
                self._claims.add(purchase)
            else:
                self._forget([purchase])

    def _keep(self, purchase: Purchase, result: EnrichmentResult) -> None:
        """Keep a result that no store has, until all callers have taken it."""
        if purchase.is_claimed or result.status == "failed":  # that cost nothing, and may succeed next time
            return
        # This result replaces one that somebody left, and who may come back for it.
        purchase.was_left |= purchase.name in self._leftovers
        self._leftovers.keep(purchase.name, result, is_taken=bool(purchase.callers))
