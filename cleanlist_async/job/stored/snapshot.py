"""What a job in a store copies into it: its input, once, and the results of a cache of the journals."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import anyio.lowlevel

from cleanlist_async.contacts.identity import Invalid, Prepared, prepare
from cleanlist_async.enrich.source import FirstSeen
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.job.source import Comparison, Source, mark, marks
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store import jobs, operations
from cleanlist_async.storage.store.job_records import JobRecord, contact_text
from cleanlist_async.storage.store.jobs import Values
from cleanlist_async.storage.store.records import as_text
from cleanlist_async.storage.store.statements import Operation
from cleanlist_async.storage.store.store import Store

_AT_ONCE: Final = 1_000
"""Contacts of one transaction: others wait for its end."""
_BETWEEN_CHECKPOINTS: Final = 100


async def take_snapshot(store: Store, job: JobRecord, source: Source) -> JobRecord:
    """Copy what the store does not have of the input yet, and return the job as it is then.

    What an earlier process has copied is compared, and copied again from the first difference on.
    """
    written, place = job.contacts, 0
    async for rows in _rows(store, source):
        if place < written:
            kept = await store.run(jobs.rows(job.id, place - 1, _AT_ONCE))
            if [text for _, _, text, *_ in rows] == [contact_text(row.contact) for row in kept]:
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


async def compare(store: Store, job: JobRecord, source: Source) -> Comparison:
    """Compare the contacts of a job with those of a source."""
    was: list[bytes] = []
    while rows := await store.run(jobs.rows(job.id, len(was) - 1, _AT_ONCE)):
        for row in rows:
            # What made it invalid may be what no store can hold, such as a field that does not exist.
            is_valid = row.digest is not None
            was.append(
                mark(prepare(row.place, row.contact) if is_valid else Invalid(row.place, row.contact, ""))
            )
    return Comparison.of(was, await marks(source.prepared()))


async def _rows(store: Store, source: Source) -> AsyncGenerator[list[Values], None]:
    """Yield the contacts of an input as rows of a job, some at a time."""
    seen, rows = FirstSeen(), list[Values]()
    # Contacts are let go one by one: many that live for a while make the garbage collector's pauses long.
    for contact in source.prepared():
        rows.append(_row(store, seen, contact))
        if len(rows) == _AT_ONCE:
            yield rows
            rows = []
        elif len(rows) % _BETWEEN_CHECKPOINTS == 0:
            await anyio.lowlevel.checkpoint()
    if rows:
        yield rows


def _row(store: Store, seen: FirstSeen, contact: Prepared | Invalid) -> Values:
    """Return (place, digest, contact, first, status, error)."""
    text = contact_text(contact.contact)
    if isinstance(contact, Invalid):
        return (contact.index, None, text, None, "invalid", contact.reason)
    first = seen.setdefault(contact.identity, contact.index)
    digest = store.digest(contact.identity)
    return (contact.index, digest, text, None if first == contact.index else first, None, None)


_PAGE: Final = 250


async def import_cache(session: StoreSession, job: JobRecord, path: Path, *, ttl_s: float) -> None:
    """Take over what the cache at *path* knows of the job's open contacts. What the store knows stays.

    Only of those, since the digests of a cache cannot be turned into those of the store. Once: a cache that
    has not changed since tells nothing new.
    """
    buyer = await session.opened()
    state = _state_of(path)
    if state is not None and state == job.imported_cache:
        return
    after = -1
    with closing(ResultCache(path, session.pipeline.secret, ttl_s=ttl_s)) as cache:
        while rows := await session.store.run(jobs.rows(job.id, after, _PAGE, is_open=True)):
            after = rows[-1].place
            contacts = [prepare(row.place, row.contact) for row in rows]
            valid = [contact for contact in contacts if isinstance(contact, Prepared)]
            found = cache.find(valid, job.enrichment_type)
            digests = {row.place: row.digest for row in rows if row.digest is not None}
            if found:
                await session.store.run(_take_over(buyer.organization, job.enrichment_type, digests, found))
    if state is not None:
        await session.store.run(jobs.cache_imported(job.lease, state))


def _state_of(path: Path) -> str | None:
    """Return what changes whenever a cache is written; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return f"{status.st_size} {status.st_mtime_ns}"


def _take_over(
    organization: str,
    kind: EnrichmentType,
    digests: Mapping[int, str],
    found: list[tuple[EnrichmentResult, float]],
) -> Operation[None]:
    for result, age_s in found:
        yield from operations.import_result(organization, digests[result.index], kind, as_text(result), age_s)
