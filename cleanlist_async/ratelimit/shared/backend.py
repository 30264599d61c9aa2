"""The protocol between a process and the place where several processes keep their tokens.

There is one question, the sync. A process tells what became of the tokens it held, says which it still
holds and who waits in it, and gets at most one token, or the moment to come again. A backend applies a
sync at one stroke, by its own clock: `Pool.sync` says what that means, and every backend keeps to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NotRequired, Protocol, TypedDict

from cleanlist_async.errors import CleanlistError
from cleanlist_async.ratelimit.buckets import BucketKind
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.process import Process
from cleanlist_async.ratelimit.wait_queues import RequestClass
from cleanlist_async.ratelimit.window import Outcome, WindowState


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The first of one wait queue, where any of `keys` will do (none for a JWT).

    With `more`, others stand behind it. When it is `paced`, it holds its place but takes nothing yet: the
    one before it still waits to be spaced.
    """

    keys: tuple[str, ...]
    kind: RequestClass
    more: bool = False
    paced: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a lease, `age_s` seconds ago.

    ``rejected`` is an answer too, a 429: it pauses the buckets of that lease for so many seconds from then.
    """

    lease: str
    outcome: Outcome
    age_s: float = 0.0
    pauses: dict[BucketKind, float] = field(default_factory=dict[BucketKind, float])


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """All that one process has to say about one organization, at one moment.

    `held` are the leases it knows of and has not reported: whatever else is held in its name was granted
    in an answer that never reached it, and is free. `lease` is the name of the lease to be granted.

    A process that went on by itself while the backend was away says so (`was_away`), and which leases it
    took meanwhile, of which key (`borrowed`).
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
        """The name under which this process stands in queue at this organization."""
        return f"{self.process.id} {self.organization}"


@dataclass(frozen=True, slots=True)
class Granted:
    """One token of each bucket, for the token request of that number."""

    request: int
    key: str | None
    probes: tuple[bool, ...]


class SharedBucketState(TypedDict):
    """One bucket of a pool."""

    window: WindowState
    rejections: int
    interactive_at: NotRequired[float]


class HeldLeaseState(TypedDict):
    """A lease that is out: who took it and when, the key, and which of its tokens are probes."""

    visitor: str
    since: float
    key: str | None
    probes: list[bool]


class TicketState(TypedDict):
    """The place of one wait queue among those of all processes."""

    keys: list[str]
    kind: int
    since: float
    more: bool
    paced: bool


class ProcessRecordState(TypedDict):
    """A process at one organization, and when it was last heard of."""

    process: str
    pid: int
    place: str
    seen_at: float
    tickets: list[TicketState]


class PoolState(TypedDict):
    """The buckets of one organization as plain data. Every moment is by the clock of the backend."""

    now: float
    limits: list[float]
    organization: SharedBucketState
    keys: dict[str, SharedBucketState]
    holdings: dict[str, HeldLeaseState]
    visitors: dict[str, ProcessRecordState]


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """A token, or in how many seconds to come again; and how the pool stands now.

    A lease of the process's that is not among the pool's held leases was taken for lost, and is void. With
    `come_again`, there is more to tell, whether anybody waits or not.
    """

    granted: Granted | None
    retry_in_s: float
    pool: PoolState
    come_again: bool = False


class BackendUnavailableError(CleanlistError):
    """The shared store cannot be reached now. Whoever waits goes on waiting; it is asked again."""


class Backend(Protocol):
    """A place that several processes share. One thread of each process calls it, one call at a time.

    A call raises BackendUnavailableError when it is worth repeating, any other CleanlistError when it is
    not: that one is raised from every call that waits. A sync whose answer was lost may be repeated.
    """

    limits: RateLimits

    async def sync(self, request: SyncRequest) -> SyncAnswer:
        """Apply a sync at one stroke."""
        ...

    async def join(self, organization: str, other: str) -> None:
        """Make two names one organization, with all that is out under either."""
        ...

    async def aclose(self) -> None:
        """Let go of connections; the next call opens them again."""
        ...
