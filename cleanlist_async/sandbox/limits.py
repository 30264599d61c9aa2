"""The rate limits, exact by arrival time. Pure: ``now`` is an argument, in seconds.

Two limits hold at once: one for the organization, one for each API key
(docs.cleanlist.ai/mcp-api/errors, "Rate limits"). How the server counts is not documented, so there are
three ways here, and a client has to be right under each.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from .options import LimiterKind

SHORTEST_WAIT_S: Final = 1e-6


class Bucket(Protocol):
    """One limit: at most so many requests in a window."""

    def wait_s(self, now: float) -> float:
        """Seconds until a request would be accepted; 0.0 means now."""
        ...

    def count(self, now: float) -> None:
        """Note a request."""
        ...


class SlidingLog:
    """At most ``limit`` requests in *any* window: the strictest reading."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._window_s = window_s
        self._arrivals: deque[float] = deque(maxlen=limit)

    def wait_s(self, now: float) -> float:
        """Seconds until the oldest of the last ``limit`` requests has left the window."""
        if len(self._arrivals) < (self._arrivals.maxlen or 0):
            return 0.0
        return max(0.0, self._arrivals[0] + self._window_s - now)

    def count(self, now: float) -> None:
        """Note a request."""
        self._arrivals.append(now)


class FixedWindow:
    """At most ``limit`` requests in each window; windows start at multiples of their length."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._window = -1
        self._counted = 0

    def wait_s(self, now: float) -> float:
        """Seconds until the next window, if this one is full."""
        window = math.floor(now / self._window_s)
        if window != self._window or self._counted < self._limit:
            return 0.0
        return max(SHORTEST_WAIT_S, (window + 1) * self._window_s - now)

    def count(self, now: float) -> None:
        """Note a request."""
        window = math.floor(now / self._window_s)
        self._counted = self._counted + 1 if window == self._window else 1
        self._window = window


class TokenBucket:
    """Starts with ``limit`` tokens and gains ``limit`` a window, evenly, never above ``limit``."""

    _ROUNDING: Final = 1e-9

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = float(limit)
        self._per_s = limit / window_s
        self._tokens = self._limit
        self._at = -math.inf

    def wait_s(self, now: float) -> float:
        """Seconds until there is a whole token."""
        missing = 1.0 - self._tokens_at(now)
        return 0.0 if missing <= self._ROUNDING else missing / self._per_s

    def count(self, now: float) -> None:
        """Note a request."""
        self._tokens = max(0.0, self._tokens_at(now) - 1.0)
        self._at = now

    def _tokens_at(self, now: float) -> float:
        return min(self._limit, self._tokens + (now - self._at) * self._per_s)


class Limits:
    """The organization's limit and the keys': a request is counted on both or on none."""

    def __init__(
        self,
        kind: LimiterKind,
        *,
        org_limit: int,
        key_limit: int,
        window_s: float,
        count_rejected: bool = False,
    ) -> None:
        self._kind: LimiterKind = kind
        self._key_limit = key_limit
        self._window_s = window_s
        self._count_rejected = count_rejected
        self._organization = self._bucket(org_limit)
        self._keys: dict[str, Bucket] = {}

    def admit(self, key_id: str | None, now: float) -> float:
        """Return 0.0 for a request that is accepted (and counted), else the seconds until one would be.

        ``key_id`` None is a caller without a limit of its own (a session token).
        """
        if self._kind == "off":
            return 0.0
        buckets = [self._organization] if key_id is None else [self._organization, self._bucket_of(key_id)]
        wait_s = max(bucket.wait_s(now) for bucket in buckets)
        if wait_s == 0.0 or self._count_rejected:
            for bucket in buckets:
                bucket.count(now)
        return wait_s

    def _bucket_of(self, key_id: str) -> Bucket:
        if key_id not in self._keys:
            self._keys[key_id] = self._bucket(self._key_limit)
        return self._keys[key_id]

    def _bucket(self, limit: int) -> Bucket:
        if self._kind == "fixed":
            return FixedWindow(limit, self._window_s)
        if self._kind == "token_bucket":
            return TokenBucket(limit, self._window_s)
        return SlidingLog(limit, self._window_s)
