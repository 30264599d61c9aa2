"""What does a call cost, limits out of the way, beside what users would write or install instead?

The same answers from the same local server, which is a process of its own; all clients alive at once, blocks of
calls interleaved in random order. CPU of the client's process and wall time, as ratios to httpx + json of the
same round: median (middle half).

    python -m benchmarks.calls [--rounds 5] [--calls 48]
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import anyio

from benchmarks import report
from benchmarks.clients import (
    AIOHTTP,
    CLIENTS,
    HTTPX,
    HTTPX_16,
    OFFICIAL,
    OURS,
    QUESTIONS,
    Question,
    Questions,
)
from benchmarks.local_server import local_server
from benchmarks.measuring import async_rounds_of, in_new_process, peak_mib, ratio, stopwatch

CONCURRENCIES = (1, 16, 64)
AT_ONCE = (16, 64, 256, 1_000)
WARM_UP = 3
LOOKS = 1_000
HTTPX_AT_MOST = 256
RSS_CALLERS, RSS_CALLS = 64, 320
SMALL, STATUS, PAGE = QUESTIONS
TEXT = f"""{report.text_of(__doc__)} The official client leaves the 250 results
as they came, untyped; ours are typed rows, whose fields are looked up when they are asked for, which is not measured
here: a field of a result takes 0.2 to 0.8 µs, one of a lead 0.1 to 0.3. httpx 0.28 looks through its pool at each
request, so its cost grows with the calls in flight; ours keeps 16 in flight, whatever is asked of it at once.
{"sniffio is installed" if find_spec("sniffio") else "sniffio is not installed"}: httpcore looks for it
four times a call, and where it is not there, each call of httpx, ours and not, costs more: see below (extra `fast`)."""


@dataclass(frozen=True)
class Cost:
    cpu_us: float
    wall_us: float


async def ask(question: Question, calls: int, concurrency: int) -> None:
    """Make so many calls, by so many callers."""

    async def caller(count: int) -> None:
        for _ in range(count):
            await question()

    async with anyio.create_task_group() as group:
        for number in range(concurrency):
            group.start_soon(caller, len(range(number, calls, concurrency)))


async def block(question: Question, calls: int, concurrency: int) -> Cost:
    """Cost per call of so many, by so many callers."""
    with stopwatch() as watch:
        await ask(question, calls, concurrency)
    return Cost(watch.cpu_s / calls * 1e6, watch.wall_s / calls * 1e6)


async def compare(
    clients: dict[str, Questions], name: str, calls: int, concurrency: int, rounds: int
) -> dict[str, list[Cost]]:
    """Blocks of calls by each client, interleaved."""
    blocks = {
        client: partial(block, questions[name], calls, concurrency) for client, questions in clients.items()
    }
    return await async_rounds_of(blocks, rounds)


async def with_clients(
    url: str, names: list[str], use: Callable[[dict[str, Questions]], Coroutine[None, None, report.Section]]
) -> report.Section:
    """Open these clients, warm them up, and use them."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(CLIENTS[name](url)) for name in names}
        for questions in clients.values():
            for question in questions.values():
                await ask(question, WARM_UP, 1)
        return await use(clients)


def peak_rss(name: str, url: str) -> float:
    """MiB of a process with one client: 64 callers, answers of 250 results."""

    async def main() -> None:
        async with CLIENTS[name](url) as questions:
            await ask(questions[STATUS], RSS_CALLS, RSS_CALLERS)

    asyncio.run(main())
    return peak_mib()


def cpu(costs: list[Cost]) -> list[float]:
    return [cost.cpu_us for cost in costs]


def measure(rounds: int = 5, calls: int = 48) -> report.Section:
    with local_server() as url:
        memory = {name: in_new_process(peak_rss, name, url) for name in CLIENTS}

        async def use(clients: dict[str, Questions]) -> report.Section:
            costs = {
                (name, concurrency): await compare(clients, name, calls, concurrency, rounds)
                for name in QUESTIONS
                for concurrency in CONCURRENCIES
            }
            flood = {at_once: await flood_of(clients, at_once) for at_once in AT_ONCE}
            return section(costs, flood, memory, rounds)

        return asyncio.run(with_clients(url, list(CLIENTS), use))


async def flood_of(clients: dict[str, Questions], at_once: int) -> dict[str, list[Cost]]:
    """So many small calls started at once. A thousand of them cost httpx 20 s of CPU: left out."""
    asked = {
        name: questions
        for name, questions in clients.items()
        if at_once <= HTTPX_AT_MOST or name not in (HTTPX, "httpx2 + json")
    }
    return await compare(asked, SMALL, at_once, at_once, 3)


