"""What a client buys, recorded in its store.

Every door goes the same way: it claims contacts, follows those that are bought already or by others, and
sends its own. Each submit is recorded before the first byte leaves, and at each step after it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

import anyio

from cleanlist_async import facts
from cleanlist_async.api.public import VALIDATE_KEY
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.enrich.row_results import without_row
from cleanlist_async.enrich.submit_outcome import Accepted, SubmitOutcome, Unknown
from cleanlist_async.errors import CleanlistError, NotFoundError, StoreError
from cleanlist_async.events import identifier
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.calls import Call
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.ratelimit.shared.process import Process, has_ended, this_process
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store import operations
from cleanlist_async.storage.store.operations import Buyer, Door, Operation, SubmitIntent
from cleanlist_async.storage.store.records import (
    Claim,
    Doubtful,
    Elsewhere,
    Freshness,
    Known,
    Mine,
    Orphan,
    SubmitState,
    as_text,
    judge,
    restored_as,
    serving,
)
from cleanlist_async.storage.store.store import Store

log: Final = logging.getLogger("cleanlist_async")

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 4.0
"""Seconds between two looks at what others are buying: a workflow takes some seconds at least."""
_IDENTIFY_S: Final = 10.0
"""Seconds that the question for the organization may take. Without an answer the key stands for it."""


class ClaimLostError(StoreError):
    """Contacts that were to be sent are no longer this client's: it paused for longer than its lease."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a call wants of contacts: which type, how new, and through which door."""

    enrichment_type: EnrichmentType
    freshness: Freshness
    door: Door


