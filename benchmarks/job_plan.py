"""What does it take to plan a durable job of a million contacts? Seconds, memory, and the size of its journal.

Each measurement is a process of its own: peak resident set as the operating system counts it, Python and all
of the client with it. "Resume" is the same call on the journal that is there. Nothing is sent.

    python -m benchmarks.job_plan [--contacts 200000] [--rounds 1]
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from unittest import mock

from benchmarks import report
from benchmarks.measuring import in_new_process, peak_mib
from benchmarks.people import write_csv
from cleanlist_async import AsyncCleanlist, Contact

KINDS = ("few duplicates", "half duplicates", "half invalid")


class Contacts:
    """People that begin anew each time. In the second half every hundredth is a duplicate, or all are, or invalid."""

    def __init__(self, count: int, kind: str) -> None:
        self._count = count
        self._kind = kind

    def __iter__(self) -> Iterator[Contact]:
        half = self._count // 2
        for number in range(self._count):
            is_late = number >= half
            repeats = is_late and (self._kind == "half duplicates" or number % 100 == 0)
            lacks_name = is_late and self._kind == "half invalid"
            person = number - half if repeats else number
            yield Contact(
                first_name=None if lacks_name else f"Ada{person}",
                last_name="Lovelace",
                company_domain=f"company{person % 9973}.com",
                key=f"row-{number}",
            )


@dataclass(frozen=True)
class Planned:
    chunks: int
    wall_s: float
    cpu_s: float
    peak_mib: float
    journal_mib: float


async def plan(journal: Path, source: Path | Contacts) -> tuple[int, float, float]:
    async with AsyncCleanlist("clapi_benchmark_of_plans") as client:
        start, cpu = time.perf_counter(), time.process_time()
        async with await client.job(journal, source) as job:
            seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
            return (await job.plan()).chunks, seconds, cpu_s


def planned(journal: Path, source: Path | Contacts) -> Planned:
    """Begin a job, or resume it, in this process."""
    chunks, wall_s, cpu_s = asyncio.run(plan(journal, source))
    return Planned(chunks, wall_s, cpu_s, peak_mib(), journal.stat().st_size / 2**20)


def measure(contacts: int = 200_000, rounds: int = 1) -> report.Section:
    rows: list[tuple[object, ...]] = []
    all_of: list[Planned] = []
    state = mock.patch.dict(os.environ)
    with tempfile.TemporaryDirectory() as folder, state:
        os.environ["XDG_STATE_HOME"] = folder
        for turn, kind in product(range(rounds), KINDS):
            people = Contacts(contacts, kind)
            table = Path(folder, f"{kind}.csv")
            write_csv(table, people)
            for source in (table, people):
                what = "CSV file" if source is table else "iterable"
                journal = Path(folder, f"{kind} {what} {turn}.journal")
                for call in ("plan", "resume"):
                    took = in_new_process(planned, journal, source)
                    all_of.append(took)
                    sizes = (f"{took.peak_mib:.0f}", f"{took.journal_mib:.1f}")
                    rows.append(
                        (kind, what, call, took.chunks, f"{took.wall_s:.1f}", f"{took.cpu_s:.1f}", *sizes)
                    )
    slowest = max(took.wall_s for took in all_of) * 1_000_000 / contacts
    peak, largest = max(took.peak_mib for took in all_of), max(took.journal_mib for took in all_of)
    journal_mib = largest * 1_000_000 / contacts
    columns = ("contacts", "source", "call", "requests", "seconds", "CPU, s", "peak RSS, MiB", "journal, MiB")
    return report.Section(
        f"Planning a durable job of {contacts:,} contacts",
        report.text_of(__doc__),
        [report.Table(columns, rows)],
        [
            report.Target("plan, for a million contacts", "60 s", f"{slowest:.0f} s", slowest <= 60),
            report.Target(f"its peak RSS ({contacts:,} contacts)", "150 MiB", f"{peak:.0f} MiB", peak <= 150),
            report.Target(
                "its journal before results, for a million",
                "64 MiB",
                f"{journal_mib:.0f} MiB",
                journal_mib <= 64,
            ),
        ],
    )


if __name__ == "__main__":
    report.command(measure)
