"""A lease of shared tokens, as its holder knows it, and how long it is valid."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError
from cleanlist_async.ratelimit.buckets import Lease, NamedBucket
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import PoolState
from cleanlist_async.ratelimit.wait_queues import RequestClass


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
