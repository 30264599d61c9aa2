"""The worker of a process: reports token outcomes to the shared store, and requests the next tokens.

It has a thread and an event loop, so no caller waits for a disk or a network, no cancellation interrupts a
sync, and all event loops of the process share it. The thread runs while there is something to report or to
wait for.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import math
import os
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.ratelimit.shared.backend import (
    Backend,
    BackendUnavailableError,
    Granted,
    LocalStore,
    LoopQueue,
    Report,
    SharedLease,
    SyncAnswer,
    SyncRequest,
    TokenRequest,
    lease_s,
    poll_s,
    this_process,
)
from cleanlist_async.ratelimit.shared.pending_sync import Head, PendingSync, PendingSyncs, WorkerThread
from cleanlist_async.ratelimit.wait_queues import IndexedHeap

_SYNCS_PER_LEASE: Final = 6
"""Syncs within the life of a lease, of a process that only holds some."""
_REPORTS_PER_POLL: Final = 4
"""Syncs within a poll interval, of a process that has only answers to report, which can wait."""
_IDLE_S: Final = 1.0


class SyncWorker:
    """Syncs with a backend for all wait queues of this process. Any thread may call."""

    def __init__(self, backend: Backend, clock: Callable[[], float], local: LocalStore) -> None:
        _refuse_gevent()
        self.backend = backend
        self.clock = clock
        self._local = local
        self.poll_s = poll_s(backend.limits)
        self.lease_s = lease_s(backend.limits)
        # Shorter by the grace: a request that is sent at the last moment still arrives within the lease.
        self.good_for_s = self.lease_s - backend.limits.organization_window().grace_s
        self.reset()
        _workers.add(self)

    def reset(self) -> None:
        """Forget everything: a forked process holds no token, and waits for none."""
        self.process = this_process()
        self._lock = threading.RLock()
        self.syncing = threading.Lock()
        self._numbers = itertools.count(1)
        self._pending = PendingSyncs()
        self._agenda: IndexedHeap = IndexedHeap()
        """When each pending sync is due."""
        self._joins: list[tuple[str, str]] = []
        self._flushed: threading.Event | None = None
        self._thread = WorkerThread(self._serve, self.backend.aclose, self._fail, self._lock)
        self._local.after_fork()

    # -- what the process has to report --------------------------------------------------------

    def request_tokens(self, queue: LoopQueue, organization: str, requests: list[TokenRequest]) -> None:
        """Replace the requests of *queue* for tokens of *organization*."""
        with self._lock:
            pending = self._pending[organization]
            if pending.set_requests(queue, requests):
                self._due(pending, self.clock())
            elif pending.is_over():  # after a sync that failed
                self._forget(pending)
        self.wake()

    def settle(self, lease: SharedLease, at: float, report: Report) -> None:
        """Give *report*, of an outcome at *at*, with the next sync."""
        with self._lock:
            pending = self._pending.get(lease.organization)
            if pending is None or pending.held.pop(lease.id, None) is None:
                return  # it is of the parent process, which this one was forked from
            pending.settled.append((at, report))
            # A token that returns in a window is no news now; one that is free at once, or a 429, is.
            patient = report.outcome == "answered"
            delay_s = self.poll_s / _REPORTS_PER_POLL if patient else 0.0
            self._due(pending, self.clock() + delay_s)
        self.wake()

    def join(self, organization: str, other: str) -> None:
        """Make two names one organization, before the next sync."""
        with self._lock:
            self._joins.append((organization, other))
        self.wake()

    def flush(self, timeout_s: float = facts.LONGEST_FLUSH_S) -> bool:
        """Wait until every outcome is reported; return whether it was within *timeout_s* seconds."""
        flushed = threading.Event()
        with self._lock:
            if not self._thread.is_alive:
                return not any(pending.settled for pending in self._pending.values())
            for pending in self._pending.values():
                if pending.settled:
                    self._due(pending, self.clock())
            self._flushed = flushed
        self.wake()
        return flushed.wait(timeout_s)

    def _due(self, pending: PendingSync, at: float) -> None:
        self._agenda[pending.organization] = min(at, self._agenda[pending.organization])

    # -- one sync after another ----------------------------------------------------------------

    async def run_due(self) -> float:
        """Run all syncs that are due; return when the next one is."""
        while True:
            await self._join_all()
            with self._lock:
                pending, due_at = self._next()
            if pending is None:
                return due_at
            await self._run(pending)

    def _next(self) -> tuple[PendingSync | None, float]:
        due_at, organization = self._agenda.first()
        if organization is None or due_at > self.clock():
            return None, due_at
        self._agenda[organization] = math.inf
        return self._pending[organization], due_at

    async def _join_all(self) -> None:
        while self._joins:
            with suppress(Exception), self.syncing:  # a later answer will show it again
                await self.backend.join(*self._joins[0])
            with self._lock:
                del self._joins[0]

    async def _run(self, pending: PendingSync) -> None:
        started = self.clock()  # the lease counts from here: the backend renews it later than this
        with self._lock:
            request, heads = self._prepare(pending)
        try:
            with self.syncing:  # no fork in the middle: it would copy the backend's locks as they are
                answer = await self.backend.sync(request)
        except BackendUnavailableError:
            with self._lock:
                self._due(pending, self.clock() + self.poll_s)
            return
        except CleanlistError as error:
            self._give_up(pending, error)
            return
        except Exception as error:  # noqa: BLE001  # a backend's bug must not leave callers waiting for ever
            self._give_up(pending, ConfigurationError(f"The shared store of the limiter failed: {error!r}."))
            return
        now, good_until = self.clock(), started + self.good_for_s
        paused_again = self._local.copy(pending.organization, answer.pool, now - answer.pool["now"])
        granted, lease = answer.granted, None
        try:
            with self._lock:
                pending.note_synced(request, answer, good_until)
                if granted is not None:
                    head = heads[granted.request]
                    lease = self._accept(pending, head, granted, request.lease, started)
                self._plan(pending, answer, now)
        finally:  # whoever has a token must not wait for it
            if lease is not None:
                self._deliver(lease)
        if paused_again or granted is None:  # the copy shows how long those that wait will wait
            for queue in list(pending.requests):
                with suppress(RuntimeError):  # its loop was closed
                    queue.look_again(pending.organization)

    def _prepare(self, pending: PendingSync) -> tuple[SyncRequest, list[Head]]:
        for lease in pending.undeliverable():
            self.settle(lease, self.clock(), Report(lease.id, "unsent"))
        heads = pending.heads()
        request = SyncRequest(
            self.process,
            pending.organization,
            f"{self.process.id}-{next(self._numbers)}",
            tuple(pending.held),
            pending.reports(self.clock()),
            tuple(heads),
        )
        return request, list(heads.values())

    def _accept(
        self, pending: PendingSync, head: Head, granted: Granted, lease_id: str, taken_at: float
    ) -> SharedLease:
        lease = SharedLease(
            granted.key,
            self._local.buckets_of(pending.organization, granted.key),
            taken_at,
            id=lease_id,
            organization=pending.organization,
            kind=head.request.kind,
            queue=head.queue,
            good_until=taken_at + self.good_for_s,
        )
        pending.accept(lease, head)
        return lease

    def _plan(self, pending: PendingSync, answer: SyncAnswer, now: float) -> None:
        if any(pending.requests.values()):
            self._due(pending, now + (0.0 if answer.granted else min(answer.retry_in_s, self.poll_s)))
        if pending.asked and not any(pending.requests.values()):  # they were cancelled: give up the tickets
            self._due(pending, now)
        if pending.held:
            self._due(pending, now + self.lease_s / _SYNCS_PER_LEASE)
        if answer.come_again:
            self._due(pending, now + self.poll_s)
        elif pending.is_over():
            self._forget(pending)

    def _forget(self, pending: PendingSync) -> None:
        self._pending.pop(pending.organization, None)
        self._agenda[pending.organization] = math.inf

    def _deliver(self, lease: SharedLease) -> None:
        try:
            if lease.queue is not None:
                lease.queue.deliver(lease)
        except RuntimeError:  # its loop was closed
            self.settle(lease, self.clock(), Report(lease.id, "unsent"))

    def _give_up(self, pending: PendingSync, error: CleanlistError) -> None:
        with self._lock:
            queues, pending.requests, pending.asked = list(pending.requests), {}, frozenset()
            if pending.is_over():  # or the thread would sync for ever with nothing to report
                self._forget(pending)
            else:
                self._due(pending, self.clock() + self.lease_s / _SYNCS_PER_LEASE)
        for queue in queues:
            with suppress(RuntimeError):
                queue.refuse(pending.organization, error)

    # -- the thread ----------------------------------------------------------------------------

    def wake(self) -> None:
        """Wake the thread; start it when there is none."""
        self._thread.wake()

    def _fail(self, error: Exception) -> None:
        failure = ConfigurationError(f"The worker of the shared limits failed: {error!r}.")
        with self._lock:
            everyone = list(self._pending.values())
        for pending in everyone:
            self._give_up(pending, failure)

    async def _serve(self) -> None:
        woken = self._thread.woken
        while True:
            until = await self.run_due()
            self._confirm_flush()
            idle = not self._pending
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S if idle else min(until - self.clock(), facts.LEASE_S)):
                    await woken.wait()
            if idle and not woken.is_set():  # connections close before the thread, whose loop they need
                with self.syncing:
                    await self.backend.aclose()
            with self._lock:
                if idle and not (woken.is_set() or self._pending or self._joins):
                    self._thread.retire()
                    return
            woken.clear()

    def _confirm_flush(self) -> None:
        with self._lock:
            all_reported = not self._joins and not any(pending.settled for pending in self._pending.values())
            if all_reported and self._flushed is not None:
                self._flushed.set()


def _refuse_gevent() -> None:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        raise ConfigurationError(
            "gevent has replaced threads by greenlets, and shared limits need a thread of their own.",
            fix="Use them in a process that gevent has not patched.",
        )


_workers: Final[weakref.WeakSet[SyncWorker]] = weakref.WeakSet()


# Tokens whose outcome was not reported at the end of the process would only be free a lease later.
def _flush_all() -> None:
    for worker in list(_workers):
        worker.flush()


# A fork waits until no sync is running, at most a second: the child would inherit a transaction half done.
def _before_fork() -> None:
    _held[:] = [worker.syncing for worker in _workers if worker.syncing.acquire(timeout=_FORK_WAIT_S)]


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_fork_in_child() -> None:
    _held.clear()
    for worker in list(_workers):
        worker.reset()


_held: Final[list[threading.Lock]] = []
_FORK_WAIT_S: Final = 1.0

atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
