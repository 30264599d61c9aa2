"""The store of a limiter that shares its tokens: a copy of the pool, and the worker that syncs it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cleanlist_async.ratelimit.buckets import Lease, NamedBucket, Rejection
from cleanlist_async.ratelimit.dispatcher import Dispatcher, Store
from cleanlist_async.ratelimit.shared.backend import Backend, PoolState, Report
from cleanlist_async.ratelimit.shared.dispatcher import SharedDispatcher
from cleanlist_async.ratelimit.shared.lease import SharedLease
from cleanlist_async.ratelimit.shared.sync_worker import SyncWorker
from cleanlist_async.ratelimit.window import Outcome


class SharedStore(Store):
    """Answers at once from a copy of the pool, which each sync updates. Any thread may call."""

    def __init__(
        self, backend: Backend, clock: Callable[[], float], worker: type[SyncWorker] = SyncWorker
    ) -> None:
        super().__init__(backend.limits)
        self.worker = worker(backend, clock, local=self)

    def dispatcher(self, clock: Callable[[], float], wake_all: Callable[[str], None]) -> Dispatcher:
        """Open the wait queues of the running event loop."""
        return SharedDispatcher(self, self.worker, clock, wake_all)

    # -- the outcome of a lease ----------------------------------------------------------------

    def settle(
        self, lease: Lease, outcome: Outcome, at: float, *, rejection: Rejection | None = None
    ) -> None:
        """Report the outcome of *lease* at *at* with the next sync; a 429 pauses its buckets here at once."""
        with self._lock:
            pauses = {} if rejection is None else self._reject(lease, at, rejection)
        if isinstance(lease, SharedLease):
            asked_s = None if rejection is None else rejection.asked_s
            self.worker.settle(lease, at, Report(lease.id, outcome, pauses=pauses, asked_s=asked_s))

    # -- identities ----------------------------------------------------------------------------

    def join(self, organization: str, other: str) -> None:
        """Make two names one organization, here and for all processes that share the pool."""
        known = self._organizations.get(other)
        super().join(organization, other)
        if known is None or known is not self._organizations.get(organization):
            self.worker.join(organization, other)

    def buckets_of(self, organization: str, key: str | None) -> tuple[NamedBucket, ...]:
        """Return the buckets that a request with *key* passes."""
        with self._lock:
            ours = self._organization(organization)
            return (ours,) if key is None else (self._key(key), ours)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held."""
        self._lock = threading.RLock()

    # -- the copy ------------------------------------------------------------------------------

    def copy(self, organization: str, pool: PoolState, shift_s: float) -> bool:
        """Copy the state of the pool, converted to our clock; return whether that prolongs its pause."""
        with self._lock:
            before = self._disturbed_until
            states = [(self._organization(organization), pool["organization"])]
            for name, state in pool["keys"].items():
                self._organization_of.setdefault(name, organization)
                states.append((self._key(name), state))
            for bucket, state in states:
                bucket.window.allowance.limit = int(pool["limits"][bucket.name in pool["keys"]])
                window, paused_until = bucket.window, bucket.window.paused_until
                bucket.restore(state, shift_s)
                window.pause(paused_until)  # by a 429 that has not been reported to the pool yet
                until = max(window.paused_until, window.allowance.smooth_until)
                self._disturbed_until = max(self._disturbed_until, until)
            return self._disturbed_until > before
