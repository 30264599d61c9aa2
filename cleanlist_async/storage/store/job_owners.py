"""Whose a job is, and when another organization may take it over, as parts of transactions; see `operations`.

A job belongs to an organization: by its id once an answer of the API told it, before that by a digest of the
key. What an organization bought serves no other. A job that bought nothing has only its name and its contacts
to protect. So it is taken over by itself where the API never accepted its key, and the store serves nobody
else; anywhere else only by a caller who says so.
"""

from __future__ import annotations

from typing import Final

from cleanlist_async import facts
from cleanlist_async.errors import JobNotFoundError
from cleanlist_async.storage.store import job_statements as sql
from cleanlist_async.storage.store import jobs
from cleanlist_async.storage.store import statements as store_sql
from cleanlist_async.storage.store.audit import note
from cleanlist_async.storage.store.job_records import JobRecord
from cleanlist_async.storage.store.reading import reading
from cleanlist_async.storage.store.statements import Operation, Statement

_TOLD: Final = "@"
"""Is in the name of an organization that the API told, and not in the digest of a key."""


def adopt(organization: str, name: str, *, is_asked: bool) -> Operation[None]:
    """Give an organization the job of that name of another, if it may have it.

    Only where it has none of its own. *is_asked*: the caller says so, and is refused where it may not.
    Raises JobLockedError for a job that runs.
    """
    others = yield from _of_others(organization, name)
    for job in others:
        if not (yield from _is_free(organization, job, is_asked=is_asked)):
            continue
        if job.is_running:
            raise job.locked()
        values = {"job": job.id, "organization": organization}
        yield Statement(sql.ADOPT, values)
        yield Statement(sql.ADOPT_SUBMITS, values)
        yield note("adopted", organization, reason=f"the job {job.name!r}")
        return
    if others and is_asked:
        raise _foreign(others[0], organization, has_bought=True)


def refuse(organization: str, name: str) -> Operation[None]:
    """Raise JobNotFoundError where another organization has a job of that name."""
    if others := (yield from _of_others(organization, name)):
        job = others[0]
        raise _foreign(job, organization, has_bought=(yield from _has_bought(job)))


@reading
def unfinished(organization: str) -> Operation[list[JobRecord]]:
    """Return the jobs that an organization can go on with: its own, and those that it may take over."""
    ours = yield from _current(organization)
    found: list[JobRecord] = []
    serves_others: bool | None = None
    for job in (yield from jobs.unfinished()):
        if job.organization != ours:
            if serves_others is None:  # asked once: in a store of one organization it takes a look at all
                serves_others = yield from _serves_others(ours)
            if serves_others:
                continue
            # Of two jobs of a name, its own is the one that an organization opens.
            is_hidden = bool((yield Statement(sql.FIND, {"organization": ours, "name": job.name})).rows)
            if is_hidden or not (yield from _was_never_used(job)):
                continue
        found.append(job)
    return found


def _foreign(job: JobRecord, organization: str, *, has_bought: bool) -> JobNotFoundError:
    """Return the error for a job that is another organization's."""
    whose = (
        f"the organization {job.organization}"
        if _TOLD in job.organization
        else "another API key, whose organization is not known"
    )
    ours = "" if _TOLD in organization else " The API has not told the organization of this client's key."
    return JobNotFoundError(
        f"The job {job.name!r} is there, but belongs to {whose}.{ours}",
        fix="Open it with a key of that organization: what was bought for it serves no other."
        if has_bought
        else "It has bought nothing: open it with a key of that organization, or have it with adopt=True"
        " (--adopt at the command line).",
    )


def _is_free(organization: str, job: JobRecord, *, is_asked: bool) -> Operation[bool]:
    """Whether an organization may take over a job of another."""
    if is_asked:
        return not (yield from _has_bought(job))
    return not (yield from _serves_others(organization)) and (yield from _was_never_used(job))


def _serves_others(organization: str) -> Operation[bool]:
    return bool((yield Statement(sql.SERVES_OTHERS, {"organization": organization})).rows)


def _was_never_used(job: JobRecord) -> Operation[bool]:
    """Whether the API never accepted the key of a job, which bought nothing."""
    was_accepted = (yield Statement(sql.WAS_ACCEPTED, {"organization": job.organization})).rows
    return not was_accepted and not (yield from _has_bought(job))


def _has_bought(job: JobRecord) -> Operation[bool]:
    values = {"job": job.id, "rounding": facts.ROUNDING_CREDITS}
    return bool((yield Statement(sql.HAS_BOUGHT, values)).rows)


def _of_others(organization: str, name: str) -> Operation[list[JobRecord]]:
    """Return the jobs of a name that others have, the latest first."""
    ours = yield from _current(organization)
    return [job for job in reversed((yield from jobs.named(name))) if job.organization != ours]


def _current(organization: str) -> Operation[str]:
    """Return what an organization is called by now: the digest of a key may have stood for it."""
    known: str | None = (yield Statement(store_sql.FIND_ORGANIZATION, {"name": organization})).one
    return known or organization
