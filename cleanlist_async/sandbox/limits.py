"""The rate limits, exact by arrival time. Pure: ``now`` is an argument, in seconds that never go back.

Two limits hold at once: one for the organization, one for each API key
(docs.cleanlist.ai/mcp-api/errors, "Rate limits"). How the server counts is not documented, so there are
four ways here, and a client has to be right under each. Written apart from the client's limiter.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from .options import LimiterKind

SHORTEST_WAIT_S: Final = 1e-6

LimitKind: TypeAlias = Literal["sliding", "fixed", "token_bucket", "weighted"]


class ArrivalLimit(Protocol):
    """One limit: at most so many requests in a window."""

    def wait_s(self, now: float) -> float:
        """Seconds until a request would be let in; 0.0 when one arriving now would be."""
        ...

    def count(self, now: float) -> None:
        """Count a request that arrives now, let in or not."""
        ...


class SlidingLog:
    """At most ``limit`` requests in *any* window; one window apart is far enough."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._window_s = window_s
        # The last `limit` arrivals are enough: the oldest of them decides when the next may come.
        self._arrivals: deque[float] = deque(maxlen=limit)

    def wait_s(self, now: float) -> float:
        """See :class:`ArrivalLimit`."""
        if len(self._arrivals) < (self._arrivals.maxlen or 0):
            return 0.0
        return max(0.0, self._arrivals[0] + self._window_s - now)

    def count(self, now: float) -> None:
        """See :class:`ArrivalLimit`."""
        self._arrivals.append(now)


class FixedWindow:
    """A counter that is reset to zero at ``phase_s``, ``phase_s + window_s`` and so on."""

    def __init__(self, limit: int, window_s: float, phase_s: float = 0.0) -> None:
        self._limit = limit
        self._window_s = window_s
        self._phase_s = phase_s
        self._window: int = 0
        self._count = 0
        self._previous = 0  # the count of the window before

    def wait_s(self, now: float) -> float:
        """See :class:`ArrivalLimit`."""
        self._turn_to(now)
        if self._count < self._limit:
            return 0.0
        # Rounding must not make it 0, which would let the request in.
        return max(SHORTEST_WAIT_S, self._phase_s + (self._window + 1) * self._window_s - now)

    def count(self, now: float) -> None:
        """See :class:`ArrivalLimit`."""
        self._turn_to(now)
        self._count += 1

    def _turn_to(self, now: float) -> float:
        """Return the seconds since this window's beginning."""
        window = math.floor((now - self._phase_s) / self._window_s)
        if window != self._window:
            # After a window without a request nothing of the last one counts any more.
            self._previous = self._count if window == self._window + 1 else 0
            self._window, self._count = window, 0
        return now - self._phase_s - window * self._window_s


class TokenBucket:
    """A bucket of ``limit`` tokens, full at first, that refills evenly at ``limit`` a window."""

    _ROUNDING: Final = 1e-9
    """Tokens; sixty refills of a sixtieth add up to a little less than one token."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._tokens_per_s = limit / window_s
        self._tokens = float(limit)
        # Unknown until the first request: the clock may start anywhere.
        self._filled_at: float | None = None

    def wait_s(self, now: float) -> float:
        """See :class:`ArrivalLimit`."""
        self._fill(now)
        missing = 1.0 - self._tokens
        return missing / self._tokens_per_s if missing > self._ROUNDING else 0.0

    def count(self, now: float) -> None:
        """See :class:`ArrivalLimit`."""
        self._fill(now)
        # A rejected request may count too, but makes no debt.
        self._tokens = max(0.0, self._tokens - 1.0)

    def _fill(self, now: float) -> None:
        if self._filled_at is not None:
            gained = (now - self._filled_at) * self._tokens_per_s
            self._tokens = min(float(self._limit), self._tokens + gained)
        self._filled_at = now


class WeightedWindows(FixedWindow):
    """The estimate of large gateways: this window's count and the last one's, weighted by its overlap.

    It lets a request in while the estimate is below the limit. It is stricter than the exact log
    after a burst late in a window, so a client that is safe with the other three can fail here.
    """

    def wait_s(self, now: float) -> float:
        """See :class:`ArrivalLimit`."""
        elapsed = self._turn_to(now)
        overlap = 1.0 - elapsed / self._window_s
        if self._previous * overlap + self._count < self._limit:
            return 0.0
        # Solves previous * overlap + count = limit: still in this window, or else in the next one,
        # where this count has become the previous one.
        if self._count < self._limit:
            lets_in_at = self._window_s * (1.0 - (self._limit - self._count) / self._previous)
        else:
            lets_in_at = self._window_s * (2.0 - self._limit / self._count)
        return lets_in_at - elapsed + SHORTEST_WAIT_S


def make_limit(kind: LimitKind, limit: int, window_s: float, phase_s: float = 0.0) -> ArrivalLimit:
    """Return a new limit; ``phase_s`` shifts the windows of the kinds that have fixed ones."""
    match kind:
        case "sliding":
            return SlidingLog(limit, window_s)
        case "fixed":
            return FixedWindow(limit, window_s, phase_s)
        case "token_bucket":
            return TokenBucket(limit, window_s)
        case "weighted":
            return WeightedWindows(limit, window_s, phase_s)


class Limits:
    """The organization's limit and the keys': a request is counted on both or on none."""

    def __init__(
        self,
        kind: LimitKind | LimiterKind,
        *,
        org_limit: int,
        key_limit: int,
        window_s: float,
        phase_s: float = 0.0,
        count_rejected: bool = False,
    ) -> None:
        self._kind: LimitKind | LimiterKind = kind
        self._window_s = window_s
        self._phase_s = phase_s
        self._count_rejected = count_rejected
        self._organization = self._bucket(org_limit)
        self._keys = defaultdict[str, ArrivalLimit](lambda: self._bucket(key_limit))

    def admit(self, key_id: str | None, now: float) -> float:
        """Return 0.0 for a request that is accepted (and counted), else the seconds until one would be.

        ``key_id`` None is a caller without a limit of its own (a session token).
        """
        if self._kind == "off":
            return 0.0
        buckets = [self._organization] if key_id is None else [self._organization, self._keys[key_id]]
        # All are asked before any is counted: what one refuses must not use up the other.
        wait_s = max(bucket.wait_s(now) for bucket in buckets)
        if wait_s == 0.0 or self._count_rejected:
            for bucket in buckets:
                bucket.count(now)
        return wait_s

    def _bucket(self, limit: int) -> ArrivalLimit:
        # With the limiter off the limits are never asked, so any kind will do.
        kind = "sliding" if self._kind == "off" else self._kind
        return make_limit(kind, limit, self._window_s, self._phase_s)