def in_vain(calls: list[Cost]) -> tuple[str, str]:
    """What httpcore pays where the extra `fast` is not installed, by an import of what nobody has."""
    with stopwatch() as watch:
        for _ in range(LOOKS):
            find_in_vain()
    look_us = watch.cpu_s / LOOKS * 1e6
    call_us, more_us = statistics.median(cpu(calls)), 4 * look_us
    has_it = find_spec("sniffio") is not None
    without_us = call_us + more_us if has_it else call_us
    return f"{look_us:.0f}", f"{more_us / (without_us - more_us):.0%}, {more_us / without_us:.0%}"


def find_in_vain() -> None:
    with suppress(ImportError):
        __import__("sniffio_that_nobody_has")


def section(
    costs: dict[tuple[str, int], dict[str, list[Cost]]],
    flood: dict[int, dict[str, list[Cost]]],
    memory: dict[str, float],
    rounds: int,
) -> report.Section:
    def to_httpx(name: str, concurrency: int, client: str) -> str:
        theirs, its = costs[name, concurrency][HTTPX], costs[name, concurrency][client]
        wall = ratio([cost.wall_us for cost in its], [cost.wall_us for cost in theirs])
        return f"{ratio(cpu(its), cpu(theirs))}; {wall.median:.2f}"

    def per_call(at_once: int, client: str) -> str:
        found = flood[at_once].get(client)
        return f"{statistics.median(cpu(found)):,.0f}" if found else ""

    tables = [
        report.Table(
            ("client", *(f"{concurrency} at once" for concurrency in CONCURRENCIES)),
            [(client, *(to_httpx(name, c, client) for c in CONCURRENCIES)) for client in CLIENTS],
            f"{name}: CPU per call, ratio to {HTTPX} (middle half of {rounds} rounds); wall",
        )
        for name in QUESTIONS
    ]
    tables += [
        report.Table(
            ("client", *(f"{at_once:,}" for at_once in AT_ONCE)),
            [(client, *(per_call(at_once, client) for at_once in AT_ONCE)) for client in CLIENTS],
            "So many small calls started at once: CPU per call, µs (compare within a column)",
        ),
        report.Table(
            ("sniffio looked for in vain, µs", f"four times, beside a call of {HTTPX} with it and without"),
            [in_vain(costs[SMALL, 1][HTTPX])],
        ),
        report.Table(
            ("client", "peak RSS, MiB"),
            [(client, f"{mib:.0f}") for client, mib in memory.items()],
            f"Memory of a process with {RSS_CALLERS} callers, answers of 250 results",
        ),
    ]
    return report.Section("Cost of a call", TEXT, tables, targets(costs, flood, memory), [plot(costs)])


def targets(
    costs: dict[tuple[str, int], dict[str, list[Cost]]],
    flood: dict[int, dict[str, list[Cost]]],
    memory: dict[str, float],
) -> list[report.Target]:
    def against(name: str, client: str, most: float) -> report.Target:
        found = ratio(cpu(costs[name, 1][OURS]), cpu(costs[name, 1][client]))
        return report.Target(
            f"{name}: CPU beside {client}", f"at most {most}", str(found), found.median <= most
        )

    capped = ratio(cpu(flood[1_000][OURS]), cpu(flood[1_000][HTTPX_16]))
    growth = ratio(cpu(flood[1_000][OURS]), cpu(flood[16][OURS]))
    return [
        against(SMALL, HTTPX, 1.25),
        against(STATUS, HTTPX, 1.0),
        against(PAGE, HTTPX, 1.1),
        against(PAGE, OFFICIAL, 0.65),
        report.Target(
            f"1,000 calls at once: CPU beside {HTTPX_16}", "at most 1.25", str(capped), capped.median <= 1.25
        ),
        report.Target("CPU per call, 1,000 at once beside 16", "flat", str(growth), growth.median <= 1.25),
        report.Target(
            "peak RSS, 64 callers, 250 results", "50 MiB", f"{memory[OURS]:.0f} MiB", memory[OURS] <= 50
        ),
    ]


def plot(costs: dict[tuple[str, int], dict[str, list[Cost]]]) -> report.Bars:
    shown = (HTTPX, AIOHTTP, OFFICIAL, OURS)
    return report.Bars(
        "calls",
        f"CPU per call, one at a time, ratio to {HTTPX}",
        list(QUESTIONS),
        {
            client: [
                ratio(cpu(costs[name, 1][client]), cpu(costs[name, 1][HTTPX])).median for name in QUESTIONS
            ]
            for client in shown
        },
        "ratio",
    )


if __name__ == "__main__":
    report.command(measure)
