"""Other limiters on the same Redis, used as their documentation says: the key's limit first, then the other.

One call of each process asks at a time, as ours does; none of them takes both tokens at once.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import TypeAlias

from cleanlist_async.ratelimit import RateLimits
from tests.support.fleet import CALLERS

Acquire: TypeAlias = Callable[[str], Awaitable[None]]
Open: TypeAlias = Callable[[], Awaitable[Acquire]]


async def open_limits(url: str, limits: RateLimits) -> Acquire:
    """`limits`: its moving window."""
    from limits import RateLimitItemPerSecond  # noqa: PLC0415
    from limits.aio.storage import RedisStorage  # noqa: PLC0415
    from limits.aio.strategies import MovingWindowRateLimiter  # noqa: PLC0415

    limiter = MovingWindowRateLimiter(RedisStorage(f"async+{url}", implementation="redispy"))
    of_key = RateLimitItemPerSecond(limits.key, int(limits.window_s))
    of_organization = RateLimitItemPerSecond(limits.org, int(limits.window_s))
    turn = asyncio.Lock()

    async def acquire(key: str) -> None:
        async with turn:
            for item, name in ((of_key, key), (of_organization, "organization")):
                admitted = await limiter.hit(item, name)
                while not admitted:
                    await asyncio.sleep(0.01)  # it knows no other way to wait
                    admitted = await limiter.hit(item, name)

    return acquire


async def open_pyrate(url: str, limits: RateLimits) -> Acquire:
    """`pyrate-limiter`: its Redis bucket."""
    from pyrate_limiter import Limiter, Rate, RedisBucket  # noqa: PLC0415
    from redis.asyncio import Redis  # noqa: PLC0415

    redis, window_ms = Redis.from_url(url), int(limits.window_s * 1_000)
    limiters: dict[str, Limiter] = {}
    turn = asyncio.Lock()

    async def limiter(name: str, limit: int) -> Limiter:
        if name not in limiters:
            limiters[name] = Limiter(
                await RedisBucket.init([Rate(limit, window_ms)], redis, f"pyrate:{name}")
            )
        return limiters[name]

    async def acquire(key: str) -> None:
        async with turn:
            await (await limiter(key, limits.key)).try_acquire_async(key)
            await (await limiter("organization", limits.org)).try_acquire_async("organization")

    return acquire


def rivals(url: str, limits: RateLimits) -> dict[str, Open]:
    """Every other limiter that is installed, by name."""
    found: dict[str, Open] = {}
    for name, module, rival in (
        ("limits", "limits", open_limits),
        ("pyrate-limiter", "pyrate_limiter", open_pyrate),
    ):
        try:
            __import__(module)
        except ImportError:
            continue
        found[name] = partial(rival, url, limits)
    return found


def work(  # noqa: PLR0917
    open_rival: Open, keys: list[str], base_url: str, starts_at: float, ends_at: float, told: Connection
) -> None:
    """Send as fast as the limiter lets us, over plain sockets; as a worker of a fleet does."""
    host, port = base_url.removeprefix("http://").split(":")
    sent = 0

    async def call(acquire: Acquire, key: str) -> None:
        nonlocal sent
        reader, writer = await asyncio.open_connection(host, int(port))
        request = f"GET /x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        try:
            while True:
                await acquire(key)
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                sent += head.startswith(b"HTTP/1.1 200")
        finally:
            writer.close()

    async def main() -> None:
        acquire = await open_rival()
        await asyncio.sleep(starts_at - time.monotonic())
        calls = [asyncio.ensure_future(call(acquire, keys[number % len(keys)])) for number in range(CALLERS)]
        await asyncio.wait(calls, timeout=ends_at - time.monotonic())
        for one in calls:
            one.cancel()
        await asyncio.wait(calls, timeout=1)
        told.send(sent)
        os._exit(0)  # some of them go on through any cancellation

    asyncio.run(main())
