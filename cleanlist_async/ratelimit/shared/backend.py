"""The protocol between a process and the store where several processes keep their tokens.

There is one operation, the sync: a process reports outcomes, lists the leases that it holds and the requests
that wait, and gets at most one token, or the time of its next sync. A backend applies it atomically, by its
own clock, as `Pool.sync` defines it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import SystemRandom
from typing import Final, NotRequired, Protocol, TypedDict

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError
from cleanlist_async.ratelimit.buckets import BucketKind, Lease, NamedBucket, StoreState
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.wait_queues import RequestClass
from cleanlist_async.ratelimit.window import Outcome, SharedBucketState


@dataclass(frozen=True, slots=True)
class Process:
    """A process. `id` is unique, also after a fork; `pid` has a meaning only within `place`."""

    id: str
    pid: int
    place: str


def this_process() -> Process:
    """Return a new name for the process that runs this."""
    return Process(uuid.uuid4().hex[:12], os.getpid(), _this_place())


def has_ended(process: Process) -> bool:
    """Whether *process* is known to have ended: it ran on this host, and its number is free."""
    # On Windows, os.kill acts on the process, whatever the signal.
    if os.name != "posix" or process.place != _this_place():
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it belongs to another user
        return False
    return False


def boot_clock() -> float:
    """Return seconds since this machine was started, the same in all its processes.

    If the system has no clock that runs while it sleeps, tokens return later by the time that it slept.
    """
    if (clock := getattr(time, "CLOCK_BOOTTIME", None)) is not None:  # Linux
        return time.clock_gettime(clock)
    return time.monotonic()


def _this_place() -> str:
    """Return the host, its present boot, and the container in which process numbers are counted."""
    try:
        return f"{socket.gethostname()} {_boot_id()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token for the first request of one wait queue, from any of `keys` (none for a JWT).

    With `more`, other requests wait behind it. When it is `paced`, it keeps its rank but takes no token: its
    turn has not come. `rank` is that among the requests of its process.
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

    `held` are the leases that the process knows and has not reported: any other in its name was granted in an
    answer that never reached it, and is free. `lease` is the name of the one to be granted. After the backend
    was unreachable (`was_away`), `borrowed` are the leases taken meanwhile, each with its key.
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

    A lease of this process that is not in the pool was presumed lost. With `come_again` another sync is due,
    whether requests wait or not.
    """

    granted: Granted | None
    retry_in_s: float
    pool: PoolState
    come_again: bool = False


class BackendUnavailableError(CleanlistError):
    """The shared store cannot be reached now. Requests continue to wait, and the sync is repeated."""


class Backend(Protocol):
    """A store that several processes share. One thread of each process calls it, one call at a time.

    A call raises BackendUnavailableError when it is worth repeating; any other CleanlistError is raised from
    every call that waits. A sync whose answer was lost may be repeated.
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


def poll_s(limits: RateLimits) -> float:
    """Return the seconds between two polls of a shared store, where no token's return is known."""
    return min(facts.LOOK_S, limits.window_s / 10)


def lease_s(limits: RateLimits) -> float:
    """Return for how many seconds a lease is valid without a sync of its holder."""
    return facts.LEASE_S * min(1.0, limits.window_s / facts.WINDOW_S)


@dataclass(eq=False, slots=True)
class SharedLease(Lease):
    """The tokens of one request, from a pool that others share.

    Until `good_until`, by this process's clock, no other process presumes them lost; each sync renews it.
    """

    id: str = ""
    organization: str = ""
    kind: RequestClass = RequestClass.INTERACTIVE
    queue: LoopQueue | None = None
    delivered: bool = False


class LoopQueue(Protocol):
    """The wait queues of one event loop, to which the sync worker delivers leases."""

    loop: asyncio.AbstractEventLoop

    def deliver(self, lease: SharedLease) -> None:
        """Accept a lease. Any thread may call; raises RuntimeError when the loop is closed."""
        ...

    def refuse(self, organization: str, error: CleanlistError) -> None:
        """Raise *error* from every request that waits for *organization*; as `deliver`."""
        ...

    def look_again(self, organization: str) -> None:
        """Look at the queues of *organization* again: the copy of its pool has changed; as `deliver`."""
        ...


class LocalStore(Protocol):
    """The store of this process, which the sync worker keeps up to date."""

    def copy(self, organization: str, pool: PoolState, shift_s: float) -> bool:
        """Copy the state of the pool, converted to our clock; return whether that prolongs its pause."""
        ...

    def buckets_of(self, organization: str, key: str | None) -> tuple[NamedBucket, ...]:
        """Return the buckets that a request with *key* passes."""
        ...

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held."""
        ...


_FIRST_BACKOFF_S: Final = 0.05
JITTER: Final = SystemRandom()
"""Not the shared generator: threads use it, and forked processes must draw different numbers."""

log: Final = logging.getLogger("cleanlist_async")


class Reachability:
    """The failures of one store in a row. *name* is what messages call it.

    `meanwhile` says what requests do while it is away. `on_change` is called, in the sync worker's thread.
    """

    def __init__(
        self, name: str, longest_backoff_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.meanwhile = "Requests wait for it."
        self.on_change: Callable[[StoreState], object] = lambda _: None
        self._name = name
        self._longest_s = longest_backoff_s
        self._clock = clock
        self._failures = 0
        self._until = -math.inf

    def check(self) -> None:
        """Raise BackendUnavailableError while it is too early to try again."""
        if self._clock() < self._until:
            raise BackendUnavailableError(f"{self._name} cannot be reached.")

    def lost(self, problem: str) -> BackendUnavailableError:
        """Note a failure, and return it as an error to raise."""
        if not self._failures:  # said once, not with every attempt
            log.warning("%s %s", problem, self.meanwhile)
            self.on_change("lost")
        wait_s = min(_FIRST_BACKOFF_S * 2.0 ** min(self._failures, 10), self._longest_s)  # or it overflows
        self._until = self._clock() + wait_s * JITTER.uniform(0.5, 1.0)
        self._failures += 1
        return BackendUnavailableError(problem)

    def found(self) -> None:
        """Note a success."""
        if self._failures:
            log.warning("%s is back.", self._name)
            self.on_change("found")
        self._failures, self._until = 0, -math.inf
