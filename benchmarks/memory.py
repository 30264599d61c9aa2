"""How much memory do many contacts take on their way through plan and chunker?

Duplicates are linked across the whole input. Peak resident set, as the operating system counts it.

    python -m benchmarks.memory [--contacts 300000]
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from benchmarks import report
from benchmarks.measuring import peak_mib, stopwatch
from benchmarks.people import People
from cleanlist_async import RateLimits
from cleanlist_async.contacts.chunking import Chunker, chunked
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.enrich.plan import make_plan
from cleanlist_async.enrich.source import repeated_identities


def plan(people: People) -> str:
    made = asyncio.run(make_plan(people, "partial", RateLimits(), 1))
    return f"{made.unique:,} unique, {made.duplicates:,} duplicates, {made.chunks:,} requests"


def link(people: People) -> str:
    return f"{len(asyncio.run(repeated_identities(people))):,} identities occur twice"


def chunk(people: People) -> str:
    """Split everything as a stream does, keeping one chunk at a time."""
    prepared = (prepare(index, contact) for index, contact in enumerate(people))
    valid = (contact for contact in prepared if isinstance(contact, Prepared))
    return f"{sum(1 for _ in chunked(valid, Chunker())):,} requests"


STEPS: dict[str, Callable[[People], str]] = {
    "plan": plan,
    "link duplicates for a stream": link,
    "chunk": chunk,
}


def measure(contacts: int = 300_000) -> report.Section:
    people, before = People(contacts, duplicates=True), peak_mib()
    rows: list[tuple[object, ...]] = []
    for name, step in STEPS.items():
        with stopwatch() as watch:
            result = step(people)
        rows.append((name, result, f"{peak_mib() - before:.0f}", f"{watch.cpu_s:.1f}"))
    return report.Section(
        f"Memory of {contacts:,} contacts",
        report.text_of(__doc__),
        [report.Table(("step", "result", "peak RSS growth so far, MiB", "CPU, s"), rows)],
    )


if __name__ == "__main__":
    report.command(measure)
