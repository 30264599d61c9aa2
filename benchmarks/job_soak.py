"""Do three jobs that share one limit keep it for hours, and do they use it?

Contacts in virtual time: three clients, each with a durable job of a third of them and a journal of its
own on the disk, share one limiter and three keys of one organization, against a server that counts each window
exactly (60 a minute for the organization, 30 for each key). Workflows of lognormal length, one-way latency 20
to 400 ms, every answer with all of its rows. The journals are in memory where the system has a place for that:
a virtual hour has more transactions than most disks do in a real minute.

    python -m benchmarks.job_soak [--contacts 60000] [--jobs 3] [--limiter sliding] [--seed 0] [--folder DIR]
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import anyio

from benchmarks import report
from benchmarks.measuring import resident_mib, stopwatch
from benchmarks.people import People
from cleanlist_async import RateLimiter
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.testing import LimitKind, MemoryNetwork, ServerRequest, ServerResponse, StrictServer, run
from cleanlist_async.testing.strict_server import Workflow
from cleanlist_async.testing.virtual_client import VirtualCleanlist

WINDOW_S, ORGANIZATION_LIMIT, KEY_LIMIT = 60.0, 60, 30
MEDIAN_S, SIGMA = 60.0, 0.5
FORMULA = """slots used = requests granted after the first burst, in whole windows up to the last submit
             / 60 for each minute that they took"""
SHARED_MEMORY = Path("/dev/shm")
MEMORY = str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None


class ForgetfulServer(StrictServer):
    """Drops a workflow's contacts with its last answer, so that the memory that is measured is the jobs' own."""

    def __init__(self, expected: int, **options: Any) -> None:
        super().__init__(**options)
        self.memory_mib = dict.fromkeys((10, 50, 100), 0.0)
        self._expected = expected

    async def __call__(self, request: ServerRequest) -> ServerResponse:
        """Answer one request."""
        response = await super().__call__(request)
        workflow = self.workflows.get(request.query.get("workflow_id", ""))
        if response.status == 200 and workflow and workflow.status(request.arrived_at) == "completed":
            workflow.contacts, workflow.task_ids = [], []
        for share in self.memory_mib:
            if self.contacts_accepted * 100 <= share * self._expected:
                self.memory_mib[share] = resident_mib()
        return response

    def _accept(self, *arguments: Any) -> Workflow:
        workflow = super()._accept(*arguments)
        self._tasks.clear()
        return workflow


@dataclass(frozen=True)
class Measured:
    hours: float
    submits: int
    status_requests: int
    rejections: int
    slots_used: float
    bought: int
    settled: int
    problems: int
    memory_mib: list[float]


async def run_job(client: AsyncCleanlist, journal: Path, contacts: People, settled: list[int]) -> list[str]:
    async with await client.job(journal, contacts) as job:
        report = await job.run()
        report.raise_for_error()
        assert report.status.state == "complete", report
        settled.append(report.status.settled)
        return await job.verify()


async def simulate(contacts: int, jobs: int, limiter_kind: LimitKind, seed: int, folder: Path) -> Measured:
    rng = random.Random(seed)
    keys = {f"clapi_{number}": "org" for number in range(3)}
    server = ForgetfulServer(
        contacts,
        limiter=limiter_kind,
        keys=keys,
        organization_limit=ORGANIZATION_LIMIT,
        key_limit=KEY_LIMIT,
        workflow_s=lambda: rng.lognormvariate(math.log(MEDIAN_S), SIGMA),
    )
    limiter = RateLimiter(clock=asyncio.get_running_loop().time, rng=random.Random(seed))
    settled: list[int] = []
    problems: list[str] = []
    clients: list[VirtualCleanlist] = []

    async def work(number: int, network: MemoryNetwork) -> None:
        share = People(contacts // jobs + (number < contacts % jobs), last_name=f"Lovelace{number}")
        async with VirtualCleanlist(network, list(keys), limiter=limiter) as client:
            clients.append(client)
            problems.extend(await run_job(client, folder / f"{number}.journal", share, settled))

    async with MemoryNetwork(server, latency=lambda: rng.uniform(0.02, 0.4)) as network:
        async with anyio.create_task_group() as group:
            for number in range(jobs):
                group.start_soon(work, number, network)
    return Measured(
        hours=anyio.current_time() / 3600,
        submits=len(server.workflows),
        status_requests=sum(client.statistics().status_requests for client in clients),
        rejections=len(server.rejections),
        slots_used=slots_used(server),
        bought=server.contacts_accepted,
        settled=sum(settled),
        problems=len(problems),
        memory_mib=list(server.memory_mib.values()),
    )


def slots_used(server: StrictServer) -> float:
    last_submit = max(workflow.submitted_at for workflow in server.workflows.values())
    steady = sorted(at for at in server.grants() if at <= last_submit)[ORGANIZATION_LIMIT:]
    windows = max(0, len(steady) - 1) // ORGANIZATION_LIMIT
    took_s = steady[windows * ORGANIZATION_LIMIT] - steady[0] if windows else math.nan
    return windows * WINDOW_S / took_s


def measure(
    contacts: int = 60_000,
    jobs: int = 3,
    limiter: LimitKind = "sliding",
    seed: int = 0,
    folder: str | None = MEMORY,
) -> report.Section:
    state = mock.patch.dict(os.environ)
    with tempfile.TemporaryDirectory(dir=folder) as name, state, stopwatch() as watch:
        os.environ["XDG_STATE_HOME"] = name
        m = run(simulate(contacts, jobs, limiter, seed, Path(name)))
        journal_mib = sum(path.stat().st_size for path in Path(name).glob("*.journal")) / 2**20
    resident = ", ".join(f"{mib:.0f}" for mib in m.memory_mib)
    row = {
        "virtual hours": f"{m.hours:.2f}",
        "submits": f"{m.submits:,}",
        "status requests": f"{m.status_requests:,}",
        "429s": m.rejections,
        "slots used": f"{m.slots_used:.1%}",
        "contacts bought": f"{m.bought:,}",
        "settled": f"{m.settled:,}",
        "found by verify": m.problems,
        "journals, MiB": f"{journal_mib:,.0f}",
        "RSS with the server at 10, 50, 100 %, MiB": resident,
        "CPU, s": f"{watch.cpu_s:.0f}",
    }
    per_million = watch.wall_s * 1_000_000 / contacts
    return report.Section(
        f"A soak: {contacts:,} contacts, {jobs} jobs",
        f"{report.text_of(__doc__)}\n\n{FORMULA}",
        [report.Table(list(row), [list(row.values())])],
        [
            report.Target("soak: 429s", "0", str(m.rejections), m.rejections == 0),
            report.Target("soak: slots used", "95 %", f"{m.slots_used:.1%}", m.slots_used >= 0.95),
            report.Target(
                "soak: real time for a million", "180 s", f"{per_million:.0f} s", per_million <= 180
            ),
        ],
    )


if __name__ == "__main__":
    report.command(measure)
