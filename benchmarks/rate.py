"""Does a limiter keep the limit, how much of it does it use, and who waits for it?

One key, 30 requests a minute, strict servers that count exactly, virtual time, one-way latency 20 to 400 ms.
A request that is answered 429 sleeps as long as it is told and asks its limiter again. Ours is also measured
as the whole client down to httpcore.

    python -m benchmarks.rate [--seeds 3] [--requests 1000]
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import anyio

from benchmarks import limiters, report
from benchmarks.limiters import DOORS, LIMIT, WINDOW_S, Door, now
from benchmarks.measuring import percentile, side_by_side
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.sandbox.limits import make_limit
from cleanlist_async.testing import LimitKind, MemoryNetwork, StrictServer, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist

T = TypeVar("T")

SERVERS: dict[str, LimitKind] = {
    "exact log": "sliding",
    "fixed window": "fixed",
    "token bucket": "token_bucket",
    "weighted counter": "weighted",
}
EXACT = [name for name in SERVERS if name != "weighted counter"]
JOBS = (5, 30, 60, 100, 1_000)
MEAN_ROUND_TRIP_S = 0.42
BULK_WORKERS, INTERACTIVE_EVERY_S, INTERACTIVE_FROM_S, INTERACTIVE_UNTIL_S = 16, 20.0, 120.0, 2_400.0
TEXT = """Share = (grants after the first burst) / (cycles between the first burst and the last grant) / limit;
cycle = window + mean round trip = 60 s + 0.42 s. A token bucket lets a client that does not wait for answers
through a little faster than that. 429s are of all requests; makespan is until the last answer. The first volley
are requests that left before the first 429 was read: here nothing else limits how many those are."""


@dataclass
class Wire:
    """A server that counts exactly, and the way to it."""

    kind: LimitKind
    rng: random.Random
    grants: list[float] = field(default_factory=list[float])
    rejections: int = 0
    later: int = 0
    """Those of requests that were sent after the first 429 was read."""
    first_429_at: float = math.inf

    def __post_init__(self) -> None:
        self._limit = make_limit(self.kind, LIMIT, WINDOW_S, self.rng.uniform(0, WINDOW_S))

    async def call(self, door: Door, kind: RequestClass) -> float:
        """Send one request until it is let in; return the seconds until it was sent for the last time."""
        asked_at = now()
        while True:
            leave = await door(kind)
            sent_at = now()
            await asyncio.sleep(self.rng.uniform(0.02, 0.4))
            refused_for_s = self._arrive(now())
            await asyncio.sleep(self.rng.uniform(0.02, 0.4))
            if refused_for_s:
                self.first_429_at = min(self.first_429_at, now())
                self.later += sent_at > self.first_429_at
            await leave(refused_for_s)
            if not refused_for_s:
                return sent_at - asked_at

    def _arrive(self, at: float) -> float:
        if (wait_s := self._limit.wait_s(at)) > 0:
            self.rejections += 1
            return math.ceil(wait_s * 1000) / 1000  # `retry_after_ms` is a whole number
        self._limit.count(at)
        self.grants.append(at)
        return 0.0


@dataclass(frozen=True)
class Job:
    rejected: float
    later: float
    share: float
    makespan_s: float


def job(name: str, kind: LimitKind, requests: int, seed: int) -> Job:
    """Queue so many requests at once."""

    async def main() -> Job:
        wire, door = Wire(kind, random.Random(seed)), DOORS[name]()
        async with anyio.create_task_group() as group:
            for _ in range(requests):
                group.start_soon(wire.call, door, RequestClass.SUBMIT)
        sent = requests + wire.rejections
        return Job(wire.rejections / sent, wire.later / sent, share_of(wire.grants, LIMIT), now())

    return limiters.run(main())


def share_of(grants: list[float], limit: int) -> float:
    """A burst's grants spread over their round trips: count whole cycles from the second one on."""
    steady = sorted(grants)[limit:]
    cycles = (len(steady) - 1) // limit
    if cycles < 1:
        return math.nan
    return cycles * (WINDOW_S + MEAN_ROUND_TRIP_S) / (steady[cycles * limit] - steady[0])


def interactive_waits(name: str, kind: LimitKind, seed: int) -> list[float]:
    """One interactive call every so often beside a bulk job that never pauses, after two windows."""

    async def main() -> list[float]:
        wire, door = Wire(kind, random.Random(seed)), DOORS[name]()
        waits: list[float] = []

        async def bulk() -> None:
            while now() < INTERACTIVE_UNTIL_S:
                await wire.call(door, RequestClass.SUBMIT)

        async def interactive() -> None:
            asked_at = now()
            waited_s = await wire.call(door, RequestClass.INTERACTIVE)
            if asked_at > INTERACTIVE_FROM_S:
                waits.append(waited_s)

        async with anyio.create_task_group() as group:
            for _ in range(BULK_WORKERS):
                group.start_soon(bulk)
            while now() < INTERACTIVE_UNTIL_S:
                group.start_soon(interactive)
                await anyio.sleep(INTERACTIVE_EVERY_S)
        return waits

    return limiters.run(main())


@dataclass(frozen=True)
class Client:
    rejections: int
    share: float
    makespan_s: float
    first_burst_s: float


