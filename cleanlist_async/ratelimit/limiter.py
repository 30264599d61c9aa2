"""The limiter of one or more clients: permits to send, and their outcomes."""

from __future__ import annotations

import asyncio
import math
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike
from random import Random
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, get_args

from cleanlist_async.checks import (
    check_choice,
    check_function,
    check_instance,
    check_methods,
    checked_path,
    optional,
)
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit.buckets import BucketState, Lease, Rejection, Route, StoreState, Watcher
from cleanlist_async.ratelimit.dispatcher import Dispatcher, MemoryStore, Store, running_loop
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import boot_clock
from cleanlist_async.ratelimit.wait_queues import Endpoint, Endpoints, Pace, RequestClass, wait_for
from cleanlist_async.ratelimit.window import Outcome
from cleanlist_async.redact import Secret

if TYPE_CHECKING:
    from cleanlist_async.ratelimit.shared.remote import RemoteLimits

Clock: TypeAlias = Callable[[], float]
WhenAway: TypeAlias = Literal["closed", "local"]


@dataclass(eq=False, slots=True)
class Permit:
    """Permission to send one request. Exactly one of `answered`, `lost` and `unsent` must be called."""

    _limiter: RateLimiter = field(repr=False)
    lease: Lease
    waited_s: float
    _settle_lease: Callable[..., None] = field(repr=False)
    _route: Route = field(repr=False)
    _endpoint: Endpoint = field(repr=False)
    _of_endpoint: Permit | None = field(default=None, repr=False)
    settled: bool = False

    @property
    def key(self) -> str | None:
        """The name of the key to send with; None for a JWT."""
        return self.lease.key

    @property
    def is_void(self) -> bool:
        """Whether it must not be used: a 429 came since it was given, or others may have its tokens."""
        is_refused = self.lease.taken_at <= self._endpoint.rejected_at
        is_refused |= self._of_endpoint is not None and self._of_endpoint.is_void
        return is_refused or self._limiter.store.is_stale(self.lease, self._limiter.clock())

    def answered(
        self, at: float, *, rejected: bool = False, asked_s: float | None = None, named: str | None = None
    ) -> None:
        """Note that the answer's head arrived at *at*, by the limiter's clock.

        A 429 (*rejected*) pauses the buckets for *asked_s* seconds; *named* is the one the body names.
        """
        rejection = Rejection(asked_s, named, self._limiter.rng) if rejected else None
        self.settle("rejected" if rejected else "answered", at, rejection)

    def lost(self) -> None:
        """Note that the attempt ended without an answer, after a byte may have left."""
        self.settle("lost")

    def unsent(self) -> None:
        """Note that no byte left."""
        self.settle("unsent")

    def settle(self, outcome: Outcome, at: float | None = None, rejection: Rejection | None = None) -> None:
        """Note the outcome at *at*, by default now; *rejection* is the 429, if it was one."""
        if self.settled:  # the first word counts: callers settle once more in a `finally`
            return
        self.settled = True
        limiter, endpoint, taken_at = self._limiter, self._endpoint, self.lease.taken_at
        endpoint.settle(outcome, taken_at)
        of_endpoint: Rejection | None = None
        if rejection is not None and rejection.named is None:
            if self._of_endpoint is not None:
                of_endpoint, rejection = rejection, None
            elif limiter.endpoints.is_another_accepted(self._route, endpoint, taken_at):
                endpoint.reject(limiter.clock() if at is None else at, rejection)
                rejection = None
        if self._of_endpoint is not None:
            self._of_endpoint.settle(outcome, at, of_endpoint)
        self._settle_lease(self.lease, outcome, at, rejection)


