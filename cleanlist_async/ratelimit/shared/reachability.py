"""Whether the shared store can be reached: said once when that changes, and tried again with a backoff."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from random import SystemRandom
from typing import Final

from cleanlist_async.ratelimit.buckets import StoreState
from cleanlist_async.ratelimit.shared.backend import BackendUnavailableError

_FIRST_BACKOFF_S: Final = 0.05
JITTER: Final = SystemRandom()
"""Not the shared generator: threads use it, and forked processes must draw different numbers."""

log: Final = logging.getLogger("cleanlist_async")


class Reachability:
    """The failures of one store in a row. *name* is what messages call it.

    `meanwhile` says what requests do while it is away. `on_change` is called in the sync worker's thread when
    it is lost, and when it is found again.
    """

    def __init__(
        self, name: str, longest_backoff_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.meanwhile = "Requests wait for it."
        self.on_change: Callable[[StoreState], object] = lambda _: None
        self._name = name
        self._longest_s = longest_backoff_s
        self._clock = clock
        self._failures = 0
        self._until = -math.inf

    def check(self) -> None:
        """Raise BackendUnavailableError while it is too early to try again."""
        if self._clock() < self._until:
            raise BackendUnavailableError(f"{self._name} cannot be reached.")

    def lost(self, problem: str) -> BackendUnavailableError:
        """Note a failure, and return it as an error to raise."""
        if not self._failures:  # said once, not with every attempt
            log.warning("%s %s", problem, self.meanwhile)
            self.on_change("lost")
        wait_s = min(_FIRST_BACKOFF_S * 2.0 ** min(self._failures, 10), self._longest_s)  # or it overflows
        self._until = self._clock() + wait_s * JITTER.uniform(0.5, 1.0)
        self._failures += 1
        return BackendUnavailableError(problem)

    def found(self) -> None:
        """Note a success."""
        if self._failures:
            log.warning("%s is back.", self._name)
            self.on_change("found")
        self._failures, self._until = 0, -math.inf
