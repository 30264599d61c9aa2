"""How long do 100,000 contacts take, and how many status requests does each workflow cost?

The whole client in virtual time against a strict sliding-window server; workflows of lognormal length;
one-way latency 20 to 400 ms.

    python benchmarks/makespan.py [--contacts 100000] [--keys 1] [--seed 0]
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from cleanlist_async import Contact
from cleanlist_async.testing import MemoryNetwork, StrictServer, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist

WINDOW_S, ROUND_TRIP_S, SIGMA = 60.0, 0.42, 0.5
FORMULA = """bound = (submits + workflows - first burst) / rate + last workflow + one round trip
last workflow = from the last submit until every workflow is done
tail = from the end of the last workflow to its result in hand"""


@dataclass(frozen=True)
class Measured:
    makespan_s: float
    bound_s: float
    tail_s: float
    submits: int
    status_requests: int
    rejections: int
    first_result_s: float
    cpu_s: float


class Contacts:
    """Contacts with a length, made when they are asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Contact]:
        for number in range(self._count):
            yield Contact(
                first_name=f"Ada{number}", last_name="Lovelace", company_domain=f"c{number % 997}.io"
            )


async def simulate(contacts: int, keys: int, median_s: float, seed: int) -> Measured:
    rng = random.Random(seed)
    names = {f"clapi_{number}": "org" for number in range(keys)}
    server = StrictServer(keys=names, workflow_s=lambda: rng.lognormvariate(math.log(median_s), SIGMA))
    first_result = math.inf
    start = time.process_time()
    async with MemoryNetwork(server, latency=lambda: rng.uniform(0.02, 0.4)) as network:
        async with VirtualCleanlist(network, list(names)) as client:
            clock = client._pipeline.limiter.clock
            async with client.stream(Contacts(contacts)) as results:
                async for result in results:
                    assert result.status in {"found", "not_found"}, result
                    first_result = min(first_result, clock())
                makespan = clock()
            submits = results.summary.workflows
            status_requests = client.statistics().status_requests
    rate = min(60, 30 * keys)
    flows = server.workflows.values()
    last_submit = max(flow.submitted_at for flow in flows)
    last_finish = max(flow.finishes_at for flow in flows)
    last_workflow = last_finish - last_submit
    bound = max(0, 2 * submits - rate) / rate * WINDOW_S + last_workflow + ROUND_TRIP_S
    return Measured(
        makespan_s=makespan,
        bound_s=bound,
        tail_s=makespan - last_finish,
        submits=submits,
        status_requests=status_requests,
        rejections=len(server.rejections),
        first_result_s=first_result,
        cpu_s=time.process_time() - start,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--medians", type=float, nargs="+", default=[20.0, 600.0])
    options = parser.parse_args()
    print(FORMULA)
    print(f"\n{options.contacts:,} contacts, {options.keys} key(s), lognormal sigma {SIGMA}\n")
    print("| median workflow | makespan, s | bound, s | over the bound | tail, s | status requests per workflow | 429s "
          "| first result, s | CPU, s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for median_s in options.medians:
        m = run(simulate(options.contacts, options.keys, median_s, options.seed))
        print(
            f"| {median_s:.0f} s | {m.makespan_s:,.0f} | {m.bound_s:,.0f} | {m.makespan_s / m.bound_s - 1:+.1%} | {m.tail_s:.0f} "
            f"| {m.status_requests / m.submits:.3f} | {m.rejections} | {m.first_result_s:.0f} | {m.cpu_s:.0f} |"
        )


if __name__ == "__main__":
    main()
