"""What is known of the server behind the tokens: which one it is, since when, and what its clock does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_RATE: Final = 0.05
"""By how much two clocks may run apart before the difference counts as a jump."""


@dataclass(frozen=True, slots=True)
class Server:
    """One life of a server: `run` is another after each start, and on each replica.

    `now` and `started_at` are by its clock; `started_at` is never too early.
    """

    run: str
    now: float
    started_at: float


class ClockWatch:
    """Notices when the server's clock, which people set, jumps ahead of one of ours, which nobody can.

    When a look was sent at one moment and answered at another, the server read its clock in between.
    """

    def __init__(self, tolerance_s: float) -> None:
        self.jumped_at = -math.inf
        self._tolerance_s = tolerance_s
        self._ahead_s = math.inf
        self._looked_at = 0.0

    def note(self, server_now: float, sent: float, answered: float) -> None:
        """Note what the server's clock read while ours went from *sent* to *answered*."""
        jump_s = server_now - answered - self._ahead_s
        if jump_s > self._tolerance_s + _RATE * (answered - self._looked_at):
            self.jumped_at = server_now
        self._ahead_s, self._looked_at = server_now - sent, answered
