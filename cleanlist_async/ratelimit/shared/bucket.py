"""One bucket of a pool: its window, and what goes with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from cleanlist_async.ratelimit.shared.backend import SharedBucketState
from cleanlist_async.ratelimit.window import Window

_NEVER: Final = -math.inf


@dataclass(slots=True)
class SharedBucket:
    """A window and what goes with it."""

    window: Window
    rejections: int = 0
    interactive_at: float = _NEVER

    def state(self) -> SharedBucketState:
        """Return it as plain data."""
        state = SharedBucketState(window=self.window.state(), rejections=self.rejections)
        if self.interactive_at > _NEVER:
            state["interactive_at"] = self.interactive_at
        return state

    def restore(self, state: SharedBucketState, shift_s: float = 0.0) -> None:
        """Become what *state* says, whose clock is *shift_s* behind ours."""
        self.window.restore(state["window"], shift_s)
        self.rejections = state["rejections"]
        self.interactive_at = state.get("interactive_at", _NEVER) + shift_s

    def absorb(self, other: SharedBucket) -> None:
        """Become one with *other*."""
        self.window.absorb(other.window)
        self.rejections = max(self.rejections, other.rejections)
        self.interactive_at = max(self.interactive_at, other.interactive_at)
