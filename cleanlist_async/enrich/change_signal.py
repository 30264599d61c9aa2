"""Waking a task that waits for the state of its run to change."""

from __future__ import annotations

from typing import Final

import anyio

from cleanlist_async.ratelimit import RateLimiter

_LOOKS_PER_WINDOW: Final = 30
"""How often a waiting task looks without being woken: what others use of the limits changes unannounced."""


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
