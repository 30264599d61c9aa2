"""Several processes under one limit: what a strict server sees of them, and what one token costs.

The server counts arrivals in any window exactly, in a process of its own. "used" is what arrived after the
first window over what the limit allows; "steady" the whole cycles of the limit after the first burst, over
the windows that they took. A share is of the mean of all processes. After trouble, "steady" counts from one
lease and one window after the last. Redis takes part where redis-server is installed, and other limiters on
the same Redis; so does PostgreSQL. They are started for the purpose, on free loopback ports; Redis keeps
nothing on the disk, PostgreSQL waits for it at each commit. A round trip is a question to the server and its
answer: what one call of one process takes that waits for its token, and reports the answer.

    python -m benchmarks.shared_limits [--processes 8] [--window-s 3] [--windows 4]
        [--only fleet trouble rivals cost trips organizations]

Of the whole suite, "fleet", "rivals", "cost" and "trips" with one key are part; the others take minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis import Redis

from benchmarks import report
from benchmarks.shared_rivals import Open, rivals, work
from benchmarks.shared_stores import ROUTE, WIDE, MakeLimiter, Servers, trips
from cleanlist_async.ratelimit import RateLimiter, RateLimits, RequestClass, Route
from cleanlist_async.ratelimit.shared.backend import lease_s
from tests.support.fleet import Fleet, strict_server
from tests.support.postgres_server import BIN, postgres_server
from tests.support.redis_server import PROGRAMS, RedisServer, redis_server, wait_until_old_enough

TABLES = ("fleet", "trouble", "rivals", "cost", "trips", "organizations")
IN_THE_SUITE = ("fleet", "rivals", "cost", "trips")
ORG, KEY = 60, 30
START_S = 5.0
"""Seconds for all processes to load the package; they begin at one moment."""
KEYS = {"one key": [["clapi_0"]], "four keys": [[f"clapi_{number}"] for number in range(4)]}


# -- the strict server ------------------------------------------------------------------------------


Row = tuple[object, ...]


@dataclass(frozen=True)
class Seen:
    """What the server saw of one fleet."""

    row: Row
    rejected: int
    steady: float


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
    ) -> Seen:
        """Let it run, with *trouble* after a window and a half."""
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
        steady = seen.steady_share(limit, self.window_s, recovered_at)
        cells = (
            name,
            keys,
            what,
            len(seen.arrivals),
            seen.rejected,
            f"{seen.busiest} of {limit}",
            "" if trouble else f"{used:.1%}",
            f"{steady:.1%}",
            "" if trouble else f"{min(counts) / statistics.mean(counts):.2f}",
        )
        return Seen(cells, seen.rejected, steady)

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


def cost_row(name: str, spend: Callable[..., Cost], processes: int, tokens: int) -> Row:
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
    times = (wall, cpu, statistics.median(walls), statistics.median(cpus))
    return (name, *(f"{microseconds:,.0f}" for microseconds in times))


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


def fleets(run: Run, asked: Collection[str], of_keys: Collection[str], servers: Servers) -> list[Seen]:
    """Fleets of ours."""
    limits = RateLimits(window_s=run.window_s)
    found: list[Seen] = []
    for keys in of_keys if "fleet" in asked else ():
        for name, make in servers.stores(limits).items():
            found.append(run.go(name, make, keys))
    for keys in of_keys if "trouble" in asked else ():
        for name, make in servers.stores(limits).items():
            killed = f"3 x {run.processes // 3} killed"
            found.append(run.go(name, make, keys, what=killed, trouble=run.kill_some))
        if servers.redis is not None:
            redis = servers.stores(limits)["redis"]
            lost = partial(lose_data, servers.redis)
            found.append(run.go("redis", redis, keys, what="Redis loses its data", trouble=lost))
    return found


def fleets_of_rivals(run: Run, of_keys: Collection[str], server: RedisServer) -> list[Seen]:
    found: list[Seen] = []
    for keys in of_keys:
        for name, open_rival in rivals(server.url, RateLimits(window_s=run.window_s)).items():
            with server.client() as client:
                client.flushall()
            found.append(run.go(name, open_rival, keys, work=work))
    return found


def costs(processes: int, servers: Servers) -> report.Table:
    memory: MakeLimiter = partial(RateLimiter, WIDE)
    rows = [cost_row("memory (shares nothing)", partial(spend_in_process, memory), processes, 20_000)]
    for name, make in servers.stores(WIDE).items():
        rows.append(
            cost_row(f"{name}, taken and given back", partial(spend_in_process, make), processes, 2_000)
        )
    for name, open_rival in rivals(servers.redis.url, WIDE).items() if servers.redis else ():
        rows.append(cost_row(f"{name}, taken", partial(spend_with_rival, open_rival), processes, 2_000))
    columns = ("store", "wall, µs", "CPU, µs", "wall, together", "CPU, together")
    return report.Table(columns, rows, f"One token, alone and in {processes} processes")


def many_organizations(limits: RateLimits, server: RedisServer) -> report.Table:
    wait_until_old_enough(server.url, limits)
    context = multiprocessing.get_context("spawn")
    rows: list[Row] = []
    for count in (1_000, 3_000, 10_000):
        results = context.Queue()
        process = context.Process(target=organizations, args=(server.url, count, limits, results))
        process.start()
        per_token, ours, theirs = results.get(timeout=900)
        process.join()
        rows.append((f"{count:,}", f"{per_token:,.0f}", f"{ours:,.0f}", f"{theirs:,.0f}"))
    return report.Table(
        ("organizations", "one token, wall, µs", "bytes of ours, each", "bytes of Redis, each"),
        rows,
        "One process and one Redis, one request of each organization",
    )


def measure(
    processes: int = 8,
    window_s: float = 3.0,
    windows: int = 4,
    asked: Collection[str] = IN_THE_SUITE,
    of_keys: Collection[str] = ("one key",),
) -> report.Section:
    columns = (
        "store",
        "keys",
        "trouble",
        "arrivals",
        "429s",
        "busiest window",
        "used",
        "steady",
        "least share",
    )
    run, tables = Run(processes, window_s, windows), list[report.Table]()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(redis_server()) if PROGRAMS else None
        postgres = stack.enter_context(postgres_server(settings=())) if Path(BIN, "initdb").exists() else None
        servers = Servers(directory, server, postgres)
        seen = fleets(run, asked, of_keys, servers)
        theirs = fleets_of_rivals(run, of_keys, server) if "rivals" in asked and server is not None else []
        if seen or theirs:
            rows = [one.row for one in (*seen, *theirs)]
            tables.append(report.Table(columns, rows, f"{processes} processes, windows of {window_s:g} s"))
        if "cost" in asked:
            tables.append(costs(processes, servers))
        if "trips" in asked:
            tables.append(trips(servers))
        if "organizations" in asked and server is not None:
            tables.append(many_organizations(RateLimits(window_s=window_s), server))
    text = report.text_of(__doc__)
    missing = [name for name, found in (("Redis", server), ("PostgreSQL", postgres)) if found is None]
    if missing:
        text += f" Here {' and '.join(missing)} were not installed."
    return report.Section("Limits that processes share", text, tables, targets(seen))


def targets(seen: Sequence[Seen]) -> list[report.Target]:
    if not seen:
        return []
    rejected, steady = sum(one.rejected for one in seen), min(one.steady for one in seen)
    return [
        report.Target("429s of all processes together", "0", str(rejected), rejected == 0),
        report.Target("share of the limit they use", "at least 98 %", f"{steady:.1%}", steady >= 0.98),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--window-s", type=float, default=3.0)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--only", choices=TABLES, nargs="+", default=IN_THE_SUITE)
    options = parser.parse_args()
    report.show(lambda: measure(options.processes, options.window_s, options.windows, options.only, KEYS))


if __name__ == "__main__":
    main()
