"""What does it take to plan a durable job of a million contacts? Seconds, memory, and the size of its journal.

Each measurement is a process of its own: peak resident set as the operating system counts it, Python and all
of the client with it. "Resume" is the same call on the journal that is there. Nothing is sent.

    python benchmarks/job_plan.py [--contacts 1000000] [--rounds 1]
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from cleanlist_async import AsyncCleanlist, Contact

TARGETS = "targets: plan in 60 s, peak RSS 150 MiB, journal 64 MiB before results"
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


def write_csv(path: Path, contacts: Contacts) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("first_name", "last_name", "company_domain", "key"))
        for contact in contacts:
            writer.writerow((contact.first_name, contact.last_name, contact.company_domain, contact.key))


async def plan(journal: Path, source: Path | Contacts) -> str:
    async with AsyncCleanlist("clapi_benchmark_of_plans") as client:
        start, cpu = time.perf_counter(), time.process_time()
        async with await client.job(journal, source) as job:
            seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
            planned = job.plan()
    return f"{planned.chunks:,} | {seconds:.1f} | {cpu_s:.1f}"


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def measure_apart(*arguments: str) -> str:
    command = [sys.executable, __file__, "--measure", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--measure", nargs=4, metavar=("JOURNAL", "CSV", "COUNT", "KIND"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.measure:
        journal, file, count, kind = options.measure
        planned = asyncio.run(plan(Path(journal), Path(file) if file else Contacts(int(count), kind)))
        print(f"{planned} | {peak_mib():.0f} | {Path(journal).stat().st_size / 2**20:.1f}")
        return
    print(f"{options.contacts:,} contacts; {TARGETS}\n")
    print("| contacts | source | call | requests | seconds | CPU, s | peak RSS, MiB | journal, MiB |")
    print("|---|---|---|---|---|---|---|---|")
    count = str(options.contacts)
    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            write_csv(Path(name, f"{kind}.csv"), Contacts(options.contacts, kind))
        for turn, kind, source in product(range(options.rounds), KINDS, ("CSV file", "iterable")):
            file = str(Path(name, f"{kind}.csv")) if source == "CSV file" else ""
            journal = str(Path(name, f"{kind} {source} {turn}.journal"))
            for call in ("plan", "resume"):
                print(
                    f"| {kind} | {source} | {call} | {measure_apart(journal, file, count, kind)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
