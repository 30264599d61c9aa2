"""The store of a limiter that shares its tokens: a copy of the pool, and the worker that syncs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

from cleanlist_async.ratelimit.buckets import Bucket, Lease
from cleanlist_async.ratelimit.dispatcher import Dispatcher, Store
from cleanlist_async.ratelimit.shared.backend import Backend, BucketKind, PoolState, SharedBucketState
from cleanlist_async.ratelimit.shared.dispatcher import SharedDispatcher
from cleanlist_async.ratelimit.shared.lease import Settlement, SharedLease
from cleanlist_async.ratelimit.shared.sync_worker import SyncWorker


class SharedStore(Store):
    """Answers at once from a copy of the pool, which each sync renews. Any thread may call."""

    def __init__(
        self, backend: Backend, clock: Callable[[], float], worker: type[SyncWorker] = SyncWorker
    ) -> None:
        super().__init__(backend.limits)
        self.worker = worker(backend, clock, local=self)

    def dispatcher(self, clock: Callable[[], float], wake_all: Callable[[str], None]) -> Dispatcher:
        """Open the wait queues of the running event loop."""
        return SharedDispatcher(self, self.worker, clock, wake_all)

    # -- what became of a lease ----------------------------------------------------------------

    def answered(self, lease: Lease, now: float, *, accepted: bool) -> None:
        """Start the window of a request answered at *now*; of a 429, `reject` tells that and more."""
        if accepted:
            self._settle(lease, Settlement("answered", now))

    def lost(self, lease: Lease, now: float) -> None:
        """Keep the tokens of a request that was given up at *now* without an answer."""
        self._settle(lease, Settlement("lost", now))

    def unsent(self, lease: Lease) -> None:
        """Give back the tokens of a request of which not a byte left."""
        self._settle(lease, Settlement("unsent", self.worker.clock()))

    def reject(self, lease: Lease, now: float, asked_s: float | None, named: str | None, rng: Random) -> None:
        """Pause the buckets of a request answered 429, here at once and in the pool with the next sync."""
        super().reject(lease, now, asked_s, named, rng)
        pauses: dict[BucketKind, float] = {}
        with self._lock:
            for bucket in self._hit(lease, named):
                kind: BucketKind = "key" if self._kind(bucket) == "key" else "organization"
                pauses[kind] = max(0.0, bucket.window.paused_until - now)
        self._settle(lease, Settlement("rejected", now, pauses))

    def _settle(self, lease: Lease, settlement: Settlement) -> None:
        if isinstance(lease, SharedLease):
            self.worker.settle(lease, settlement)

    def is_stale(self, lease: Lease, now: float) -> bool:
        """Whether its bucket was paused, or the pool may have given the tokens to another meanwhile."""
        return lease.is_overdue(now) or super().is_stale(lease, now)

    # -- who is who ----------------------------------------------------------------------------

    def join(self, organization: str, other: str) -> None:
        """Make two names one organization, here and for all who share the pool."""
        known = self._organizations.get(other)
        super().join(organization, other)
        if known is None or known is not self._organizations.get(organization):
            self.worker.join(organization, other)

    def buckets_of(self, organization: str, key: str | None) -> tuple[Bucket, ...]:
        """Return the buckets that a request with *key* passes."""
        with self._lock:
            ours = self._organization(organization)
            return (ours,) if key is None else (self._key(key), ours)

    def after_fork(self) -> None:
        """Put aside the lock, which a thread of the parent may have held."""
        self._lock = threading.RLock()

    # -- the copy ------------------------------------------------------------------------------

    def copy(self, organization: str, pool: PoolState, shift_s: float) -> bool:
        """Take over what the pool says, by our own clock; return whether it is paused anew."""
        with self._lock:
            before = self._disturbed_until
            self._renew(self._organization(organization), pool["organization"], shift_s)
            for name, state in pool["keys"].items():
                self._renew(self._key(name), state, shift_s)
            return self._disturbed_until > before

    def _renew(self, bucket: Bucket, state: SharedBucketState, shift_s: float) -> None:
        window, paused_until, smooth_until = (
            bucket.window,
            bucket.window.paused_until,
            bucket.window.smooth_until,
        )
        window.restore(state["window"], shift_s)
        window.pause(paused_until)  # a 429 that the pool has not heard of yet
        window.smooth_until = max(window.smooth_until, smooth_until)
        bucket.rejections = state["rejections"]
        if "interactive_at" in state:
            bucket.interactive_at = max(bucket.interactive_at, state["interactive_at"] + shift_s)
        self._disturbed_until = max(self._disturbed_until, window.paused_until, window.smooth_until)
