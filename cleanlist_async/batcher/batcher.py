"""One request for many callers: a batch closes at the moment the limiter grants its token.

So a caller on an idle client is sent at once, without a window to wait for company; while tokens are
scarce, whoever comes meanwhile rides along, up to 250 in a request.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import anyio

from cleanlist_async import facts
from cleanlist_async.api.public import BULK_STATUS, submit_call
from cleanlist_async.batcher.batch import Batch, Lane
from cleanlist_async.batcher.purchase import Caller, Purchase
from cleanlist_async.batcher.tally import Tally
from cleanlist_async.checks import check_enrichment_type
from cleanlist_async.contacts.checks import check_contact
from cleanlist_async.contacts.chunking import bulk_body
from cleanlist_async.contacts.identity import ContactLike, Invalid, prepare
from cleanlist_async.enrich import row_results as settle
from cleanlist_async.enrich.fetch import Fetcher, Submitted
from cleanlist_async.enrich.lost_submit import results_of_lost
from cleanlist_async.errors import (
    CleanlistError,
    ConfigurationError,
    OverloadedError,
    PayloadTooLargeError,
    RequestValidationError,
    UnknownOutcomeError,
)
from cleanlist_async.events import report_failure
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.http.root_task import client_is_closed
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.ratelimit import Pace, RequestClass
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.submission import Submission
from cleanlist_async.webhooks.submissions import Submissions

_Name: TypeAlias = tuple[EnrichmentType, bytes]
"""What is bought, of whom: calls with the same name share a purchase."""


class Batcher:
    """Gathers the callers of `enrich_one` of one client.

    What was paid for is not lost when its callers leave: its workflow is waited for to the end, for at
    least 15 minutes, and its result is kept until somebody who asks for the same contact has taken it.
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
        self._polls = polls
        self._submissions = submissions
        self._clock = pipeline.limiter.clock
        self._tally = tally
        self._max_queued = max_queued
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
            return settle.kept_back(contact)
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
        """Take no more callers, and wait until those who are here have their answers."""
        self._is_draining = True
        while self._callers:
            self._empty = anyio.Event()
            await self._empty.wait()

    # -- callers -------------------------------------------------------------------------------

    def _join(self, caller: Caller, enrichment_type: EnrichmentType, options: CallOptions) -> Purchase:
        """Let a caller share the purchase of its contact that is under way, or begin one."""
        if self._is_draining or self._pipeline.root.closed:
            raise client_is_closed()
        name = (enrichment_type, caller.contact.identity)
        if (purchase := self._under_way.get(name)) is None:
            self._check_room(caller)
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
        self._untaken.pop(_name(purchase), None)
        self._tally.answered(self._clock() - caller.since)
        return outcome

    def _count_waiting(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def _check_room(self, caller: Caller) -> None:
        """Refuse a caller that finds too many before it, or whose contact would be bought too late for it."""
        waiting = self._count_waiting()
        batches = waiting // facts.MAX_CONTACTS_PER_REQUEST
        ahead_s = self._seconds_for(batches)
        workflow_s = self._polls.patience(BULK_STATUS.name).due_age_s or 0.0
        too_late = caller.since + ahead_s + workflow_s > caller.until and not self._has_tokens_for(batches)
        if waiting < self._max_queued and not too_late:
            return
        self._tally.overloaded += 1
        error = OverloadedError(
            f"{waiting:,} contacts wait for their request already.",
            fix="Call again later; for lists there is client.enrich.",
        )
        error.retry_after_s = max(ahead_s, self._seconds_for(1))
        raise error

    def _seconds_for(self, batches: int) -> float:
        limits = self._pipeline.limiter.limits
        rate = limits.per_window(len(self._pipeline.route.keys))
        return batches * self._requests_per_batch * limits.window_s / rate

    def _has_tokens_for(self, batches: int) -> bool:
        free = self._pipeline.limiter.available(self._pipeline.route)
        return batches * self._requests_per_batch <= free

    @property
    def _requests_per_batch(self) -> int:
        """A submit, and a status request where no webhook tells what that would."""
        return 2 if self._submissions.receiver is None else 1

    # -- batches -------------------------------------------------------------------------------

    def _stand_in_line(self, lane: Lane) -> None:
        """Have a batch wait for a token if contacts wait for a batch."""
        if lane.waiting and lane.next_batch is None and not self._pipeline.root.closed:
            batch = Batch(lane, first=next(iter(lane.waiting)))
            self._start(batch)
            lane.next_batch = batch

    def _start(self, batch: Batch) -> None:
        batch.first.context.run(self._pipeline.root.spawn, self._carry, batch)

    async def _carry(self, batch: Batch) -> None:
        """Bring a batch to its end, whatever that is, and give it to everybody in it."""
        try:
            with self._submissions.begin() as submission:
                await self._buy(batch, submission)
        except CleanlistError as error:
            self._fail(batch, error)
        except Exception as problem:  # noqa: BLE001  # whatever it is, its callers must hear of it
            report_failure("a batch of contacts", problem)
            why = f"The batch failed with {type(problem).__name__}."
            self._fail(batch, CleanlistError(why, billed=batch.billed))
        finally:
            self._forget(batch.purchases)

    def _fail(self, batch: Batch, error: CleanlistError) -> None:
        """Give everybody in a batch an error; if no token was to be had, to those who would have ridden."""
        if batch is batch.lane.next_batch:
            self._close(batch)
            batch.reopen()
        for purchase in batch.purchases:
            purchase.fail(error)

    async def _buy(self, batch: Batch, submission: Submission) -> None:
        """Submit a batch, and give each caller its own result."""
        try:
            submitted = await self._submit(batch, submission)
        except UnknownOutcomeError:
            if not await self._find_lost(batch, submission):
                raise
        else:
            if submitted is not None:
                await self._collect(batch, submitted)

    async def _submit(self, batch: Batch, submission: Submission) -> Submitted | None:
        """Submit a batch; None if nobody wants it any more by the time a token is there."""
        call = submit_call(partial(self._body, batch, submission.webhook_url), before_retry=batch.reopen)
        while batch.is_open or batch.purchases:
            try:
                reply = await self._pipeline.call(call, replace(batch.options, pace=self._pace(batch)))
            except _NobodyWaitsError:
                break
            except (RequestValidationError, PayloadTooLargeError) as error:
                if not self._mend(batch, error):
                    raise
            else:
                contacts = tuple(purchase.contact for purchase in batch.purchases)
                submitted = Submitted.of(reply, contacts, self._clock(), submission.push)
                submission.accepted(submitted.workflow_id, submitted.task_ids)
                return submitted
        return None

    def _body(self, batch: Batch, webhook_url: str | None) -> bytes:
        """Build the request of a batch, at the moment its token is granted."""
        self._close(batch)
        if not batch.purchases:
            raise _NobodyWaitsError
        contacts = [purchase.contact for purchase in batch.purchases]
        return bulk_body(contacts, batch.lane.enrichment_type, webhook_url)

    def _mend(self, batch: Batch, error: CleanlistError) -> bool:
        """Take out whom the server refuses by name, or half of what is too large; False: no help."""
        if isinstance(error, RequestValidationError):
            refused = batch.set_aside(error)
            self._forget(refused)
            return bool(refused)
        if len(batch.purchases) < 2:
            return False
        self._start(batch.split())
        return True

    def _close(self, batch: Batch) -> None:
        """Draw up who rides in this batch; those who come from now on wait for the next."""
        self._forget(batch.close())
        if batch is batch.lane.next_batch:
            batch.lane.next_batch = None
            self._stand_in_line(batch.lane)

    async def _collect(self, batch: Batch, submitted: Submitted) -> None:
        """Wait for the workflow of a batch that was accepted."""
        now = self._clock()
        for purchase, task_id in zip(batch.purchases, submitted.task_ids, strict=True):
            purchase.accepted(submitted.workflow_id, task_id)
        self._tally.accepted(len(batch.purchases), (now - caller.since for caller in batch.callers))
        try:
            results = await self._fetch(batch, submitted)
        except BaseException:  # the client is closed before it is finished
            self._pipeline.counters.detached_workflows.append(submitted.workflow_id)
            raise
        self._deliver(batch, results)

    async def _find_lost(self, batch: Batch, submission: Submission) -> bool:
        """Whether the results of a batch were had whose submit was not answered: by its webhook."""
        results = await results_of_lost(
            submission,
            tuple(purchase.contact for purchase in batch.purchases),
            batch.lane.enrichment_type,
            fetcher=self._fetcher(batch),
            within_s=self._polls.patience(BULK_STATUS.name).silent_at(0.0, eager=False, scout=True),
            now=self._clock(),
        )
        self._deliver(batch, results or ())
        return results is not None

    def _deliver(self, batch: Batch, results: Iterable[EnrichmentResult]) -> None:
        for purchase, result in zip(batch.purchases, results, strict=False):
            self._pipeline.counters.count_credits(result.credits_charged, result.credits_estimated)
            self._keep(purchase, result)
            purchase.deliver(result)

    def _fetcher(self, batch: Batch) -> Fetcher:
        options = replace(batch.options, pace=_evenly(batch.options.pace))
        return Fetcher(self._pipeline, self._polls, options, _ignore, RequestClass.INTERACTIVE)

    async def _fetch(self, batch: Batch, submitted: Submitted) -> Iterable[EnrichmentResult]:
        """Wait for the results of what is paid.

        When its status cannot be had, callers are told so at once if that is for good; but it is asked about
        again, since whoever comes for the same contact would buy what is forgotten.
        """
        fetcher = self._fetcher(batch)
        window_s, held_until = self._pipeline.limiter.limits.window_s, submitted.at + facts.WAIT_TIMEOUT_S
        pause_s = window_s / 4
        results: list[EnrichmentResult] = []
        while not results and (any(batch.callers) or self._clock() < held_until):
            with anyio.move_on_after(facts.WAIT_TIMEOUT_S):
                try:
                    results = await fetcher.fetch(submitted, batch.lane.enrichment_type, until=batch.until)
                except CleanlistError as error:
                    if not error.retryable:
                        for purchase in batch.purchases:
                            purchase.give_up(error)
                        if self._clock() >= held_until:
                            break
                    await anyio.sleep(pause_s)
                    pause_s = min(2 * pause_s, window_s)
        return results

    def _pace(self, batch: Batch) -> Pace:
        """Space batches evenly, so that they grow instead of burning tokens on crumbs.

        Full ones need not grow: they go at once if there are tokens for all who wait, and for the status
        requests that follow. If there are not, whoever comes later would find none for a whole window.
        """
        waiting = len(batch.lane.waiting)
        batches = math.ceil(waiting / facts.MAX_CONTACTS_PER_REQUEST)
        if waiting >= facts.MAX_CONTACTS_PER_REQUEST and self._has_tokens_for(batches):
            return batch.options.pace
        return _evenly(batch.options.pace)

    def _keep(self, purchase: Purchase, result: EnrichmentResult) -> None:
        """Keep a result until somebody has taken it. Those of callers who are here are taken at once."""
        if result.status == "failed":  # cost nothing: whoever asks next may well be luckier
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


def _evenly(pace: Pace) -> Pace:
    return "smooth" if pace == "auto" else pace


def _ignore(_count: int) -> None:
    pass


class _NobodyWaitsError(Exception):
    """Everybody left before a token was there."""
