"""The arithmetic of one rate-limit bucket. Pure: no clock, no I/O; every method takes `now` in seconds.

**A token taken for a request comes back exactly one window after that request's answer arrived.** The
server counted the request no later than it answered, so any two requests that used the same token
reached the server at least one window apart: at most `limit` arrivals fall into any window, whether it
slides, is aligned to the clock, or is a token bucket that starts full.

That holds against the published limits, when all traffic of the key and the organization shares the
bucket. For a server that is stricter, or traffic that is not ours, there are `pause` and `shrink`.
"""

from __future__ import annotations

import heapq
import math
from typing import Final, Literal, NotRequired, TypeAlias, TypedDict

from cleanlist_async import facts

_UNTIL_ANSWER: Final = math.inf
_NEVER: Final = -math.inf

Outcome: TypeAlias = Literal["answered", "rejected", "lost", "unsent"]
"""How a request ended: with an answer other than a 429, with a 429, without one, or with no byte sent."""


class WindowState(TypedDict):
    """A window as plain data, for stores that several processes share. Absent moments never came."""

    in_flight: int
    returning: list[float]
    capacity: float
    burst_spent: bool
    tried: int
    probing: int
    shrunk_at: NotRequired[float]
    paused_until: NotRequired[float]
    smooth_until: NotRequired[float]


