"""The store of a limiter that shares its tokens: a copy of the pool, and the worker that syncs it."""

from __future__ import annotations

import asyncio
import copy
import math
import threading
from collections.abc import Callable, Container
from typing import TypeVarTuple

from cleanlist_async.errors import CleanlistError
from cleanlist_async.ratelimit.buckets import Buckets, Lease, NamedBucket, Rejection
from cleanlist_async.ratelimit.dispatcher import Dispatcher, Store, running_loop
from cleanlist_async.ratelimit.shared.backend import Backend, PoolState, Report, SharedLease, TokenRequest
from cleanlist_async.ratelimit.shared.sync_worker import SyncWorker
from cleanlist_async.ratelimit.wait_queues import RequestClass, Waiter
from cleanlist_async.ratelimit.window import Outcome

Ts = TypeVarTuple("Ts")


class SharedDispatcher(Dispatcher):
    """Hands out delivered leases, and requests tokens for the heads of its queues."""

    def __init__(
        self,
        store: Buckets,
        worker: SyncWorker,
        clock: Callable[[], float],
        wake_all: Callable[[str], None],
    ) -> None:
        super().__init__(store, self._take_delivered, clock, wake_all)
        self.loop = asyncio.get_running_loop()
        self._worker = worker
        self._delivered: list[SharedLease] = []
        self._requested: dict[str, list[TokenRequest]] = {}
        # Organizations whose request was granted: the worker has dropped it, and must learn of the next.
        self._served: set[str] = set()

    def dispatch(self, organization: str) -> None:
        """Hand out delivered leases, return those that no request waits for, and request missing tokens."""
        super().dispatch(organization)
        # Left over where the request that a token was granted to was cancelled meanwhile.
        left, self._delivered = self._delivered, []
        for lease in left:
            self._store.settle(lease, "unsent", self._clock())
        self._report_requests(organization, self._clock())

    def wake(self, organization: str, returns_at: float = -math.inf) -> None:
        """Request tokens: only the sync worker knows when one returns."""
        del returns_at
        if self.queues or self._requested:
            self.dispatch(organization)

    def _take_delivered(self, waiter: Waiter, now: float, keep: int, busy: Container[str]) -> Lease | float:
        del now
        for lease in self._delivered:
            fits = lease.key is None if not waiter.route.keys else lease.key in waiter.route.keys
            fits &= lease.organization == self._store.names_of(waiter.route.organization)[0]
            fits &= not keep or lease.kind is RequestClass.STATUS  # one granted to a submit stays for submits
            if fits and lease.buckets[0].name not in busy:
                self._delivered.remove(lease)
                return lease
        return math.inf

    # -- what it requests -------------------------------------------------------------------------

    def _report_requests(self, organization: str, now: float) -> None:
        names = self._store.names_of(organization)
        wanted = [self._token_request(waiter, names[0], now) for waiter in self.queues.heads(names)]
        served, self._served = self._served, set()
        for name in names:
            new, known = wanted if name == names[0] else [], self._requested.pop(name, [])
            if new:
                self._requested[name] = new
            if new != known or name in served:
                self._worker.request_tokens(self, name, new)

    def _token_request(self, waiter: Waiter, organization: str, now: float) -> TokenRequest:
        busy = self._without_turn(waiter, now) or ()
        keys = tuple(key for key in waiter.route.keys if key not in busy)
        return TokenRequest(
            keys or waiter.route.keys,
            waiter.kind,
            more=len(waiter.queue) > 1,
            paced=not keys if waiter.route.keys else organization in busy,
            rank=waiter.rank,
        )

    # -- what the sync worker calls ----------------------------------------------------------------

    def deliver(self, lease: SharedLease) -> None:
        """Accept a lease. Any thread may call; raises RuntimeError when the loop is closed."""
        self._call(self._take_delivery, lease)

    def refuse(self, organization: str, error: CleanlistError) -> None:
        """Raise *error* from every request that waits for *organization*; as `deliver`."""
        self._call(self._refuse, organization, error)

    def look_again(self, organization: str) -> None:
        """Look at the queues of *organization* again: the copy of its pool has changed; as `deliver`."""
        self._call(self.wake, organization)

    def _take_delivery(self, lease: SharedLease) -> None:
        lease.delivered = True
        self._served.add(lease.organization)
        self._delivered.append(lease)
        self.dispatch(lease.organization)

    def _refuse(self, organization: str, error: CleanlistError) -> None:
        for waiter in self.queues.heads(self._store.names_of(organization)):
            for refused in self.queues.all_behind(waiter):
                self.queues.leave(refused)
                refused.future.set_exception(copy.copy(error))  # each with a traceback of its own
        self.dispatch(organization)

    def _call(self, callback: Callable[[*Ts], None], *args: *Ts) -> None:
        if running_loop() is self.loop:
            callback(*args)
        else:
            self.loop.call_soon_threadsafe(callback, *args)


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
