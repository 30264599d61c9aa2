"""What callers ask for is claimed in the client's store before it may be bought.

Contacts are claimed in groups: one transaction for all that gathered while the last one was on its way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from cleanlist_async import facts
from cleanlist_async.batcher.purchase import Purchase
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import Fetcher
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.errors import CleanlistError, StoreError, UnknownOutcomeError
from cleanlist_async.events import report_failure
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import Claim, Known, Mine, Orphan

log: Final = logging.getLogger("cleanlist_async")


class ClaimQueue:
    """Claims contacts; those that are ours are `won`, all others are brought to their end, and `ended`."""

    def __init__(
        self,
        purchases: Purchases,
        root: RootTask,
        fetcher_of: Callable[[CallOptions], Fetcher],
        *,
        won: Callable[[Purchase], None],
        ended: Callable[[Sequence[Purchase]], None],
    ) -> None:
        self._purchases = purchases
        self._root = root
        self._fetcher_of = fetcher_of
        self._won = won
        self._ended = ended
        self._waiting: dict[Purchase, None] = {}
        self._given_back: list[Purchase] = []
        self._is_working = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, purchase: Purchase) -> None:
        """Let a contact wait for its claim."""
        self._waiting[purchase] = None
        self._start_work()

    def discard(self, purchase: Purchase) -> bool:
        """Take out a contact that waits; return whether it did."""
        if purchase not in self._waiting:
            return False
        del self._waiting[purchase]
        return True

    def give_back(self, purchases: Iterable[Purchase]) -> None:
        """Give up claims of contacts that were not sent, before anything else is claimed."""
        for purchase in purchases:
            purchase.is_claimed = False
            self._given_back.append(purchase)
            self._start_work()

    # -- claiming ------------------------------------------------------------------------------------

    def _start_work(self) -> None:
        if not self._is_working and not self._root.closed:
            self._is_working = True
            self._root.spawn(self._work)

    async def _work(self) -> None:
        try:
            while self._waiting or self._given_back:
                self._release()
                if group := self._next_group():
                    await self._claim(group)
                else:
                    await self._repay()
        finally:
            self._is_working = False

    def _release(self) -> None:
        """Have the next write, or claim, give back what was not sent."""
        given_back, self._given_back = self._given_back, []
        types: set[EnrichmentType] = {purchase.enrichment_type for purchase in given_back}
        for enrichment_type in types:
            alike = [one.contact for one in given_back if one.enrichment_type == enrichment_type]
            self._purchases.release_later(alike, enrichment_type)

    def _next_group(self) -> list[Purchase]:
        """Take the contacts that have waited longest, and are wanted in the same way."""
        wanted = next((purchase.wanted for purchase in self._waiting), None)
        alike = (purchase for purchase in self._waiting if purchase.wanted == wanted)
        group = list(islice(alike, facts.MAX_CONTACTS_PER_REQUEST))
        for purchase in group:
            del self._waiting[purchase]
        return group

    async def _repay(self) -> None:
        try:
            await self._purchases.repay()
        except StoreError as error:  # it is tried again with the lease's renewal
            log.warning("claims could not be given back to the store: %s", error)

    async def _claim(self, group: list[Purchase]) -> None:
        numbered = dict(enumerate(group))
        # Each contact of `enrich_one` has the index 0, and claims come back by index.
        contacts = [replace(purchase.contact, index=number) for number, purchase in numbered.items()]
        try:
            claims = await self._purchases.claim(contacts, group[0].wanted)
        except Exception as problem:  # noqa: BLE001  # its callers would wait for ever
            self._fail(group, problem)
            if self._purchases.owes:  # the store may have taken it all the same
                self.give_back(group)
            return
        others: list[Prepared] = []
        for contact in contacts:
            purchase, claim = numbered[contact.index], claims[contact.index]
            if isinstance(claim, Mine):
                self._win(purchase)
            elif isinstance(claim, Known):
                self._end(purchase, claim.result)
            else:
                purchase.follow(claim.workflow_id, claim.task_id if isinstance(claim, Orphan) else None)
                others.append(contact)
        # The client may have been closed while the store answered: then nothing more can be spawned.
        if others and not self._root.closed:
            first = numbered[others[0].index]
            first.context.run(self._root.spawn, self._follow, others, claims, numbered)

    async def _follow(
        self, contacts: list[Prepared], claims: dict[int, Claim], numbered: dict[int, Purchase]
    ) -> None:
        """Wait for what others are buying, and fetch what those had bought who are gone."""
        open_ = {contact.index: numbered[contact.index] for contact in contacts}
        first = open_[contacts[0].index]

        def put(contact: Prepared, result: EnrichmentResult) -> None:
            self._end(open_.pop(contact.index), result)

        async def buy(given_up: list[Prepared]) -> None:
            for contact in given_up:
                self._win(open_.pop(contact.index))

        try:
            fetcher = self._fetcher_of(first.options)
            await self._purchases.follow(contacts, claims, first.wanted, fetcher, put=put, buy=buy)
        except Exception as problem:  # noqa: BLE001  # as above
            self._fail(list(open_.values()), problem)
            self.give_back(list(open_.values()))

    # -- what becomes of them ------------------------------------------------------------------------

    def _win(self, purchase: Purchase) -> None:
        purchase.is_claimed, purchase.is_followed = True, False
        if purchase.callers:
            self._won(purchase)
        else:
            self._ended([purchase])

    def _end(self, purchase: Purchase, result: EnrichmentResult) -> None:
        if result.status == "unknown":
            purchase.fail(_doubt(result))
        else:
            purchase.deliver(result)
        self._ended([purchase])

    def _fail(self, purchases: Sequence[Purchase], problem: Exception) -> None:
        if not isinstance(problem, CleanlistError):
            report_failure("claims of contacts", problem)
            problem = CleanlistError(f"The claim failed with {type(problem).__name__}.")
        for purchase in purchases:
            purchase.fail(problem)
        self._ended(purchases)


def _doubt(result: EnrichmentResult) -> UnknownOutcomeError:
    error = UnknownOutcomeError(result.error or "")
    error.workflow_id = result.workflow_id
    return error