class RateLimiter:
    """Keeps every request of a key and an organization within their limits.

    It may serve any number of clients, event loops and threads at once.

    Parameters
    ----------
    limits
        The limits to keep to.
    clock
        Seconds that never go back; replaced in tests.
    rng
        Source of jitter; replaced in tests.
    store
        Where the tokens are; by default in the memory of this process. It has its own limits.

    """

    def __init__(
        self,
        limits: RateLimits | None = None,
        *,
        clock: Clock = time.monotonic,
        rng: Random | None = None,
        store: Store | None = None,
    ) -> None:
        _check(limits, clock, rng)
        optional(check_methods, "store", store, "dispatcher", "settle")
        self.store = MemoryStore(limits or RateLimits()) if store is None else store
        self.limits = self.store.limits
        self.is_shared = not isinstance(self.store, MemoryStore)
        self.clock = clock
        self.rng = rng or Random()  # noqa: S311  # jitter, not cryptography
        self.endpoints = Endpoints()
        self.rejections = 0
        self.is_store_away = False
        self._lock = threading.Lock()
        self._dispatchers: dict[asyncio.AbstractEventLoop, Dispatcher] = {}
        self._watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()
        self.limit_endpoints(lambda limits: RateLimiter(limits, clock=clock, rng=self.rng))

    @classmethod
    def sqlite(
        cls,
        path: str | PathLike[str],
        limits: RateLimits | None = None,
        *,
        clock: Clock = boot_clock,
        rng: Random | None = None,
    ) -> Self:
        """Share the limits with all processes of this machine that open the file at *path*.

        The file is created if it does not exist, readable for its owner alone. It outlives every process, and
        holds fingerprints of keys, no keys. While processes give other *limits*, all keep to the smaller. It
        must not be on a network file system. Raises ConfigurationError when it cannot be used.
        """
        from cleanlist_async.ratelimit.shared.store import SharedStore  # noqa: PLC0415  # sqlite3 is not small
        from cleanlist_async.ratelimit.sqlite import LimitsFile  # noqa: PLC0415

        _check(limits, clock, rng)
        backend = LimitsFile(checked_path("path", path), limits or RateLimits(), clock)
        limiter = cls(clock=clock, rng=rng, store=SharedStore(backend, clock))
        backend.reachability.on_change = limiter._notify_watchers
        return limiter.limit_endpoints(lambda own: cls.sqlite(path, own, clock=clock, rng=rng))

    @classmethod
    def redis(
        cls,
        url: str,
        limits: RateLimits | None = None,
        *,
        fail: WhenAway = "closed",
        namespace: str = "cleanlist",
        clock: Clock = boot_clock,
        rng: Random | None = None,
    ) -> Self:
        """Share the limits with all processes, on any machine, that use the Redis at *url*.

        While Redis cannot be reached, requests wait (*fail* is ``"closed"``), or each process goes on with
        its own tokens up to its share of the limits (``"local"``). If Redis loses its data, requests pause
        for a lease and a window, two minutes, and draw no 429. It holds fingerprints of API keys, no keys;
        every Redis key begins with *namespace* and expires. All that share it must give the same *fail* and
        *namespace*; while they give other *limits*, all keep to the smaller. Needs the extra ``redis``.
        Raises ConfigurationError when that is missing or *url* is no address; so does every call that waits
        if Redis refuses the user or a command.
        """
        from cleanlist_async.ratelimit.redis import RedisLimits  # noqa: PLC0415  # of the extra

        try:
            _check(limits, clock, rng)
            backend = RedisLimits(url, limits or RateLimits(), clock, namespace)
            alike = partial(cls.redis, fail=fail, namespace=namespace, clock=clock, rng=rng)
            limiter, address = cls._remote(backend, fail, rng), Secret(url)
            return limiter.limit_endpoints(lambda own: alike(address.reveal(), own))
        finally:
            del url  # it may hold a password, which a traceback that shows local variables must not show

    @classmethod
    def postgres(
        cls,
        url: str,
        limits: RateLimits | None = None,
        *,
        fail: WhenAway = "closed",
        clock: Clock = boot_clock,
        rng: Random | None = None,
    ) -> Self:
        """Share the limits with all processes, on any machine, that use the PostgreSQL database at *url*.

        As `redis`, but its two tables, whose names begin with ``cleanlist_``, lose nothing in a restart; when
        a standby takes over, requests pause for two minutes, and draw no 429. It may be the database of a
        `Store`, and PgBouncer may lie between. Needs the extra ``postgres``. Raises ConfigurationError as
        `redis` does.
        """
        from cleanlist_async.ratelimit.postgres import PostgresLimits  # noqa: PLC0415  # of the extra

        try:
            _check(limits, clock, rng)
            backend = PostgresLimits(url, limits or RateLimits(), clock)
            alike = partial(cls.postgres, fail=fail, clock=clock, rng=rng)
            limiter, address = cls._remote(backend, fail, rng), Secret(url)
            return limiter.limit_endpoints(lambda own: alike(address.reveal(), own))
        finally:
            del url  # as above

    @classmethod
    def _remote(cls, backend: RemoteLimits, fail: WhenAway, rng: Random | None) -> Self:
        from cleanlist_async.ratelimit.shared.remote import LocalFallback  # noqa: PLC0415
        from cleanlist_async.ratelimit.shared.store import SharedStore  # noqa: PLC0415

        check_choice("fail", fail, get_args(WhenAway))
        shared = LocalFallback(backend, backend.clock) if fail == "local" else backend
        limiter = cls(clock=backend.clock, rng=rng, store=SharedStore(shared, backend.clock))
        backend.reachability.on_change = limiter._notify_watchers
        return limiter

    def limit_endpoints(self, open_limiter: Callable[[RateLimits], RateLimiter]) -> Self:
        """Open a limiter for each endpoint with a limit of its own: it has a bucket for each organization."""
        self._of_endpoints = {name: open_limiter(own) for name, own in self.limits.of_endpoints().items()}
        return self

    async def acquire(
        self, route: Route, kind: RequestClass, pace: Pace = "auto", *, operation: str = ""
    ) -> Permit:
        """Wait for both tokens of a request of class *kind*, and for its *operation*'s if that has a limit.

        Raises RateLimitError for an interactive call that would have to wait longer than 120 s because
        the server asked for it.
        """
        started, endpoint = self.clock(), self.endpoints.of(route, operation)
        of_endpoint: Permit | None = None
        if (own := self._of_endpoints.get(operation)) is not None:
            # First, since it is held while the others are waited for, and only its endpoint misses it.
            of_endpoint = await own.acquire(self._route_of(operation, route.organization), kind, "burst")
        try:
            while True:
                await wait_for(endpoint, kind, self.clock)
                lease = await self._dispatcher().acquire(route, kind, pace)
                if endpoint.paused_until <= (now := self.clock()):
                    return Permit(self, lease, now - started, self._settle, route, endpoint, of_endpoint)
                self._settle(lease, "unsent")
        except BaseException:
            if of_endpoint is not None:
                of_endpoint.unsent()
            raise

    def _route_of(self, endpoint: str, organization: str) -> Route:
        return Route((), f"{self.store.names_of(organization)[0]} {endpoint}")

    def endpoints_of(self, route: Route) -> tuple[BucketState, ...]:
        """Return the state of the endpoints that are paused, or have limits of their own."""
        limited = (
            replace(own.states(self._route_of(name, route.organization))[-1], name=name)
            for name, own in self._of_endpoints.items()
        )
        return (*self.endpoints.paused(route, self.clock()), *limited)

    def waiting(self, kind: RequestClass | None = None) -> int:
        """Return how many requests (of one class) wait in this event loop; 0 where none runs."""
        loop = running_loop()
        dispatcher = self._dispatchers.get(loop) if loop else None
        return dispatcher.queues.count(kind) if dispatcher else 0

    def available(self, route: Route) -> int:
        """Return how many requests of *route* could be sent now."""
        return self.store.available(route, self.clock())

    def states(self, route: Route | None = None) -> tuple[BucketState, ...]:
        """Return the state of every bucket; of those of *route*, the organization's comes last."""
        return self.store.states(self.clock(), route)

    def join(self, organization: str, other: str) -> None:
        """Let two names of one organization share a bucket, as soon as an answer shows that they are one."""
        before = self.store.names_of(organization)
        for name, own in self._of_endpoints.items():
            own.join(f"{before[0]} {name}", f"{other} {name}")
        self.store.join(organization, other)
        if self.store.names_of(organization) != before:
            self.wake_all(organization)

    def watch(self, watcher: Watcher) -> None:
        """Notify *watcher*, as long as it lives, when the shared store is lost and found."""
        with self._lock:
            self._watchers.add(watcher)

    def _notify_watchers(self, state: StoreState) -> None:
        self.is_store_away = state == "lost"
        with self._lock:
            watchers = list(self._watchers)
        for watcher in watchers:
            watcher.on_store_reachability(state)

    # -- the outcome of a permit ---------------------------------------------------------------

    def _settle(
        self, lease: Lease, outcome: Outcome, at: float | None = None, rejection: Rejection | None = None
    ) -> None:
        self.rejections += outcome == "rejected"
        self.store.settle(lease, outcome, self.clock() if at is None else at, rejection=rejection)
        returns_at = -math.inf if at is None or outcome != "answered" else at + self.limits.window_s
        self.wake_all(lease.buckets[-1].name, returns_at)

    def wake_all(self, organization: str, returns_at: float = -math.inf) -> None:
        """Let every event loop dispatch the tokens of *organization*: one returns at *returns_at*."""
        running = running_loop()
        for loop, dispatcher in self._dispatchers.items():
            if loop is running:
                dispatcher.wake(organization, returns_at)
            elif dispatcher.queues:
                with suppress(RuntimeError):  # that loop was closed meanwhile
                    loop.call_soon_threadsafe(dispatcher.wake, organization, returns_at)

    def _dispatcher(self) -> Dispatcher:
        loop = asyncio.get_running_loop()
        if (dispatcher := self._dispatchers.get(loop)) is None:
            dispatcher = self.store.dispatcher(self.clock, self.wake_all)
            with self._lock:  # replaced, never changed: other threads may be iterating over it
                alive = {known: its for known, its in self._dispatchers.items() if not known.is_closed()}
                self._dispatchers = {**alive, loop: dispatcher}
        return dispatcher


