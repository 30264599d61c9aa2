"""How many submits do threads make that each enrich one contact?

150 threads at once: each with a client and an event loop of its own, as `asyncio.run` makes them in a Celery task or a
Flask view; then all with one `cleanlist_async.sync.Cleanlist`. The embedded sandbox with a shorter window.

    python -m benchmarks.threads [--threads 150] [--window-s 4]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks import report
from cleanlist_async import AsyncCleanlist, Contact, RateLimits
from cleanlist_async.sandbox import ThreadedSandbox
from cleanlist_async.sync import Cleanlist

DEADLINE_S = 600.0


def people(count: int) -> list[Contact]:
    return [
        Contact(first_name=f"Ada{n}", last_name="Lovelace", company_domain="a.example") for n in range(count)
    ]


def apart(sandbox: ThreadedSandbox, contacts: list[Contact]) -> None:
    limits = RateLimits(window_s=sandbox.window_s)

    async def enrich(contact: Contact) -> None:
        async with AsyncCleanlist(sandbox.api_key, base_url=sandbox.base_url, rate_limits=limits) as client:
            await client.enrich_one(contact, deadline_s=DEADLINE_S)

    in_threads(lambda contact: asyncio.run(enrich(contact)), contacts)


def together(sandbox: ThreadedSandbox, contacts: list[Contact]) -> None:
    limits = RateLimits(window_s=sandbox.window_s)
    with Cleanlist(sandbox.api_key, base_url=sandbox.base_url, rate_limits=limits) as client:
        in_threads(lambda contact: client.enrich_one(contact, deadline_s=DEADLINE_S), contacts)


def in_threads(work: Callable[[Contact], object], contacts: list[Contact]) -> None:
    with ThreadPoolExecutor(len(contacts)) as pool:
        list(pool.map(work, contacts))


WAYS: dict[str, Callable[[ThreadedSandbox, list[Contact]], None]] = {
    "a client for each thread": apart,
    "one Cleanlist for all": together,
}


def measure(threads: int = 150, window_s: float = 4.0) -> report.Section:
    rows: list[tuple[object, ...]] = []
    submits: dict[str, int] = {}
    for way, run in WAYS.items():
        with ThreadedSandbox(window_s=window_s, workflow_s=window_s / 20) as sandbox:
            started = time.perf_counter()
            run(sandbox, people(threads))
            submits[way] = len(sandbox.ledger.requests_of("/enrich/bulk"))
            seconds = time.perf_counter() - started
            rows.append((way, submits[way], sandbox.ledger.count(429), f"{seconds:.1f}"))
    least, most = submits["one Cleanlist for all"], submits["a client for each thread"]
    target = report.Target(
        f"submits of {threads} threads", "a tenth", f"{least} instead of {most}", met=10 * least <= most
    )
    return report.Section(
        f"{threads} threads that enrich one contact each",
        report.text_of(__doc__),
        [report.Table(("clients", "submits", "429s", "seconds"), rows, f"A window of {window_s:g} s.")],
        [target],
    )


if __name__ == "__main__":
    report.command(measure)
