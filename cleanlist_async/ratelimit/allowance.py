"""What a server allows: the published limit, or what its 429s have shown. Pure: no clock, no I/O.

**From one moment at which a full server opens again to the next, a window, a bucket and a leak all let in as
many requests as in the long run.** So the requests accepted in such a cycle, over its length, are the rate
that the server allows, whatever it had saved before. A 429 lowers the rate in use to that; by half at most,
unless the cycle is as long as a window. Five minutes after the last 429, the published limit is tried; if
that fails, the rate from before was right, unless it was a guess or the whole cycle shows more.
"""

from __future__ import annotations

import math
from typing import Final

from cleanlist_async import facts

_MOMENTS: Final = ("rejected_at", "cycle_at", "opens_at")
_FLAGS: Final = ("awaits_cycle", "is_first_series", "is_trial", "is_guess", "counts_refused")
_FIELDS: Final = (*_MOMENTS, *_FLAGS, "learned", "known", "accepted", "window_held")

_WHOLE_CYCLE: Final = 0.9
"""A cycle of this share of a window, or longer, shows the rate, however low; of a shorter one, half."""
_TOO_SOON: Final = 0.1
"""Share of an interval by which a request may be early only because the one before took longer to arrive."""
_MUCH_LOWER: Final = 0.9
"""A rate of less than this share of another one differs by more than chance."""
_LIKE_A_WINDOW: Final = 0.02
"""Share of a window by which a cycle that is one may differ from it: answers take their time."""
_LATE: Final = 0.005
"""Share of a window by which one request may be longer under way than the next: 0.3 s of a minute."""
_ROUNDED_DOWN: Final = 0.25
"""Part of a request that is left out: a measured rate is a little too high as often as too low."""


