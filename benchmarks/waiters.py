"""What does a queue of waiters cost? CPU per grant, beside bare aiolimiter, with the same waiters.

Virtual time, interleaved runs, medians. Ours guards two buckets and hands each token back after its
answer; aiolimiter guards one bucket and never takes anything back.

    python -m benchmarks.waiters [--rounds 5]
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Coroutine

from aiolimiter import AsyncLimiter

from benchmarks import report
from benchmarks.measuring import ratio, rounds_of, stopwatch
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

    return await cost_of(wait, waiters, lambda: granted)


async def aiolimiter(waiters: int) -> float:
    limiter = AsyncLimiter(30, 60)
    granted = 0

    async def wait() -> None:
        nonlocal granted
        await limiter.acquire()
        granted += 1

    return await cost_of(wait, waiters, lambda: granted)


async def cost_of(
    wait: Callable[[], Coroutine[None, None, None]], waiters: int, granted: Callable[[], int]
) -> float:
    """CPU microseconds per grant, after everybody is in line."""
    tasks = [asyncio.ensure_future(wait()) for _ in range(waiters)]
    await asyncio.sleep(0.001)
    before = granted()
    with stopwatch() as watch:
        await asyncio.sleep(MINUTES * 60)
    served = granted() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return watch.cpu_s / served * 1e6


def measure(rounds: int = 5) -> report.Section:
    rows: list[tuple[object, ...]] = []
    for waiters in (100, 1_000, 10_000):
        contestants = (ours, aiolimiter)
        costs = rounds_of(
            {who.__name__: lambda who=who, n=waiters: run(who(n)) for who in contestants}, rounds
        )
        medians = [f"{statistics.median(taken):.0f}" for taken in costs.values()]
        rows.append((f"{waiters:,}", *medians, str(ratio(costs["ours"], costs["aiolimiter"]))))
    return report.Section(
        "Waiters",
        report.text_of(__doc__),
        [
            report.Table(
                ("waiters", "ours, µs", "aiolimiter, µs", f"ratio (middle half of {rounds} rounds)"), rows
            )
        ],
    )


if __name__ == "__main__":
    report.command(measure)
