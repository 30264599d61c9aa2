"""What do the clients of many organizations take in one process?

One client for each, open at once, which has made a call; then the same with one client and `with_options(api_key=...)`.
The server runs in a process of its own. Growth of the resident set and CPU of this process, imports left out.

    python -m benchmarks.tenants [--tenants 500]
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from benchmarks import report
from benchmarks.local_server import SMALL, local_server
from benchmarks.measuring import in_new_process, resident_mib
from cleanlist_async import AsyncCleanlist

MOST_MIB, MOST_CPU_S = 60, 1.0


def key(number: int) -> str:
    return f"clapi_tenant_{number:06}"


async def open_clients(base_url: str, tenants: int, stack: AsyncExitStack) -> list[AsyncCleanlist]:
    return [
        await stack.enter_async_context(AsyncCleanlist(key(n), base_url=base_url)) for n in range(tenants)
    ]


async def open_tenants(base_url: str, tenants: int, stack: AsyncExitStack) -> list[AsyncCleanlist]:
    client = await stack.enter_async_context(AsyncCleanlist(key(0), base_url=base_url))
    return [client.with_options(api_key=key(n)) for n in range(tenants)]


WAYS: dict[str, Callable[[str, int, AsyncExitStack], Awaitable[list[AsyncCleanlist]]]] = {
    "a client for each": open_clients,
    "with_options(api_key=...)": open_tenants,
}


def grow(base_url: str, way: str, tenants: int) -> tuple[float, float]:
    """Return the MiB and the CPU seconds that these clients take."""

    async def run() -> tuple[float, float]:
        async with AsyncCleanlist(key(tenants), base_url=base_url) as first:
            await first.request("GET", SMALL)  # imports
            gc.collect()
            before, started = resident_mib(), time.process_time()
            async with AsyncExitStack() as stack:
                for client in (opened := await WAYS[way](base_url, tenants, stack)):
                    await client.request("GET", SMALL)
                assert len(opened) == tenants
                return resident_mib() - before, time.process_time() - started

    return asyncio.run(run())


def measure(tenants: int = 500) -> report.Section:
    rows: list[tuple[object, ...]] = []
    targets: list[report.Target] = []
    with local_server() as base_url:
        for way in WAYS:
            mib, cpu_s = in_new_process(grow, base_url, way, tenants)
            rows.append((way, f"{mib:.1f}", f"{cpu_s:.2f}"))
            wanted = f"{MOST_MIB} MiB, {MOST_CPU_S:g} s"
            met = mib <= MOST_MIB and cpu_s <= MOST_CPU_S
            targets.append(
                report.Target(f"{tenants} tenants, {way}", wanted, f"{mib:.1f} MiB, {cpu_s:.2f} s", met=met)
            )
    return report.Section(
        f"{tenants} tenants in one process",
        report.text_of(__doc__),
        [report.Table(("clients", "growth, MiB", "CPU, s"), rows)],
        targets,
    )


if __name__ == "__main__":
    report.command(measure)
