"""What a job in a journal shares with whoever else buys with its client's store.

What the store has is not bought again, what others are buying is waited for, and what the job buys is there
for them. Each step is on disk in the journal before it is in the store. What a crash in between leaves in
doubt in the store is decided once the job sends it again, or has its results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import anyio

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher, ids_by_position
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.enrich.submit_outcome import SetAside, SubmitOutcome, Unknown
from cleanlist_async.enrich.submit_record import SubmitRecord, Wanted
from cleanlist_async.errors import ClaimLostError, CleanlistError
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Acceptance, ChunkRow, Header
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store import decisions
from cleanlist_async.storage.store.records import Claim, Doubtful, Elsewhere, Freshness, Mine, as_text

_PAUSE_S: Final = 2.0
"""Seconds between two looks at what others are buying."""


class SharedPurchases:
    """Claims the contacts of one run, and records what it sends and buys."""

    def __init__(self, session: StoreSession, journal: Journal, header: Header, fetcher: Fetcher) -> None:
        self._session = session
        self._purchases = Purchases(session)
        self._wanted = Wanted(header.enrichment_type, Freshness(), "job")
        # An import may be repeated under the key that it had, which is no step that the store knows.
        self._has_records = header.submit_mode != "exact"
        self._fetcher = fetcher
        self._journal = journal
        self._claimed: set[int] = set()  # by their places in the input
        self._accepted: set[str] = set()  # submits whose workflow is recorded

    # -- before a submit ---------------------------------------------------------------------------

    async def claim(self, contacts: Sequence[Prepared], *, again: bool) -> list[EnrichmentResult]:
        """Claim contacts that are to be sent; return the results of those that somebody else has bought.

        One that others may have bought is ``unknown``, or ``pending``. *again*: they were sent before, and an
        earlier run of this client may have kept its claims. Raises StoreError.
        """
        waiting = [contact for contact in contacts if contact.index not in self._claimed]
        results: list[EnrichmentResult] = []
        if waiting and again:
            await self._purchases.release(waiting, self._wanted.enrichment_type)
        while waiting:
            claims = await self._purchases.claim(waiting, self._wanted, each=True)
            claims |= await self._decide_own(waiting, claims)
            mine = [contact for contact in waiting if isinstance(claims[contact.index], Mine)]
            self._claimed.update(contact.index for contact in mine)
            elsewhere = [contact for contact in waiting if isinstance(claims[contact.index], Elsewhere)]
            if elsewhere:
                # Whoever holds claims while it waits for others may wait for one that waits for it.
                self.forget(mine)
                await self._purchases.release(mine, self._wanted.enrichment_type)
            rest = [one for one in waiting if not isinstance(claims[one.index], Mine | Elsewhere)]
            results += await self._results(rest, claims)
            if not elsewhere:
                break
            waiting = mine + elsewhere
            await anyio.sleep(_PAUSE_S)
        return results

    async def _results(
        self, contacts: Sequence[Prepared], claims: dict[int, Claim]
    ) -> list[EnrichmentResult]:
        """Return what is known of contacts that nobody is buying now; some is fetched, which is free."""
        results: list[EnrichmentResult] = []

        def put(_contact: Prepared, result: EnrichmentResult) -> None:
            results.append(result)

        async def buy(_mine: list[Prepared]) -> None:
            raise AssertionError

        await self._purchases.follow(contacts, claims, self._wanted, self._fetcher, put=put, buy=buy)
        return results

    async def _decide_own(self, contacts: Sequence[Prepared], claims: dict[int, Claim]) -> dict[int, Claim]:
        """Claim contacts again that an earlier submit of the job holds: the journal says it is to be sent."""
        own: list[Prepared] = []
        submits: dict[str, int] = {}
        for contact in contacts:
            claim = claims[contact.index]
            if (
                isinstance(claim, Doubtful)
                and (chunk := self._journal.chunk_of(claim.submission)) is not None
            ):
                submits[claim.submission] = chunk
                own.append(contact)
        for submission, chunk in submits.items():
            is_certain = not self._journal.is_resent_at_risk(chunk)
            await self._session.store.run(
                decisions.decide(submission, "job", workflow_id=None, is_certain=is_certain)
            )
        return await self._purchases.claim(own, self._wanted, each=True) if own else {}

    async def room(self) -> float:
        """Return the credits that the budget in the store still covers. Raises StoreError."""
        return await self._purchases.room(self._wanted)

    def release(self, contacts: Iterable[Prepared]) -> None:
        """Give up claims of contacts that were not sent after all."""
        if ours := [contact for contact in contacts if contact.index in self._claimed]:
            self.forget(ours)
            self._purchases.release_later(ours, self._wanted.enrichment_type)

    def forget(self, contacts: Iterable[Prepared]) -> None:
        """Take claims for lost, or for used."""
        self._claimed.difference_update(contact.index for contact in contacts)

    # -- a submit and its results ------------------------------------------------------------------

    def record(self, submission: str, contacts: Sequence[Prepared]) -> SubmitRecord | None:
        """Return the record of a submit, under the name of its attempt in the journal; None for an import."""
        if not self._has_records:
            return None
        record = self._purchases.submit(contacts, self._wanted)
        record.submission = submission
        return record

    async def accepted(self, record: SubmitRecord, acceptance: Acceptance) -> None:
        """Record the workflow of a submit. Raises StoreError, and then it is recorded later."""
        self._accepted.add(record.submission)
        contacts, ids = record.contacts, acceptance.task_ids
        workflow = AcceptedWorkflow.named(acceptance.workflow_id, contacts, 0.0, key=acceptance.key_name)
        await record.accepted(replace(workflow, task_ids=ids_by_position(ids, len(contacts))))

    async def ended(self, record: SubmitRecord, outcome: SubmitOutcome, error: CleanlistError) -> None:
        """Record the outcome of a submit that was not plainly accepted. What is sent again stays claimed."""
        await record.ended(outcome, error)
        if isinstance(outcome, SetAside):
            self.release(record.contacts[position] for position in outcome.invalid)
        elif isinstance(outcome, Unknown) or isinstance(error, ClaimLostError):
            self.forget(record.contacts)

    async def settle(
        self, chunk: ChunkRow, contacts: Sequence[Prepared], results: Sequence[EnrichmentResult]
    ) -> None:
        """Record what a chunk has bought. Raises StoreError, and then it is recorded later."""
        await self._session.opened()
        self.forget(contacts)
        attempts = self._journal.attempts(chunk.number)
        record = self.record(attempts[-1].submission, contacts) if attempts else None
        try:
            # A process that has crashed may not have come to it, and evidence tells the store nothing.
            if record is not None and record.submission not in self._accepted:
                acceptance = Acceptance(chunk.workflow_id or "", chunk.task_ids, chunk.key_name)
                await self.accepted(record, acceptance)
        finally:
            await self._settle(record, contacts, results)

    async def _settle(
        self, record: SubmitRecord | None, contacts: Sequence[Prepared], results: Sequence[EnrichmentResult]
    ) -> None:
        bought = {
            self._session.digest(contact): as_text(result)
            for contact, result in zip(contacts, results, strict=True)
            if result.status in {"found", "not_found"}
        }
        try:
            if record is not None:
                await record.settle(results)
        finally:
            # Of a submit that the store does not have, such as one from before the client had a store.
            await self._session.record_bought(self._wanted.enrichment_type, bought)
