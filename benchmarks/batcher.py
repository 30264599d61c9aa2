"""How long does a caller of `enrich_one` wait, beside a client that sends one contact per request?

Both are whole clients in virtual time, against exact limits (30 requests a minute for the key); workflows of
lognormal length (median 5 s, sigma 0.5), one-way latency 20 to 400 ms, Poisson arrivals, the default deadline of 60 s.
Of the client with one contact per request only the first arrivals are simulated: more would only time out.

    python -m benchmarks.batcher [--seconds 120] [--rates 1 10 100 1000] [--callers 10000]
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from benchmarks import report
from cleanlist_async import CleanlistError, Contact, EnrichmentResult
from cleanlist_async.testing import MemoryNetwork, StrictServer, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist

MEDIAN_S, SIGMA, CHUNK = 5.0, 0.5, 250
WINDOW_S, TOKENS = 60.0, 30
ON_THE_WIRE_S = 3 * 0.42
"""A submit with its handshake, and a question."""
FIRST_CHANCES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
LATER_CHANCES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
OVER_BEST = 1.15
SUSTAINED, SUSTAINED_S = (1.0, 10.0, 60.0), 240.0

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


@dataclass(frozen=True)
class BestWaits:
    """The least that any schedule of its kind reaches: each quantile by a schedule of its own."""

    median_s: float
    p99_s: float


def best_waits(rate: float) -> BestWaits:
    """Search the schedules that keep to 30 tokens a minute, and know how long workflows take.

    A batch leaves every so many seconds, and is asked about at the ages at which the chance that it is done since the
    last question is one and the same; the first question may have another.
    """
    rng = random.Random(0)
    durations = [rng.lognormvariate(math.log(MEDIAN_S), SIGMA) for _ in range(2_000)]
    waits = [
        found
        for first in FIRST_CHANCES
        for later in LATER_CHANCES
        if (found := scheduled_waits(durations, first, later, rate, rng))
    ]
    return BestWaits(
        min(float(quantile(one, 0.5)) for one in waits), min(float(quantile(one, 0.99)) for one in waits)
    )


def scheduled_waits(
    durations: Sequence[float], first: float, later: float, rate: float, rng: random.Random
) -> list[float]:
    """How long callers wait in one schedule; empty where its batches would overflow."""
    left, ages = 1 - first, list[float]()
    while left > 1e-7:
        ages.append(MEDIAN_S * math.exp(SIGMA * statistics.NormalDist().inv_cdf(1 - left)))
        left *= 1 - later
    questions = [min(bisect_left(ages, duration), len(ages) - 1) for duration in durations]
    gap_s = WINDOW_S / TOKENS * (1 + statistics.fmean(number + 1 for number in questions))
    if gap_s * rate > CHUNK:
        return []
    return [rng.uniform(0, gap_s) + ages[number] + ON_THE_WIRE_S for number in questions]


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
    rates: Sequence[float] = (1.0, 10.0, 100.0, 1_000.0),
    seconds: float = 60.0,
    callers: int = 10_000,
    seed: int = 0,
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
    sustained = [(rate, run(simulate(batched, poisson(rate, SUSTAINED_S, seed), seed))) for rate in SUSTAINED]
    best = {rate: best_waits(rate) for rate in SUSTAINED}
    near = all(
        float(quantile(ours.waits, 0.5)) <= OVER_BEST * best[rate].median_s
        and float(quantile(ours.waits, 0.99)) <= OVER_BEST * best[rate].p99_s
        for rate, ours in sustained
    )
    return report.Section(
        "Callers of enrich_one",
        report.text_of(__doc__),
        [
            report.Table(COLUMNS, rows, f"Arrivals for {seconds:g} s"),
            report.Table(
                ("callers at once", "submits", "status requests", "429s", "last answer, s", "p50, s"),
                at_once,
                "Without a deadline",
            ),
            report.Table(
                (
                    "callers a second",
                    "p50, s",
                    "best p50, s",
                    "p99, s",
                    "best p99, s",
                    "submits",
                    "questions",
                ),
                [
                    (
                        f"{rate:g}",
                        quantile(ours.waits, 0.5),
                        f"{best[rate].median_s:.1f}",
                        quantile(ours.waits, 0.99),
                        f"{best[rate].p99_s:.1f}",
                        ours.submits,
                        ours.status_requests,
                    )
                    for rate, ours in sustained
                ],
                f"Arrivals for {SUSTAINED_S:g} s, beside the best schedules that know how long workflows take",
            ),
        ],
        [
            report.Target("beside the best schedules", "at most 15 % longer", "yes" if near else "no", near),
            report.Target("429s of enrich_one", "0", str(rejections), rejections == 0),
            report.Target(
                f"{callers:,} callers at once: requests",
                f"at most {allowed:.0f}",
                str(requests),
                requests <= allowed,
            ),
        ],
    )


if __name__ == "__main__":
    report.command(measure)
