"""Where a job is kept: in the client's store by name, or in a journal file."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

from cleanlist_async.checks import checked_path, wrong
from cleanlist_async.enrich.service import BulkService
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.job import Job
from cleanlist_async.job.journal_job import JournalJob
from cleanlist_async.job.source import JobSource
from cleanlist_async.job.spec import JobSpec
from cleanlist_async.job.stored.spec import StoredJobSpec, is_journal, is_name
from cleanlist_async.job.stored.stored_job import StoredJob


async def open_job(
    bulk: BulkService,
    session: StoreSession | None,
    name: str | PathLike[str],
    source: JobSource | None,
    spec: JobSpec,
    *,
    asked_type: EnrichmentType | None,
) -> Job:
    """Begin a job, or resume it. *asked_type* is None where the caller named no enrichment type."""
    if not isinstance(name, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise wrong("name", "the name of a job, or the path of a journal", name)
    if spec.cache is not None:
        warnings.warn(
            "cache= is deprecated: a job with a name finds what was bought in the client's store.",
            DeprecationWarning,
            stacklevel=3,
        )
    if is_name(name) and is_journal(path := Path(name)):
        warnings.warn(
            f"client.job({name!r}) will be a job in the client's store: pass Path({name!r}).",
            DeprecationWarning,
            stacklevel=3,
        )
        name = path
    if is_name(name):
        if session is None:
            raise ConfigurationError(
                f"The job {name!r} would live in the client's store, and the client has none.",
                fix="Give the client a store (store=, or $CLEANLIST_STORE), or the job a journal file: a"
                " path, or a name that ends in .journal.",
            )
        return await StoredJob.open(bulk, session, name, source, StoredJobSpec.of(spec, asked_type))
    if source is None:
        raise ConfigurationError("A job in a journal needs its source: the journal holds no contacts.")
    return await JournalJob.open(bulk.pipeline, bulk.polls, checked_path("name", name), source, spec)
