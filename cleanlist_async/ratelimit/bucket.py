"""One bucket: its window, the 429s in a row, and the tokens that bulk leaves to interactive calls."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final, NotRequired, TypedDict

from cleanlist_async.ratelimit.window import Outcome, Window, WindowState

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

    def note_interactive(self, now: float) -> None:
        """Note that an interactive call takes a token."""
        self.forget_interactive(now)
        self.interactive.append(now)

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
            self.note_interactive(now)

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