class Allowance:
    """The limit in use of one bucket."""

    __slots__ = (*_FIELDS, "limit", "window_s")

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self.rejected_at = -math.inf  # when the last 429 came
        self.learned = float(limit)  # requests in a window, as of that 429
        self.known = float(limit)  # the limit in use before the last volley
        self.cycle_at = -math.inf  # when the present cycle began
        self.accepted = 0.0  # requests since then that the server may have accepted
        self.window_held = 0.0  # the same of the cycle before, if that was as long as a window
        self.opens_at = math.inf  # when the server opens again, by the 429s of the last volley
        self.awaits_cycle = False  # whether the next request begins a new cycle
        self.is_first_series = False  # whether the last volley was the first for long: no opening before it
        self.is_trial = False  # whether it was the answer to a trial of the published limit
        self.is_guess = False  # whether `learned` was not measured: the next trial does that
        self.counts_refused = False  # whether the server refused when it should open: refused requests count

    # -- the limit in use ----------------------------------------------------------------------

    def capacity(self, now: float) -> float:
        """Return the requests in a window that are in use at *now*."""
        return float(self.limit if now >= self.full_at else min(self.learned, self.limit))

    def tokens(self, now: float) -> int:
        """Return that as a whole number."""
        return min(self.limit, math.ceil(self.capacity(now) - _ROUNDED_DOWN))

    def interval_s(self, now: float) -> float:
        """Return the seconds between requests that are spaced evenly, at a little less than that."""
        return self.window_s / (max(1.0, self.capacity(now)) * facts.SMOOTH_SHARE)

    @property
    def full_at(self) -> float:
        """When the published limit is tried again."""
        return self.rejected_at + facts.TRY_AGAIN_AFTER_S

    @property
    def smooth_until(self) -> float:
        """When requests need not be spaced evenly any more."""
        return self.rejected_at + facts.SMOOTH_AFTER_429_S

    # -- learning ------------------------------------------------------------------------------

    def note_sent(self, now: float, *, is_only: bool) -> None:
        """Note a request that the server may accept; *is_only* if every other token has returned."""
        if is_only or self.awaits_cycle:
            off_s = abs(self.opens_at - self.cycle_at - self.window_s)
            self.window_held = self.accepted if off_s < _LIKE_A_WINDOW * self.window_s else 0.0
            self.is_guess &= not self.is_trial
            self.cycle_at = now if is_only else min(now, self.opens_at)
            self.accepted, self.awaits_cycle = 0.0, False
        self.accepted += 1

    def note_not_accepted(self) -> None:
        """Note that the server did not accept one of them."""
        self.accepted -= 1

    def forget(self, now: float) -> None:
        """Forget everything, unless a 429 taught it not long ago."""
        if now >= self.smooth_until:
            self.restore({})

    def learn(self, at: float, asked_s: float | None, *, is_first: bool, recent: int) -> None:
        """Learn from a 429 at *at*, with which the server asked for a pause of *asked_s* seconds.

        If it *is_first*, others follow that were on their way with it, and have the same cause. *recent*
        other requests were sent within the last window.
        """
        if is_first:
            self._begin_volley(at)
        self.note_not_accepted()
        if asked_s is not None:
            self.opens_at = min(self.opens_at, at + asked_s)
        if self.is_trial:
            used, rate = float(self.limit), self._shown_by_trial(at, recent)
        else:
            used, rate = self.known, self._shown(at, asked_s, recent)
        self.learned = max(1.0, min(rate, used * facts.SMOOTH_SHARE))
        self.rejected_at = at

    def _begin_volley(self, at: float) -> None:
        since_full_s = at - self.full_at
        self.is_trial = 0 <= since_full_s < facts.TRIAL_WINDOWS * self.window_s
        self.is_first_series = since_full_s >= 0 and not self.is_trial
        self.known = self.learned if self.is_trial else self.capacity(at)
        self.opens_at, self.awaits_cycle = math.inf, True

    def _shown_by_trial(self, at: float, recent: int) -> float:
        rate = self._rate(self._cycle_s(at))
        if self.is_guess:
            return max(self.known, rate, recent if self.window_held else recent * facts.SMOOTH_SHARE)
        return max(self.known, rate, recent if rate * facts.SAME_LIMIT > self.known else 0.0)

    def _shown(self, at: float, asked_s: float | None, recent: int) -> float:
        if self.accepted <= 0:  # not even one was let in, so there is no rate to be seen
            self.counts_refused |= asked_s is not None and not self.is_first_series
            return self.known
        cycle_s = self._cycle_s(at)
        rate, least = self._rate(cycle_s), self.known / 2
        if asked_s is None:
            return max(min(rate, recent), least)
        is_whole = cycle_s >= _WHOLE_CYCLE * self.window_s and not self.is_first_series
        is_much_lower = is_whole and rate < _MUCH_LOWER * self.known
        if asked_s < _TOO_SOON * self.window_s / self.known and not is_much_lower:
            return max(rate, self.known / (1 + _LATE * self.known))
        # A window that holds less than the last one did, is shared, and others use it until it opens.
        is_shared = is_whole and self.accepted < self.window_held and asked_s < cycle_s / 2
        self.is_guess = is_shared or (not is_whole and rate < _MUCH_LOWER * least)
        if is_shared:  # rounded down, for those of theirs that were refused do not show
            rate = math.floor(rate - (self.limit - self.accepted) * asked_s / (cycle_s - asked_s))
        return rate if is_whole and not is_shared else max(rate, least)

    def _cycle_s(self, at: float) -> float:
        return (at if math.isinf(self.opens_at) else self.opens_at) - self.cycle_at

    def _rate(self, cycle_s: float) -> float:
        return self.accepted * self.window_s / cycle_s if cycle_s > 0 else math.inf

    # -- as plain data -------------------------------------------------------------------------

    def state(self) -> dict[str, float]:
        """Return everything but the limits; JSON has no infinity."""
        return {name: value for name in _FIELDS if math.isfinite(value := float(getattr(self, name)))}

    def restore(self, state: dict[str, float], shift_s: float = 0.0) -> None:
        """Take over *state*, whose clock is *shift_s* behind ours."""
        new = Allowance(self.limit, self.window_s)
        for name in _FIELDS:
            default: float = getattr(new, name)
            value = state.get(name, default)
            moved = value + shift_s if name in _MOMENTS else value
            setattr(self, name, bool(value) if name in _FLAGS else moved)

    def absorb(self, other: Allowance) -> None:
        """Take over what *other* has learned, if that is newer."""
        if other.rejected_at > self.rejected_at:
            self.restore(other.state())
