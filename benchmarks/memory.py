"""How much memory do a million contacts take on their way through the plan and the chunker?

Duplicates are linked across the whole input. Peak resident set, as the operating system counts it.

    python benchmarks/memory.py [--contacts 1000000]
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import Iterator

from cleanlist_async import Contact, RateLimits
from cleanlist_async.bulk.dedupe import repeated_identities
from cleanlist_async.bulk.plan import make_plan
from cleanlist_async.chunking import Chunker, chunked
from cleanlist_async.identity import Prepared, prepare


def contacts(count: int) -> Iterator[Contact]:
    """Every hundredth is a duplicate of one half a file away."""
    for number in range(count):
        person = number - count // 2 if number % 100 == 0 and number >= count // 2 else number
        yield Contact(
            first_name=f"Ada{person}", last_name="Lovelace", company_domain=f"company{person % 9973}.com"
        )


def chunk(count: int) -> int:
    """Split everything as a stream does, keeping one chunk at a time."""
    prepared = (prepare(index, contact) for index, contact in enumerate(contacts(count)))
    valid = (contact for contact in prepared if isinstance(contact, Prepared))
    return sum(1 for _ in chunked(valid, Chunker()))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contacts", type=int, default=1_000_000)
    count = parser.parse_args().contacts
    before = peak_mib()
    print(f"{count:,} contacts; {before:.0f} MiB before\n")
    print("| step | result | peak RSS growth, MiB | CPU, s |")
    print("|---|---|---|---|")
    start = time.process_time()
    plan = asyncio.run(make_plan(contacts(count), "partial", RateLimits(), 1))
    report(
        "plan",
        f"{plan.unique:,} unique, {plan.duplicates:,} duplicates, {plan.chunks:,} requests",
        before,
        start,
    )
    start = time.process_time()
    repeated = asyncio.run(repeated_identities(contacts(count)))
    report("link duplicates for a stream", f"{len(repeated):,} identities occur twice", before, start)
    start = time.process_time()
    report("chunk", f"{chunk(count):,} requests", before, start)


def report(step: str, result: str, before: float, start: float) -> None:
    print(f"| {step} | {result} | {peak_mib() - before:.0f} | {time.process_time() - start:.1f} |")


if __name__ == "__main__":
    main()
