"""How does each cost grow with what it could grow with? Nothing may grow faster than n log n.

CPU for the whole of n, in virtual time or none, against n; the least of a few interleaved rounds, for what else runs
on the machine only ever adds. Beside each fitted exponent is the one that n log n would show over the same sizes.

    python -m benchmarks.growth [--rounds 3]
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from benchmarks import report
from benchmarks.measuring import N_LOG_N_MARGIN, fitted_exponent, n_log_n_exponent, rounds_of, stopwatch
from benchmarks.people import People, write_csv
from benchmarks.pipe import people, requests_ours, results_ours
from cleanlist_async.enrich.source import repeated_identities
from cleanlist_async.ratelimit import RateLimiter, RateLimits, RequestClass, Route
from cleanlist_async.testing import MemoryNetwork, StrictServer, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist

FREE = RateLimits(org=1_000_000, key=1_000_000)
WINDOWS, CHUNK = 4, 250


async def serve(limiter: RateLimiter, routes: Sequence[Route], requests: int) -> None:
    """Let so many requests wait, over these routes in turn, until *WINDOWS* windows have passed."""

    async def one(route: Route) -> None:
        (await limiter.acquire(route, RequestClass.INTERACTIVE, "burst")).answered(limiter.clock())

    with anyio.move_on_after(WINDOWS * limiter.limits.window_s):
        async with anyio.create_task_group() as group:
            for number in range(requests):
                group.start_soon(one, routes[number % len(routes)])


def new_limiter(limits: RateLimits | None = None) -> RateLimiter:
    return RateLimiter(limits, clock=asyncio.get_running_loop().time)


def waiters(n: int) -> None:
    """So many requests in line for one key."""

    async def main() -> None:
        await serve(new_limiter(), [Route(("key",), "organization")], n)

    run(main())


def keys(n: int) -> None:
    """Ten requests for each of so many keys of one organization, which are spread over them."""

    async def main() -> None:
        route = Route(tuple(f"key {number}" for number in range(n)), "organization")
        await serve(new_limiter(RateLimits(org=1_000_000)), [route], 10 * n)

    run(main())


def organizations(n: int) -> None:
    """A burst and five requests more for each of so many organizations, which share one limiter."""

    async def main() -> None:
        routes = [Route((f"key {number}",), f"organization {number}") for number in range(n)]
        await serve(new_limiter(RateLimits(org=10, key=5)), routes, 10 * n)

    run(main())


def calls(n: int) -> None:
    """So many calls started at once, by the whole client."""

    async def main() -> None:
        server = StrictServer(organization_limit=10**9, key_limit=10**9, rows=False)
        async with MemoryNetwork(server) as network:
            async with VirtualCleanlist(network, rate_limits=FREE) as client:
                async with anyio.create_task_group() as group:
                    for _ in range(n):
                        group.start_soon(client.public.validate_key)

    run(main())


def workflows(n: int) -> None:
    """A stream of so many workflows, all open at once for five minutes; their contacts with them."""

    async def main() -> None:
        server = StrictServer(organization_limit=10**9, key_limit=10**9, workflow_s=lambda: 300.0)
        async with MemoryNetwork(server) as network:
            async with VirtualCleanlist(network, rate_limits=FREE) as client:
                async with client.stream(People(n * CHUNK), max_open_workflows=n) as results:
                    assert sum([1 async for _ in results]) == n * CHUNK

    run(main())


def duplicates(n: int) -> None:
    """So many contacts, of which every two-hundredth is a duplicate, through the first pass."""
    asyncio.run(repeated_identities(People(n, duplicates=True)))


def through_files(work: Callable[[Path, Path], None], n: int) -> None:
    """So many contacts from a file, or into one."""
    with TemporaryDirectory() as folder:
        source = Path(folder, "in.csv")
        write_csv(source, people(n))
        work(source, Path(folder, "out.csv"))


@dataclass(frozen=True)
class Cost:
    of: str
    work: Callable[[int], None]
    sizes: Sequence[int]


COSTS = (
    Cost("waiters in line for one key", waiters, (100, 1_000, 10_000)),
    Cost("calls started at once", calls, (16, 64, 256, 1_000)),
    Cost("keys of one organization", keys, (4, 16, 64, 256)),
    Cost("organizations sharing a limiter", organizations, (10, 40, 160, 640)),
    Cost("workflows open at once", workflows, (10, 40, 160)),
    Cost("contacts: CSV to requests", partial(through_files, requests_ours), (1_000, 10_000, 100_000)),
    Cost("contacts: results to CSV", partial(through_files, results_ours), (1_000, 10_000, 100_000)),
    Cost("contacts: finding duplicates", duplicates, (1_000, 10_000, 100_000)),
)


def cpu_s(work: Callable[[int], None], n: int) -> float:
    with stopwatch() as watch:
        work(n)
    return watch.cpu_s


def measure(rounds: int = 3) -> report.Section:
    lines: dict[str, list[tuple[float, float]]] = {}
    rows: list[tuple[object, ...]] = []
    worst, worst_of = 0.0, ""
    for cost in COSTS:
        cpu_s(cost.work, cost.sizes[0])  # imports are no part of it
        taken = rounds_of({str(n): partial(cpu_s, cost.work, n) for n in cost.sizes}, rounds)
        least = [min(taken[str(n)]) for n in cost.sizes]
        lines[cost.of] = list(zip(cost.sizes, least, strict=True))
        exponent, allowed = fitted_exponent(cost.sizes, least), n_log_n_exponent(cost.sizes)
        if exponent - allowed > worst or not worst_of:
            worst, worst_of = exponent - allowed, cost.of
        rows.append(
            (
                cost.of,
                ", ".join(f"{n:,}" for n in cost.sizes),
                ", ".join(f"{1e6 * s / n:,.0f}" for n, s in lines[cost.of]),
                f"{exponent:.2f}",
                f"{allowed:.2f}",
            )
        )
    return report.Section(
        "Growth",
        report.text_of(__doc__),
        [report.Table(("n", "sizes", "CPU for each, µs", "fitted exponent", "that of n log n"), rows)],
        [
            report.Target(
                "no cost grows faster than n log n",
                f"exponents at most {N_LOG_N_MARGIN} above",
                f"{worst:+.2f} ({worst_of})",
                worst <= N_LOG_N_MARGIN,
            )
        ],
        [report.Lines("growth", "CPU for the whole of n", lines, "CPU, s")],
    )


if __name__ == "__main__":
    report.command(measure)
