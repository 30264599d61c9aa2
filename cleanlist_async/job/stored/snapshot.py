"""The input of a job, copied into the store once: from then on the job needs nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from itertools import islice
from typing import Final

import anyio.lowlevel

from cleanlist_async.contacts.first_seen import FirstSeen
from cleanlist_async.contacts.identity import Invalid, Prepared, prepare
from cleanlist_async.errors import InputChangedError
from cleanlist_async.job.source import Source
from cleanlist_async.storage.store import jobs
from cleanlist_async.storage.store.job_records import JobRecord, contact_text
from cleanlist_async.storage.store.jobs import Values
from cleanlist_async.storage.store.store import Store

_AT_ONCE: Final = 2_000
"""Contacts of one transaction: others wait for its end."""
_BETWEEN_CHECKPOINTS: Final = 250
_NAMED: Final = 10
"""Contacts that an error names one by one."""


async def take_snapshot(store: Store, job: JobRecord, source: Source) -> JobRecord:
    """Copy what the store does not have of the input yet, and return the job as it is then.

    What an earlier process has copied is compared, and copied again from the first difference on.
    """
    written, place = job.contacts, 0
    async for rows in _rows(store, source):
        if place < written:
            kept = await store.run(jobs.rows(job.id, place - 1, _AT_ONCE))
            if [_comparable(row) for row in rows] == [contact_text(row.contact) for row in kept]:
                place += len(rows)
                continue
            await store.run(jobs.cut(job.lease, place))
            written = place
        await store.run(jobs.add_rows(job.lease, rows))
        place += len(rows)
    if place < written:
        await store.run(jobs.cut(job.lease, place))
    await store.run(jobs.planned(job.lease, source.name, source.digest))
    return await store.run(jobs.read(job.id))


async def refuse_changed_input(store: Store, job: JobRecord, source: Source) -> None:
    """Raise InputChangedError, which names what changed, unless the input is what the job was begun with."""
    if source.digest and source.digest == job.source_digest:
        return
    changed: list[int] = []
    place = 0
    async for rows in _rows(store, source):
        kept = await store.run(jobs.rows(job.id, place - 1, len(rows)))
        changed += [
            place + n
            for n, (row, was) in enumerate(zip(rows, kept, strict=False))
            if _comparable(row) != contact_text(was.contact)
        ]
        place += len(rows)
    if changed or place != job.contacts:
        raise InputChangedError(
            f"The input is not what the job {job.name!r} began with: {_differences(job, changed, place)}.",
            fix="Open the job without an input: it goes on with the contacts as they were. Or give what"
            " changed to a job of another name.",
        )


async def _rows(store: Store, source: Source) -> AsyncGenerator[list[Values], None]:
    """Yield the contacts of an input as rows of a job, some at a time."""
    contacts, seen, place = iter(source), FirstSeen(), 0
    while some := list(islice(contacts, _AT_ONCE)):
        rows: list[Values] = []
        for given in some:
            rows.append(_row(store, seen, prepare(place, given)))
            place += 1
            if place % _BETWEEN_CHECKPOINTS == 0:
                await anyio.lowlevel.checkpoint()
        yield rows


def _row(store: Store, seen: FirstSeen, contact: Prepared | Invalid) -> Values:
    """Return (place, digest, contact, first, status, error)."""
    text = contact_text(contact.contact)
    if isinstance(contact, Invalid):
        return (contact.index, None, text, None, "invalid", contact.reason)
    first = seen.setdefault(contact.identity, contact.index)
    digest = store.digest(contact.identity)
    return (contact.index, digest, text, None if first == contact.index else first, None, None)


def _comparable(row: Values) -> str:
    return str(row[2])


def _differences(job: JobRecord, changed: Sequence[int], contacts: int) -> str:
    parts: list[str] = []
    if changed:
        named = ", ".join(f"{place + 1:,}" for place in changed[:_NAMED])
        more = f" and {len(changed) - _NAMED:,} more" if len(changed) > _NAMED else ""
        parts.append(
            f"contact {named}{more} changed" if len(changed) == 1 else f"contacts {named}{more} changed"
        )
    if contacts != job.contacts:
        parts.append(f"it has {contacts:,} contacts now, and had {job.contacts:,}")
    return "; ".join(parts)
