"""Several processes under one limit: what a strict server sees of them, and what one token costs.

    python benchmarks/shared_limits.py [--processes 8] [--window-s 6] [--windows 5] [--only fleet|cost]

The server counts arrivals in any window exactly, in a process of its own. "used" is what arrived after the
first window over what the limit allows; "steady" the whole cycles of the limit after the first burst, over
the windows that they took. A share is of the mean of all processes. After kills, "steady" counts from one
lease and one window after the last.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cleanlist_async.ratelimit import RateLimiter, RateLimits, RequestClass, Route
from tests.support.fleet import Fleet, strict_server

MakeLimiter = Callable[[], RateLimiter]
ORG, KEY = 60, 30
START_S = 5.0
"""Seconds for all processes to load the package; they begin at one moment."""
KEYS = {"one key": [["clapi_0"]], "four keys": [[f"clapi_{number}"] for number in range(4)]}


def stores(directory: Path, limits: RateLimits) -> dict[str, MakeLimiter]:
    """Every store that processes can share, by name."""
    return {"sqlite": partial(RateLimiter.sqlite, directory / "limits.db", limits)}


# -- the strict server ------------------------------------------------------------------------------


def fleet(name: str, make: MakeLimiter, keys: str, *, processes: int, window_s: float, windows: int) -> None:
    limit = KEY if keys == "one key" else ORG
    with strict_server(ORG, KEY, window_s) as (base_url, stop):
        starts_at = time.monotonic() + START_S
        workers = Fleet(make, KEYS[keys], base_url, starts_at, starts_at + windows * window_s)
        for number in range(processes):
            workers.start(number)
        counts = workers.join()
        seen = stop()
    first = seen.arrivals[0]
    used = seen.share(limit, window_s, first + window_s, first + windows * window_s)
    least = min(counts) / statistics.mean(counts)
    print(
        f"| {name} | {keys} | no | {len(seen.arrivals)} | {seen.rejected} | {seen.busiest} of {limit} "
        f"| {used:.1%} | {seen.steady_share(limit, window_s):.1%} | {least:.2f} |",
        flush=True,
    )


def killed(name: str, make: MakeLimiter, keys: str, *, processes: int, window_s: float) -> None:
    limit, lease_s = (KEY if keys == "one key" else ORG), window_s
    rng = random.Random(0)
    with strict_server(ORG, KEY, window_s) as (base_url, stop):
        starts_at = time.monotonic() + START_S
        workers = Fleet(make, KEYS[keys], base_url, starts_at, starts_at + 9 * window_s)
        for number in range(processes):
            workers.start(number)
        time.sleep(START_S)
        for _ in range(3):
            time.sleep(rng.uniform(0.5, 1.0) * window_s)
            workers.kill_some(processes // 3, rng)
        recovered = time.monotonic() + lease_s + window_s
        workers.join()
        seen = stop()
    print(
        f"| {name} | {keys} | 3 x {processes // 3} | {len(seen.arrivals)} | {seen.rejected} "
        f"| {seen.busiest} of {limit} | | {seen.steady_share(limit, window_s, recovered):.1%} | |",
        flush=True,
    )


# -- the cost of one token --------------------------------------------------------------------------

ROUTE = Route(("key",), "organization")
WIDE = RateLimits(org=10_000_000, key=10_000_000)
FEW = RateLimits(org=60, key=30, window_s=0.05)


async def spend(limiter: RateLimiter, tokens: int, at_once: int) -> tuple[float, float]:
    """Return the wall time and the CPU time of one token, in microseconds."""

    async def one_after_another(count: int) -> None:
        for _ in range(count):
            permit = await limiter.acquire(ROUTE, RequestClass.INTERACTIVE)
            permit.unsent()

    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_after_another(tokens // at_once))
    return (
        (time.perf_counter() - started) / tokens * 1e6,
        (time.process_time() - cpu) / tokens * 1e6,
    )


def spend_in_process(make: MakeLimiter, tokens: int, results: multiprocessing.Queue) -> None:
    results.put(asyncio.run(spend(make(), tokens, 1)))


def cost(name: str, make: MakeLimiter, processes: int, tokens: int) -> None:
    alone = [asyncio.run(spend(make(), tokens, 1)) for _ in range(3)]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    crowd = [
        context.Process(target=spend_in_process, args=(make, tokens // processes, results))
        for _ in range(processes)
    ]
    for process in crowd:
        process.start()
    together = [results.get(timeout=120) for _ in crowd]
    for process in crowd:
        process.join()
    wall, cpu = min(alone)
    print(
        f"| {name} | {wall:,.0f} | {cpu:,.0f} | {statistics.median(w for w, _ in together):,.0f} "
        f"| {statistics.median(c for _, c in together):,.0f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--window-s", type=float, default=6.0)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--only", choices=("fleet", "cost"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if options.only != "cost":
            print(f"{options.processes} processes, windows of {options.window_s:g} s\n")
            print(
                "| store | keys | killed | arrivals | 429s | busiest window | used | steady | least share |"
            )
            print("|---|---|---|---|---|---|---|---|---|")
            limits = RateLimits(window_s=options.window_s)
            for keys in KEYS:
                where = Path(tempfile.mkdtemp(dir=directory))
                for name, make in stores(where, limits).items():
                    fleet(
                        name,
                        make,
                        keys,
                        processes=options.processes,
                        window_s=options.window_s,
                        windows=options.windows,
                    )
            for keys in KEYS:
                where = Path(tempfile.mkdtemp(dir=directory))
                for name, make in stores(where, limits).items():
                    killed(name, make, keys, processes=options.processes, window_s=options.window_s)
        if options.only != "fleet":
            print(
                f"\nOne token, taken and given back: microseconds, alone and in {options.processes} processes\n"
            )
            print("| store | wall | CPU | wall, together | CPU, together |")
            print("|---|---|---|---|---|")
            memory: MakeLimiter = partial(RateLimiter, WIDE)
            cost("memory (shares nothing)", memory, options.processes, 20_000)
            for name, make in stores(Path(tempfile.mkdtemp(dir=directory)), WIDE).items():
                cost(name, make, options.processes, 2_000)


if __name__ == "__main__":
    main()
