"""The arithmetic of one rate-limit bucket. Pure: no clock, no I/O; every method takes `now` in seconds.

**A token taken for a request comes back exactly one window after that request's answer arrived.** The server
counted the request no later than it answered, so any two requests that used the same token reached the server
at least one window apart: at most `limit` arrivals fall into any window, whether it slides, is aligned to the
clock, or is a token bucket that starts full.

A token whose request got no answer comes back a grace later still: it may yet arrive. The proof fails where
the network holds it back for longer, and where a transport sends a request again by itself. It is about the
published limits, and traffic that is all ours: for a stricter server, and for strangers, there is `reject`.
"""

from __future__ import annotations

import bisect
import heapq
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final, Literal, NotRequired, TypeAlias, TypedDict

from cleanlist_async import facts
from cleanlist_async.ratelimit.allowance import Allowance

_ARRIVES_WITHIN_S: Final = 1.0
"""A learned limit takes a request to have arrived after so many seconds at the latest."""

_MOST_OPENINGS: Final = 1_000
"""Limits may be far greater than what any schedule looks at."""

Outcome: TypeAlias = Literal["answered", "rejected", "lost", "unsent"]
"""How a request ended: with an answer other than a 429, with a 429, without one, or with no byte sent."""


class WindowState(TypedDict):
    """A window as plain data, for stores that several processes share."""

    in_flight: int
    returning: list[float]
    allowance: NotRequired[dict[str, float]]
    paused_until: NotRequired[float]
    sent: NotRequired[list[float]]


