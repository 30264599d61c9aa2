"""How often a shared store is looked at, and how long a word of a process is good for."""

from __future__ import annotations

from cleanlist_async import facts
from cleanlist_async.ratelimit.limits import RateLimits


def look_s(limits: RateLimits) -> float:
    """Return the seconds between two looks, where nothing tells when a token returns."""
    return min(facts.LOOK_S, limits.window_s / 10)


def lease_s(limits: RateLimits) -> float:
    """Return for how many seconds a lease is good without a word from its holder."""
    return facts.LEASE_S * min(1.0, limits.window_s / facts.WINDOW_S)