class Window:
    """Tokens of one bucket: free, in flight, or waiting to return."""

    __slots__ = (
        "_burst_spent",
        "_capacity",
        "_in_flight",
        "_probing",
        "_returning",
        "_shrunk_at",
        "_tried",
        "grace_s",
        "limit",
        "margin_s",
        "paused_until",
        "smooth_until",
        "window_s",
    )

    def __init__(self, limit: int, window_s: float, margin_s: float = 0.0, grace_s: float = 0.0) -> None:
        self.limit = limit
        self.window_s = window_s
        self.margin_s = margin_s
        self.grace_s = grace_s
        self.paused_until = _NEVER
        self.smooth_until = _NEVER
        self._in_flight = 0
        self._returning: list[float] = []
        self._capacity = float(limit)
        self._shrunk_at = _NEVER
        self._burst_spent = False
        self._tried = 0
        self._probing = 0

    # -- what is free --------------------------------------------------------------------------

    def available(self, now: float) -> int:
        """Return how many tokens can be taken at *now*."""
        if self._returning and self._returning[0] <= now:
            self._collect(now)
        if now < self.paused_until:
            return 0
        free = max(0, self._free(now))
        return min(free, self._probes_allowed) if self._must_probe else free

    def opens_at(self, now: float, keep: int = 0, ahead: int = 0) -> float:
        """Return when more than *keep* tokens are free, after *ahead* others have taken one each.

        Infinity when only an answer can free them.
        """
        needed = 1 + ahead
        if keep:
            needed += self.kept(keep, now)
        if self.available(now) >= needed:
            return now
        if self._must_probe and needed > self._probes_allowed:
            if ahead or self._in_flight:
                return _UNTIL_ANSWER
            return max(*self._returning, self.paused_until)  # once all are back, the burst is over
        # Two things bring tokens: those that return, and the capacity that grows back after a 429. Any split
        # between them will do, and the earliest counts.
        missing = needed - self._free(now)
        growable = min(missing, self.limit - int(self.capacity(now)))
        opens = min(self._opens_with(grown, missing, now) for grown in range(max(growable, 0) + 1))
        return max(opens, self.paused_until)

    def capacity(self, now: float) -> float:
        """Return the limit in use: less than `limit` for a while after a 429."""
        if self._capacity >= self.limit:
            return float(self.limit)
        return min(float(self.limit), self._capacity + (now - self._shrunk_at) / self.window_s)

    def kept(self, keep: int, now: float) -> int:
        """Return how many of *keep* tokens are kept: of a small limit, no more than a quarter."""
        return min(keep, int(self.capacity(now)) // 4)

    @property
    def in_flight(self) -> int:
        """Tokens whose request has not been answered yet."""
        return self._in_flight

    def is_untouched(self, now: float) -> bool:
        """Whether every token has returned, so that forgetting this bucket loses nothing."""
        self._collect(now)
        return not self._in_flight and not self._returning and now >= self.paused_until

    # -- what happens to a token ---------------------------------------------------------------

    def take(self, now: float) -> bool:
        """Take one token. Return whether its request is a probe, whose answer others wait for.

        The tokens that return after a burst are spent one, then two, and never more than four at a time: a
        server that is stricter than published then answers a few 429s, not a whole burst of them.
        """
        is_probe = self._must_probe
        self._in_flight += 1
        self._probing += is_probe
        if not self._burst_spent and self._free(now) <= 0:
            self._burst_spent = True
        return is_probe

    def settle(self, outcome: Outcome, at: float, *, probe: bool = False) -> None:
        """Let a token return according to the outcome of its request at *at*.

        After an answer, also a 429, it returns one window later. If the request is lost, it returns a grace
        later still, for the request may yet arrive. If it was not sent, the token is free at once.
        """
        self._in_flight -= 1
        self._probing -= probe
        if outcome != "unsent":
            grace_s = self.grace_s if outcome == "lost" else 0.0
            heapq.heappush(self._returning, at + grace_s + self.window_s + self.margin_s)
        self._forget_burst()
        if outcome == "unsent" and not probe:
            self._burst_spent = self._tried > 0  # a token is left, so the burst is not spent after all
        elif outcome not in {"unsent", "lost"}:  # only an answer shows how strict the server is
            self._tried += probe

    # -- what the server says ------------------------------------------------------------------

    def pause(self, until: float) -> None:
        """Give out nothing before *until*."""
        self.paused_until = max(self.paused_until, until)

    def shrink(self, now: float) -> None:
        """Use less of the limit for a while: a 429 shows that other programs share it."""
        self.smooth_until = max(self.smooth_until, now + facts.SMOOTH_AFTER_429_S)
        if now - self._shrunk_at < self.window_s:  # the 429s of one burst have one cause
            return
        smallest = min(facts.SMALLEST_LIMIT, self.limit)
        self._capacity = max(smallest, math.floor(self.capacity(now) * facts.SHRINK_FACTOR))
        self._shrunk_at = now

    def hold_back(self, now: float, until: float) -> None:
        """Withhold all tokens that are free at *now* until *until*: others may have used them."""
        self._collect(now)
        for _ in range(self._free(now)):
            heapq.heappush(self._returning, until)

    def absorb(self, other: Window) -> None:
        """Take over the tokens that *other* has out, when two buckets turn out to be one."""
        # More may be out now than the limit; `available` is 0 until enough have returned.
        self._in_flight += other._in_flight
        self._returning = [*self._returning, *other._returning]
        heapq.heapify(self._returning)
        self.pause(other.paused_until)
        self.smooth_until = max(self.smooth_until, other.smooth_until)
        self._burst_spent = self._burst_spent or other._burst_spent
        self._tried = max(self._tried, other._tried)
        self._probing += other._probing
        if other._shrunk_at > self._shrunk_at:
            self._capacity, self._shrunk_at = other._capacity, other._shrunk_at

    def shift(self, by_s: float) -> None:
        """Convert every moment to a clock that is *by_s* ahead of the present one."""
        self.restore(self.state(), by_s)

    # -- as plain data -------------------------------------------------------------------------

    def state(self) -> WindowState:
        """Return everything but the limits."""
        state = WindowState(
            in_flight=self._in_flight,
            returning=sorted(self._returning),
            capacity=self._capacity,
            burst_spent=self._burst_spent,
            tried=self._tried,
            probing=self._probing,
        )
        if self._shrunk_at > _NEVER:
            state["shrunk_at"] = self._shrunk_at
        if self.paused_until > _NEVER:
            state["paused_until"] = self.paused_until
        if self.smooth_until > _NEVER:
            state["smooth_until"] = self.smooth_until
        return state

    def restore(self, state: WindowState, shift_s: float = 0.0) -> None:
        """Take over *state*, whose clock is *shift_s* behind ours."""
        self._in_flight = state["in_flight"]
        self._returning = [at + shift_s for at in state["returning"]]
        self._capacity = state["capacity"]
        self._burst_spent = state["burst_spent"]
        self._tried = state["tried"]
        self._probing = state["probing"]
        self._shrunk_at = state.get("shrunk_at", _NEVER) + shift_s
        self.paused_until = state.get("paused_until", _NEVER) + shift_s
        self.smooth_until = state.get("smooth_until", _NEVER) + shift_s

    # -- inside --------------------------------------------------------------------------------

    @property
    def _must_probe(self) -> bool:
        return self._burst_spent and self._tried < self.limit

    @property
    def _probes_allowed(self) -> int:
        return min(self._tried + 1, facts.PROBES_AT_ONCE) - self._probing

    def _free(self, now: float) -> int:
        limit = self.limit if self._capacity >= self.limit else int(self.capacity(now))
        return limit - self._in_flight - len(self._returning)

    def _collect(self, now: float) -> None:
        while self._returning and self._returning[0] <= now:
            heapq.heappop(self._returning)
        self._forget_burst()

    def _forget_burst(self) -> None:
        if not self._returning and not self._in_flight:
            self._burst_spent, self._tried = False, 0

    def _opens_with(self, grown: int, missing: int, now: float) -> float:
        """Return when *missing* tokens are free, if *grown* of them come from the capacity growing back."""
        returned = self._nth_return(missing - grown) if missing > grown else now
        if not grown:
            return returned
        capacity = self.capacity(now)
        return max(returned, now + (int(capacity) + grown - capacity) * self.window_s)

    def _nth_return(self, count: int) -> float:
        if count > len(self._returning):
            return _UNTIL_ANSWER
        return self._returning[0] if count == 1 else heapq.nsmallest(count, self._returning)[-1]
