"""What a client buys, recorded in its store.

Every door goes the same way: it claims contacts, follows those that are bought already or by others, and
sends its own. Each submit is recorded before the first byte leaves, and at each step after it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

import anyio

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.enrich.row_results import without_row
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.enrich.submit_record import SubmitRecord, Wanted
from cleanlist_async.errors import CleanlistError, NotFoundError, StoreError
from cleanlist_async.events.delivery import report_settled
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store import operations, same_contact
from cleanlist_async.storage.store.operations import Buyer
from cleanlist_async.storage.store.records import (
    Claim,
    Doubtful,
    Elsewhere,
    Known,
    Mine,
    Orphan,
    restored_as,
)
from cleanlist_async.storage.store.same_contact import Question, Seen
from cleanlist_async.storage.store.statements import Operation

log: Final = logging.getLogger("cleanlist_async")

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 4.0
"""Seconds between two looks at what others are buying: a workflow takes some at least."""


@dataclass(slots=True)
class _Begun:
    """Whether the store was asked, and what it may have taken over."""

    is_begun: bool = False
    adopted: set[str] = field(default_factory=set[str])


class Purchases:
    """The purchases of one client, as its store knows them."""

    def __init__(self, session: StoreSession) -> None:
        self._session = session
        self._store = session.store
        self._pipeline = session.pipeline
        self.collecting = 0
        """Workflows of earlier submits that are being fetched now, whose reservations may come back."""

    # -- claiming ----------------------------------------------------------------------------------

    async def claim(
        self, contacts: Sequence[Prepared], wanted: Wanted, *, each: bool = False
    ) -> dict[int, Claim]:
        """Claim what nobody has, and return the claim of each contact by its index. One transaction.

        What was accepted by a client that is gone is taken over with it. *each*: where two of *contacts* turn
        out to be the same, none waits for the other. Raises StoreError.
        """
        begun = _Begun()
        try:
            return await self._ask(partial(self._claim, begun, each=each), contacts, wanted)
        except BaseException:
            if begun.is_begun:  # the store may have done it all the same, and nobody would wait for these
                self._session.owed.add(partial(self._give_up, list(contacts), begun, wanted.enrichment_type))
            raise

    @property
    def owes(self) -> bool:
        """Whether writes failed, or were put off."""
        return len(self._session.owed) > 0

    async def look(self, contacts: Sequence[Prepared], wanted: Wanted) -> dict[int, Claim]:
        """Return what `claim` would, by index, and claim nothing. Raises StoreError."""
        return await self._ask(self._look, contacts, wanted)

    async def _ask(
        self,
        operation: Callable[[Buyer, Sequence[Prepared], Wanted], Operation[dict[int, Claim]]],
        contacts: Sequence[Prepared],
        wanted: Wanted,
    ) -> dict[int, Claim]:
        buyer = await self._session.opened()
        await self._session.owed.repay()
        claims = await self._store.run(operation(buyer, contacts, wanted))
        waiting = [contact for contact in contacts if isinstance(claims[contact.index], Elsewhere)]
        if waiting and await self._session.end_leases_of_the_dead():
            claims |= await self._store.run(operation(buyer, waiting, wanted))
        return claims

    def _look(
        self, buyer: Buyer, contacts: Sequence[Prepared], wanted: Wanted
    ) -> Operation[dict[int, Claim]]:
        seen = yield from self._seen(buyer, contacts, wanted)
        return {index: one.claim for index, one in seen.items()}

    def _seen(self, buyer: Buyer, contacts: Sequence[Prepared], wanted: Wanted) -> Operation[dict[int, Seen]]:
        question = Question(
            buyer.organization,
            wanted.enrichment_type,
            wanted.freshness,
            self._session.digest,
            self._store.digest,
        )
        return (yield from same_contact.look(question, contacts))

    def _claim(
        self, begun: _Begun, buyer: Buyer, contacts: Sequence[Prepared], wanted: Wanted, *, each: bool
    ) -> Operation[dict[int, Claim]]:
        # Here, within the transaction: a claim that never reached it has nothing to give up.
        begun.is_begun = True
        kind = wanted.enrichment_type
        claims: dict[int, Claim] = {}
        mine: set[str] = set()
        orphans: dict[tuple[str, EnrichmentType], list[str]] = {}
        kept: dict[EnrichmentType, dict[str, str]] = {}
        for index, seen in (yield from self._seen(buyer, contacts, wanted)).items():
            claim = claims[index] = seen.claim
            if isinstance(claim, Mine):
                # It may be bought for another contact of this very call.
                if seen.digest in mine or (seen.other in mine and not each):
                    claims[index] = Elsewhere()
                else:
                    mine.add(seen.digest)
            elif isinstance(claim, Orphan):
                orphans.setdefault((claim.submission, claim.enrichment_type), []).append(claim.digest)
                begun.adopted.add(claim.digest)
            elif isinstance(claim, Known) and claim.row.digest != seen.digest:
                kept.setdefault(claim.row.enrichment_type, {})[seen.digest] = claim.row.digest
        yield from operations.take(buyer, mine, kind)
        for of_type, copies in kept.items():
            yield from same_contact.keep(buyer.organization, of_type, copies)
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
        buyer = await self._session.opened()
        digests = {self._session.digest(contact) for contact in contacts}
        if digests:
            await self._store.run(operations.release(buyer, digests, enrichment_type))

    async def _give_up(
        self, contacts: list[Prepared], begun: _Begun, enrichment_type: EnrichmentType
    ) -> None:
        buyer = await self._session.opened()
        digests = {self._session.digest(contact) for contact in contacts}
        await self._store.run(operations.give_up(buyer, digests, begun.adopted, enrichment_type))

    async def room(self, wanted: Wanted) -> float:
        """Return the credits that the budgets in the store still cover. Raises StoreError."""
        buyer = await self._session.opened()
        return await self._store.run(operations.room(buyer, wanted.job))

    def submit(
        self, contacts: Sequence[Prepared], wanted: Wanted, *, is_unclaimed: bool = False
    ) -> SubmitRecord:
        """Return the record of a submit that is to be made."""
        return SubmitRecord(self._session, contacts, wanted, is_unclaimed=is_unclaimed)

    # -- following what others bought ----------------------------------------------------------------

    async def follow(
        self,
        contacts: Sequence[Prepared],
        claims: dict[int, Claim],
        wanted: Wanted,
        fetcher: Fetcher,
        *,
        put: Callable[[Prepared, EnrichmentResult], None],
        buy: Callable[[list[Prepared]], Awaitable[None]],
    ) -> None:
        """Bring each contact to a result, which is `put`, or to be bought by us, if its buyer gave it up.

        *claims* has the latest claim of each. Raises StoreError.
        """
        # From a little before: what was settled between the claim and this moment is new enough, too.
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
                elsewhere = [(contact, claim) for contact, claim in claimed if isinstance(claim, Elsewhere)]
                waiting = [contact for contact, _ in elsewhere]
                if waiting:
                    fetcher.hurry({claim.workflow_id for _, claim in elsewhere if claim.workflow_id})
                    await anyio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                    since_then = replace(wanted, freshness=wanted.freshness.after(clock() - since))
                    try:
                        claims.update(await self.claim(waiting, since_then))
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
        record = SubmitRecord(
            self._session,
            contacts,
            replace(wanted, enrichment_type=first.enrichment_type),
            is_unclaimed=False,
            digests=[orphan.digest for _, orphan in orphans],
        )
        record.submission = first.submission  # as the store knows it
        ids = tuple(orphan.task_id for _, orphan in orphans)
        workflow = AcceptedWorkflow(
            first.workflow_id,
            tuple(contacts),
            ids,
            tuple(task_id for task_id in ids if task_id is not None),
            # Its client may have had a key that we lack: then each of ours is tried.
            first.key_name if first.key_name in self._pipeline.route.keys else None,
            self._pipeline.limiter.clock(),
            is_new=False,
            whole=False,
        )
        self.collecting += 1
        try:
            results = await fetcher.fetch(workflow, first.enrichment_type)
            with _logged("the results of a workflow"):
                await record.settle(results)
            pipeline = self._pipeline
            report_settled(pipeline.events, pipeline.counters, wanted.door, first.workflow_id, results)
            if first.job != (wanted.job.job if wanted.job else None):
                results = [_paid_elsewhere(result) for result in results]
            elif wanted.job is None:  # who bought it has told nobody what it cost
                results = [_bought(result) for result in results]
        except CleanlistError as error:
            if isinstance(error, NotFoundError) and workflow.key == first.key_name:
                with _logged("the loss of a workflow"):
                    await record.lost(type(error).__name__)
                doubt = Doubtful(first.submission, first.workflow_id)
                results = [_doubtful(contact, doubt, first.enrichment_type) for contact in contacts]
            else:  # a key that did not start a workflow may not see it
                await record.leave()
                fetcher.note_failure(error)
                results = [_pending(contact, orphan, str(error)) for contact, orphan in orphans]
        except BaseException:
            await record.leave()
            raise
        finally:
            self.collecting -= 1
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
    named = (
        f", as the workflow {claim.workflow_id}, which the server does not have" if claim.workflow_id else ""
    )
    return without_row(
        contact,
        "unknown",
        f"an earlier submit ({claim.submission}) may have bought it{named}: see Store.resolve",
        workflow_id=claim.workflow_id,
        enrichment_type=enrichment_type,
    )


def _paid_elsewhere(result: EnrichmentResult) -> EnrichmentResult:
    """Return a result whose credits another job counts, or none: here it costs nothing."""
    bought = _bought(result)
    return bought if bought is result else replace(bought, credits_charged=0.0, bought_for=result.credits)


def _bought(result: EnrichmentResult) -> EnrichmentResult:
    return result if result.status == "pending" else replace(result, bought_at=datetime.now(UTC))


def not_finished(
    contact: Prepared, claim: Claim | None, enrichment_type: EnrichmentType
) -> EnrichmentResult | None:
    """Return the result of a contact that somebody had bought when a run ended; None for any other."""
    reason = "the run stopped before it was finished"
    if isinstance(claim, Orphan):
        return _pending(contact, claim, reason)
    if isinstance(claim, Elsewhere) and claim.workflow_id:
        return without_row(
            contact, "pending", reason, workflow_id=claim.workflow_id, enrichment_type=enrichment_type
        )
    return None


def _pending(contact: Prepared, orphan: Orphan, reason: str) -> EnrichmentResult:
    return without_row(
        contact,
        "pending",
        reason,
        workflow_id=orphan.workflow_id,
        task_id=orphan.task_id,
        enrichment_type=orphan.enrichment_type,
    )
