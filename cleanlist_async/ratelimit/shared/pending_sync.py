"""The parts of a sync worker: its thread, and what each organization has to report and to request."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from cleanlist_async.ratelimit.shared.backend import (
    LoopQueue,
    Report,
    SharedLease,
    SyncAnswer,
    SyncRequest,
    TokenRequest,
)
from cleanlist_async.ratelimit.wait_queues import RequestClass


class WorkerThread:
    """Runs *serve* in a daemon thread until it returns; the next `wake` starts it again.

    *lock* guards what the thread shares with its callers. An exception that ends it, or keeps it from
    starting, is given to *failed*, once *close* is done and the next call can start another.
    """

    def __init__(
        self,
        serve: Callable[[], Coroutine[Any, Any, None]],
        close: Callable[[], Coroutine[Any, Any, None]],
        failed: Callable[[Exception], None],
        lock: threading.RLock,
    ) -> None:
        self.woken = asyncio.Event()
        self._serve = serve
        self._close = close
        self._failed = failed
        self._lock = lock
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Wake it; start it if it does not run."""
        with self._lock:
            if self._thread is None:
                self._start()
            elif self._loop is not None:
                with suppress(RuntimeError):  # it has just ended, and whoever waited was told
                    self._loop.call_soon_threadsafe(self.woken.set)

    def retire(self) -> None:
        """Let the next `wake` start another. For *serve*, which then returns, with the lock."""
        self._thread = self._loop = None

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="cleanlist-limits", daemon=True)
        try:
            thread.start()  # it waits for the lock
        except (RuntimeError, MemoryError) as error:  # the system allows no more threads
            self._failed(error)
        else:
            self._thread = thread

    def _run(self) -> None:
        failure: Exception | None = None
        try:
            with self._lock:  # until the thread is known by its name
                pass
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001  # whatever it is, no caller may wait for ever
            failure = error
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self.retire()
        if failure is not None:
            self._failed(failure)

    async def _main(self) -> None:
        self.woken, self._loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            await self._serve()
        except BaseException:
            with suppress(Exception):  # connections belong to this event loop
                await self._close()
            raise


QueueKey: TypeAlias = tuple[tuple[str, ...], RequestClass, bool]


class Head(NamedTuple):
    """The first request of all wait queues of one kind, and the event loop that it waits in."""

    queue: LoopQueue
    request: TokenRequest


@dataclass(slots=True)
class PendingSync:
    """The reports, leases and token requests of one organization. Guarded by its worker's lock.

    `asked` are the queues that the backend knows from the last sync.
    """

    organization: str
    requests: dict[LoopQueue, list[TokenRequest]] = field(
        default_factory=dict["LoopQueue", list[TokenRequest]]
    )
    settled: list[tuple[float, Report]] = field(default_factory=list[tuple[float, Report]])
    held: dict[str, SharedLease] = field(default_factory=dict[str, SharedLease])
    asked: frozenset[QueueKey] = frozenset()

    def is_over(self) -> bool:
        """Whether there is nothing left to report or to request."""
        return not (self.requests or self.settled or self.held or self.asked)

    def set_requests(self, queue: LoopQueue, requests: list[TokenRequest]) -> bool:
        """Replace the requests of *queue*; return whether the backend must learn of them now."""
        self.requests.pop(queue, None)
        if requests:
            self.requests[queue] = requests
        wanted = {_queue_key(one) for requests in self.requests.values() for one in requests}
        # A new queue needs a ticket; once nothing waits, the old tickets would keep tokens from others.
        return not wanted <= self.asked or bool(self.asked and not wanted)

    def undeliverable(self) -> Iterator[SharedLease]:
        """Yield the leases whose event loop was closed before it took them."""
        for lease in list(self.held.values()):
            if not lease.delivered and lease.queue is not None and lease.queue.loop.is_closed():
                yield lease

    def heads(self) -> Mapping[TokenRequest, Head]:
        """Return the best-ranked request of each kind of queue, as the backend is to see it."""
        for queue in [queue for queue in self.requests if queue.loop.is_closed()]:
            del self.requests[queue]
        best: dict[QueueKey, Head] = {}
        followed: set[QueueKey] = set()
        for queue, requests in self.requests.items():
            for request in requests:
                key = _queue_key(request)
                if request.more or key in best:
                    followed.add(key)
                if key not in best or request.rank < best[key].request.rank:
                    best[key] = Head(queue, request)
        return {replace(head.request, more=key in followed): head for key, head in best.items()}

    def reports(self, now: float) -> tuple[Report, ...]:
        """Return the outcomes that have not been reported yet."""
        return tuple(replace(report, age_s=now - at) for at, report in self.settled)

    def note_synced(self, request: SyncRequest, answer: SyncAnswer, good_until: float) -> None:
        """Drop the outcomes that *request* reported, and renew the leases that *answer* confirms."""
        del self.settled[: len(request.reports)]  # more may have been added while the sync ran
        for name in request.held:
            if (lease := self.held.get(name)) is not None:
                renewed = name in answer.pool["holdings"]  # or it was presumed lost meanwhile
                lease.good_until = good_until if renewed else -math.inf
        self.asked = frozenset(map(_queue_key, request.wanted))

    def accept(self, lease: SharedLease, head: Head) -> None:
        """Hold *lease*, which was granted to *head*."""
        if head.request in (waiting := self.requests.get(head.queue, [])):
            waiting.remove(head.request)  # until its event loop reports which request is next
        self.held[lease.id] = lease
        self.asked -= {_queue_key(head.request)}


class PendingSyncs(dict[str, PendingSync]):
    """The pending sync of each organization, made when it is first asked for."""

    def __missing__(self, organization: str) -> PendingSync:
        pending = self[organization] = PendingSync(organization)
        return pending


def _queue_key(request: TokenRequest) -> QueueKey:
    return request.keys, request.kind, request.paced
