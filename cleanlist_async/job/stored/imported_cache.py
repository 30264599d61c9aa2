"""The results of a cache of the journals, taken over into the store for the contacts of a job."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store import jobs, operations
from cleanlist_async.storage.store.job_records import JobRecord
from cleanlist_async.storage.store.records import as_text
from cleanlist_async.storage.store.statements import Operation

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
            found = cache.find_with_age(valid, job.enrichment_type)
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
