"""A clock that a test moves by hand."""

from __future__ import annotations


class HandClock:
    """Seconds; stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds
