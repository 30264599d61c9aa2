"""What does a queue of waiters cost? CPU per grant, beside bare aiolimiter, with the same waiters.

Virtual time, interleaved runs, medians. Ours guards two buckets and hands each token back after its
answer; aiolimiter guards one bucket and never takes anything back.

    python benchmarks/waiters.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Coroutine

from aiolimiter import AsyncLimiter

from cleanlist_async.ratelimit import RateLimiter, RequestClass, Route
from cleanlist_async.testing import run

MINUTES = 4
ROUTE = Route(("key",), "organization")


async def ours(waiters: int) -> float:
    loop = asyncio.get_running_loop()
    limiter = RateLimiter(clock=loop.time)
    granted = 0

    async def wait() -> None:
        nonlocal granted
        permit = await limiter.acquire(ROUTE, RequestClass.INTERACTIVE)
        granted += 1
        permit.answered(loop.time())

    return await measure(wait, waiters, lambda: granted)


async def aiolimiter(waiters: int) -> float:
    limiter = AsyncLimiter(30, 60)
    granted = 0

    async def wait() -> None:
        nonlocal granted
        await limiter.acquire()
        granted += 1

    return await measure(wait, waiters, lambda: granted)


async def measure(
    wait: Callable[[], Coroutine[None, None, None]], waiters: int, granted: Callable[[], int]
) -> float:
    """CPU microseconds per grant, after everybody is in line."""
    tasks = [asyncio.ensure_future(wait()) for _ in range(waiters)]
    await asyncio.sleep(0.001)
    before, start = granted(), time.process_time()
    await asyncio.sleep(MINUTES * 60)
    cost = (time.process_time() - start) / (granted() - before) * 1e6
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"CPU per grant, {MINUTES} virtual minutes at 30 a minute, {rounds} interleaved rounds\n")
    print("| waiters | ours, us | aiolimiter, us | ratio: median (least to most) |")
    print("|---|---|---|---|")
    for waiters in (100, 1_000, 10_000):
        pairs: list[tuple[float, float]] = []
        for _ in range(rounds):
            gc.collect()
            gc.disable()
            pairs.append((run(ours(waiters)), run(aiolimiter(waiters))))
            gc.enable()
        ratios = sorted(mine / theirs for mine, theirs in pairs)
        print(
            f"| {waiters:,} | {statistics.median(mine for mine, _ in pairs):.0f} "
            f"| {statistics.median(theirs for _, theirs in pairs):.0f} "
            f"| {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |"
        )


if __name__ == "__main__":
    main()
