"""Where a job is kept: in the client's store by name, or in a journal file."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

from cleanlist_async.checks import checked_path, shown, wrong
from cleanlist_async.enrich.service import BulkService
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.errors import ConfigurationError, JournalError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.job import Job, is_journal, is_name
from cleanlist_async.job.journal_job import JournalJob
from cleanlist_async.job.source import JobSource
from cleanlist_async.job.spec import JobSpec
from cleanlist_async.job.stored.stored_job import StoredJob
from cleanlist_async.job.unknown import UnknownPolicy
from cleanlist_async.storage.store import job_owners
from cleanlist_async.storage.store.records import REMEMBERED


async def unfinished_names(session: StoreSession | None) -> list[str]:
    """Return the names of jobs in a client's store that it can go on with, and that no process runs."""
    if session is None:
        raise ConfigurationError(
            "Unfinished jobs are in the client's store, and the client has none.",
            fix="Give the client a store: store=, or $CLEANLIST_STORE.",
        )
    await session.pipeline.root.ensure()
    buyer = await session.opened()
    found = await session.store.run(job_owners.unfinished(buyer.organization))
    return [job.name for job in found if not job.is_running]


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
    await spec.input.load()
    if is_name(name):
        if session is None:
            raise ConfigurationError(
                f"The job {name!r} would live in the client's store, and the client has none.",
                fix="Give the client a store (store=, or $CLEANLIST_STORE), or the job a journal file: a"
                " path, or a name that ends in .journal.",
            )
        _refuse_journal_options(spec)
        return await StoredJob.open(bulk, session, name, source, spec, asked_type=asked_type)
    path = checked_path("name", name)
    _check_folder(name, path)
    return await JournalJob.open(bulk.pipeline, bulk.polls, path, source, spec, session=session)


def _refuse_journal_options(spec: JobSpec) -> None:
    """Raise ConfigurationError for what a job in a store does not have."""
    journal_only = {
        "webhook_url": spec.webhook_url is not None,
        f"submit_mode={spec.submit_mode!r}": spec.submit_mode not in {"auto", "plain"},
        "on_unknown": spec.policy != UnknownPolicy(),
        "half_full_price": spec.half_full_price != "full",
        f"enrichment_type={spec.enrichment_type!r}": spec.enrichment_type not in REMEMBERED,
    }
    for option, is_given in journal_only.items():
        if is_given:
            raise ConfigurationError(
                f"A job in a store does not take {option}.",
                fix="Leave it out, or use a journal file: a path, or a name that ends in .journal.",
            )


def _check_folder(name: str | PathLike[str], path: Path) -> None:
    """Raise JournalError for a journal whose folder is not there: it may have been meant as a name."""
    try:
        if path.parent.is_dir():
            return
    except OSError:  # what else is wrong with it shows when it is opened
        return
    problem = f"There is no folder {shown(str(path.parent))} for the journal {shown(path.name)}."
    if not isinstance(name, str) or name.endswith(".journal"):
        raise JournalError(problem, fix="Make the folder.")
    words = [part for part in path.parts if part not in {path.anchor, ".."}]
    raise JournalError(
        f"{shown(name)} has a slash in it, so it is the path of a journal. {problem}",
        fix="For a job in the client's store, give a name without one, such as"
        f" {shown('-'.join(words))}; for a journal, make the folder.",
    )
