"""Contacts that wait for a request, those that share one, and the next request of each lane."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final

from cleanlist_async.batcher.purchase import Caller, Purchase
from cleanlist_async.contacts.chunking import Chunker, chunked
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import AcceptedWorkflow
from cleanlist_async.enrich.people import LookAlikes
from cleanlist_async.enrich.submit_record import SubmitRecord
from cleanlist_async.errors import StoreError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.calls import Spend
from cleanlist_async.http.options import CallOptions, LatestFailure
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.types import Billed

log: Final = logging.getLogger("cleanlist_async")


@dataclass(eq=False, slots=True)
class Lane:
    """Contacts of one enrichment type that wait for a request. First come, first served.

    `next_batch` waits for a token, and will take along what waits by then. There is one at a time: a second
    would only spend tokens on the few contacts that the first leaves.
    """

    enrichment_type: EnrichmentType
    waiting: dict[Purchase, None] = field(default_factory=dict[Purchase, None])
    next_batch: Batch | None = None


@dataclass(eq=False, slots=True)
class Batch:
    """Contacts that share a request, which is made with the options and in the trace of the `first`.

    `is_open` until an attempt was refused for its contacts: then it takes no others along. `record` is what
    the client's store has of the latest attempt, and `latest` says how it failed.
    """

    lane: Lane
    first: Purchase
    purchases: list[Purchase] = field(default_factory=list[Purchase])
    is_open: bool = True
    record: SubmitRecord | None = None
    latest: LatestFailure = field(default_factory=LatestFailure)

    @property
    def options(self) -> CallOptions:
        """How its requests are made."""
        return replace(self.first.options, watch=self.latest)

    @property
    def contacts(self) -> tuple[Prepared, ...]:
        """What its latest request holds, in order."""
        return tuple(purchase.contact for purchase in self.purchases)

    @property
    def callers(self) -> Iterator[Caller]:
        """All callers that wait for it."""
        return chain.from_iterable(purchase.callers for purchase in self.purchases)

    def until(self) -> float | None:
        """Return the time at which the next of them gives up."""
        return min((caller.until for caller in self.callers), default=None)

    @property
    def billed(self) -> Billed:
        """Whether anything in it was paid for."""
        return "unknown" if any(purchase.sent for purchase in self.purchases) else "no"

    def spend(self) -> Spend:
        """Return what its latest request may cost."""
        return Spend.of_contacts("enrich_one", self.lane.enrichment_type, len(self.purchases))

    def submission(self) -> str | None:
        """Return the name of its latest request in the client's store, if it has one."""
        return None if self.record is None else self.record.submission

    def close(self) -> list[Purchase]:
        """Choose the purchases of the attempt that is sent now; return those without a caller left."""
        wanted = [purchase for purchase in self.purchases if purchase.callers]
        left = [purchase for purchase in self.purchases if not purchase.callers]
        waiting = self.lane.waiting if self.is_open else {}
        # By object: callers who want one contact in different ways have purchases of their own, of equal
        # contacts.
        offered = {id(purchase.contact): purchase for purchase in chain(wanted, waiting)}
        contacts = (purchase.contact for purchase in offered.values())
        # Contacts are counted in bytes as well: fewer than 250 long ones fit.
        fitting = next(chunked(contacts, Chunker(apart=LookAlikes())), list[Prepared]())
        self.purchases = [offered[id(contact)] for contact in fitting]
        for purchase in self.purchases:
            self.lane.waiting.pop(purchase, None)
            purchase.sent = True
            purchase.latest = self.latest
        return left

    def reopen(self) -> None:
        """Note that the attempt was not accepted, and another may follow."""
        for purchase in self.purchases:
            purchase.sent = False

    async def intend(self) -> None:
        """Record the attempt, as the pipeline awaits it before the first byte. Raises StoreError."""
        if self.record is not None:
            await self.record.intend()

    async def reopen_later(self) -> None:
        """Record that the attempt was refused and reopen, as the pipeline awaits it before another."""
        if self.record is not None and self.record.is_written:
            await self.record.refused("the server did not take it")
        self.reopen()

    async def accepted(self, workflow: AcceptedWorkflow) -> None:
        """Record the workflow that the attempt became. Its results come also where the store fails."""
        if self.record is not None:
            with suppress(StoreError):  # which is logged, and owed
                await self.record.accepted(workflow)

    async def settle(self, results: Sequence[EnrichmentResult]) -> None:
        """Record results, which their callers get also where the store fails."""
        if self.record is not None:
            try:
                await self.record.settle(results)
            except StoreError as error:
                log.warning("results could not be recorded in the store: %s", error)

    async def leave(self) -> None:
        """Leave what was sent to whoever asks for it next."""
        if self.record is not None:
            await self.record.leave()

    def set_aside(self, invalid: Mapping[int, EnrichmentResult]) -> list[Purchase]:
        """Take out the purchases that the server refuses by name, and give their callers the results."""
        self.reopen()
        gone = [self.purchases[position] for position in invalid]
        for purchase, result in zip(gone, invalid.values(), strict=True):
            purchase.deliver(result)
        self.purchases = [purchase for at, purchase in enumerate(self.purchases) if at not in invalid]
        self.is_open = False
        return gone

    def withdraw(self) -> list[Purchase]:
        """Take out all purchases, of which nothing was sent."""
        self.reopen()
        purchases, self.purchases = self.purchases, []
        return purchases

    def split(self, keep: int | None = None) -> Batch:
        """Cut off all but *keep* purchases, by default half, of what is too large for one request."""
        self.reopen()
        end = len(self.purchases) // 2 if keep is None else keep
        cut_off = self.purchases[end:]
        rest = Batch(self.lane, cut_off[0], cut_off, is_open=False)
        del self.purchases[end:]
        self.is_open = False
        return rest