def _check(limits: object, clock: object, rng: object) -> None:
    optional(check_instance, "limits", limits, RateLimits)
    optional(check_instance, "rng", rng, Random)
    check_function("clock", clock)


# -- one limiter for each key, for with two neither could keep the limit ------------------------------

_REAL_CLOCKS: Final = (time.monotonic, boot_clock)
_lock: Final = threading.Lock()
_shared: Final[dict[tuple[str, RateLimits], RateLimiter]] = {}
# Weak: a client that is dropped without being closed must not block its key.
_users: Final[weakref.WeakKeyDictionary[object, tuple[RateLimiter, Route]]] = weakref.WeakKeyDictionary()
_recent: Final[dict[RateLimiter, None]] = {}
"""Limiters whose clients may have used a key within the last window, also if they are closed by now."""


def shared_limiter(base_url: str, limits: RateLimits) -> RateLimiter:
    """Return the limiter that all clients of this process share for *base_url* and *limits*."""
    with _lock:
        return _shared.setdefault((base_url, limits), RateLimiter(limits))


def attach(limiter: RateLimiter, user: object, route: Route) -> None:
    """Record that *user* sends on *route*.

    Raises ConfigurationError if another limiter guards one of its keys, or did within the last window.
    """
    with _lock:
        is_taken = any(other is not limiter and used.shares_bucket(route) for other, used in _users.values())
        for other in list(_recent):
            now = other.clock()
            if not other.store.is_touched(None, now):
                del _recent[other]
            # Two stores that are shared may be the same one.
            elif other is not limiter and not (other.is_shared and limiter.is_shared):
                is_taken |= other.store.is_touched(route, now)
        if is_taken:
            raise ConfigurationError(
                "This key is in use under another limiter, or was within the last minute.",
                fix="Give every client of one key the same rate_limits, or the same limiter.",
            )
        _users[user] = (limiter, route)
        if limiter.clock in _REAL_CLOCKS:  # simulations know nothing of each other
            _recent[limiter] = None
    limiter.store.attach(route, limiter.clock())


def detach(limiter: RateLimiter, user: object) -> None:
    """Forget *user*, which sends nothing more."""
    with _lock:
        if _users.get(user, (None,))[0] is limiter:
            del _users[user]