class Purchases:
    """The purchases of one client, in its store."""

    def __init__(self, store: Store, pipeline: Pipeline) -> None:
        self.store = store
        self._pipeline = pipeline
        self._process: Process = this_process()
        self._opening = anyio.Lock()
        self._buyer: Buyer | None = None

    async def opened(self) -> Buyer:
        """Open the store, begin the client's lease, and return the name it buys under."""
        async with self._opening:
            if self._buyer is None:
                await self.store.open()
                await self._renew()
                self._buyer = Buyer(self._process.id, await self._organization())
                self._pipeline.root.spawn(self._keep_lease)
            return self._buyer

    async def aclose(self) -> None:
        """End the lease: whoever wants what is still under way may take it over at once."""
        if self._buyer is not None:
            try:
                await self.store.run(operations.end_leases([self._process.id]))
            except StoreError as error:
                log.warning("the store could not be told that this client is closed: %s", error)

    # -- claiming ----------------------------------------------------------------------------------

    async def claim(self, contacts: Sequence[Prepared], wanted: Wanted) -> dict[int, Claim]:
        """Claim what nobody has, and return the claim of each contact by its index. One transaction.

        What was accepted by a client that is gone is taken over with it. Raises StoreError.
        """
        buyer = await self.opened()
        claims = await self.store.run(self._claim(buyer, contacts, wanted))
        waiting = [contact for contact in contacts if isinstance(claims[contact.index], Elsewhere)]
        if waiting and await self._end_leases_of_the_dead():
            claims |= await self.store.run(self._claim(buyer, waiting, wanted))
        return claims

    def _claim(
        self, buyer: Buyer, contacts: Sequence[Prepared], wanted: Wanted
    ) -> Operation[dict[int, Claim]]:
        kind = wanted.enrichment_type
        digests = {contact.index: self.digest(contact) for contact in contacts}
        rows = yield from operations.look(buyer.organization, set(digests.values()), serving(kind))
        claims: dict[int, Claim] = {}
        mine: set[str] = set()
        orphans: dict[tuple[str, EnrichmentType], list[str]] = {}
        for contact in contacts:
            digest = digests[contact.index]
            claim = judge(rows.get(digest, ()), contact, kind, wanted.freshness)
            if isinstance(claim, Mine):
                if digest in mine:
                    claim = Elsewhere()  # it is bought for another contact of this very call
                mine.add(digest)
            elif isinstance(claim, Orphan):
                orphans.setdefault((claim.submission, claim.enrichment_type), []).append(digest)
            claims[contact.index] = claim
        yield from operations.take(buyer, mine, kind)
        for (submission, of_type), theirs in orphans.items():
            yield from operations.adopt(buyer, submission, theirs, of_type)
        return claims

    async def release(self, contacts: Iterable[Prepared], enrichment_type: EnrichmentType) -> None:
        """Give up claims of contacts that were not sent after all."""
        digests = {self.digest(contact) for contact in contacts}
        if digests:
            await self.store.run(operations.release(await self.opened(), digests, enrichment_type))

    def submit(self, contacts: Sequence[Prepared], wanted: Wanted, *, is_unclaimed: bool = False) -> Submit:
        """Return the record of a submit that is to be made."""
        return Submit(self, contacts, wanted, is_unclaimed=is_unclaimed)

    def digest(self, contact: Prepared) -> str:
        """Return by what a contact is found again."""
        return self.store.digest(contact.identity)

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
        """Bring each contact to a result, which is `put`, or to be bought by us, if its buyer gave it up."""
        waiting, pause_s = list(contacts), _FIRST_PAUSE_S
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
                    claims = await self.claim(waiting, wanted)

    async def _collect(
        self,
        orphans: list[tuple[Prepared, Orphan]],
        wanted: Wanted,
        fetcher: Fetcher,
        put: Callable[[Prepared, EnrichmentResult], None],
    ) -> None:
        """Fetch for free what a client bought that is gone."""
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
        except NotFoundError as error:
            await record.lost(str(error))
            for contact in contacts:
                put(
                    contact,
                    _doubtful(contact, Doubtful(first.submission, first.workflow_id), first.enrichment_type),
                )
            return
        except BaseException:
            await record.leave()
            raise
        await record.settle(results)
        for contact, result in zip(contacts, results, strict=True):
            put(contact, restored_as(result, wanted.enrichment_type))

    # -- the client's lease --------------------------------------------------------------------------

    async def _keep_lease(self) -> None:
        while True:
            await anyio.sleep(facts.STORE_LEASE_S / 3)
            try:
                await self._renew()
            except StoreError as error:  # what is claimed stays ours until another takes it
                log.warning("the lease in the store could not be prolonged: %s", error)

    async def _renew(self) -> None:
        process = self._process
        await self.store.run(operations.renew(process.id, process.place, process.pid, facts.STORE_LEASE_S))

    async def _end_leases_of_the_dead(self) -> bool:
        """End the leases of processes of this machine that have ended; return whether there were any."""
        process = self._process
        others = await self.store.run(operations.neighbours(process.id, process.place))
        dead = [name for name, pid in others if has_ended(Process(name, pid, process.place))]
        if dead:
            await self.store.run(operations.end_leases(dead))
        return bool(dead)

    async def _organization(self) -> str:
        """Return whose purchases these are: the organization's id; the key's digest while nobody tells it."""
        origin = self._pipeline.route.organization.rpartition("@")[2]
        name = self.store.digest(f"{self._pipeline.secret.reveal()}@{origin}".encode())
        if (known := await self.store.run(operations.find_organization(name))) is not None:
            return known
        try:
            options = CallOptions(deadline_s=_IDENTIFY_S, max_retries=1)
            answer = (await self._pipeline.call(Call(VALIDATE_KEY), options)).value
        except CleanlistError as error:  # the submit itself will show what is wrong
            log.info("the organization of the key is not known yet: %s", type(error).__name__)
            return name
        if not answer.organization_id:
            return name
        organization = f"{answer.organization_id}@{origin}"
        await self.store.run(operations.name_organization(name, organization))
        return organization


