"""What an organization may spend in a day and in a month, over all processes that share a store. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from cleanlist_async.checks import check_credits, check_text, covers, optional, shown
from cleanlist_async.errors import BudgetExceededError, ConfigurationError, SpendingPausedError

PeriodName: TypeAlias = Literal["day", "month"]

QUARTER_S: Final = 900
"""Seconds. All time zones are whole quarter hours apart, so a day in any of them consists of these."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of what an organization spends, whichever process and call it is.

    What a call can cost at most is reserved before it is sent, and counts in the day and month in which that
    was. Raises ConfigurationError for limits or a time zone that are none.

    Attributes
    ----------
    per_day, per_month
        Credits in a calendar day and in a calendar month; None for no limit.
    tz
        The time zone in which these begin, by its IANA name.

    """

    per_day: float | None = None
    per_month: float | None = None
    tz: str = "UTC"

    def __post_init__(self) -> None:
        """Check the limits and the time zone."""
        optional(check_credits, "per_day", self.per_day)
        optional(check_credits, "per_month", self.per_month)
        check_text("tz", self.tz)
        _zone(self.tz)

    def __str__(self) -> str:
        limits = {"day": self.per_day, "month": self.per_month}
        texts = [f"{_credits(limit)} a {name}" for name, limit in limits.items() if limit is not None]
        return f"{' and '.join(texts)} ({self.tz})" if texts else "no limit"

    def periods(self, now: float) -> tuple[Period, Period]:
        """Return the day and the month of a time in seconds since the epoch, with nothing committed."""
        zone = _zone(self.tz)
        # fold=0: where midnight comes twice, the day begins with the first.
        day = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        month = day.replace(day=1)
        # 31 days after the first of any month it is the next one.
        next_month = (month + timedelta(days=31)).replace(day=1)
        return (
            # By the clock on the wall: a day in which it is put forward or back has 23 or 25 hours.
            Period("day", self.per_day, 0.0, day, day + timedelta(days=1)),
            Period("month", self.per_month, 0.0, month, next_month),
        )


@dataclass(frozen=True, slots=True)
class Period:
    """The day or the month that it is.

    Attributes
    ----------
    name, start, end
        ``day`` or ``month``, when it began and when the next one begins.
    limit
        The credits that may be spent in it; None for no limit.
    committed
        The credits that were spent in it, or are reserved for what is under way.

    """

    name: PeriodName
    limit: float | None
    committed: float
    start: datetime
    end: datetime

    @property
    def left(self) -> float | None:
        """The credits that may still be reserved in it; None for no limit."""
        return None if self.limit is None else max(0.0, self.limit - self.committed)

    def covers(self, credits_: float) -> bool:
        """Whether so many credits may be reserved in it."""
        return self.limit is None or covers(self.limit, self.committed + credits_)

    def exceeded(self, credits_: float | None) -> BudgetExceededError:
        """Return the error for a call that it does not cover; None stands for a price that is not known."""
        budget = f"the budget of {_credits(self.limit or 0)} a {self.name}"
        if credits_ is None:
            error = BudgetExceededError(
                f"What this call can cost is not known, so {budget} cannot bound it.",
                fix="Give max_credits, or a Quote instead of its id, where the call takes them.",
            )
        else:
            error = BudgetExceededError(
                f"A call that can cost {_credits(credits_)} does not fit into {budget}, of which "
                f"{self.committed:,.10g} are spent or reserved.",
                fix=f"The next {self.name} begins at {self.end.isoformat()}; client.budget.set() changes it.",
            )
        error.max_credits, error.committed_credits = self.limit, self.committed
        error.period, error.period_ends_at = self.name, self.end
        return error


def _credits(amount: float) -> str:
    return f"{amount:,.10g} credit{'' if amount == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class SpendingPause:
    """All spending of an organization is stopped.

    Attributes
    ----------
    reason, actor
        Why, and who paused it.
    since
        When that was, by the clock of the store.

    """

    reason: str
    actor: str
    since: datetime

    def error(self) -> SpendingPausedError:
        """Return the error for a call that would spend meanwhile."""
        by = f" by {self.actor}" if self.actor else ""
        error = SpendingPausedError(
            f"Spending is paused{by} since {self.since.isoformat(timespec='seconds')}: {self.reason}",
            fix="client.budget.resume() lets it go on.",
        )
        error.reason, error.actor = self.reason, self.actor
        return error


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """The budget of an organization, and what of it is used.

    Attributes
    ----------
    budget
        Its limits; without any, if none were set.
    day, month
        What is committed in the day and in the month that it is.
    pause
        Why nothing is spent now; None if it is not paused.

    """

    budget: Budget
    day: Period
    month: Period
    pause: SpendingPause | None


def pause_of(reason: str | None, actor: str | None, since: float | None) -> SpendingPause | None:
    """Return the pause that a row of the store holds."""
    if reason is None or since is None:
        return None
    return SpendingPause(reason, actor or "", datetime.fromtimestamp(since, UTC))


def _zone(name: str) -> tzinfo:
    if name == "UTC":  # known without the database of time zones, which a system may lack
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    raise ConfigurationError(
        f"tz is not a time zone that this system knows: {shown(name)}.",
        fix="Give an IANA name such as Europe/Berlin; where the system has none, install tzdata.",
    )
