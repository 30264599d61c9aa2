"""The buckets of a limiter: their names, which names share one, and their tokens. Data under a lock."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import Final, Literal, Protocol, TypeAlias

from cleanlist_async.ratelimit.limits import RateLimits, pause_s
from cleanlist_async.ratelimit.window import Bucket, Outcome

_FEW_ROUTES: Final = 64

StoreState: TypeAlias = Literal["lost", "found"]
BucketKind: TypeAlias = Literal["key", "organization"]


class Watcher(Protocol):
    """An object that is notified when the shared store cannot be reached, and when it can again."""

    def on_store_reachability(self, state: StoreState, /) -> None:
        """Note that the store was lost or found again. Called in any thread; must not block."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """The buckets that a request must pass: one of `keys` (none for a JWT), and the organization's.

    Names, never secrets: a key is known here by its fingerprint.
    """

    keys: tuple[str, ...]
    organization: str

    def only(self, key: str) -> Route:
        """Return this route narrowed to one key: a workflow is polled with the key that submitted it."""
        return Route((key,), self.organization) if key in self.keys else self

    def without(self, key: str) -> Route:
        """Return this route without one of its keys."""
        return Route(tuple(name for name in self.keys if name != key), self.organization)

    def shares_key(self, other: Route) -> bool:
        """Whether one key could serve both."""
        return any(key in other.keys for key in self.keys)

    def shares_bucket(self, other: Route) -> bool:
        """Whether both pass the bucket of one key, or without keys that of one organization."""
        return not {*(self.keys or (self.organization,))}.isdisjoint(other.keys or (other.organization,))


@dataclass(eq=False, slots=True, kw_only=True)
class NamedBucket(Bucket):
    """A bucket of a key or an organization. Two that turn out to be one organization share a window."""

    name: str
    taken: int = 0
    """Tokens taken so far."""
    names: tuple[str, ...] = ()
    """All names of an organization, that of its bucket first."""
    merged: list[NamedBucket] = field(default_factory=list["NamedBucket"], repr=False)
    """Buckets that were merged into this one; leases from before still refer to them."""


@dataclass(eq=False, slots=True)
class Lease:
    """The tokens of one request: one from each bucket of its route, taken together.

    After `good_until`, another process may have them.
    """

    key: str | None
    buckets: tuple[NamedBucket, ...]
    taken_at: float
    good_until: float = math.inf


@dataclass(frozen=True, slots=True)
class Rejection:
    """A 429: the seconds it asks for, the bucket it names; `rng` is the source of the jitter."""

    asked_s: float | None
    named: str | None
    rng: Random


@dataclass(frozen=True, slots=True)
class BucketState:
    """One bucket at one moment. ``opens_in_s`` is None while only an answer can free a token."""

    name: str
    """The key, as its fingerprint, or the organization."""
    limit: int
    """Requests in a window, as published."""
    capacity: int
    """Requests in a window that are used; fewer than `limit` after a 429."""
    available: int
    """Requests that could be sent now."""
    in_flight: int
    """Requests on their way."""
    opens_in_s: float | None
    paused_for_s: float
    """Seconds until the end of a pause after a 429; 0 without one."""

    @property
    def use(self) -> float:
        """The share of the limit, from 0 to 1, that is in use or withheld after a 429."""
        return 1 - self.available / self.limit if self.limit else 1.0


class Buckets(ABC):
    """All buckets of one limiter. Nothing here waits; every method may be called from any thread."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self._lock = threading.RLock()  # reentrant: `attach` calls `join`
        self._keys: dict[str, NamedBucket] = {}
        self._organizations: dict[str, NamedBucket] = {}
        self._organization_of: dict[str, str] = {}
        self._attached: set[Route] = set()
        self._forget_at = _FEW_ROUTES
        # The latest end of any pause or even pacing: before it, each bucket is looked at, after it none.
        self._disturbed_until = -math.inf

    # -- what the limiter asks -----------------------------------------------------------------

    def available(self, route: Route, now: float) -> int:
        """Return how many tokens could be taken now, from all keys and from the organization."""
        with self._lock:
            organization = max(0, self._organization(route.organization).window.available(now))
            keys = [max(0, self._key(name).window.available(now)) for name in route.keys]
            return min(organization, sum(keys)) if keys else organization

    def openings(self, route: Route, now: float) -> list[float]:
        """Return when each token of *route* can be taken, in order, if no other is taken before.

        That is *now* for a free one, a window later for one whose request is not answered yet.
        """
        with self._lock:
            organization = self._organization(route.organization).window.openings(now)
            keys = sorted(chain.from_iterable(self._key(name).window.openings(now) for name in route.keys))
        return list(map(max, organization, keys)) if route.keys else organization

    def paused_for_s(self, route: Route, now: float) -> float:
        """Return for how many seconds nothing may be sent on this route; 0 when something may."""
        if now >= self._disturbed_until:
            return 0.0
        with self._lock:
            until = self._organization(route.organization).window.paused_until
            keys = [self._key(name).window.paused_until for name in route.keys]
            # Any key will do, so the first to open counts; the organization's bucket must open as well.
            return max(0.0, until - now, min(keys, default=until) - now)

    def is_disturbed(self, now: float) -> bool:
        """Whether a recent 429 still affects any bucket."""
        return now < self._disturbed_until

    def is_stale(self, lease: Lease, now: float) -> bool:
        """Whether nothing may be sent with this lease: it ran out, or a 429 came since it was taken."""
        return now > lease.good_until or (
            now < self._disturbed_until
            and any(
                lease.taken_at <= bucket.window.allowance.rejected_at or now < bucket.window.paused_until
                for bucket in lease.buckets
            )
        )

    def must_be_smooth(self, route: Route, now: float) -> bool:
        """Whether a recent 429 asks for even pacing on this route."""
        if now >= self._disturbed_until:
            return False
        with self._lock:
            buckets = [self._organization(route.organization), *map(self._key, route.keys)]
            return any(now < bucket.window.allowance.smooth_until for bucket in buckets)

    def has_interactive(self, route: Route, now: float) -> bool:
        """Whether an interactive call used this organization's bucket within the last two windows."""
        with self._lock:
            return self._organization(route.organization).has_interactive(now)

    def prefers_bulk(self, route: Route, now: float) -> bool:
        """Whether interactive calls have used their half of the organization's tokens, or of each key's."""
        with self._lock:
            if self._organization(route.organization).prefers_bulk(now):
                return True
            keys = [self._key(name).prefers_bulk(now) for name in route.keys]
            return bool(keys) and all(keys)

    # -- the outcome of a lease ----------------------------------------------------------------

    @abstractmethod
    def settle(
        self, lease: Lease, outcome: Outcome, at: float, *, rejection: Rejection | None = None
    ) -> None:
        """Record the outcome of *lease* at *at*; *rejection* is the 429, if it was one."""

    def _reject(self, lease: Lease, at: float, rejection: Rejection) -> dict[BucketKind, float]:
        """Pause the bucket that a 429 concerns, and learn what its server allows; return the pause."""
        kind = self._rejected_kind(lease, at, rejection.named)
        bucket = lease.buckets[0] if kind == "key" else lease.buckets[-1]
        window, in_a_row = bucket.window, bucket.count_rejection(at)
        pause = pause_s(in_a_row, rejection.rng, rejection.asked_s)
        window.reject(at, pause, taken_at=lease.taken_at, asked_s=rejection.asked_s)
        self._disturbed_until = max(self._disturbed_until, window.paused_until, window.allowance.smooth_until)
        return {kind: window.paused_until - at}

    def _rejected_kind(self, lease: Lease, at: float, named: str | None) -> BucketKind:
        """Return which limit a 429 concerns: the one it names, or the key's.

        If it names none and another key was refused within the last window, it is the organization's.
        """
        if lease.key is None or named == "organization":
            return "organization"
        if named == "key":
            return "key"
        is_another_refused = any(
            name != lease.key
            and at - other.window.allowance.rejected_at < self.limits.window_s
            and self._organizations.get(self._organization_of.get(name, "")) is lease.buckets[-1]
            for name, other in self._keys.items()
        )
        return "organization" if is_another_refused else "key"

    # -- identities ----------------------------------------------------------------------------

    def join(self, organization: str, other: str) -> None:
        """Make two names one organization: what was sent under either counts for both."""
        with self._lock:
            ours, theirs = self._organization(organization), self._organizations.get(other)
            if theirs is None:
                self._organizations[other] = ours
                ours.names += (other,)
            elif theirs is not ours:
                self._merge(ours, theirs)

    def _merge(self, ours: NamedBucket, theirs: NamedBucket) -> None:
        ours.absorb(theirs)
        ours.merged += [theirs, *theirs.merged]
        # Leases that are out hold the merged buckets: their tokens must return to the one window.
        for bucket in ours.merged:
            bucket.window = ours.window
        ours.names += theirs.names
        self._organizations.update(dict.fromkeys(theirs.names, ours))

    def names_of(self, organization: str) -> tuple[str, ...]:
        """Return all names of the organization that has this one, the name of its bucket first."""
        known = self._organizations.get(organization)
        return known.names if known else (organization,)

    def states(self, now: float, route: Route | None = None) -> tuple[BucketState, ...]:
        """Return the state of each bucket at *now*, or of those of *route*: its keys, its organization."""
        with self._lock:
            if route is not None:
                buckets = [*map(self._key, route.keys), self._organization(route.organization)]
            else:
                buckets = list(dict.fromkeys((*self._keys.values(), *self._organizations.values())))
            return tuple(_state(bucket, now) for bucket in buckets)

    def attach(self, route: Route, now: float) -> None:
        """Record the organization of the keys of *route*, joining organizations that turn out to be one."""
        if route in self._attached:  # without the lock: this runs for every request
            return
        with self._lock:
            if len(self._attached) >= self._forget_at:
                self._forget_untouched(now)
                self._forget_at = 2 * len(self._attached) + _FEW_ROUTES
            for key in route.keys:
                self.join(route.organization, self._organization_of.setdefault(key, route.organization))
            self._attached.add(route)

    def is_touched(self, route: Route | None, now: float) -> bool:
        """Whether any key of *route* has tokens out, or its organization if it has none; None for any."""
        with self._lock:
            if route is None:
                known = [*self._keys.values(), *self._organizations.values()]
            elif route.keys:
                known = [self._keys[name] for name in route.keys if name in self._keys]
            else:
                known = [self._organization(route.organization)]
            return any(not bucket.window.is_untouched(now) for bucket in known)

    def _forget_untouched(self, now: float) -> None:
        """Free what is as good as new: organizations with one key, all whose tokens have returned."""
        keys_of: defaultdict[NamedBucket, list[NamedBucket]] = defaultdict(list)
        for key, name in self._organization_of.items():
            keys_of[self._organization(name)].append(self._key(key))
        for organization in set(self._organizations.values()):
            keys = keys_of[organization]
            if len(keys) <= 1 and all(bucket.is_new(now) for bucket in (organization, *keys)):
                for name in organization.names:
                    del self._organizations[name]
                for bucket in keys:
                    del self._keys[bucket.name], self._organization_of[bucket.name]
        self._attached = {route for route in self._attached if route.organization in self._organizations}

    def _key(self, name: str) -> NamedBucket:
        if (bucket := self._keys.get(name)) is None:
            bucket = self._keys[name] = NamedBucket(self.limits.key_window(), name=name)
        return bucket

    def _organization(self, name: str) -> NamedBucket:
        if (bucket := self._organizations.get(name)) is None:
            window = self.limits.organization_window()
            bucket = self._organizations[name] = NamedBucket(window, name=name, names=(name,))
        return bucket


def _state(bucket: NamedBucket, now: float) -> BucketState:
    window = bucket.window
    opens_in = max(0.0, window.opens_at(now) - now)
    return BucketState(
        name=bucket.name,
        limit=window.limit,
        capacity=window.tokens(now),
        available=max(0, window.available(now)),
        in_flight=window.in_flight,
        opens_in_s=None if math.isinf(opens_in) else opens_in,
        paused_for_s=max(0.0, window.paused_until - now),
    )
