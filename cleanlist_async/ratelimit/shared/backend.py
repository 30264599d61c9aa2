"""The protocol between a process and the store where several processes keep their tokens.

There is one operation, the sync. A process reports the outcomes of its leases, lists those it still holds
and the requests that wait, and gets at most one token, or the time of its next sync. A backend applies a
sync atomically, by its own clock, as `Pool.sync` defines it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NotRequired, Protocol, TypedDict

from cleanlist_async.errors import CleanlistError
from cleanlist_async.ratelimit.bucket import SharedBucketState
from cleanlist_async.ratelimit.buckets import BucketKind
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.process import Process
from cleanlist_async.ratelimit.wait_queues import RequestClass
from cleanlist_async.ratelimit.window import Outcome


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token for the first request of one wait queue, from any of `keys` (none for a JWT).

    With `more`, other requests wait behind it. When it is `paced`, it keeps its rank but takes no token yet:
    its turn has not come. `rank` is that among the requests of its process.
    """

    keys: tuple[str, ...]
    kind: RequestClass
    more: bool = False
    paced: bool = False
    rank: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a lease, `age_s` seconds ago; a 429 pauses buckets for `pauses` seconds from then.

    `asked_s` is what the server asked for.
    """

    lease: str
    outcome: Outcome
    age_s: float = 0.0
    pauses: dict[BucketKind, float] = field(default_factory=dict[BucketKind, float])
    asked_s: float | None = None


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """The reports and token requests of one process for one organization.

    `held` are the leases that the process knows and has not reported: any other lease in its name was granted
    in an answer that never reached it, and is free. `lease` is the name of the lease to be granted, `wanted`
    the requests that wait. After the backend was unreachable (`was_away`), `borrowed` are the leases that the
    process took meanwhile, each with its key.
    """

    process: Process
    organization: str
    lease: str
    held: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()
    wanted: tuple[TokenRequest, ...] = ()
    borrowed: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    was_away: bool = False

    @property
    def holder(self) -> str:
        """The name of this process at this organization."""
        return f"{self.process.id} {self.organization}"


@dataclass(frozen=True, slots=True)
class Granted:
    """One token of each bucket, for the token request at that index."""

    request: int
    key: str | None


class HeldLeaseState(TypedDict):
    """A lease that is out: its holder (`visitor`), when it was taken, and its key."""

    visitor: str
    since: float
    key: str | None


class Ticket(TypedDict):
    """The rank of one wait queue among those of all processes: when its request reached the head."""

    keys: list[str]
    kind: int
    since: float
    more: bool
    paced: bool


class ProcessRecord(TypedDict):
    """A process at one organization, when it last synced, and a ticket for each of its wait queues."""

    process: str
    pid: int
    place: str
    seen_at: float
    tickets: list[Ticket]


def process_of(record: ProcessRecord) -> Process:
    """Return the process of a record."""
    return Process(record["process"], record["pid"], record["place"])


class PoolState(TypedDict):
    """The buckets of one organization as plain data, in times of the backend's clock.

    The field names are those of the first version, whose pools a later one reads.
    """

    now: float
    limits: list[float]
    declared: NotRequired[list[list[float]]]
    organization: SharedBucketState
    keys: dict[str, SharedBucketState]
    holdings: dict[str, HeldLeaseState]
    visitors: dict[str, ProcessRecord]


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """A token, or the seconds until the next sync, and the state of the pool.

    A lease of this process that is not in the pool was presumed lost, and is void. With `come_again` another
    sync is due, whether requests wait or not.
    """

    granted: Granted | None
    retry_in_s: float
    pool: PoolState
    come_again: bool = False


class BackendUnavailableError(CleanlistError):
    """The shared store cannot be reached now. Requests continue to wait, and the sync is repeated."""


class Backend(Protocol):
    """A store that several processes share. One thread of each process calls it, one call at a time.

    A call raises BackendUnavailableError when it is worth repeating, any other CleanlistError when it is
    not: that one is raised from every call that waits. A sync whose answer was lost may be repeated.
    """

    limits: RateLimits

    async def sync(self, request: SyncRequest) -> SyncAnswer:
        """Apply a sync atomically."""
        ...

    async def join(self, organization: str, other: str) -> None:
        """Make two names one organization, with all that is out under either."""
        ...

    async def aclose(self) -> None:
        """Close connections; the next call opens them again."""
        ...
