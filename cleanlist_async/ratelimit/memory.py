"""The store behind the limiter of one process: the state of all buckets, in its memory.

Two `asyncio.run` within one minute do not double the rate; a restarted process has forgotten its last
minute. `cleanlist_async.ratelimit.shared` holds what outlives a process, and what several share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container

from cleanlist_async.ratelimit.buckets import Bucket, Buckets, Lease, Route
from cleanlist_async.ratelimit.dispatcher import Dispatcher
from cleanlist_async.ratelimit.lines import Waiter


class MemoryStore(Buckets):
    """Buckets that nobody else has a share in. Every method may be called from any thread."""

    def dispatcher(self, clock: Callable[[], float], wake_all: Callable[[], None]) -> Dispatcher:
        """Open the waiting lines of the running event loop."""
        return MemoryDispatcher(self, clock, wake_all)

    # -- taking both tokens, or none -----------------------------------------------------------

    def take(self, route: Route, now: float, *, keep: int = 0, busy: Container[str] = ()) -> Lease | float:
        """Take one token from the freest key and one from the organization, or none from either.

        *keep* key tokens are left alone, as are buckets in *busy*. Instead of tokens that are not there,
        return when to try again: a time, or infinity when only an answer can bring one.
        """
        with self._lock:
            organization = self._organization(route.organization)
            opens = organization.window.opens_at(now)
            if not route.keys:
                opens = math.inf if organization.name in busy else opens
                return self._lease(None, (organization,), now) if opens <= now else opens
            key, key_opens = self._freest(route, now, keep, busy)
            opens = max(opens, key_opens)
            if key is None or opens > now:
                return opens
            return self._lease(key.name, (key, organization), now)

    def _freest(
        self, route: Route, now: float, keep: int, busy: Container[str]
    ) -> tuple[Bucket | None, float]:
        """Return the key with the most tokens, and when it has one to give."""
        if len(route.keys) == 1 and not busy:
            only = self._key(route.keys[0])
            return only, only.window.opens_at(now, keep)
        best: Bucket | None = None
        most, opens = -1, math.inf
        for name in route.keys:
            if name in busy:
                continue
            bucket = self._key(name)
            bucket_opens = bucket.window.opens_at(now, keep)
            free = bucket.window.available(now) if bucket_opens <= now else 0
            if (bucket_opens, -free) < (opens, -most):
                best, most, opens = bucket, free, bucket_opens
        return best, opens

    def _lease(self, key: str | None, buckets: tuple[Bucket, ...], now: float) -> Lease:
        return Lease(key, buckets, [bucket.window.take(now) for bucket in buckets])

    # -- giving them back ----------------------------------------------------------------------

    def answered(self, lease: Lease, now: float, *, accepted: bool) -> None:
        """Start the window of a request answered at *now*; *accepted* unless the answer was a 429."""
        with self._lock:
            for bucket, probe in zip(lease.buckets, lease.probes, strict=True):
                bucket.window.answered(now, probe=probe)
                if accepted:
                    bucket.rejections = 0

    def lost(self, lease: Lease, now: float) -> None:
        """Keep the tokens of a request that was given up at *now* without an answer."""
        with self._lock:
            for bucket, probe in zip(lease.buckets, lease.probes, strict=True):
                bucket.window.lost(now, probe=probe)

    def unsent(self, lease: Lease) -> None:
        """Give back the tokens of a request of which not a byte left."""
        with self._lock:
            for bucket, probe in zip(lease.buckets, lease.probes, strict=True):
                bucket.window.unsent(probe=probe)


class MemoryDispatcher(Dispatcher):
    """Takes tokens out of this process's memory: they are there, or it is known when they will be."""

    def __init__(self, store: MemoryStore, clock: Callable[[], float], wake_all: Callable[[], None]) -> None:
        super().__init__(store, clock, wake_all)
        self._take_now = store.take

    def _take(self, waiter: Waiter, now: float, keep: int, busy: Container[str]) -> Lease | float:
        return self._take_now(waiter.route, now, keep=keep, busy=busy)