class Lanes:
    """A lane for each enrichment type. While contacts wait in it, one batch waits for a token."""

    def __init__(self, root: RootTask, carry: Callable[[Batch], Coroutine[Any, Any, None]]) -> None:
        self._root = root
        self._carry = carry
        self._lanes: dict[EnrichmentType, Lane] = {}

    def __len__(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def enter(self, purchase: Purchase) -> None:
        """Let a contact wait for a request."""
        lane = self._lanes.setdefault(purchase.enrichment_type, Lane(purchase.enrichment_type))
        lane.waiting[purchase] = None
        self._stand_in_line(lane)

    def discard(self, purchase: Purchase) -> bool:
        """Take out a contact that waits; return whether it did."""
        lane = self._lanes.get(purchase.enrichment_type)
        if lane is None or purchase not in lane.waiting:
            return False
        del lane.waiting[purchase]
        return True

    def latest_failure(self, purchase: Purchase) -> LatestFailure:
        """Return how the latest attempt failed of the request that a contact is in, or waits for."""
        lane = self._lanes.get(purchase.enrichment_type)
        is_waiting = lane is not None and purchase in lane.waiting
        return lane.next_batch.latest if lane and is_waiting and lane.next_batch else purchase.latest

    def close(self, batch: Batch) -> list[Purchase]:
        """Choose the contacts of a batch; those that come from now on wait for the next.

        Returns those that nobody waits for any more.
        """
        left = batch.close()
        if batch is batch.lane.next_batch:
            batch.lane.next_batch = None
            self._stand_in_line(batch.lane)
        return left

    def start(self, batch: Batch) -> None:
        """Carry a batch in the context of its first caller, so that its requests belong to that trace."""
        batch.first.context.run(self._root.spawn, self._carry, batch)

    def _stand_in_line(self, lane: Lane) -> None:
        if lane.waiting and lane.next_batch is None and not self._root.closed:
            batch = Batch(lane, first=next(iter(lane.waiting)))
            self.start(batch)
            lane.next_batch = batch
