"""What is done to the budget of an organization, as parts of transactions; see `operations`.

What is committed is summed up by quarter hours: those that a day or a month is made of are some thousands of
rows at most, however many calls were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cleanlist_async import facts
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.storage.store import job_statements as job_sql
from cleanlist_async.storage.store import statements as sql
from cleanlist_async.storage.store.audit import note
from cleanlist_async.storage.store.budget import (
    QUARTER_S,
    Budget,
    BudgetStatus,
    Period,
    SpendingPause,
    pause_of,
)
from cleanlist_async.storage.store.reading import reading
from cleanlist_async.storage.store.statements import Operation, Statement, deferred


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a submit or another paid call has still reserved, and how many of its contacts are settled.

    `job` is the one that it is made for, if any, in whose limit it counts too.
    """

    submission: str
    organization: str
    quarter: int
    job: str | None
    credits: float
    enrichment_type: EnrichmentType
    settled: int


def reserve(organization: str, credits_: float | None) -> Operation[int]:
    """Commit credits in advance, and return the quarter hour that they count in.

    None stands for a price that is not known. Raises BudgetExceededError where a budget does not cover them,
    and SpendingPausedError; the transaction must not be committed then. What is free is always covered.
    """
    now, budget, pause = yield from _read(organization)
    quarter = int(now // QUARTER_S) * QUARTER_S
    if credits_ == 0:
        return quarter
    if pause is not None:
        raise pause.error()
    for period in budget.periods(now):
        if period.limit is None:
            continue
        counted = yield from _counted(organization, period)
        if credits_ is None or not counted.covers(credits_):  # what has no price could pass any limit
            raise counted.exceeded(credits_)
    yield _commit(organization, quarter, credits_ or 0.0)
    return quarter


def reservation(submission: str) -> Operation[Reservation | None]:
    """Return what a submit has still reserved; None if it was never recorded."""
    rows = (yield Statement(sql.RESERVED, {"submission": submission})).rows
    return Reservation(submission, *rows[0]) if rows else None


def settle(reserved: Reservation, costs: Sequence[float]) -> Operation[None]:
    """Replace the worst case of contacts of a submit by what each cost; it counts when it was reserved."""
    worst_case = float(facts.WORST_CASE_CREDITS.get(reserved.enrichment_type, 0) * len(costs))
    yield deferred(sql.COUNT_SETTLED, {"submission": reserved.submission, "contacts": len(costs)})
    yield from _replace(reserved, min(worst_case, reserved.credits), sum(costs))


def settle_all(submission: str, *, spent: float) -> Operation[None]:
    """Replace all that a submit has still reserved by what it cost."""
    if (reserved := (yield from reservation(submission))) is not None:
        yield from _replace(reserved, reserved.credits, spent)


def _replace(reserved: Reservation, released: float, spent: float) -> Operation[None]:
    yield deferred(sql.RELEASE, {"submission": reserved.submission, "released": released})
    yield _commit(reserved.organization, reserved.quarter, spent - released)
    if reserved.job is not None:
        yield deferred(job_sql.SETTLE, {"job": reserved.job, "released": released, "spent": spent})


@reading
def status(organization: str) -> Operation[BudgetStatus]:
    """Return the budget of an organization and what of it is used."""
    now, budget, pause = yield from _read(organization)
    day, month = budget.periods(now)
    day, month = (yield from _counted(organization, day)), (yield from _counted(organization, month))
    return BudgetStatus(budget, day, month, pause)


def set_budget(organization: str, budget: Budget, actor: str) -> Operation[None]:
    """Replace the limits. Does nothing where they are these already, as a script sets them each night."""
    _, before, _ = yield from _read(organization)
    if budget == before:
        return
    values = {"per_day": budget.per_day, "per_month": budget.per_month, "tz": budget.tz}
    yield deferred(sql.SET_BUDGET, {"organization": organization, **values})
    yield note("budget", organization, actor=actor, reason=str(budget))


def pause(organization: str, reason: str, actor: str) -> Operation[None]:
    """Let nothing be reserved any more."""
    values = {"organization": organization, "reason": reason, "actor": actor}
    yield deferred(sql.PAUSE, values)
    yield note("paused", organization, actor=actor, reason=reason)


def resume(organization: str, actor: str) -> Operation[None]:
    """Let credits be reserved again."""
    if (yield Statement(sql.RESUME, {"organization": organization})).changed:
        yield note("resumed", organization, actor=actor)


def move(name: str, organization: str) -> Operation[None]:
    """Give an organization the budget and the spending of a name that stood for it."""
    values = {"name": name, "organization": organization}
    for text in (sql.ADD_SPENDING, sql.DROP_SPENDING, sql.MOVE_BUDGET, sql.DROP_BUDGET):
        yield deferred(text, values)
    # Renamed before they move: the database refuses two jobs of one name in an organization.
    for text in (sql.MOVE_SUBMITS, sql.RENAME_JOBS, sql.MOVE_JOBS):
        yield deferred(text, values)


def _read(organization: str) -> Operation[tuple[float, Budget, SpendingPause | None]]:
    row = (yield Statement(sql.READ_BUDGET, {"organization": organization})).rows[0]
    now, per_day, per_month, tz, *paused = row
    return now, Budget(per_day, per_month, tz or "UTC"), pause_of(*paused)


def _counted(organization: str, period: Period) -> Operation[Period]:
    values = {
        "organization": organization,
        "start": int(period.start.timestamp()),
        "end": int(period.end.timestamp()),
    }
    return replace(period, committed=float((yield Statement(sql.COMMITTED, values)).one))


def _commit(organization: str, quarter: int, credits_: float) -> Statement:
    values = {"organization": organization, "quarter": quarter, "credits": credits_}
    return deferred(sql.COMMIT_CREDITS, values)