class Submit:
    """One submit, recorded at each step.

    Attributes
    ----------
    submission
        Our name for it.
    is_written
        Whether its intent is in the store: then it may have been sent.

    """

    def __init__(
        self,
        purchases: Purchases,
        contacts: Sequence[Prepared],
        wanted: Wanted,
        *,
        is_unclaimed: bool,
    ) -> None:
        self.submission = uuid4().hex
        self.is_written = False
        self._purchases = purchases
        self._store = purchases.store
        self._contacts = tuple(contacts)
        self._wanted = wanted
        self._is_unclaimed = is_unclaimed

    async def intend(self) -> None:
        """Record that it is about to be sent. Raises StoreError, and then nothing is to be sent."""
        buyer = await self._purchases.opened()
        intent = SubmitIntent(
            self.submission,
            self._wanted.enrichment_type,
            self._wanted.door,
            tuple({self._purchases.digest(contact) for contact in self._contacts}),
            self._is_unclaimed,
        )
        if not await self._store.run(operations.intend(buyer, intent), commit_unless=False):
            raise ClaimLostError("Contacts of this submit were taken over by another process.")
        self.is_written = True

    async def accepted(self, workflow: AcceptedWorkflow) -> None:
        """Record the workflow, before anything else is done with it.

        One that is another submit's is not ours: then the outcome of this one is unknown.
        """
        ids = {
            self._purchases.digest(contact): task_id
            for contact, task_id in zip(workflow.contacts, workflow.task_ids, strict=True)
            if task_id is not None
        }
        try:
            buyer = await self._purchases.opened()
            is_ours = await self._store.run(
                operations.accept(
                    buyer,
                    self.submission,
                    self._wanted.enrichment_type,
                    workflow.workflow_id,
                    ids,
                    key_name=workflow.key,
                )
            )
            if not is_ours:
                await self.unknown("answered with the workflow of another submit")
        except StoreError:
            workflow_id = identifier(workflow.workflow_id)
            log.error("workflow %s was accepted, and the store cannot be written", workflow_id)  # noqa: TRY400
            raise

    async def ended(self, outcome: SubmitOutcome, error: CleanlistError) -> None:
        """Record the outcome of a submit that was not plainly accepted."""
        if not self.is_written or isinstance(outcome, Accepted):
            return
        try:
            if isinstance(outcome, Unknown):
                await self.unknown(type(error).__name__)
            else:
                await self.refused(type(error).__name__)
        except StoreError as problem:  # it stays on its way there, and is doubtful once this client is gone
            log.warning("the outcome of a submit could not be recorded in the store: %s", problem)

    async def leave(self) -> None:
        """Leave what is accepted and not settled to whoever asks for it next. Raises nothing."""
        with anyio.CancelScope(shield=True):
            try:
                await self.settle(())
            except StoreError as error:  # it is left when the client's lease ends
                log.warning("a workflow could not be handed over in the store: %s", error)

    async def refused(self, reason: str) -> None:
        """Record that the server did not take it: its contacts are claimed as before."""
        await self._close("refused", reason)
        self.is_written = False

    async def unknown(self, reason: str) -> None:
        """Record that it may have been accepted."""
        await self._close("unknown", reason)

    async def lost(self, reason: str) -> None:
        """Record that the server no longer knows its workflow."""
        await self._close("lost", reason)

    async def settle(self, results: Sequence[EnrichmentResult]) -> None:
        """Record what was found. What is still pending is left to whoever asks for it next."""
        digests = [self._purchases.digest(contact) for contact in self._contacts]
        settled: dict[str, str] = {}
        unpaid: list[str] = []
        for digest, result in zip(digests, results, strict=False):
            if result.status in {"found", "not_found"}:
                settled[digest] = as_text(result)
            elif result.status == "failed":  # the server ended the workflow unfinished, which costs nothing
                unpaid.append(digest)
        buyer = await self._purchases.opened()
        await self._store.run(
            operations.settle(buyer, self.submission, self._wanted.enrichment_type, settled, unpaid)
        )

    async def _close(self, state: SubmitState, reason: str) -> None:
        buyer = await self._purchases.opened()
        await self._store.run(operations.close(buyer, self.submission, state, reason))


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
