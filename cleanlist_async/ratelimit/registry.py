"""Ensures that one limiter guards each key in this process: with two, neither could keep the limit."""

from __future__ import annotations

import threading
import weakref
from typing import Final

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit.buckets import Route
from cleanlist_async.ratelimit.limiter import RateLimiter
from cleanlist_async.ratelimit.limits import RateLimits

_lock: Final = threading.Lock()
_shared: Final[dict[tuple[str, RateLimits], RateLimiter]] = {}
# Weak: a client that is dropped without being closed must not block its key.
_users: Final[weakref.WeakKeyDictionary[object, tuple[RateLimiter, Route]]] = weakref.WeakKeyDictionary()


def shared_limiter(base_url: str, limits: RateLimits, route: Route) -> RateLimiter:
    """Return the limiter that all clients of this process share for *base_url* and *limits*.

    Raises ConfigurationError when a key was used within the last window under other limits.
    """
    with _lock:
        for (url, others), limiter in _shared.items():
            if url == base_url and others != limits and limiter.store.is_touched(route, limiter.clock()):
                raise _two_limits()
        return _shared.setdefault((base_url, limits), RateLimiter(limits))


def attach(limiter: RateLimiter, user: object, route: Route) -> None:
    """Record that *user* sends on *route*.

    Raises ConfigurationError if another limiter guards one of its keys.
    """
    with _lock:
        for other, used in _users.values():
            if other is not limiter and _buckets_of(used) & _buckets_of(route):
                raise _two_limits()
        _users[user] = (limiter, route)
    limiter.store.attach(route)


def detach(limiter: RateLimiter, user: object) -> None:
    """Forget *user*, which sends nothing more."""
    with _lock:
        if _users.get(user, (None,))[0] is limiter:
            del _users[user]


def _buckets_of(route: Route) -> set[str]:
    return set(route.keys or (route.organization,))


def _two_limits() -> ConfigurationError:
    return ConfigurationError(
        "This key is in use under another limiter.",
        fix="Give every client of one key the same rate_limits, or the same limiter.",
    )
