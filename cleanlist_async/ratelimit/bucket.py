"""One bucket: its window, and the counts beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cleanlist_async.ratelimit.window import Outcome, Window


@dataclass(eq=False, slots=True)
class Bucket:
    """A window, the 429s in a row that paused it, and when an interactive call last used it."""

    window: Window
    rejections: int = 0
    interactive_at: float = -math.inf

    def settle(self, outcome: Outcome, at: float, *, probe: bool) -> None:
        """Let a token return according to the outcome of its request at *at*."""
        self.window.settle(outcome, at, probe=probe)
        if outcome == "answered":
            self.rejections = 0

    def count_rejection(self, now: float) -> int:
        """Keep to less of the limit after a 429; return how many came in a row."""
        if now >= self.window.paused_until:  # the 429s of one volley count as one
            self.rejections += 1
        self.window.shrink(now)
        return self.rejections

    def absorb(self, other: Bucket) -> None:
        """Take over what *other* counts: two names turned out to be one organization."""
        self.window.absorb(other.window)
        self.rejections = max(self.rejections, other.rejections)
        self.interactive_at = max(self.interactive_at, other.interactive_at)
