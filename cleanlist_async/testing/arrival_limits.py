"""How a server may count requests: four exact models, which see nothing but arrival times.

Which of them the real API uses is not documented, so a client has to satisfy all of them.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal, Protocol

LimitKind = Literal["sliding", "fixed", "token_bucket", "weighted"]


class ArrivalLimit(Protocol):
    """At most so many requests in a window. ``now`` is in seconds and never goes back."""

    def wait_s(self, now: float) -> float:
        """Seconds until a request would be let in; 0.0 when one arriving now would be."""
        ...

    def count(self, now: float) -> None:
        """Count a request that arrives now, let in or not."""
        ...


class SlidingLog:
    """The exact log: at most ``limit`` arrivals in any ``window_s``; one window apart is far enough."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._arrivals: deque[float] = deque()

    def wait_s(self, now: float) -> float:
        """See :class:`ArrivalLimit`."""
        # Addition of the window keeps the order of floats, subtraction of two times may not.
        while self._arrivals and self._arrivals[0] + self._window_s <= now:
            self._arrivals.popleft()
        if len(self._arrivals) < self._limit:
            return 0.0
        return self._arrivals[-self._limit] + self._window_s - now

    def count(self, now: float) -> None:
        """See :class:`ArrivalLimit`."""
        self._arrivals.append(now)


class FixedWindow:
    """A counter set back to zero at ``phase_s``, ``phase_s + window_s`` and so on."""

    def __init__(self, limit: int, window_s: float, phase_s: float = 0.0) -> None:
        self._limit = limit
        self._window_s = window_s
        self._phase_s = phase_s
        self._window: int = 0
        self._count = 0

    def wait_s(self, now: float) -> float:
        """See :class:`ArrivalLimit`."""
        self._turn_to(now)
        if self._count < self._limit:
            return 0.0
        return self._phase_s + (self._window + 1) * self._window_s - now

    def count(self, now: float) -> None:
        """See :class:`ArrivalLimit`."""
        self._turn_to(now)
        self._count += 1

    def _turn_to(self, now: float) -> None:
        window = math.floor((now - self._phase_s) / self._window_s)
        if window != self._window:
            self._window, self._count = window, 0


class TokenBucket:
    """A bucket of ``limit`` tokens, full at first, that refills evenly at ``limit`` a window."""

    _ROUNDING = 1e-9
    """Tokens; sixty refills of a sixtieth add up to a little less than one token."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._tokens_per_s = limit / window_s
        self._tokens = float(limit)
        self._filled_at: float | None = None

    def wait_s(self, now: float) -> float:
        """See :class:`ArrivalLimit`."""
        self._fill(now)
        missing = 1.0 - self._tokens
        return missing / self._tokens_per_s if missing > self._ROUNDING else 0.0

    def count(self, now: float) -> None:
        """See :class:`ArrivalLimit`."""
        self._fill(now)
        self._tokens = max(0.0, self._tokens - 1.0)

    def _fill(self, now: float) -> None:
        if self._filled_at is not None:
            gained = (now - self._filled_at) * self._tokens_per_s
            self._tokens = min(float(self._limit), self._tokens + gained)
        self._filled_at = now


class WeightedWindows:
    """The estimate of large gateways: this window's count and the last one's, weighted by its overlap.

    It lets a request in while the estimate is below the limit. It is stricter than the exact log
    after a burst late in a window, so a client that is safe with the other three can fail here.
    """

    _ROUNDING_S = 1e-6
    """Seconds past the moment at which the estimate equals the limit."""

    def __init__(self, limit: int, window_s: float, phase_s: float = 0.0) -> None:
        self._limit = limit
        self._window_s = window_s
        self._phase_s = phase_s
        self._window: int = 0
        self._previous = 0
        self._current = 0

    def wait_s(self, now: float) -> float:
        """See :class:`ArrivalLimit`."""
        elapsed = self._turn_to(now)
        overlap = 1.0 - elapsed / self._window_s
        if self._previous * overlap + self._current < self._limit:
            return 0.0
        return self._lets_in_at() - elapsed + self._ROUNDING_S

    def count(self, now: float) -> None:
        """See :class:`ArrivalLimit`."""
        self._turn_to(now)
        self._current += 1

    def _lets_in_at(self) -> float:
        """Seconds after this window's beginning at which the estimate falls to the limit."""
        if self._current < self._limit:
            return self._window_s * (1.0 - (self._limit - self._current) / self._previous)
        return self._window_s * (2.0 - self._limit / self._current)

    def _turn_to(self, now: float) -> float:
        window = math.floor((now - self._phase_s) / self._window_s)
        if window != self._window:
            self._previous = self._current if window == self._window + 1 else 0
            self._window, self._current = window, 0
        return now - self._phase_s - window * self._window_s


def make_limit(kind: LimitKind, limit: int, window_s: float, phase_s: float = 0.0) -> ArrivalLimit:
    """Make a fresh limit; ``phase_s`` shifts the windows of the kinds that have fixed ones."""
    match kind:
        case "sliding":
            return SlidingLog(limit, window_s)
        case "fixed":
            return FixedWindow(limit, window_s, phase_s)
        case "token_bucket":
            return TokenBucket(limit, window_s)
        case "weighted":
            return WeightedWindows(limit, window_s, phase_s)
