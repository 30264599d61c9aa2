"""The store behind the limiter of one process: the state of all buckets, in its memory.

Two calls of `asyncio.run` within one minute do not double the rate; a restarted process has forgotten its
last minute. `cleanlist_async.ratelimit.shared` holds the stores that outlive a process or serve several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable

from cleanlist_async.ratelimit.buckets import Lease, NamedBucket, Rejection
from cleanlist_async.ratelimit.dispatcher import Dispatcher, Store
from cleanlist_async.ratelimit.wait_queues import Waiter
from cleanlist_async.ratelimit.window import Outcome


class MemoryStore(Store):
    """Buckets that no other process shares. Every method may be called from any thread."""

    def dispatcher(self, clock: Callable[[], float], wake_all: Callable[[str], None]) -> Dispatcher:
        """Open the wait queues of the running event loop."""
        return Dispatcher(self, self._take, clock, wake_all)

    def _take(self, waiter: Waiter, now: float, keep: int, busy: Container[str]) -> Lease | float:
        """Take one token from the key with most tokens and one from the organization, or none from either."""
        route, is_bulk = waiter.route, waiter.kind.is_bulk
        with self._lock:
            organization = self._organization(route.organization)
            opens = organization.opens_at(now, is_bulk=is_bulk)
            key: NamedBucket | None = None
            if route.keys:
                keys = (self._key(name) for name in route.keys if name not in busy)
                key, key_opens = _best_key(keys, now, keep, is_bulk=is_bulk)
                opens = max(opens, key_opens)
            elif organization.name in busy:
                return math.inf
            if opens > now:
                return opens
            buckets = (organization,) if key is None else (key, organization)
            for bucket in buckets:
                bucket.taken += 1
                bucket.take(now, is_bulk=is_bulk)
            return Lease(None if key is None else key.name, buckets, now)

    def settle(
        self, lease: Lease, outcome: Outcome, at: float, *, rejection: Rejection | None = None
    ) -> None:
        """Record the outcome of *lease* at *at*; *rejection* is the 429, if it was one."""
        with self._lock:
            for bucket in lease.buckets:
                bucket.settle(outcome, at, lease.taken_at)
            if rejection is not None:
                self._reject(lease, at, rejection)


def _best_key(
    keys: Iterable[NamedBucket], now: float, keep: int, *, is_bulk: bool
) -> tuple[NamedBucket | None, float]:
    """Return the bucket with most free tokens above *keep*, or the first that will have one, and when."""
    best: NamedBucket | None = None
    # Those with equally many take turns.
    first = (math.inf, 1, 0)  # later than any bucket that opens at all
    for bucket in keys:
        opens = bucket.opens_at(now, is_bulk=is_bulk, keep=keep)
        rank = (opens, -bucket.window.available(now), bucket.taken)
        if rank < first:
            best, first = bucket, rank
    return best, first[0]
