"""What a store holds of jobs, as the program sees it. Pure."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, Self, TypeAlias, cast

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.errors import BudgetExceededError, JobLockedError
from cleanlist_async.facts import EnrichmentType

StoredState: TypeAlias = Literal["planning", "open", "doubtful", "finished", "purged"]
"""Its input is being read; there is something to do; only unknown or pending contacts are left; all is done;
its contacts were removed."""


@dataclass(frozen=True, slots=True)
class JobLease:
    """The right to send for a job. Each take-over raises the `fence`, and so ends the right before it."""

    job: str
    fence: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job, as the store has it at the time `now` of its own clock.

    Attributes
    ----------
    id, name, organization
        Our name for it, the caller's, and whose credits it spends.
    enrichment_type, source, source_digest, contacts
        What it looks for, the name and digest of its input, and how many contacts of that were read.
    state
        See :data:`StoredState`.
    max_credits, spent, reserved
        Credits: its limit, what was spent, and what its submits can still cost at most.
    submits
        How many submits it made.
    stopped_by, shortfall
        What stopped its latest run, and the credits that were missing then.
    created_at, finished_at, now
        Seconds since the epoch.
    imported_cache
        The size and time of the cache that was taken over into the store for it; None for none.
    fence, runner, since, place, pid, lease_s
        The number of the latest take-over, the client that made it, when, on which machine and in which
        process, and for how many seconds the job stays its own unless it renews that.

    """

    id: str
    name: str
    organization: str
    enrichment_type: EnrichmentType
    source: str
    source_digest: str
    contacts: int
    state: StoredState
    max_credits: float | None
    spent: float
    reserved: float
    submits: int
    stopped_by: str | None
    shortfall: float | None
    created_at: float
    finished_at: float | None
    imported_cache: str | None
    now: float
    fence: int
    runner: str | None
    since: float | None
    place: str | None
    pid: int | None
    lease_s: float

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """Read a job from its row."""
        # `job_statements` lists its columns in the order of these fields.
        return cls(**dict(zip((field.name for field in fields(cls)), row, strict=True)))

    @property
    def is_running(self) -> bool:
        """Whether a client still runs it."""
        return self.lease_s > 0

    @property
    def lease(self) -> JobLease:
        """The latest take-over."""
        return JobLease(self.id, self.fence)

    @property
    def age_s(self) -> float:
        """Seconds since it was begun."""
        return max(0.0, self.now - self.created_at)

    @property
    def credits_left(self) -> float | None:
        """Credits that are neither spent nor reserved; None without a limit."""
        return None if self.max_credits is None else max(0.0, self.max_credits - self.spent - self.reserved)

    def limit_reached(self, credits_: float) -> BudgetExceededError:
        """Return the error for what its limit does not cover."""
        return BudgetExceededError.of_limit(self.max_credits, self.spent + self.reserved, credits_)

    @property
    def host(self) -> str:
        """The machine on which it runs."""
        return (self.place or "another machine").partition(" ")[0]

    def locked(self) -> JobLockedError:
        """Return the error that says who runs it."""
        since = datetime.fromtimestamp(self.since or 0.0, UTC)
        # With the host: another machine may have a process of the same number.
        is_this = (self.pid, self.host) == (os.getpid(), socket.gethostname())
        runner = "this process" if is_this else f"process {self.pid or '?'} on {self.host}"
        wait = "Wait for it" if is_this else "Wait for it, or end that process"
        error = JobLockedError(
            f"The job {self.name!r} is run by {runner}, since {since:%Y-%m-%d %H:%M:%S} UTC.",
            fix=f"{wait}: then the same call goes on with the job.",
        )
        error.retry_after_s = self.lease_s
        return error


@dataclass(frozen=True, slots=True)
class JobRow:
    """One contact of a job, at its `place` in the input, from 0.

    Attributes
    ----------
    digest
        By what it is found among purchases; None for a contact that is not sent.
    contact
        The contact as it was given.
    first
        For a duplicate, the place of the contact it repeats, whose outcome stands here; else None.
    status, error, workflow_id
        Its outcome; None for a status that is still to come.
    credits, rule
        What it cost in this job, and by which rule.

    """

    place: int
    digest: str | None
    contact: Contact
    first: int | None
    status: str | None
    error: str | None
    workflow_id: str | None
    credits: float
    rule: str | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """Read a contact from its row."""
        place, digest, contact, *rest = row
        return cls(place, digest, contact_of(contact), *rest)

    @property
    def prepared(self) -> Prepared:
        """The contact as it is looked for in the store, without what would be sent of it."""
        return Prepared(self.place, self.contact, b"")


def contact_text(contact: Contact) -> str:
    """Lay a contact into a row: as given, also where it is not what the API takes."""
    given = {name: value for name in Contact.__slots__ if (value := getattr(contact, name)) is not None}
    return json.dumps(given, default=str)


def contact_of(text: str) -> Contact:
    """Read a contact from its row."""
    return Contact(**cast("dict[str, Any]", json.loads(text)))
