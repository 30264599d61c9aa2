"""Even spacing with aiolimiter: one request per interval."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter


class Shaper:
    """The turns of one bucket: each comes one interval after the last one was used.

    `comes_at` is when the next one comes, by the clock of the event loop, and `is_awaited` says whether a
    request waits for it. One at a time does, so that the others keep their ranks in the queues: aiolimiter
    has no priorities.
    """

    __slots__ = ("_has_turn", "_limiter", "comes_at", "is_awaited")

    def __init__(self) -> None:
        self.comes_at = 0.0
        self.is_awaited = False
        self._has_turn = False
        self._limiter: AsyncLimiter | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the next turn has come."""
        return self._has_turn or self._limiter is None or self._limiter.has_capacity()

    async def wait(self) -> None:
        """Wait for the next turn."""
        if self._limiter is not None:
            await self._limiter.acquire()
        self._has_turn = True

    def use(self, interval_s: float) -> None:
        """Use the turn: the next one comes *interval_s* seconds from now."""
        # Most clients never shape, and aiolimiter takes 20 ms to import: it reads its version from disk.
        from aiolimiter import AsyncLimiter  # noqa: PLC0415

        # A new one, since a turn may be used long after it came, and at another rate than the last.
        self._has_turn, self._limiter = False, AsyncLimiter(1, interval_s)
        self.comes_at = asyncio.get_running_loop().time() + interval_s
        with suppress(StopIteration):
            self._limiter.acquire().send(None)  # a new one lets the first through at once
