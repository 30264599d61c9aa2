"""Even pacing with aiolimiter: one request per interval."""

from __future__ import annotations

import asyncio
import math
from typing import Final

_LATER: Final = 1 + 1e-6


class Shaper:
    """Lets one request through every *interval_s* seconds, first come first served.

    It sleeps itself, so that aiolimiter never has to: aiolimiter can round a wait to nothing, and on a
    virtual clock would then try again for ever at the same instant.
    """

    __slots__ = ("_free_at", "_interval_s", "_limiter")

    def __init__(self, interval_s: float) -> None:
        # Most clients never shape, and aiolimiter takes 20 ms to import: it reads its version from disk.
        from aiolimiter import AsyncLimiter  # noqa: PLC0415

        self._limiter = AsyncLimiter(1, interval_s)
        self._interval_s = interval_s * _LATER
        self._free_at: float = -math.inf

    def skip(self) -> None:
        """Note a request that did not wait for its turn: the next turn comes an interval later."""
        self._free_at = max(self._free_at, asyncio.get_running_loop().time()) + self._interval_s

    async def acquire(self) -> None:
        """Wait for the next turn; the turn of a cancelled call passes to the next call."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._free_at)
        following = self._free_at = turn + self._interval_s
        try:
            await asyncio.sleep(turn - now)
        except BaseException:
            if self._free_at == following:  # no call has taken a later turn since
                self._free_at = turn
            raise
        await self._limiter.acquire()
