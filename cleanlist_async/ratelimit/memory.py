"""The store behind the limiter of one process: the state of all buckets, in its memory.

Two calls of `asyncio.run` within one minute do not double the rate; a restarted process has forgotten its
last minute. `cleanlist_async.ratelimit.shared` holds the stores that outlive a process or serve several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from typing import Final

from cleanlist_async.ratelimit.buckets import Lease, NamedBucket, Rejection, Route
from cleanlist_async.ratelimit.dispatcher import Dispatcher, Store
from cleanlist_async.ratelimit.key_index import KeyIndex, scan_keys
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.wait_queues import Waiter
from cleanlist_async.ratelimit.window import Outcome

FEW_KEYS: Final = 16
"""Up to this many keys a linear scan is faster."""
_INDEXES_PER_KEY: Final = 16
"""Indexes that one key may be in: each costs its requests a little, whether it is still in use or not."""


class MemoryStore(Store):
    """Buckets that no other process shares. Every method may be called from any thread."""

    def __init__(self, limits: RateLimits) -> None:
        super().__init__(limits)
        self._key_indexes: dict[tuple[str, ...], KeyIndex] = {}
        self._watched: dict[str, list[KeyIndex]] = {}

    def dispatcher(self, clock: Callable[[], float], wake_all: Callable[[str], None]) -> Dispatcher:
        """Open the wait queues of the running event loop."""
        return MemoryDispatcher(self, clock, wake_all)

    # -- taking both tokens, or none -----------------------------------------------------------

    def take(self, route: Route, now: float, *, keep: int = 0, busy: Container[str] = ()) -> Lease | float:
        """Take one token from the key with most tokens and one from the organization, or none from either.

        *keep* key tokens are left alone, as are buckets in *busy*. If there are no tokens, return the time to
        try again, or infinity when only an answer can free one.
        """
        with self._lock:
            organization = self._organization(route.organization)
            opens = organization.window.opens_at(now)
            if not route.keys:
                opens = math.inf if organization.name in busy else opens
                return self._lease(None, (organization,), now) if opens <= now else opens
            key, key_opens = self._most_available(route, now, keep, busy)
            opens = max(opens, key_opens)
            if key is None or opens > now:
                return opens
            return self._lease(key.name, (key, organization), now)

    def _most_available(
        self, route: Route, now: float, keep: int, busy: Container[str]
    ) -> tuple[NamedBucket | None, float]:
        """Return the key with the most tokens, and when it has one to give."""
        if len(route.keys) == 1 and not busy:
            only = self._key(route.keys[0])
            return only, only.window.opens_at(now, keep)
        if keep or len(route.keys) <= FEW_KEYS:
            return scan_keys(map(self._key, route.keys), now, keep, busy)
        return self._key_index(route.keys).find(now, busy)

    def _key_index(self, keys: tuple[str, ...]) -> KeyIndex:
        if (index := self._key_indexes.get(keys)) is None:
            # Clients with ever new sets of keys would add indexes without end; those in use are made again.
            if any(len(self._watched.get(key, ())) >= _INDEXES_PER_KEY for key in keys):
                self._key_indexes.clear()
                self._watched.clear()
            index = self._key_indexes[keys] = KeyIndex([*map(self._key, keys)])
            for key in keys:
                self._watched.setdefault(key, []).append(index)
        return index

    def _lease(self, key: str | None, buckets: tuple[NamedBucket, ...], now: float) -> Lease:
        self._touch(key)
        for bucket in buckets:
            bucket.taken += 1
        return Lease(key, buckets, [bucket.window.take(now) for bucket in buckets])

    def _touch(self, key: str | None) -> None:
        """Note in each index of *key* that its tokens were taken or returned."""
        if self._watched and key is not None:
            for index in self._watched.get(key, ()):
                index.touch(key)

    # -- returning them ------------------------------------------------------------------------

    def settle(
        self, lease: Lease, outcome: Outcome, at: float, *, rejection: Rejection | None = None
    ) -> None:
        """Record the outcome of *lease* at *at*; *rejection* is the 429, if it was one."""
        with self._lock:
            for bucket, probe in zip(lease.buckets, lease.probes, strict=True):
                bucket.settle(outcome, at, probe=probe)
            if rejection is not None:
                self._reject(lease, at, rejection)
            self._touch(lease.key)


class MemoryDispatcher(Dispatcher):
    """Takes tokens from the memory of this process: they are free, or it is known when they will be."""

    def __init__(
        self, store: MemoryStore, clock: Callable[[], float], wake_all: Callable[[str], None]
    ) -> None:
        super().__init__(store, clock, wake_all)
        self._take_now = store.take

    def _take(self, waiter: Waiter, now: float, keep: int, busy: Container[str]) -> Lease | float:
        return self._take_now(waiter.route, now, keep=keep, busy=busy)