async def whole_client(kind: LimitKind, keys: int, requests: int, seed: int) -> Client:
    """Our whole client down to httpcore."""
    rng = random.Random(seed)
    names = {f"clapi_{number}": "org" for number in range(keys)}
    server = StrictServer(limiter=kind, keys=names, phase_s=rng.uniform(0, WINDOW_S), rows=False)
    limit = min(60, LIMIT * keys)
    async with MemoryNetwork(server, latency=lambda: rng.uniform(0.02, 0.4)) as network:
        async with VirtualCleanlist(network, list(names)) as client:
            async with anyio.create_task_group() as group:
                for _ in range(requests):
                    group.start_soon(client.public.validate_key)
            makespan_s = anyio.current_time()
    grants = sorted(server.grants())
    return Client(len(server.rejections), share_of(grants, limit), makespan_s, grants[limit - 1])


def measure(seeds: int = 3, requests: int = 1_000) -> report.Section:
    targets: list[report.Target] = []
    places = [(name, server) for name in DOORS for server in SERVERS]
    jobs = by_place(job, places, [(requests, seed) for seed in range(seeds)])
    rejected = {at: statistics.mean(one.rejected for one in runs) for at, runs in jobs.items()}
    share = {at: statistics.median(one.share for one in runs) for at, runs in jobs.items()}
    worst, least = max(rejected["ours", s] for s in EXACT), min(share["ours", s] for s in EXACT)
    weighted = statistics.mean(one.later for one in jobs["ours", "weighted counter"])
    targets += [
        report.Target("429s: exact log, fixed window, token bucket", "0", f"{worst:.2%}", worst == 0),
        report.Target("share of the limit there", "99 %", f"{least:.1%}", least >= 0.99),
        report.Target(
            "429s after the first volley: weighted counter", "under 1 %", f"{weighted:.2%}", weighted < 0.01
        ),
    ]
    whole, slowest_burst, most, lowest = client_table(seeds, requests)
    targets += [
        report.Target(
            "the whole client, one key and two: 429s, share",
            "0, 99 %",
            f"{most}, {lowest:.1%}",
            most == 0 and lowest >= 0.99,
        ),
        report.Target("its first burst is with the server", "no target", f"{slowest_burst:.1f} s", met=True),
    ]
    waits = {
        place: [wait for of_seed in of_seeds for wait in of_seed]
        for place, of_seeds in by_place(interactive_waits, places, [(seed,) for seed in range(seeds)]).items()
    }
    p99 = max(percentile(waits["ours", server], 0.99) for server in SERVERS)
    targets.append(report.Target("interactive p99 beside saturated bulk", "4 s", f"{p99:.1f} s", p99 <= 4))
    return report.Section(
        "Rate",
        TEXT,
        [
            report.Table(
                ("limiter", *SERVERS),
                [
                    (name, *(f"{rejected[name, s]:.1%}, {share[name, s]:.1%}" for s in SERVERS))
                    for name in DOORS
                ],
                f"{requests:,} requests queued at once, {seeds} seeds: 429s (mean), share of the limit (median)",
            ),
            report.Table(
                ("limiter", *(f"{size:,} requests" for size in JOBS)),
                [(name, *(makespan(name, size, seeds) for size in JOBS)) for name in DOORS],
                "Exact log: makespan in seconds, median (429s of all seeds)",
            ),
            report.Table(
                ("limiter", *SERVERS),
                [
                    (name, *(f"{percentile(w, 0.5):.1f}, {percentile(w, 0.99):.1f}" for w in of_each))
                    for name in DOORS
                    for of_each in ([waits[name, server] for server in SERVERS],)
                ],
                "Wait of an interactive call in seconds, p50, p99: one every 20 s beside saturated bulk",
            ),
            whole,
        ],
        targets,
        [
            report.Bars(
                "rate",
                f"429s of {requests:,} requests, in %",
                list(SERVERS),
                {name: [100 * rejected[name, server] for server in SERVERS] for name in DOORS},
                "%",
            )
        ],
    )


def by_place(
    work: Callable[..., T], places: Sequence[tuple[str, str]], arguments: Sequence[tuple[int, ...]]
) -> dict[tuple[str, str], list[T]]:
    """Do the work at each place, a limiter and a server, with each of the arguments."""
    found = side_by_side(
        work, [(name, SERVERS[server], *each) for name, server in places for each in arguments]
    )
    return {place: found[at * len(arguments) :][: len(arguments)] for at, place in enumerate(places)}


def makespan(name: str, requests: int, seeds: int) -> str:
    jobs = [job(name, "sliding", requests, seed) for seed in range(seeds)]
    rejections = sum(round(requests * one.rejected / (1 - one.rejected)) for one in jobs)
    return f"{statistics.median(one.makespan_s for one in jobs):,.1f} ({rejections})"


def client_table(seeds: int, requests: int) -> tuple[report.Table, float, int, float]:
    rows: list[tuple[object, ...]] = []
    exact: list[Client] = []
    for server in EXACT:
        for keys in (1, 2):
            runs = [run(whole_client(SERVERS[server], keys, requests, seed)) for seed in range(seeds)]
            exact += runs
            shares = [one.share for one in runs]
            rows.append(
                (
                    server,
                    keys,
                    sum(one.rejections for one in runs),
                    f"{statistics.median(shares):.1%} ({min(shares):.1%})",
                    f"{statistics.median(one.makespan_s for one in runs):,.0f}",
                    f"{statistics.median(one.first_burst_s for one in runs):.1f}",
                )
            )
    table = report.Table(
        (
            "server",
            "keys",
            "429s, all seeds",
            "share: median (least)",
            "last answer, s",
            "first burst sent in, s",
        ),
        rows,
        f"Our whole client down to httpcore, {requests:,} requests, {seeds} seeds",
    )
    return (
        table,
        max(one.first_burst_s for one in exact),
        sum(one.rejections for one in exact),
        min(one.share for one in exact),
    )


if __name__ == "__main__":
    report.command(measure)