class Window:
    """Tokens of one bucket: free, `in_flight`, or waiting to return; before `paused_until`, none is free.

    While `allowance` is less than the published limit, no more than that are `sent` in any window besides.
    """

    __slots__ = (
        "_returning",
        "allowance",
        "grace_s",
        "in_flight",
        "margin_s",
        "paused_until",
        "sent",
        "window_s",
    )

    def __init__(self, limit: int, window_s: float, margin_s: float = 0.0, grace_s: float = 0.0) -> None:
        self.allowance = Allowance(limit, window_s)
        self.window_s = window_s
        self.margin_s = margin_s
        self.grace_s = grace_s
        self.paused_until = -math.inf
        self.in_flight = 0
        self._returning: list[float] = []
        self.sent: list[float] = []

    def adopt(self, other: Window) -> None:
        """Keep to the limit and the times of *other* from now on; what was sent still counts."""
        self.allowance.limit, self.allowance.window_s = other.limit, other.window_s
        self.window_s, self.margin_s, self.grace_s = other.window_s, other.margin_s, other.grace_s

    # -- what is free --------------------------------------------------------------------------

    def available(self, now: float) -> int:
        """Return how many tokens can be taken at *now*."""
        self._collect(now)
        if now < self.paused_until:
            return 0
        free = self.limit - self.in_flight - len(self._returning)
        if now < self.allowance.full_at:
            free = min(free, self.tokens(now) - self._sent_lately(now))
        return max(0, free)

    def opens_at(self, now: float, keep: int = 0, ahead: int = 0) -> float:
        """Return when more than *keep* tokens are free, after *ahead* others have taken one each.

        Infinity when only an answer can free them.
        """
        if self._returning and self._returning[0] <= now:
            self._collect(now)
        needed = self.in_flight + len(self._returning) + 1 + ahead + keep
        missing = needed - self.limit
        opens = self._nth_return(missing) if missing > 0 else now
        if now < self.allowance.full_at:
            opens = max(opens, self._allowed_at(now, ahead + keep))
        return max(opens, self.paused_until)

    def openings(self, now: float) -> list[float]:
        """Return when each token can be taken, in order, if no other is taken before; of 1,000 at most."""
        free = self.available(now)
        if free >= _MOST_OPENINGS:
            return [now] * _MOST_OPENINGS
        times = [now] * free + heapq.nsmallest(_MOST_OPENINGS - free, self._returning)
        times += [now + self.window_s] * min(self.in_flight, _MOST_OPENINGS - len(times))
        return [max(time, self.paused_until) for time in times] if now < self.paused_until else times

    def tokens(self, now: float) -> int:
        """Return how many requests may be sent in a window at *now*."""
        allowance = self.allowance
        return allowance.limit if allowance.rejected_at == -math.inf else allowance.tokens(now)

    @property
    def limit(self) -> int:
        """Requests in a window by what is published."""
        return self.allowance.limit

    def is_untouched(self, now: float) -> bool:
        """Whether every token has returned, so that forgetting this bucket loses nothing."""
        self._collect(now)
        if is_untouched := not self._out and now >= self.paused_until:
            self.allowance.forget(now)
        return is_untouched

    # -- what happens to a token ---------------------------------------------------------------

    def take(self, now: float) -> None:
        """Take one token."""
        self.allowance.note_sent(now, is_only=not self._out)
        del self.sent[: len(self.sent) - self._sent_lately(now)]
        self.sent.append(now)
        self.in_flight += 1

    def settle(self, outcome: Outcome, at: float, taken_at: float) -> None:
        """Let a token that was taken at *taken_at* return according to the outcome of its request at *at*.

        After an answer it returns one window later; if the request is lost, a grace later still. If it was
        refused or not sent, the token is free at once.
        """
        self.in_flight -= 1
        if outcome == "unsent":
            self.allowance.note_not_accepted()
            self._uncount(taken_at)
        elif outcome != "rejected":
            grace_s = self.grace_s if outcome == "lost" else 0.0
            heapq.heappush(self._returning, at + grace_s + self.window_s + self.margin_s)

    def reject(self, at: float, pause_s: float, *, taken_at: float, asked_s: float | None) -> None:
        """Pause for *pause_s* seconds after a 429 at *at*, and learn from it.

        *asked_s* is what the server said, *taken_at* when the request got its token: one that left before the
        last pause says nothing new. If the server counts what it refuses, so do we.
        """
        counted = self.allowance.counts_refused
        if taken_at >= self.allowance.cycle_at:
            recent = self._sent_lately(at) - 1
            self.allowance.learn(at, asked_s, is_first=at >= self.paused_until, recent=recent)
        if not self.allowance.counts_refused:
            self._uncount(taken_at)
        elif not counted:  # it shows only now: the one before was counted as well
            bisect.insort(self.sent, taken_at)
        self.pause(at + pause_s)

    # -- what else may happen ------------------------------------------------------------------

    def pause(self, until: float) -> None:
        """Give out nothing before *until*."""
        self.paused_until = max(self.paused_until, until)

    def hold_back(self, now: float, until: float) -> None:
        """Withhold all tokens that are free at *now* until *until*: others may have used them."""
        self._collect(now)
        for _ in range(self.limit - self._out):
            heapq.heappush(self._returning, until)

    def absorb(self, other: Window) -> None:
        """Take over the tokens that *other* has out, when two buckets turn out to be one."""
        # More may be out now than the limit; `available` is 0 until enough have returned.
        self.in_flight += other.in_flight
        self._returning = [*self._returning, *other._returning]
        heapq.heapify(self._returning)
        self.pause(other.paused_until)
        self.allowance.absorb(other.allowance)
        self.sent = sorted([*self.sent, *other.sent])

    # -- as plain data -------------------------------------------------------------------------

    def state(self) -> WindowState:
        """Return everything but the limits."""
        state = WindowState(
            in_flight=self.in_flight, returning=sorted(self._returning), allowance=self.allowance.state()
        )
        if self.paused_until > -math.inf:
            state["paused_until"] = self.paused_until
        if self.allowance.rejected_at > -math.inf:
            state["sent"] = self.sent
        return state

    def restore(self, state: WindowState, shift_s: float = 0.0) -> None:
        """Take over *state*, whose clock is *shift_s* behind ours."""
        self.in_flight = state["in_flight"]
        self._returning = [at + shift_s for at in state["returning"]]
        self.allowance.restore(state.get("allowance", {}), shift_s)
        self.paused_until = state.get("paused_until", -math.inf) + shift_s
        self.sent = [at + shift_s for at in state.get("sent", ())]

    # -- inside --------------------------------------------------------------------------------

    @property
    def _out(self) -> int:
        return self.in_flight + len(self._returning)

    @property
    def _counted_s(self) -> float:
        return self.window_s + min(_ARRIVES_WITHIN_S, self.window_s / facts.WINDOW_S)

    def _sent_lately(self, now: float) -> int:
        return len(self.sent) - bisect.bisect_right(self.sent, now - self._counted_s)

    def _uncount(self, taken_at: float) -> None:
        if taken_at in self.sent:
            self.sent.remove(taken_at)

    def _allowed_at(self, now: float, ahead: int) -> float:
        full_at = self.allowance.full_at
        if (place := self.tokens(now) - ahead) > len(self.sent):
            return now
        if place <= 0:
            return full_at
        return min(full_at, self.sent[-place] + self._counted_s)

    def _collect(self, now: float) -> None:
        while self._returning and self._returning[0] <= now:
            heapq.heappop(self._returning)

    def _nth_return(self, count: int) -> float:
        if count > len(self._returning):
            return math.inf
        return self._returning[0] if count == 1 else heapq.nsmallest(count, self._returning)[-1]


