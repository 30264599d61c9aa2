"""The one of a process who goes to the shared store: tells what became of tokens, asks for the next.

It works in a thread of its own, with an event loop of its own. So no caller waits for a disk or a network,
no cancellation reaches a visit in the middle, and all event loops of the process ask with one voice. The
thread starts with the first wish and ends when there is nothing to tell and nothing to wait for.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import math
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.ratelimit.indexed_heap import Ranking
from cleanlist_async.ratelimit.shared.backend import (
    Answer,
    Backend,
    BackendUnavailableError,
    Report,
    Visit,
    Wish,
)
from cleanlist_async.ratelimit.shared.lease import Desk, Home, Settlement, SharedLease, Want, lease_s, look_s
from cleanlist_async.ratelimit.shared.process import this_process
from cleanlist_async.ratelimit.wait_queues import RequestClass

_WORDS_PER_LEASE: Final = 6
"""Visits within the life of a lease, from a process that only holds some."""
_REPORTS_PER_LOOK: Final = 4
"""Visits within a look, from a process that has only answers to report: nobody waits for these."""
_IDLE_S: Final = 1.0

_Line: TypeAlias = tuple[tuple[str, ...], RequestClass, bool]


@dataclass(slots=True)
class Errand:
    """What there is to say and to ask about one organization."""

    organization: str
    wants: dict[Desk, list[Want]] = field(default_factory=dict["Desk", list[Want]])
    settled: list[tuple[str, Settlement]] = field(default_factory=list[tuple[str, Settlement]])
    held: dict[str, SharedLease] = field(default_factory=dict[str, SharedLease])
    asked: frozenset[_Line] = frozenset()

    def is_over(self) -> bool:
        """Whether there is nothing left to say."""
        return not (self.wants or self.settled or self.held or self.asked)


class Courier:
    """Visits a backend on behalf of all waiting lines of this process. Any thread may call."""

    def __init__(self, backend: Backend, clock: Callable[[], float], home: Home) -> None:
        self.backend = backend
        self.clock = clock
        self._home = home
        self.look_s = look_s(backend.limits)
        self.lease_s = lease_s(backend.limits)
        self.good_for_s = self.lease_s - backend.limits.organization_window().grace_s
        self.start_anew()
        _couriers.add(self)

    def start_anew(self) -> None:
        """Know nothing: a forked process holds no token, and waits for none."""
        self.process = this_process()
        self._lock = threading.RLock()
        self.visiting = threading.Lock()
        self._numbers = itertools.count(1)
        self._errands: dict[str, Errand] = {}
        self._agenda: Ranking[str] = Ranking()
        """When each errand is due."""
        self._joins: list[tuple[str, str]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._home.after_fork()

    # -- what the process has to say -----------------------------------------------------------

    def want(self, desk: Desk, organization: str, wants: list[Want]) -> None:
        """Note which lines of *desk* wait for tokens of *organization*, instead of those noted before."""
        with self._lock:
            errand = self._errand(organization)
            errand.wants.pop(desk, None)
            if wants:
                errand.wants[desk] = wants
            wished = {_line(want.wish) for all_wants in errand.wants.values() for want in all_wants}
            if not wished <= errand.asked or (errand.asked and not wished):
                self._due(errand, self.clock())
        self.wake()

    def settle(self, lease: SharedLease, settlement: Settlement) -> None:
        """Tell with the next visit what became of *lease*."""
        with self._lock:
            errand = self._errands.get(lease.organization)
            if errand is None or errand.held.pop(lease.id, None) is None:
                return  # of the process that this one was forked from
            errand.settled.append((lease.id, settlement))
            patient = settlement.fate == "answered" and not any(lease.probes)
            delay_s = self.look_s / _REPORTS_PER_LOOK if patient else 0.0
            self._due(errand, self.clock() + delay_s)
        self.wake()

    def join(self, organization: str, other: str) -> None:
        """Make two names one organization, before anything else is asked."""
        with self._lock:
            self._joins.append((organization, other))
        self.wake()

    def flush(self, timeout_s: float = facts.LONGEST_ERRAND_S) -> bool:
        """Wait until everything is told; return whether it was within *timeout_s* seconds."""
        told = threading.Event()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                return not any(errand.settled for errand in self._errands.values())
            for errand in self._errands.values():
                if errand.settled:
                    self._due(errand, self.clock())
            self._told = told
        self.wake()
        return told.wait(timeout_s)

    _told: threading.Event | None = None

    def _errand(self, organization: str) -> Errand:
        if (errand := self._errands.get(organization)) is None:
            errand = self._errands[organization] = Errand(organization)
        return errand

    def _due(self, errand: Errand, at: float) -> None:
        self._agenda[errand.organization] = min(at, self._agenda[errand.organization])

    # -- one errand after another --------------------------------------------------------------

    async def run_due(self) -> float:
        """Do all errands that are due; return when the next one is."""
        while True:
            await self._join_all()
            with self._lock:
                errand, due_at = self._next()
            if errand is None:
                return due_at
            await self._run(errand)

    def _next(self) -> tuple[Errand | None, float]:
        due_at, organization = self._agenda.first()
        if organization is None or due_at > self.clock():
            return None, due_at
        self._agenda[organization] = math.inf
        return self._errand(organization), due_at

    async def _join_all(self) -> None:
        while self._joins:
            with suppress(CleanlistError), self.visiting:  # an answer will show it again
                await self.backend.join(*self._joins[0])
            with self._lock:
                del self._joins[0]

    async def _run(self, errand: Errand) -> None:
        started = self.clock()
        with self._lock:
            visit, wants = self._prepare(errand)
            told = len(errand.settled)
        try:
            with self.visiting:  # no fork in the middle: it would take the backend's locks along
                answer = await self.backend.visit(visit)
        except BackendUnavailableError:
            with self._lock:
                self._due(errand, self.clock() + self.look_s)
            return
        except CleanlistError as error:
            self._give_up(errand, error)
            return
        except Exception as error:  # noqa: BLE001  # a backend's bug must not leave callers waiting for ever
            self._give_up(errand, ConfigurationError(f"The shared store of the limiter failed: {error!r}."))
            return
        now = self.clock()
        paused_anew = self._home.copy(errand.organization, answer.pool, now - answer.pool["now"])
        with self._lock:
            del errand.settled[:told]
            for name in visit.held:
                if (lease := errand.held.get(name)) is not None:
                    renewed = name in answer.pool["holdings"]  # or it was taken for lost meanwhile
                    lease.good_until = started + self.good_for_s if renewed else -math.inf
            errand.asked = frozenset(_line(wish) for wish in visit.wishes)
            granted = self._accept(errand, visit, wants, answer, started)
            self._plan(errand, answer, now)
        if granted is not None:
            self._deliver(granted)
        if paused_anew:
            self._call_desks(errand, lambda desk: desk.look_again(errand.organization))

    def _prepare(self, errand: Errand) -> tuple[Visit, list[tuple[Desk, Want]]]:
        for lease in list(errand.held.values()):
            if not lease.delivered and lease.desk is not None and lease.desk.loop.is_closed():
                self.settle(lease, Settlement("unsent", self.clock()))
        for desk in [desk for desk in errand.wants if desk.loop.is_closed()]:
            del errand.wants[desk]
        now = self.clock()
        best: dict[_Line, tuple[Desk, Want]] = {}
        followed: set[_Line] = set()
        for desk, wants in errand.wants.items():
            for want in wants:
                line = _line(want.wish)
                if want.wish.more or line in best:
                    followed.add(line)
                if line not in best or want.rank < best[line][1].rank:
                    best[line] = (desk, want)
        visit = Visit(
            self.process,
            errand.organization,
            f"{self.process.id}-{next(self._numbers)}",
            tuple(errand.held),
            tuple(
                Report(lease, settled.fate, now - settled.at, settled.pauses)
                for lease, settled in errand.settled
            ),
            tuple(replace(want.wish, more=line in followed) for line, (_, want) in best.items()),
        )
        return visit, list(best.values())

    def _accept(
        self, errand: Errand, visit: Visit, wants: list[tuple[Desk, Want]], answer: Answer, started: float
    ) -> SharedLease | None:
        granted = answer.granted
        if granted is None:
            return None
        desk, want = wants[granted.wish]
        if want in (waiting := errand.wants.get(desk, [])):
            waiting.remove(want)  # until the desk says who is next
        lease = SharedLease(
            granted.key,
            self._home.buckets_of(errand.organization, granted.key),
            list(granted.probes),
            id=visit.lease,
            organization=errand.organization,
            kind=want.wish.kind,
            desk=desk,
            good_until=started + self.good_for_s,
        )
        errand.held[lease.id] = lease
        errand.asked -= {_line(want.wish)}
        return lease

    def _plan(self, errand: Errand, answer: Answer, now: float) -> None:
        if any(errand.wants.values()):
            self._due(errand, now + (0.0 if answer.granted else min(answer.retry_in_s, self.look_s)))
        if errand.asked and not any(errand.wants.values()):
            self._due(errand, now)
        if errand.held:
            self._due(errand, now + self.lease_s / _WORDS_PER_LEASE)
        if answer.come_again:
            self._due(errand, now + self.look_s)
        elif errand.is_over():
            self._errands.pop(errand.organization, None)
            self._agenda[errand.organization] = math.inf

    def _deliver(self, lease: SharedLease) -> None:
        try:
            if lease.desk is not None:
                lease.desk.deliver(lease)
        except RuntimeError:  # its loop was closed
            self.settle(lease, Settlement("unsent", self.clock()))

    def _give_up(self, errand: Errand, error: CleanlistError) -> None:
        with self._lock:
            desks, errand.wants, errand.asked = list(errand.wants), {}, frozenset()
            self._due(errand, self.clock() + self.lease_s / _WORDS_PER_LEASE)
        for desk in desks:
            with suppress(RuntimeError):
                desk.refuse(errand.organization, error)

    def _call_desks(self, errand: Errand, call: Callable[[Desk], None]) -> None:
        for desk in list(errand.wants):
            with suppress(RuntimeError):
                call(desk)

    # -- the thread ----------------------------------------------------------------------------

    def wake(self) -> None:
        """Let the thread look at what has come; start it when there is none."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="cleanlist-limits", daemon=True)
                self._thread.start()
            elif self._loop is not None:
                self._loop.call_soon_threadsafe(self._woken.set)

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = self._loop = None

    async def _serve(self) -> None:
        self._woken, self._loop = asyncio.Event(), asyncio.get_running_loop()
        while True:
            until = await self.run_due()
            self._say_if_all_is_told()
            idle = not self._errands
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S if idle else min(until - self.clock(), facts.LEASE_S)):
                    await self._woken.wait()
            if idle and not self._woken.is_set():
                with self.visiting:
                    await self.backend.aclose()
            with self._lock:
                if idle and not (self._woken.is_set() or self._errands or self._joins):
                    self._thread = self._loop = None  # from here on, whoever comes starts another
                    return
            self._woken.clear()

    def _say_if_all_is_told(self) -> None:
        with self._lock:
            all_told = not self._joins and not any(errand.settled for errand in self._errands.values())
            if all_told and self._told is not None:
                self._told.set()


def _line(wish: Wish) -> _Line:
    return wish.keys, wish.kind, wish.paced


_couriers: Final[weakref.WeakSet[Courier]] = weakref.WeakSet()


def _flush_all() -> None:
    for courier in list(_couriers):
        courier.flush()


def _before_fork() -> None:
    _held[:] = [courier.visiting for courier in _couriers if courier.visiting.acquire(timeout=_FORK_WAIT_S)]


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_fork_in_child() -> None:
    _held.clear()
    for courier in list(_couriers):
        courier.start_anew()


_held: Final[list[threading.Lock]] = []
_FORK_WAIT_S: Final = 1.0

atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
