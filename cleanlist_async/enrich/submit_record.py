"""What a store has of one submit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import uuid4

import anyio

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import AcceptedWorkflow
from cleanlist_async.enrich.row_results import rule_of
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.enrich.submit_outcome import Accepted, SubmitOutcome, Unknown, reason_of
from cleanlist_async.errors import (
    BudgetExceededError,
    ClaimLostError,
    CleanlistError,
    JobLockedError,
    StoreError,
)
from cleanlist_async.events import identifier
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store import operations
from cleanlist_async.storage.store.job_records import JobLease
from cleanlist_async.storage.store.jobs import Values
from cleanlist_async.storage.store.operations import Door, SubmitIntent
from cleanlist_async.storage.store.records import Freshness, SubmitState, as_text

log: Final = logging.getLogger("cleanlist_async")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a call wants of contacts: which type, how new, through which door, and for which job."""

    enrichment_type: EnrichmentType
    freshness: Freshness
    door: Door
    job: JobLease | None = None


class SubmitRecord:
    """One submit, recorded at each step, in order, and repeated where the store fails: see `OwedWrites`.

    `submission` is our name for it; `is_written`: its intent may be in the store, so that it may have been
    sent.
    """

    def __init__(
        self,
        session: StoreSession,
        contacts: Sequence[Prepared],
        wanted: Wanted,
        *,
        is_unclaimed: bool,
        digests: Sequence[str] | None = None,
    ) -> None:
        self.submission = uuid4().hex
        self.is_written = False
        self._session = session
        self._store = session.store
        self.contacts = tuple(contacts)
        self._wanted = wanted
        self._is_unclaimed = is_unclaimed
        self._digests = digests

    async def intend(self) -> None:
        """Record that it is about to be sent, and reserve what it can cost.

        Raises StoreError, BudgetExceededError or JobLockedError, and then nothing is to be sent.
        """
        buyer = await self._session.opened()
        digests = {self._session.digest(contact) for contact in self.contacts}
        intent = SubmitIntent(
            self.submission,
            self._wanted.enrichment_type,
            self._wanted.door,
            tuple(digests),
            self._is_unclaimed,
            repeated=len(self.contacts) - len(digests),
            job=self._wanted.job,
        )
        self.is_written = True  # also where the store fails in the middle of it
        try:
            is_ours = await self._store.run(operations.intend(buyer, intent), commit_unless=False)
        except (BudgetExceededError, JobLockedError):
            self.is_written = False
            raise
        if not is_ours:
            self.is_written = False
            raise ClaimLostError("Contacts of this submit were taken over by another process.")

    async def accepted(self, workflow: AcceptedWorkflow) -> None:
        """Record the workflow, before anything else is done with it.

        One that is another submit's is not ours: then the outcome of this one is unknown.
        """
        try:
            with anyio.CancelScope(shield=True):
                await self._session.owed.make(partial(self._accept, workflow))
        except StoreError:
            workflow_id = identifier(workflow.workflow_id)
            log.error("workflow %s was accepted, and the store cannot be written", workflow_id)  # noqa: TRY400
            raise

    async def _accept(self, workflow: AcceptedWorkflow) -> None:
        ids = {
            self._session.digest(contact): task_id
            for contact, task_id in zip(workflow.contacts, workflow.ids_before_the_end, strict=True)
            if task_id is not None
        }
        buyer = await self._session.opened()
        is_ours = await self._store.run(
            operations.accept(
                buyer,
                self.submission,
                workflow.workflow_id,
                ids,
                key_name=workflow.key,
            )
        )
        if not is_ours:
            await self._close("unknown", "answered with the workflow of another submit")

    async def ended(self, outcome: SubmitOutcome, error: CleanlistError) -> None:
        """Record the outcome of a submit that was not plainly accepted."""
        if not self.is_written or isinstance(outcome, Accepted):
            return
        try:
            if isinstance(outcome, Unknown):
                await self.unknown(reason_of(error))
            else:
                await self.refused(reason_of(error))
        except StoreError as problem:  # until it is written, the contacts stay on their way there
            log.warning("the outcome of a submit could not be recorded in the store: %s", problem)

    async def leave(self) -> None:
        """Leave what is accepted and not settled to whoever asks for it next. Raises nothing."""
        with anyio.CancelScope(shield=True):
            try:
                await self.settle(())
            except StoreError as error:  # at the latest it is left when the client's lease ends
                log.warning("a workflow could not be handed over in the store: %s", error)

    async def refused(self, reason: str) -> None:
        """Record that the server did not take it: its contacts are claimed as before."""
        await self._end("refused", reason)
        self.is_written = False

    async def unknown(self, reason: str) -> None:
        """Record that it may have been accepted."""
        await self._end("unknown", reason)

    async def lost(self, reason: str) -> None:
        """Record that the server no longer knows its workflow."""
        await self._end("lost", reason)

    async def settle(self, results: Sequence[EnrichmentResult]) -> None:
        """Record what was found. What is still pending is left to whoever asks for it next.

        Raises StoreError; it is written later then.
        """
        digests = self._digests or [self._session.digest(contact) for contact in self.contacts]
        settled: dict[str, str] = {}
        unpaid: list[str] = []
        repeated: list[float] = []
        outcomes: list[Values] = []
        # Not strict: `leave` has no results.
        for digest, result in zip(digests, results, strict=False):
            if result.status == "pending":
                continue
            if digest in settled or digest in unpaid:
                # Contacts that share a row may be billed apart: what looks free stays reserved.
                if result.credits or result.status != "found":
                    repeated.append(result.credits)
            elif result.status in {"found", "not_found"}:
                settled[digest] = as_text(result)
            elif result.status == "failed":  # the server ended the workflow unfinished, which costs nothing
                unpaid.append(digest)
            outcomes.append(
                (digest, result.status, result.error, result.workflow_id, rule_of(result), result.credits)
            )
        await self._session.owed.make(partial(self._settle, settled, unpaid, repeated, outcomes))
        # By its own digest it is found also once the result under the other one has changed.
        if bought := self._bought_under_another_digest(results):
            await self._session.record_bought(self._wanted.enrichment_type, bought)

    def _bought_under_another_digest(self, results: Sequence[EnrichmentResult]) -> dict[str, str]:
        """Return results by the digests of their contacts, where these are not those of the submit."""
        return {
            digest: as_text(result)
            for contact, of_submit, result in zip(self.contacts, self._digests or (), results, strict=False)
            if (digest := self._session.digest(contact)) != of_submit
            and result.status in {"found", "not_found"}
        }

    async def _settle(
        self, settled: dict[str, str], unpaid: list[str], repeated: list[float], outcomes: list[Values]
    ) -> None:
        buyer = await self._session.opened()
        await self._store.run(
            operations.settle(
                buyer,
                self.submission,
                settled,
                unpaid,
                outcomes=outcomes,
                repeated=repeated,
                is_unclaimed=self._is_unclaimed,
            )
        )

    async def _end(self, state: SubmitState, reason: str) -> None:
        await self._session.owed.make(partial(self._close, state, reason))

    async def _close(self, state: SubmitState, reason: str) -> None:
        buyer = await self._session.opened()
        await self._store.run(
            operations.close(buyer, self.submission, state, reason, is_unclaimed=self._is_unclaimed)
        )
