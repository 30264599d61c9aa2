"""One bucket of a pool, and how it is stored."""

from __future__ import annotations

import math
from typing import Final

from cleanlist_async.ratelimit.bucket import Bucket
from cleanlist_async.ratelimit.shared.backend import SharedBucketState

_NEVER: Final = -math.inf


class SharedBucket(Bucket):
    """A bucket that is kept as plain data."""

    __slots__ = ()

    def state(self) -> SharedBucketState:
        """Return the bucket as plain data."""
        state = SharedBucketState(window=self.window.state(), rejections=self.rejections)
        if self.interactive_at > _NEVER:  # JSON has no infinity
            state["interactive_at"] = self.interactive_at
        return state

    def restore(self, state: SharedBucketState, shift_s: float = 0.0) -> None:
        """Take over *state*, whose clock is *shift_s* behind ours."""
        self.window.restore(state["window"], shift_s)
        self.rejections = state["rejections"]
        self.interactive_at = state.get("interactive_at", _NEVER) + shift_s
