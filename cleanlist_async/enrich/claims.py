"""What a bulk run asks its store before it buys: only contacts that nobody has are sent."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import anyio
from anyio.abc import TaskGroup

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import Fetcher
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.submit_record import Wanted
from cleanlist_async.errors import StoreError
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import Claim, Mine

log: Final = logging.getLogger("cleanlist_async")

_FOLLOWED_AT_ONCE: Final = 16_000
"""Contacts that others buy, and that are waited for before more are read."""


class Claims:
    """Claims the contacts of one run, as many at a time as a request holds.

    What is ours is returned to be sent; everything else is followed to its result, which is `put`. *buy* is
    awaited for contacts that their buyer gave up.
    """

    def __init__(
        self,
        purchases: Purchases | None,
        wanted: Wanted,
        fetcher: Fetcher,
        *,
        put: Callable[[Prepared, EnrichmentResult], None],
        buy: Callable[[list[Prepared]], Awaitable[None]],
        fail: Callable[[StoreError], None],
    ) -> None:
        self._purchases = purchases
        self._wanted = wanted
        self._fetcher = fetcher
        self._put = put
        self._buy = buy
        self._fail = fail
        self._gathered: list[Prepared] = []
        self._followed: dict[int, Prepared] = {}
        self._is_repaid = True

    async def add(self, contact: Prepared, group: TaskGroup) -> list[Prepared]:
        """Take a contact; return those that are ours, once as many are gathered as a request holds."""
        if self._purchases is None:
            return [contact]
        self._gathered.append(contact)
        return await self.flush(group) if len(self._gathered) >= facts.MAX_CONTACTS_PER_REQUEST else []

    async def flush(self, group: TaskGroup) -> list[Prepared]:
        """Claim what is gathered, and return what is ours."""
        if self._purchases is None or not self._gathered:
            return []
        claims = await self._purchases.claim(self._gathered, self._wanted)
        # Taken out only now: of a run that is cancelled during the claim, `left` still has them.
        contacts, self._gathered = self._gathered, []
        mine = [contact for contact in contacts if isinstance(claims[contact.index], Mine)]
        if len(mine) < len(contacts):
            others = [contact for contact in contacts if not isinstance(claims[contact.index], Mine)]
            self.follow(others, claims, group)
        return mine

    @property
    def is_shared(self) -> bool:
        """Whether others may wait for what is claimed here."""
        return self._purchases is not None

    @property
    def is_full(self) -> bool:
        """Whether so many contacts are waited for that no more should be read."""
        return len(self._followed) >= _FOLLOWED_AT_ONCE

    def follow(self, contacts: list[Prepared], claims: dict[int, Claim] | None, group: TaskGroup) -> None:
        """Follow contacts that are not ours; without *claims*, those that we lost."""
        self._followed.update((contact.index, contact) for contact in contacts)
        group.start_soon(self._follow, contacts, claims)

    async def _follow(self, contacts: list[Prepared], claims: dict[int, Claim] | None) -> None:
        if self._purchases is None:
            raise AssertionError
        try:
            if claims is None:  # of those that are still ours, nobody else would take any
                await self._purchases.release(contacts, self._wanted.enrichment_type)
                claims = await self._purchases.claim(contacts, self._wanted)
            await self._purchases.follow(
                contacts, claims, self._wanted, self._fetcher, put=self._put_once, buy=self._buy_once
            )
        except StoreError as error:
            self._fail(error)

    def _put_once(self, contact: Prepared, result: EnrichmentResult) -> None:
        del self._followed[contact.index]
        self._put(contact, result)

    async def _buy_once(self, contacts: list[Prepared]) -> None:
        for contact in contacts:
            del self._followed[contact.index]
        await self._buy(contacts)

    def unsent(self, contacts: Iterable[Prepared]) -> None:
        """Give back contacts that were ours, and were not sent after all.

        Soon, not at the end of the run: that may wait for another, which waits for these.
        """
        # What is gathered was not asked for yet, or `Purchases.claim` gives it back itself.
        gathered = {contact.index for contact in self._gathered}
        unsent = [contact for contact in contacts if contact.index not in gathered]
        if self._purchases is not None and unsent:
            self._purchases.release_later(unsent, self._wanted.enrichment_type)
            self._is_repaid = False

    def left(self) -> list[Prepared]:
        """Return what has no result when the run ends, and is no chunk's."""
        return [*self._gathered, *self._followed.values()]

    async def aclose(self) -> None:
        """Give back what was claimed and not sent, before the run is over."""
        if self._purchases is None or self._is_repaid:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._purchases.repay()
            except StoreError as error:  # they are given back later
                log.warning("claims could not be given back to the store: %s", error)
