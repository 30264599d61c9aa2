"""Several processes under one limit: what a strict server sees of them, and what one token costs.

    python benchmarks/shared_limits.py [--processes 8] [--window-s 6] [--windows 5]
        [--only fleet|trouble|rivals|cost|organizations]

With Redis where redis-server is installed, and other limiters on the same Redis where they are (the extra
"bench"). It is started here, on a free loopback port, and keeps nothing on the disk.

The server counts arrivals in any window exactly, in a process of its own. "used" is what arrived after the
first window over what the limit allows; "steady" the whole cycles of the limit after the first burst, over
the windows that they took. A share is of the mean of all processes. After trouble, "steady" counts from one
lease and one window after the last.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import random
import resource
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis import Redis

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.shared_rivals import Open, rivals, work
from cleanlist_async.ratelimit import RateLimiter, RateLimits, RequestClass, Route
from cleanlist_async.ratelimit.shared.periods import lease_s
from tests.support.fleet import Fleet, strict_server
from tests.support.redis_server import PROGRAMS, RedisServer, redis_server, wait_until_old_enough

MakeLimiter = Callable[[], RateLimiter]
ORG, KEY = 60, 30
START_S = 5.0
"""Seconds for all processes to load the package; they begin at one moment."""
KEYS = {"one key": [["clapi_0"]], "four keys": [[f"clapi_{number}"] for number in range(4)]}


def stores(directory: Path, limits: RateLimits, server: RedisServer | None) -> dict[str, MakeLimiter]:
    """Every store that processes can share, by name; each call begins with empty ones."""
    name = uuid.uuid4().hex[:8]
    found: dict[str, MakeLimiter] = {"sqlite": partial(RateLimiter.sqlite, directory / f"{name}.db", limits)}
    if server is not None:
        wait_until_old_enough(server.url, limits)
        found["redis"] = partial(RateLimiter.redis, server.url, limits, namespace=name)
    return found


# -- the strict server ------------------------------------------------------------------------------


def row(*cells: object) -> None:
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


@dataclass(frozen=True)
class Run:
    """One fleet before the strict server."""

    processes: int
    window_s: float
    windows: int

    def go(
        self,
        name: str,
        make: Callable[[], object],
        keys: str,
        *,
        what: str = "no",
        trouble: Callable[[Fleet], None] | None = None,
        work: Callable[..., None] | None = None,
    ) -> None:
        """Let it run, with *trouble* after a window and a half, and print a row of what the server saw."""
        limit, recovered_at = (KEY if keys == "one key" else ORG), 0.0
        windows = self.windows if trouble is None else self.windows + 6
        with strict_server(ORG, KEY, self.window_s) as (base_url, stop):
            starts_at = time.monotonic() + START_S
            workers = Fleet(make, KEYS[keys], base_url, starts_at, starts_at + windows * self.window_s, work)
            for number in range(self.processes):
                workers.start(number)
            if trouble is not None:
                time.sleep(max(0.0, starts_at - time.monotonic()) + 1.5 * self.window_s)
                trouble(workers)
                recovered_at = time.monotonic() + lease_s(RateLimits(window_s=self.window_s)) + self.window_s
            counts = workers.join()
            seen = stop()
        first = seen.arrivals[0]
        used = seen.share(limit, self.window_s, first + self.window_s, first + windows * self.window_s)
        row(
            name,
            keys,
            what,
            len(seen.arrivals),
            seen.rejected,
            f"{seen.busiest} of {limit}",
            "" if trouble else f"{used:.1%}",
            f"{seen.steady_share(limit, self.window_s, recovered_at):.1%}",
            "" if trouble else f"{min(counts) / statistics.mean(counts):.2f}",
        )

    def kill_some(self, workers: Fleet) -> None:
        """Kill a third of the workers three times, and start others for them."""
        rng = random.Random(0)
        for _ in range(3):
            workers.kill_some(self.processes // 3, rng)
            time.sleep(rng.uniform(0.5, 1.0) * self.window_s)


def lose_data(server: RedisServer, workers: Fleet) -> None:
    del workers
    server.restart()


# -- the cost of one token --------------------------------------------------------------------------

ROUTE = Route(("key",), "organization")
WIDE = RateLimits(org=10_000_000, key=10_000_000, window_s=2.0)
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


Cost = tuple[float, float]


def spend_in_process(make: MakeLimiter, tokens: int, results: multiprocessing.Queue | None = None) -> Cost:
    cost = asyncio.run(spend(make(), tokens, 1))
    if results is not None:
        results.put(cost)
    return cost


def show_cost(name: str, spend: Callable[..., Cost], processes: int, tokens: int) -> None:
    wall, cpu = min(spend(tokens) for _ in range(3))
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    crowd = [context.Process(target=spend, args=(tokens // processes, results)) for _ in range(processes)]
    for process in crowd:
        process.start()
    together = [results.get(timeout=120) for _ in crowd]
    for process in crowd:
        process.join()
    walls, cpus = zip(*together, strict=True)
    row(
        name,
        f"{wall:,.0f}",
        f"{cpu:,.0f}",
        f"{statistics.median(walls):,.0f}",
        f"{statistics.median(cpus):,.0f}",
    )


async def _spend_with_rival(open_rival: Open, tokens: int) -> tuple[float, float]:
    acquire = await open_rival()
    await acquire("key")
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(tokens):
        await acquire("key")
    return (time.perf_counter() - started) / tokens * 1e6, (time.process_time() - cpu) / tokens * 1e6


def spend_with_rival(open_rival: Open, tokens: int, results: multiprocessing.Queue | None = None) -> Cost:
    cost = asyncio.run(_spend_with_rival(open_rival, tokens))
    if results is not None:
        results.put(cost)
    return cost


# -- thousands of organizations ---------------------------------------------------------------------


def organizations(url: str, count: int, limits: RateLimits, results: multiprocessing.Queue) -> None:
    """One request of each organization, twice, 16 at a time: what the second costs, and the memory of it."""

    async def main() -> None:
        limiter = RateLimiter.redis(url, limits, namespace=f"organizations {count}")

        async def use(numbers: Iterable[int]) -> None:
            for number in numbers:
                route = Route((f"key {number}",), f"organization {number}")
                permit = await limiter.acquire(route, RequestClass.SUBMIT)
                permit.answered(limiter.clock())

        async def use_all(upto: int) -> float:
            started = time.perf_counter()
            numbers = iter(range(upto))
            async with asyncio.TaskGroup() as group:
                for _ in range(16):
                    group.create_task(use(numbers))
            return (time.perf_counter() - started) / upto * 1e6

        with Redis.from_url(url) as redis:
            await use_all(16)
            memory, theirs = resident(), redis.info("memory")["used_memory"]
            await use_all(count)
            per_token = await use_all(count)
            results.put(
                (
                    per_token,
                    (resident() - memory) / count,
                    (redis.info("memory")["used_memory"] - theirs) / count,
                )
            )

    asyncio.run(main())


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# -- everything -------------------------------------------------------------------------------------


def show_runs(run: Run, asked: Collection[str], directory: Path, server: RedisServer | None) -> None:
    limits = RateLimits(window_s=run.window_s)
    print(f"{run.processes} processes, windows of {run.window_s:g} s\n")
    row("store", "keys", "trouble", "arrivals", "429s", "busiest window", "used", "steady", "least share")
    row(*["---"] * 9)
    for keys in KEYS if "fleet" in asked else ():
        for name, make in stores(directory, limits, server).items():
            run.go(name, make, keys)
    for keys in KEYS if "trouble" in asked else ():
        for name, make in stores(directory, limits, server).items():
            run.go(name, make, keys, what=f"3 x {run.processes // 3} killed", trouble=run.kill_some)
        if server is not None:
            redis = stores(directory, limits, server)["redis"]
            run.go("redis", redis, keys, what="Redis loses its data", trouble=partial(lose_data, server))
    for keys in KEYS if "rivals" in asked and server is not None else ():
        for name, open_rival in rivals(server.url, limits).items():
            with server.client() as client:
                client.flushall()
            run.go(name, open_rival, keys, work=work)


def show_costs(processes: int, directory: Path, server: RedisServer | None) -> None:
    print(f"\nOne token: microseconds, alone and in {processes} processes\n")
    row("store", "wall", "CPU", "wall, together", "CPU, together")
    row(*["---"] * 5)
    memory: MakeLimiter = partial(RateLimiter, WIDE)
    show_cost("memory (shares nothing)", partial(spend_in_process, memory), processes, 20_000)
    for name, make in stores(directory, WIDE, server).items():
        show_cost(f"{name}, taken and given back", partial(spend_in_process, make), processes, 2_000)
    for name, open_rival in rivals(server.url, WIDE).items() if server else ():
        show_cost(f"{name}, taken", partial(spend_with_rival, open_rival), processes, 2_000)


def show_organizations(limits: RateLimits, server: RedisServer) -> None:
    print("\nOne process and one Redis, one request of each organization: the cost of a token, and memory\n")
    row("organizations", "wall, us", "bytes of ours, each", "bytes of Redis, each")
    row(*["---"] * 4)
    wait_until_old_enough(server.url, limits)
    context = multiprocessing.get_context("spawn")
    for count in (100, 1_000, 10_000):
        results = context.Queue()
        process = context.Process(target=organizations, args=(server.url, count, limits, results))
        process.start()
        per_token, ours, theirs = results.get(timeout=900)
        process.join()
        row(f"{count:,}", f"{per_token:,.0f}", f"{ours:,.0f}", f"{theirs:,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--window-s", type=float, default=6.0)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--only", choices=TABLES)
    options = parser.parse_args()
    asked = {options.only} if options.only else set(TABLES)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(redis_server()) if PROGRAMS else None
        if asked & {"fleet", "trouble", "rivals"}:
            run = Run(options.processes, options.window_s, options.windows)
            show_runs(run, asked, directory, server)
        if "cost" in asked:
            show_costs(options.processes, directory, server)
        if "organizations" in asked and server is not None:
            show_organizations(RateLimits(window_s=options.window_s), server)


TABLES = ("fleet", "trouble", "rivals", "cost", "organizations")

if __name__ == "__main__":
    main()