_WINDOWS: Final = 1.1
"""Within so many windows, a token that was used comes back: one window after an answer that took its time."""


class SharedBucketState(TypedDict):
    """A bucket as plain data, for stores that several processes share."""

    window: WindowState
    rejections: int
    interactive: NotRequired[list[float]]


@dataclass(eq=False, slots=True)
class Bucket:
    """A window, the 429s in a row that paused it, and when interactive calls took tokens.

    Interactive calls go first until they have used half of the tokens of a window, and then last. Up to
    there, bulk leaves one token free for the next of them.
    """

    window: Window
    rejections: int = 0
    interactive: list[float] = field(default_factory=list[float])  # within two windows, the latest last

    # -- what is free --------------------------------------------------------------------------

    def opens_at(self, now: float, *, is_bulk: bool, keep: int = 0, ahead: int = 0) -> float:
        """Return when a token can be taken; see `Window.opens_at`. Of a small limit, less is kept."""
        if not keep and not (is_bulk and self.interactive):  # the usual case
            return self.window.opens_at(now, 0, ahead)
        kept = self.kept(now, is_bulk=False, keep=keep)
        opens = self.window.opens_at(now, kept, ahead)
        if not is_bulk or not (reserved := self._reserved(now)):
            return opens
        return min(self.window.opens_at(now, kept + reserved, ahead), max(opens, self._reserved_until))

    def kept(self, now: float, *, is_bulk: bool, keep: int = 0) -> int:
        """Return how many tokens are left to others: *keep*, at most a quarter, and the reserved one."""
        kept = min(keep, self.window.tokens(now) // 4) if keep else 0
        return kept + self._reserved(now) if is_bulk else kept

    def prefers_bulk(self, now: float) -> bool:
        """Whether interactive calls have used half of the tokens of the last window."""
        return bool(self.interactive) and 2 * self._recent(now) >= self.window.tokens(now)

    def has_interactive(self, now: float) -> bool:
        """Whether an interactive call took a token within the last two windows."""
        return bool(self.interactive) and now < self._reserved_until

    def forget_interactive(self, now: float) -> None:
        """Forget the interactive calls of before the last two windows."""
        del self.interactive[: bisect_right(self.interactive, now - 2 * self.window.window_s)]

    def _reserved(self, now: float) -> int:
        return int(self.has_interactive(now) and 2 * (self._recent(now) + 1) <= self.window.tokens(now))

    @property
    def _reserved_until(self) -> float:
        return self.interactive[-1] + 2 * self.window.window_s

    def _recent(self, now: float) -> int:
        return len(self.interactive) - bisect_right(self.interactive, now - _WINDOWS * self.window.window_s)

    def is_new(self, now: float) -> bool:
        """Whether forgetting this bucket loses nothing, not even what a 429 has taught."""
        is_untouched = self.window.is_untouched(now) and not self.has_interactive(now)
        return is_untouched and now >= self.window.allowance.smooth_until

    # -- what happens to a token ---------------------------------------------------------------

    def take(self, now: float, *, is_bulk: bool) -> None:
        """Take one token."""
        self.window.take(now)
        if not is_bulk:
            self.forget_interactive(now)
            self.interactive.append(now)

    def settle(self, outcome: Outcome, at: float, taken_at: float) -> None:
        """Let a token return according to the outcome of its request; see `Window.settle`."""
        self.window.settle(outcome, at, taken_at)
        if outcome == "answered":
            self.rejections = 0

    def count_rejection(self, now: float) -> int:
        """Count a 429; return how many came in a row."""
        if now >= self.window.paused_until:  # the 429s of one volley count as one
            self.rejections += 1
        return self.rejections

    def absorb(self, other: Bucket) -> None:
        """Take over what *other* counts: two names turned out to be one organization."""
        self.window.absorb(other.window)
        self.rejections = max(self.rejections, other.rejections)
        self.interactive = sorted((*self.interactive, *other.interactive))

    # -- as plain data -------------------------------------------------------------------------

    def state(self) -> SharedBucketState:
        """Return everything but the limits."""
        return SharedBucketState(
            window=self.window.state(), rejections=self.rejections, interactive=list(self.interactive)
        )

    def restore(self, state: SharedBucketState, shift_s: float = 0.0) -> None:
        """Take over *state*, whose clock is *shift_s* behind ours."""
        self.window.restore(state["window"], shift_s)
        self.rejections = state["rejections"]
        self.interactive = [at + shift_s for at in state.get("interactive", ())]
