"""A job in a store, as anybody who shares the store can see it, without a client or a key."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, cast

import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.checks import check_instance, check_whole, is_encodable, shown
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.row_results import Rule, copy_for, skipped, without_row
from cleanlist_async.errors import ConfigurationError, JobNotFoundError, JobPurgedError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.journal.records import ChunkState, Decision
from cleanlist_async.job.status import NEVER_SENT, JobState, JobStatus, Receipt
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.storage.store import job_decisions, jobs, operations, same_contact
from cleanlist_async.storage.store.job_records import JobRecord, JobRow
from cleanlist_async.storage.store.records import OrphanedSubmit, PurchaseRow, restored, serving
from cleanlist_async.storage.store.store import Store

PAGE: Final = 500
"""Contacts that are read in one transaction."""
_BETWEEN_CHECKPOINTS: Final = 100
"""Results that are made of what was read, until others have their turn in the event loop."""
_STATES: Final = {
    "sending": ChunkState.SENDING,
    "accepted": ChunkState.ACCEPTED,
    "unknown": ChunkState.UNKNOWN,
    "lost": ChunkState.REMOTE_EXPIRED,
    "done": ChunkState.DONE,
}
_TOLERANCE: Final = 1e-6
"""Credits by which sums of the same numbers may differ."""


class StoredJobReader:
    """Reads one job in short transactions, also while a process runs it."""

    def __init__(self, store: Store, job: JobRecord) -> None:
        self.store = store
        self.job = job

    @classmethod
    async def find(cls, store: Store, name: str) -> StoredJobReader:
        """Return the job of a name. Raises JobNotFoundError for none.

        Raises ConfigurationError where several organizations have one of that name.
        """
        check_instance("name", name, str)
        await store.open()
        # No database takes a text that no encoding has, so no job is called so.
        found = await store.run(jobs.named(name)) if is_encodable(name) else []
        if not found:
            raise no_such_job(name, store)
        if len(found) > 1:
            raise ConfigurationError(
                f"Several organizations have a job {shown(name)} in the store {store.name}.",
                fix="Make a StoredJobReader of the store and the right one of Store.jobs().",
            )
        return cls(store, found[0])

    async def refresh(self) -> JobRecord:
        """Read the job again."""
        self.job = await self.store.run(jobs.read(self.job.id))
        return self.job

    # -- its state -----------------------------------------------------------------------------

    async def status(self) -> JobStatus:
        """Return the state of the job."""
        job = await self.refresh()
        rows, submits, held = await self.store.run(jobs.counts(job))
        statuses = Counter(outcomes(rows))
        # The sum drops what is 0.
        statuses += Counter[ResultStatus]({"pending": held.accepted, "unknown": held.in_doubt})
        kinds = Counter[str]()
        for _, kind, count in rows:
            kinds[kind] += count
        to_open = sum(count for status, kind, count in rows if not status and not kind)
        to_send = max(0, to_open - held.total)
        chunks = {_STATES[state]: count for state, count, _, _ in submits if state in _STATES}
        if to_send:
            chunks[ChunkState.PLANNED] = -(-to_send // facts.MAX_CONTACTS_PER_REQUEST)
        worst_case = facts.WORST_CASE_CREDITS[job.enrichment_type]
        return JobStatus(
            name=job.name,
            # Another call has brought a result, which the next run of the job takes.
            state="running" if job.state == "doubtful" and held.known else state_of(job),
            enrichment_type=job.enrichment_type,
            submit_mode="plain",
            contacts=job.contacts,
            invalid=kinds["invalid"],
            duplicates=kinds["duplicate"],
            chunks=chunks,
            results=dict(statuses),
            credits_spent=job.spent,
            credits_held=job.reserved,
            credits_at_risk=sum(
                reserved for state, *_, reserved in submits if state in {"unknown", "lost", "refused"}
            ),
            max_credits=job.max_credits,
            paused_by=job.stopped_by,
            shortfall_credits=job.shortfall,
            was_sent=job.submits > 0,
            credits_to_go=float(worst_case * to_send),
        )

    async def unknown(self) -> list[UnknownChunk]:
        """Return the chunks whose outcome is unknown."""
        return [
            UnknownChunk(number, first, last, contacts, _iso(at), reason, reserved)
            for number, first, last, contacts, at, reason, reserved, _ in await self.store.run(
                jobs.unknown(self.job.id)
            )
        ]

    async def held_by(self) -> list[OrphanedSubmit]:
        """Return the submits of unknown outcome, made by others, that hold contacts of the job."""
        return await self.store.run(jobs.holders(self.job))

    async def decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        """Record a decision about an unknown chunk. Raises StoreError when it is not unknown."""
        await self.store.run(job_decisions.decide(self.job, chunk, decision, actor, workflow_id))

    async def verify(self) -> list[str]:
        """Compare the sums of the job with those of its contacts and submits."""
        spent, reserved, contacts, by_rows, by_submits, rows = await self.store.run(jobs.sums(self.job.id))
        problems: list[str] = []
        if rows and abs(spent - by_rows) > _TOLERANCE:
            problems.append(f"{spent:,.10g} credits are spent, and {by_rows:,.10g} by its contacts")
        if abs(reserved - by_submits) > _TOLERANCE:
            problems.append(f"{reserved:,.10g} credits are reserved, and {by_submits:,.10g} by its submits")
        if rows and rows != contacts:
            problems.append(f"it has {contacts:,} contacts, and {rows:,} of them in the store")
        return problems

    async def costs(self) -> list[tuple[str, int, float]]:
        """Return (rule, contacts, credits) of what has an outcome, without duplicates and invalid ones."""
        return await self.store.run(jobs.costs(self.job.id))

    async def discard_unsent(self) -> bool:
        """Remove a job of which nothing was ever sent; return False for any other, which stays."""
        return await self.store.run(jobs.forget_unsent(self.job.id))

    async def purge(self, *, is_ours: bool = False, keep_results: bool = False) -> None:
        """Remove its contacts, and what was found for them. Raises JobLockedError while another runs it."""
        if (await self.refresh()).is_running and not is_ours:
            raise self.job.locked()
        purge = partial(same_contact.purge_rows, self.job.id, self.job.organization, self.store.digest)
        if keep_results:
            purge = partial(jobs.purge_rows, self.job.id, None)
        while await self.store.run(purge()):
            pass

    # -- its contacts --------------------------------------------------------------------------

    async def results(self) -> AsyncIterator[EnrichmentResult]:
        """Yield the result of every contact in the order of the input, as far as there is one."""
        async for page in self.pages():
            for _, result in page:
                yield result

    async def page(self, after: int = -1) -> list[EnrichmentResult]:
        """Return the results of the next 500 contacts after an index, also of those that are not done.

        Raises JobPurgedError once they are purged.
        """
        if isinstance(after, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            after = min(after, sys.maxsize)  # nobody is beyond it, and no database takes more
        check_whole("after", after, "an index, or -1 for the beginning", at_least=-1)
        rows = await self.store.run(jobs.rows(self.job.id, after, PAGE))
        if not rows:
            await _refuse_purged(self)
        return [result for _, result in await self.with_results(rows)]

    async def receipts(self) -> AsyncIterator[Receipt]:
        """Yield a receipt for every contact in the order of the input."""
        async for page in self.pages():
            for row, result in page:
                yield receipt_of(row, result)

    async def pages(self) -> AsyncGenerator[list[tuple[JobRow, EnrichmentResult]], None]:
        """Yield all contacts with their results, some at a time. Raises JobPurgedError once purged."""
        async for page in self.rows():
            yield await self.with_results(page)

    async def rows(self) -> AsyncGenerator[list[JobRow], None]:
        """Yield all contacts, some at a time. Raises JobPurgedError once they are purged."""
        await _refuse_purged(self)
        after = -1
        while rows := await self.store.run(jobs.rows(self.job.id, after, PAGE)):
            yield rows
            after = rows[-1].place

    async def rows_at(self, places: Iterable[int]) -> list[JobRow]:
        """Return the contacts at some places."""
        return [row for place in places for row in await self.store.run(jobs.rows(self.job.id, place - 1, 1))]

    async def with_results(self, rows: Iterable[JobRow]) -> list[tuple[JobRow, EnrichmentResult]]:
        """Return contacts with their results."""
        digests = {row.digest for row in rows if row.digest is not None}
        bought = await self.store.run(operations.look(self.job.organization, digests))
        types = serving(self.job.enrichment_type)
        found: list[tuple[JobRow, EnrichmentResult]] = []
        for row in rows:
            answering = [one for one in bought.get(row.digest or "", ()) if one.enrichment_type in types]
            found.append((row, self._result(row, answering)))
            if len(found) % _BETWEEN_CHECKPOINTS == 0:
                await anyio.lowlevel.checkpoint()
        return found

    def _result(self, row: JobRow, bought: list[PurchaseRow]) -> EnrichmentResult:
        contact = row.prepared
        if row.digest is None:
            return skipped(Invalid(row.place, row.contact, row.error or ""))
        if row.status:
            result = self._found(row, contact, bought)
        else:
            result = _under_way(contact, bought, self.job.enrichment_type)
        # As the first of them, whose result this is, and which alone was paid for.
        return result if row.first is None else copy_for(contact, replace(result, index=row.first))

    def _found(self, row: JobRow, contact: Prepared, bought: list[PurchaseRow]) -> EnrichmentResult:
        kind = self.job.enrichment_type
        status, error = cast("ResultStatus", row.status), row.error
        if status in {"found", "not_found"}:
            for purchase in sorted(bought, key=lambda purchase: purchase.enrichment_type != kind):
                if purchase.result is not None:
                    return restored(purchase, contact, kind)
            status, error = "failed", "its result was removed from the store"
        return without_row(contact, status, error, workflow_id=row.workflow_id, enrichment_type=kind)


def receipt_of(row: JobRow, result: EnrichmentResult) -> Receipt:
    """Return the receipt of a contact."""
    rule = "duplicate" if row.first is not None and row.status else row.rule or "none"
    return Receipt(
        row.place,
        row.contact.key,
        result.status,
        row.credits,
        cast("Rule", rule),
        result.workflow_id,
        None,
    )


def _under_way(contact: Prepared, bought: list[PurchaseRow], kind: EnrichmentType) -> EnrichmentResult:
    for purchase in bought:
        if purchase.submission is not None and purchase.state != "refused":
            is_accepted = purchase.state == "accepted"
            return without_row(
                contact,
                "pending" if is_accepted else "unknown",
                None if is_accepted else f"the outcome of its submit ({purchase.submission}) is not known",
                workflow_id=purchase.workflow_id,
                task_id=purchase.task_id,
                enrichment_type=kind,
            )
    return without_row(contact, "failed", NEVER_SENT, enrichment_type=kind)


def state_of(job: JobRecord) -> JobState:
    """Return the state of a job in the words of `JobStatus`."""
    if job.state == "doubtful":
        return "complete_with_unknown"
    if job.state == "purged":
        return "purged"
    if job.state == "finished":
        return "complete"
    if job.stopped_by is not None:
        return "paused"
    return "running" if job.submits else "planned"


async def _refuse_purged(reader: StoredJobReader) -> None:
    if (await reader.refresh()).state == "purged":
        raise purged(reader.job)


def outcomes(rows: Iterable[tuple[str, str, int]]) -> dict[ResultStatus, int]:
    """Return how many contacts have which outcome, without duplicates and invalid ones."""
    return {cast("ResultStatus", status): count for status, kind, count in rows if status and not kind}


def no_such_job(name: str, store: Store, *, fix: str | None = None) -> JobNotFoundError:
    """Return the error for a name that no organization has."""
    return JobNotFoundError(f"There is no job {shown(name)} in the store {store.name}.", fix=fix)


def purged(job: JobRecord) -> JobPurgedError:
    """Return the error for a job whose contacts are gone."""
    return JobPurgedError(
        f"The contacts of the job {job.name!r} were removed from the store.", fix="Begin another job."
    )


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
