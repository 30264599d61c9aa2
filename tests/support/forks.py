"""What becomes of a limiter's tokens in a forked child, whatever processes share it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from tests.support.limited_wire import ROUTE, SUBMIT

if TYPE_CHECKING:
    from cleanlist_async.ratelimit import RateLimiter


def check_that_a_fork_inherits_no_token(limiter: RateLimiter, *, patience_s: float) -> None:
    """Of three tokens the parent holds two; the child gets the last, and nobody a fourth."""

    async def take(count: int) -> None:
        async with asyncio.timeout(60):
            for _ in range(count):
                await limiter.acquire(ROUTE, SUBMIT)

    async def is_granted() -> bool:
        try:
            async with asyncio.timeout(patience_s):
                await limiter.acquire(ROUTE, SUBMIT)
        except TimeoutError:
            return False
        return True

    asyncio.run(take(2))
    child = os.fork()
    if child == 0:  # one token is left, and it is for the child
        granted = [asyncio.run(is_granted()) for _ in range(2)]
        os._exit(0 if granted == [True, False] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not asyncio.run(is_granted())
