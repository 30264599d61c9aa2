"""What is done to the jobs of a store, each operation one transaction or a part of one; see `operations`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import uuid4

from cleanlist_async import facts
from cleanlist_async.errors import JobLockedError, StoreError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.storage.store import job_statements as sql
from cleanlist_async.storage.store.job_records import JobLease, JobRecord, JobRow
from cleanlist_async.storage.store.reading import reading
from cleanlist_async.storage.store.records import OrphanedSubmit
from cleanlist_async.storage.store.statements import SHOWN_NUL, Operation, Statement, deferred

Values: TypeAlias = Sequence[str | int | float | None]
"""One row of a statement that takes many."""
# Contacts in one transaction: others wait for its end.
_PURGED_AT_ONCE: Final = 250


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a job is begun with. `max_credits` in credits."""

    enrichment_type: EnrichmentType
    source: str
    source_digest: str
    max_credits: float | None


@dataclass(frozen=True, slots=True)
class Held:
    """Contacts of a job without an outcome of their own, for which nothing is to be sent.

    `known` have a result that another call has brought; a submit of whichever call holds the others.
    """

    in_doubt: int
    known: int
    accepted: int
    being_sent: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.known + self.in_doubt + self.accepted + self.being_sent


# -- the runner -----------------------------------------------------------------------------------------


def take(
    owner: str, organization: str, name: str, new: NewJob | None, opened: Container[str] = ()
) -> Operation[JobRecord | None]:
    """Take a job over from nobody, or begin a *new* one. None where there is none, and none is begun.

    Raises JobLockedError while a client runs it whose lease has not run out; *owner* itself does only if it
    has *opened* the job.
    """
    named = {"organization": organization, "name": name}
    rows = (yield Statement(sql.FIND, named)).rows
    if rows:
        job = JobRecord.of(rows[0])
        if job.is_running and (job.runner != owner or job.id in opened):
            raise job.locked()
    elif new is None:
        return None
    else:
        values = {
            "job": uuid4().hex,
            "type": new.enrichment_type,
            "source": new.source,
            "source_digest": new.source_digest,
            "max_credits": new.max_credits,
        }
        yield Statement(sql.CREATE, {**named, **values})
        job = JobRecord.of((yield Statement(sql.FIND, named)).rows[0])
    yield Statement(sql.TAKE_OVER, {"job": job.id, "owner": owner})
    return (yield from read(job.id))


def release(lease: JobLease) -> Operation[None]:
    """Let others run the job, unless another does already."""
    yield Statement(sql.RELEASE, _of(lease))


def stop(name: str, reason: str) -> Operation[bool]:
    """End the right of any runner to send for the jobs of a name; return whether one was open."""
    return (yield Statement(sql.STOP, {"name": name, "reason": reason})).changed > 0


def limit(lease: JobLease, max_credits: float | None) -> Operation[None]:
    """Replace the limit of credits."""
    yield Statement(sql.LIMIT, {**_of(lease), "max_credits": max_credits})


def cache_imported(lease: JobLease, cache: str) -> Operation[None]:
    """Record that a cache, as it was then, has been taken over."""
    yield Statement(sql.CACHE_IMPORTED, {**_of(lease), "cache": cache})


def begin_run(lease: JobLease) -> Operation[JobRecord]:
    """Forget what stopped the run before, and return the job. Raises JobLockedError for a former runner."""
    is_ours = (yield Statement(sql.BEGIN_RUN, _of(lease))).changed
    job = yield from read(lease.job)
    if not is_ours:
        raise _taken_over(job)
    return job


def end(lease: JobLease, stopped_by: str | None, shortfall: float | None) -> Operation[None]:
    """Record the end of a run: what stopped it, or whether all is done."""
    values = {"stopped_by": stopped_by, "is_stopped": int(stopped_by is not None), "shortfall": shortfall}
    yield Statement(sql.END, {**_of(lease), **values})


@reading
def read(job: str) -> Operation[JobRecord]:
    """Return a job by its id. Raises StoreError when it is gone."""
    rows = (yield Statement(sql.READ, {"job": job})).rows
    if not rows:
        raise StoreError("The job is no longer in the store.")
    return JobRecord.of(rows[0])


@reading
def all_jobs() -> Operation[list[JobRecord]]:
    """Return the jobs of all organizations, the oldest first."""
    return [JobRecord.of(row) for row in (yield Statement(sql.LIST)).rows]


@reading
def named(name: str) -> Operation[list[JobRecord]]:
    """Return the jobs of a name, one for each organization that has one, the oldest first."""
    return [JobRecord.of(row) for row in (yield Statement(sql.NAMED, {"name": name})).rows]


