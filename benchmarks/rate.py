"""Does the limiter keep the limit, and how much of it does it use?

1,000 requests queued at once, strict servers of three kinds that count exactly, virtual time, the whole
client down to httpcore, one-way latency 20 to 400 ms.

    python benchmarks/rate.py [--seeds 20] [--requests 1000]
"""

from __future__ import annotations

import argparse
import random
import statistics
from dataclasses import dataclass

import anyio

from cleanlist_async.testing import MemoryNetwork, StrictServer, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist

WINDOW_S, MEAN_ROUND_TRIP_S = 60.0, 0.42
FORMULA = """share = (grants after the first burst) / (cycles between the first burst and the last grant) / limit
cycle = window + mean round trip = 60 s + 0.42 s; limit = 30 with one key, 60 with two"""


@dataclass(frozen=True)
class Measured:
    rejections: int
    share: float
    makespan_s: float
    first_burst_s: float


async def simulate(kind: str, keys: int, requests: int, seed: int) -> Measured:
    rng = random.Random(seed)
    names = {f"clapi_{number}": "org" for number in range(keys)}
    server = StrictServer(limiter=kind, keys=names, phase_s=rng.uniform(0, WINDOW_S), rows=False)
    limit = min(60, 30 * keys)
    async with MemoryNetwork(server, latency=lambda: rng.uniform(0.02, 0.4)) as network:
        async with VirtualCleanlist(network, list(names)) as client:
            async with anyio.create_task_group() as group:
                for _ in range(requests):
                    group.start_soon(client.public.validate_key)
            makespan = anyio.current_time()
    grants = sorted(server.grants())
    cycle = WINDOW_S + MEAN_ROUND_TRIP_S
    # A burst's grants spread over their round trips: count whole cycles from the second one on.
    steady = grants[limit:]
    whole = (len(steady) - 1) // limit
    last = steady[whole * limit]
    share = whole * cycle / (last - steady[0]) if whole else float("nan")
    return Measured(len(server.rejections), share, makespan, grants[limit - 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--requests", type=int, default=1_000)
    options = parser.parse_args()
    print(FORMULA)
    print(f"\n{options.requests} requests, {options.seeds} seeds, latency 20-400 ms each way\n")
    print(
        "| server | keys | 429s, all seeds | share: median (least) | last answer, s | first burst sent in, s |"
    )
    print("|---|---|---|---|---|---|")
    for kind in ("sliding", "fixed", "token_bucket"):
        for keys in (1, 2):
            runs = [run(simulate(kind, keys, options.requests, seed)) for seed in range(options.seeds)]
            shares = [measured.share for measured in runs]
            print(
                f"| {kind} | {keys} | {sum(measured.rejections for measured in runs)} "
                f"| {statistics.median(shares):.1%} ({min(shares):.1%}) "
                f"| {statistics.median(measured.makespan_s for measured in runs):.0f} "
                f"| {statistics.median(measured.first_burst_s for measured in runs):.1f} |"
            )


if __name__ == "__main__":
    main()
