"""What a client buys, recorded in its store.

Every door goes the same way: it claims contacts, follows those that are bought already or by others, and
sends its own. Each submit is recorded before the first byte leaves, and at each step after it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import anyio

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.enrich.row_results import without_row
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.enrich.submit_record import SubmitRecord, Wanted
from cleanlist_async.errors import CleanlistError, NotFoundError, StoreError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store import operations
from cleanlist_async.storage.store.operations import Buyer
from cleanlist_async.storage.store.records import (
    Claim,
    Doubtful,
    Elsewhere,
    Known,
    Mine,
    Orphan,
    judge,
    restored_as,
    serving,
)
from cleanlist_async.storage.store.statements import Operation

log: Final = logging.getLogger("cleanlist_async")

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 4.0
"""Seconds between two looks at what others are buying: a workflow takes some seconds at least."""


class Purchases:
    """The purchases of one client, as its store knows them."""

    def __init__(self, session: StoreSession) -> None:
        self._session = session
        self._pipeline = session.pipeline

    # -- claiming ----------------------------------------------------------------------------------

    async def claim(self, contacts: Sequence[Prepared], wanted: Wanted) -> dict[int, Claim]:
        """Claim what nobody has, and return the claim of each contact by its index. One transaction.

        What was accepted by a client that is gone is taken over with it. Raises StoreError.
        """
        return await self._ask(self._claim, contacts, wanted)

    async def look(self, contacts: Sequence[Prepared], wanted: Wanted) -> dict[int, Claim]:
        """Return what `claim` would, by index, and claim nothing. Raises StoreError."""
        return await self._ask(self._look, contacts, wanted)

    async def _ask(
        self,
        operation: Callable[[Buyer, Sequence[Prepared], Wanted], Operation[dict[int, Claim]]],
        contacts: Sequence[Prepared],
        wanted: Wanted,
    ) -> dict[int, Claim]:
        await self._session.opened()
        await self._session.owed.repay()

        async def claims_of(asked: Sequence[Prepared]) -> dict[int, Claim]:
            return await self._session.run(lambda buyer: operation(buyer, asked, wanted))

        claims = await claims_of(contacts)
        waiting = [contact for contact in contacts if isinstance(claims[contact.index], Elsewhere)]
        if waiting and await self._session.end_leases_of_the_dead():
            claims |= await claims_of(waiting)
        return claims

    def _look(
        self, buyer: Buyer, contacts: Sequence[Prepared], wanted: Wanted
    ) -> Operation[dict[int, Claim]]:
        kind = wanted.enrichment_type
        digests = {contact.index: self._session.digest(contact) for contact in contacts}
        rows = yield from operations.look(buyer.organization, set(digests.values()), serving(kind))
        return {
            contact.index: judge(rows.get(digests[contact.index], ()), contact, kind, wanted.freshness)
            for contact in contacts
        }

    def _claim(
        self, buyer: Buyer, contacts: Sequence[Prepared], wanted: Wanted
    ) -> Operation[dict[int, Claim]]:
        kind = wanted.enrichment_type
        claims = yield from self._look(buyer, contacts, wanted)
        mine: set[str] = set()
        orphans: dict[tuple[str, EnrichmentType], list[str]] = {}
        for contact in contacts:
            digest, claim = self._session.digest(contact), claims[contact.index]
            if isinstance(claim, Mine):
                if digest in mine:  # it is bought for another contact of this very call
                    claims[contact.index] = Elsewhere()
                mine.add(digest)
            elif isinstance(claim, Orphan):
                orphans.setdefault((claim.submission, claim.enrichment_type), []).append(digest)
        yield from operations.take(buyer, mine, kind)
        for (submission, of_type), theirs in orphans.items():
            yield from operations.adopt(buyer, submission, theirs, of_type)
        return claims

    async def release(self, contacts: Iterable[Prepared], enrichment_type: EnrichmentType) -> None:
        """Give up claims of contacts that were not sent after all.

        Raises StoreError, and then does it later.
        """
        await self._session.owed.make(partial(self._release, list(contacts), enrichment_type))

    def release_later(self, contacts: Iterable[Prepared], enrichment_type: EnrichmentType) -> None:
        """Give up claims of contacts before the next claim, or soon."""
        self._session.owed.add(partial(self._release, list(contacts), enrichment_type))

    async def repay(self) -> None:
        """Make the writes that failed, or were put off. Raises StoreError."""
        await self._session.owed.repay()

    async def _release(self, contacts: list[Prepared], enrichment_type: EnrichmentType) -> None:
        await self._session.opened()
        digests = {self._session.digest(contact) for contact in contacts}
        if digests:
            await self._session.run(lambda buyer: operations.release(buyer, digests, enrichment_type))

    def submit(
        self, contacts: Sequence[Prepared], wanted: Wanted, *, is_unclaimed: bool = False
    ) -> SubmitRecord:
        """Return the record of a submit that is to be made."""
        return SubmitRecord(self._session, contacts, wanted, is_unclaimed=is_unclaimed)

    # -- following what others bought ----------------------------------------------------------------

    async def follow(
        self,
        contacts: Sequence[Prepared],
        claims: Mapping[int, Claim],
        wanted: Wanted,
        fetcher: Fetcher,
        *,
        put: Callable[[Prepared, EnrichmentResult], None],
        buy: Callable[[list[Prepared]], Awaitable[None]],
    ) -> None:
        """Bring each contact to a result, which is `put`, or to be bought by us, if its buyer gave it up.

        Raises StoreError.
        """
        clock, failure = self._pipeline.limiter.clock, None
        since, waiting, pause_s = clock() - _FIRST_PAUSE_S, list(contacts), _FIRST_PAUSE_S
        async with anyio.create_task_group() as group:
            while waiting:
                claimed = [(contact, claims[contact.index]) for contact in waiting]
                for orphans in _by_submission(claimed):
                    group.start_soon(self._collect, orphans, wanted, fetcher, put)
                for contact, claim in claimed:
                    if isinstance(claim, Known):
                        put(contact, claim.result)
                    elif isinstance(claim, Doubtful):
                        put(contact, _doubtful(contact, claim, wanted.enrichment_type))
                if mine := [contact for contact, claim in claimed if isinstance(claim, Mine)]:
                    await buy(mine)
                waiting = [contact for contact, claim in claimed if isinstance(claim, Elsewhere)]
                if waiting:
                    await anyio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                    since_then = replace(wanted, freshness=wanted.freshness.after(clock() - since))
                    try:
                        claims = await self.claim(waiting, since_then)
                    except StoreError as error:  # raised in here, it would come out as a group
                        failure = error
                        break
        if failure is not None:
            raise failure

    async def _collect(
        self,
        orphans: list[tuple[Prepared, Orphan]],
        wanted: Wanted,
        fetcher: Fetcher,
        put: Callable[[Prepared, EnrichmentResult], None],
    ) -> None:
        """Fetch for free what a client bought that is gone. Raises nothing: what cannot be had is pending."""
        contacts, first = [contact for contact, _ in orphans], orphans[0][1]
        record = self.submit(contacts, replace(wanted, enrichment_type=first.enrichment_type))
        record.submission = first.submission
        ids = tuple(orphan.task_id for _, orphan in orphans)
        workflow = AcceptedWorkflow(
            first.workflow_id,
            tuple(contacts),
            ids,
            tuple(task_id for task_id in ids if task_id is not None),
            first.key_name if first.key_name in self._pipeline.route.keys else None,
            self._pipeline.limiter.clock(),
            is_new=False,
            whole=False,
        )
        try:
            results = await fetcher.fetch(workflow, first.enrichment_type)
            with _logged("the results of a workflow"):
                await record.settle(results)
        except NotFoundError as error:
            with _logged("the loss of a workflow"):
                await record.lost(str(error))
            doubt = Doubtful(first.submission, first.workflow_id)
            results = [_doubtful(contact, doubt, first.enrichment_type) for contact in contacts]
        except CleanlistError as error:
            await record.leave()
            results = [_pending(contact, orphan, str(error)) for contact, orphan in orphans]
        except BaseException:
            await record.leave()
            raise
        for contact, result in zip(contacts, results, strict=True):
            put(contact, restored_as(result, wanted.enrichment_type))


@contextmanager
def _logged(what: str) -> Generator[None]:
    """Log that *what* cannot be written now. It is owed, and harms nobody who waits for a result."""
    try:
        yield
    except StoreError as error:
        log.warning("%s could not be recorded in the store: %s", what, error)


def _by_submission(claims: Iterable[tuple[Prepared, Claim]]) -> list[list[tuple[Prepared, Orphan]]]:
    groups: dict[tuple[str, str], list[tuple[Prepared, Orphan]]] = {}
    for contact, claim in claims:
        if isinstance(claim, Orphan):
            groups.setdefault((claim.submission, claim.enrichment_type), []).append((contact, claim))
    return list(groups.values())


def _doubtful(contact: Prepared, claim: Doubtful, enrichment_type: EnrichmentType) -> EnrichmentResult:
    return without_row(
        contact,
        "unknown",
        f"an earlier submit ({claim.submission}) may have bought it: see Store.resolve",
        workflow_id=claim.workflow_id,
        enrichment_type=enrichment_type,
    )


def _pending(contact: Prepared, orphan: Orphan, reason: str) -> EnrichmentResult:
    return without_row(
        contact,
        "pending",
        reason,
        workflow_id=orphan.workflow_id,
        task_id=orphan.task_id,
        enrichment_type=orphan.enrichment_type,
    )
