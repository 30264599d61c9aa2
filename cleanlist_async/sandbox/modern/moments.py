"""The sandbox's clock as the wire shows it: epoch seconds, milliseconds and dates."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cleanlist_async.sandbox.options import Clock


class Moments:
    """Wall time at the start, moved on by the injected clock: a virtual clock moves the dates too."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Once: the machine's clock may be set while the sandbox runs.
        self._offset_s = time.time() - clock()

    def now(self) -> float:
        """Seconds on the sandbox's clock."""
        return self._clock()

    def epoch_s(self, now: float | None = None) -> float:
        """Seconds since 1970, at ``now`` of the sandbox's clock."""
        return self._offset_s + (self._clock() if now is None else now)

    def timestamp_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self.epoch_s() * 1000)

    def utc(self, now: float | None = None) -> datetime:
        """Return the date, at ``now`` of the sandbox's clock."""
        return datetime.fromtimestamp(self.epoch_s(now), UTC)

    def iso(self, now: float | None = None) -> str:
        """Return the date as ISO 8601, at ``now`` of the sandbox's clock."""
        return f"{self.utc(now):%Y-%m-%dT%H:%M:%SZ}"
