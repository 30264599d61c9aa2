"""How long does a caller of `enrich_one` wait, beside a client that sends one contact per request?

Both are whole clients in virtual time, against exact limits (30 requests a minute for the key); workflows of
lognormal length (median 5 s, sigma 0.5), one-way latency 20 to 400 ms, Poisson arrivals, the default deadline of 60 s.
Of the client with one contact per request only the first arrivals are simulated: more would only time out.

    python -m benchmarks.batcher [--seconds 120] [--rates 1 10 100 1000] [--callers 10000]
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

from benchmarks import report
from cleanlist_async import CleanlistError, Contact, EnrichmentResult
from cleanlist_async.testing import MemoryNetwork, StrictServer, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist

MEDIAN_S, SIGMA, CHUNK = 5.0, 0.5, 250

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


COLUMNS = (
    "client, requests a second",
    "callers",
    "answered within 60 s",
    "wait p50, s",
    "p99, s",
    "submits",
    "status requests",
    "429s",
    "refused as overloaded",
    "CPU, s",
)


def row(name: str, m: Measured) -> tuple[object, ...]:
    return (
        name,
        f"{m.callers:,}",
        f"{len(m.waits) / m.callers:.1%}",
        quantile(m.waits, 0.5),
        quantile(m.waits, 0.99),
        m.submits,
        m.status_requests,
        m.rejections,
        f"{m.overloaded:,}",
        f"{m.cpu_s:.1f}",
    )


def measure(
    rates: Sequence[float] = (1, 10, 100, 1_000), seconds: float = 60.0, callers: int = 10_000, seed: int = 0
) -> report.Section:
    rows: list[tuple[object, ...]] = []
    rejections = 0
    for rate in rates:
        arrivals = poisson(rate, seconds, seed)
        ours = run(simulate(batched, arrivals, seed))
        alone = run(simulate(one_per_request, arrivals[: int(12 * seconds)], seed))
        rows += [row(f"enrich_one, {rate:,.0f}", ours), row(f"one per request, {rate:,.0f}", alone)]
        rejections += ours.rejections
    crowd = run(simulate(patient, [0.0] * callers, seed))
    rejections += crowd.rejections
    requests = crowd.submits + crowd.status_requests
    at_once = (
        (
            f"{callers:,}",
            crowd.submits,
            crowd.status_requests,
            crowd.rejections,
            f"{crowd.makespan_s:.0f}",
            quantile(crowd.waits, 0.5),
        ),
    )
    allowed = callers / CHUNK * (1.05 + 1.375)
    return report.Section(
        "Callers of enrich_one",
        __doc__.partition("    python")[0].partition("?")[2].strip(),
        [
            report.Table(COLUMNS, rows, f"Arrivals for {seconds:g} s"),
            report.Table(
                ("callers at once", "submits", "status requests", "429s", "last answer, s", "p50, s"),
                at_once,
                "Without a deadline",
            ),
        ],
        [
            report.Target("429s of enrich_one", "0", str(rejections), rejections == 0),
            report.Target(
                f"{callers:,} callers at once: requests",
                f"at most {allowed:.0f}",
                str(requests),
                requests <= allowed,
            ),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rates", type=float, nargs="+", default=[1, 10, 100, 1_000])
    parser.add_argument("--callers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    report.show(lambda: measure(options.rates, options.seconds, options.callers, options.seed))


if __name__ == "__main__":
    main()
