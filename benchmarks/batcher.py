"""How long does a caller of `enrich_one` wait, beside a client that sends one contact per request?

Both are whole clients in virtual time, against the sandbox's exact limits (30 requests a minute for the key);
workflows of lognormal length, one-way latency 20 to 400 ms, Poisson arrivals, the default deadline of 60 s.

    python benchmarks/batcher.py [--seconds 120] [--rates 1 10 100 1000] [--callers 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from cleanlist_async import CleanlistError, Contact, EnrichmentResult
from cleanlist_async.testing import MemoryNetwork, StrictServer, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist

MEDIAN_S, SIGMA = 5.0, 0.5

Enrich = Callable[[VirtualCleanlist, Contact], Awaitable[EnrichmentResult]]


@dataclass
class Measured:
    callers: int
    waits: list[float] = field(default_factory=list[float])
    overloaded: int = 0
    submits: int = 0
    status_requests: int = 0
    rejections: int = 0
    makespan_s: float = 0.0
    cpu_s: float = 0.0


def quantile(waits: Sequence[float], share: float) -> str:
    ordered = sorted(waits)
    return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.1f}" if ordered else "-"


async def batched(client: VirtualCleanlist, contact: Contact) -> EnrichmentResult:
    return await client.enrich_one(contact)


async def patient(client: VirtualCleanlist, contact: Contact) -> EnrichmentResult:
    return await client.enrich_one(contact, deadline_s=math.inf)


async def one_per_request(client: VirtualCleanlist, contact: Contact) -> EnrichmentResult:
    report = await client.with_options(deadline_s=60.0).enrich([contact])
    report.raise_for_error()
    return report.results[0]


async def simulate(enrich: Enrich, arrivals: Sequence[float], seed: int) -> Measured:
    rng = random.Random(seed)
    measured = Measured(len(arrivals))
    server = StrictServer(workflow_s=lambda: rng.lognormvariate(math.log(MEDIAN_S), SIGMA))
    start = time.process_time()

    async def call(client: VirtualCleanlist, number: int) -> None:
        contact = Contact(
            first_name=f"Ada{number}", last_name="Lovelace", company_domain=f"c{number % 997}.io"
        )
        arrived = anyio.current_time()
        try:
            result = await enrich(client, contact)
        except CleanlistError as error:
            measured.overloaded += type(error).__name__ == "OverloadedError"
            return
        assert result.contact == contact
        assert result.status in {"found", "not_found"}, result
        measured.waits.append(anyio.current_time() - arrived)

    async with MemoryNetwork(server, latency=lambda: rng.uniform(0.02, 0.4)) as network:
        async with VirtualCleanlist(network) as client:
            async with anyio.create_task_group() as group:
                for number, arrives_at in enumerate(arrivals):
                    if arrives_at > anyio.current_time():
                        await anyio.sleep(arrives_at - anyio.current_time())
                    group.start_soon(call, client, number)
            measured.makespan_s = asyncio.get_running_loop().time()
            measured.status_requests = client.statistics().status_requests
    measured.submits = len(server.workflows)
    measured.rejections = len(server.rejections)
    measured.cpu_s = time.process_time() - start
    return measured


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    rng = random.Random(seed)
    arrivals, now = [], rng.expovariate(rate)
    while now < seconds:
        arrivals.append(now)
        now += rng.expovariate(rate)
    return arrivals


def row(name: str, m: Measured) -> str:
    return (
        f"| {name} | {m.callers:,} | {len(m.waits) / m.callers:.1%} | {quantile(m.waits, 0.5)} | {quantile(m.waits, 0.99)} "
        f"| {m.submits} | {m.status_requests} | {m.rejections} | {m.overloaded:,} | {m.cpu_s:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--rates", type=float, nargs="+", default=[1, 10, 100, 1_000])
    parser.add_argument("--callers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(
        f"Arrivals for {options.seconds:.0f} s; workflows lognormal, median {MEDIAN_S:.0f} s, sigma {SIGMA}\n"
    )
    print("| client, requests a second | callers | answered within 60 s | p50, s | p99, s | submits | status requests | 429s "
          "| refused as overloaded | CPU, s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for rate in options.rates:
        arrivals = poisson(rate, options.seconds, options.seed)
        print(row(f"enrich_one, {rate:,.0f}", run(simulate(batched, arrivals, options.seed))), flush=True)
        some = arrivals[: 12 * int(options.seconds)]  # more would only time out, at a cost in CPU
        print(
            row(f"one per request, {rate:,.0f}", run(simulate(one_per_request, some, options.seed))),
            flush=True,
        )
    m = run(simulate(patient, [0.0] * options.callers, options.seed))
    print(f"\n{options.callers:,} concurrent callers without a deadline: {m.submits} submits, {m.status_requests} status requests, "
          f"{m.rejections} 429s, the last answer after {m.makespan_s:.0f} s (p50 {quantile(m.waits, 0.5)} s)")  # fmt: skip


if __name__ == "__main__":
    main()
