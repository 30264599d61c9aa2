"""Results between a run and its consumer. None is lost or doubled, whichever task is cancelled, and when."""

from __future__ import annotations

from collections import deque
from typing import Final

import anyio

from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.results import EnrichmentResult

_LOOKS_PER_WINDOW: Final = 30
"""How often a waiting task looks without being woken: what others use of the limits changes unannounced."""


class ResultQueue:
    """A queue that results are put into at once, and that its writers ask for room beforehand.

    `taken` counts the results that were taken.

    A stream that hands items over to a waiting task can lose or double the one that is on its way when
    that task is cancelled; here an item is taken in the very step that returns it.
    """

    __slots__ = ("_ahead", "_changed", "_closed", "_items", "taken")

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._items: deque[EnrichmentResult] = deque()
        self._closed = False
        self.taken = 0
        self._changed = anyio.Event()

    @property
    def is_full(self) -> bool:
        """Whether the consumer has fallen behind."""
        return len(self._items) >= self._ahead

    @property
    def is_empty(self) -> bool:
        """Whether the consumer has taken all that was put."""
        return not self._items

    def put(self, result: EnrichmentResult) -> None:
        """Add a result, full or not."""
        self._items.append(result)
        self._wake()

    def close(self) -> None:
        """Add nothing more; what is there can still be taken."""
        self._closed = True
        self._wake()

    def drain(self) -> list[EnrichmentResult]:
        """Take all that is there."""
        drained = list(self._items)
        self._items.clear()
        return drained

    async def take(self) -> EnrichmentResult | None:
        """Wait for the next result; None once there are no more."""
        while not self._items:
            if self._closed:
                return None
            await self.change()
        self.taken += 1
        self._wake()
        return self._items.popleft()

    def take_ready(self, most: int) -> list[EnrichmentResult]:
        """Take up to so many that are there."""
        taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        self.taken += len(taken)
        self._wake()
        return taken

    async def room(self) -> None:
        """Wait until the consumer has caught up."""
        while self.is_full:
            await self.change()

    def _wake(self) -> None:
        self._changed.set()

    async def change(self) -> None:
        """Wait until a result is put or taken."""
        if self._changed.is_set():
            self._changed = anyio.Event()
        await self._changed.wait()


class ChangeSignal:
    """An event that each wait rearms, and that no wait misses."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake those that wait."""
        self._event.set()

    async def wait(self) -> None:
        """Wait for the next change, for at most a thirtieth of the limits' window."""
        if self._event.is_set():
            self._event = anyio.Event()
        with anyio.move_on_after(self._limiter.limits.window_s / _LOOKS_PER_WINDOW):
            await self._event.wait()