@reading
def unfinished() -> Operation[list[JobRecord]]:
    """Return the jobs of all organizations that have something left to do, the oldest first."""
    return [JobRecord.of(row) for row in (yield Statement(sql.UNFINISHED)).rows]


def _of(lease: JobLease) -> dict[str, Any]:
    return {"job": lease.job, "fence": lease.fence}


# -- its submits, as parts of transactions ----------------------------------------------------------------


def admit(owner: str, lease: JobLease, credits_: float) -> Operation[None]:
    """Reserve what a submit of a job can cost, for its runner alone.

    Raises JobLockedError for a client from which the job was taken over, BudgetExceededError where its limit
    does not cover the submit; the transaction must not be committed then.
    """
    values = {**_of(lease), "owner": owner, "credits": credits_, "rounding": facts.ROUNDING_CREDITS}
    if (yield Statement(sql.ADMIT, values)).changed:
        return
    job = yield from read(lease.job)
    if (job.fence, job.runner) != (lease.fence, owner):
        raise _taken_over(job)
    raise job.limit_reached(credits_)


def _taken_over(job: JobRecord) -> JobLockedError:
    return JobLockedError(
        f"The job {job.name!r} was taken over by another process while this one was paused.",
        fix="What this one had sent is not lost: the other has its results.",
    )


def assign(lease: JobLease, submission: str) -> Operation[None]:
    """Give a submit that was admitted to its job, and a number in it."""
    yield deferred(sql.ASSIGN, {"job": lease.job, "submission": submission})


def settle_rows(job: str, rows: Sequence[Values]) -> Operation[None]:
    """Record outcomes by digest: (digest, status, error, workflow id, rule, credits)."""
    yield deferred(sql.SETTLE_ROWS, {"job": job, "rows": _as_json(rows)})


def _as_json(rows: Sequence[Values]) -> str:
    """Return rows as a statement takes them: without NUL, which no JSON of PostgreSQL may hold."""
    shown = [[_shown(value) for value in row] for row in rows]
    return json.dumps(shown)


def _shown(value: str | float | None) -> str | float | None:
    return value.replace("\0", SHOWN_NUL) if isinstance(value, str) else value


# -- its plan -------------------------------------------------------------------------------------------


def add_rows(lease: JobLease, rows: Sequence[Values]) -> Operation[None]:
    """Add contacts to a plan: (place, digest, contact, first, status, error). Raises JobLockedError."""
    if not (yield Statement(sql.COUNT_PLANNED, {**_of(lease), "count": len(rows)})).changed:
        raise _taken_over((yield from read(lease.job)))
    yield Statement(sql.ADD_ROWS, {"job": lease.job, "rows": _as_json(rows)})


def cut(lease: JobLease, start: int) -> Operation[None]:
    """Drop what an unfinished plan has from a place on. Raises JobLockedError."""
    if not (yield Statement(sql.CUT_PLAN, {**_of(lease), "start": start})).changed:
        raise _taken_over((yield from read(lease.job)))
    yield Statement(sql.CUT_ROWS, {"job": lease.job, "start": start})


def planned(lease: JobLease, source: str, source_digest: str) -> Operation[None]:
    """Record that the input was read to its end."""
    yield Statement(sql.PLANNED, {**_of(lease), "source": source, "source_digest": source_digest})


# -- its rows -------------------------------------------------------------------------------------------


@reading
def rows(job: str, after: int, most: int, *, is_open: bool = False) -> Operation[list[JobRow]]:
    """Return up to *most* contacts after a place; with *is_open* only those to be bought or fetched."""
    values = {"job": job, "after": after, "most": most}
    answer = yield Statement(sql.OPEN_ROWS if is_open else sql.ROWS, values)
    return [JobRow.of(row) for row in answer.rows]


def record(job: str, outcomes: Sequence[Values]) -> Operation[None]:
    """Record final outcomes, (place, status, error, workflow id, rule), where there are none yet."""
    yield Statement(sql.RECORD, {"job": job, "rows": _as_json(outcomes)})


@reading
def followers(job: str, places: Sequence[int], most: int) -> Operation[dict[int, list[JobRow]] | None]:
    """Return the duplicates of contacts at *places*, by the place of the first; None for more than *most*."""
    values = {"job": job, "rows": _as_json([[place] for place in places]), "most": most + 1}
    rows = (yield Statement(sql.FOLLOWERS, values)).rows
    if len(rows) > most:
        return None
    found: defaultdict[int, list[JobRow]] = defaultdict(list)
    for row in sorted(map(JobRow.of, rows), key=lambda row: row.place):
        found[row.first or 0].append(row)
    return dict(found)


@reading
def followers_of(job: str, first: int, after: int, most: int) -> Operation[list[JobRow]]:
    """Return up to *most* duplicates, after a place, of the contact at *first*."""
    values = {"job": job, "first": first, "after": after, "most": most}
    return [JobRow.of(row) for row in (yield Statement(sql.FOLLOWERS_OF, values)).rows]


@reading
def outcomes(job: str) -> Operation[Sequence[Any]]:
    """Return (status, kind, contacts), without a status where there is no outcome yet."""
    return (yield Statement(sql.COUNT_ROWS, {"job": job})).rows


@reading
def counts(job: JobRecord) -> Operation[tuple[Sequence[Any], Sequence[Any], Held]]:
    """Return (status, kind, contacts), (state, submits, credits reserved), and who is held."""
    contacts = yield from outcomes(job.id)
    submits = (yield Statement(sql.COUNT_SUBMITS, {"job": job.id})).rows
    held: dict[int, int] = {}
    if any(not status and not kind for status, kind, _ in contacts):  # else none is left to be held
        count = sql.COUNT_LEFT if job.state == "doubtful" else sql.COUNT_HELD
        held = dict((yield Statement(count, _where(job))).rows)
    # The ranks of both statements are the fields of `Held`, in their order.
    return contacts, submits, Held(*(held.get(rank, 0) for rank in range(4)))


# -- decisions --------------------------------------------------------------------------------------------


@reading
def unknown(job: str) -> Operation[Sequence[Any]]:
    """Return the submits of unknown outcome: (number, first, last, contacts, at, reason, reserved, id)."""
    return (yield Statement(sql.UNKNOWN, {"job": job})).rows


@reading
def holders(job: JobRecord) -> Operation[list[OrphanedSubmit]]:
    """Return the submits of unknown outcome, made by others, that hold contacts of the job."""
    if job.state == "finished":
        return []
    return [OrphanedSubmit(*row) for row in (yield Statement(sql.HOLDERS, _where(job))).rows]


def _where(job: JobRecord) -> dict[str, Any]:
    return {"job": job.id, "organization": job.organization, "type": job.enrichment_type}


def reopen(submission: str) -> Operation[None]:
    """Let the jobs go on that had nothing left to do, and wait for a submit."""
    yield Statement(sql.REOPEN, {"submission": submission})


def give_up(job: str, submission: str) -> Operation[None]:
    """Leave the contacts of a submit unknown for good."""
    yield Statement(sql.GIVE_UP, {"job": job, "submission": submission})


# -- checking and purging -------------------------------------------------------------------------------


@reading
def costs(job: str) -> Operation[list[tuple[str, int, float]]]:
    """Return (rule, contacts, credits) of what has an outcome, without duplicates and invalid contacts."""
    return [
        (str(rule), int(n), float(sum_)) for rule, n, sum_ in (yield Statement(sql.COSTS, {"job": job})).rows
    ]


@reading
def sums(job: str) -> Operation[tuple[Any, ...]]:
    """Return what must agree: (spent, reserved, contacts), by the job, its rows and its submits."""
    return (yield Statement(sql.SUMS, {"job": job})).rows[0]


def first_rows(job: str) -> Operation[list[JobRow]]:
    """Return the contacts that `purge_rows` removes next."""
    least = (yield Statement(sql.LEAST_PLACE, {"job": job})).one
    return [] if least is None else (yield from rows(job, least - 1, _PURGED_AT_ONCE))


def purge_rows(job: str, organization: str | None) -> Operation[bool]:
    """Remove some contacts of a job; return whether there may be more.

    Their results are removed too, if an *organization* is given.
    """
    least = (yield Statement(sql.LEAST_PLACE, {"job": job})).one
    if least is None:
        yield Statement(sql.PURGED, {"job": job})
        return False
    values = {"job": job, "end": least + _PURGED_AT_ONCE}
    # The results first: they are found by the rows.
    if organization is not None:
        yield Statement(sql.FORGET_RESULTS, {**values, "organization": organization})
    yield Statement(sql.FORGET_ROWS, values)
    return True


def forget_unsent(job: str) -> Operation[bool]:
    """Remove a job of which nothing was sent; return False for any other."""
    if not (yield Statement(sql.FORGET, {"job": job})).changed:
        return False
    yield Statement(sql.CUT_ROWS, {"job": job, "start": 0})
    return True


@reading
def old(older_than_s: float) -> Operation[list[tuple[str, str]]]:
    """Return the ids and organizations of jobs that ended longer ago."""
    answer = yield Statement(sql.OLD, {"older_than_s": older_than_s})
    return [(str(job), str(organization)) for job, organization in answer.rows]
