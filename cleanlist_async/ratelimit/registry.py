"""Ensures that one limiter guards each key in this process: with two, neither could keep the limit."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Final

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit.buckets import Route
from cleanlist_async.ratelimit.limiter import RateLimiter
from cleanlist_async.ratelimit.limits import RateLimits
from cleanlist_async.ratelimit.shared.backend import boot_clock

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
        is_taken = any(other is not limiter and _shares(used, route) for other, used in _users.values())
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


def _shares(one: Route, other: Route) -> bool:
    return not set(one.keys or (one.organization,)).isdisjoint(other.keys or (other.organization,))
