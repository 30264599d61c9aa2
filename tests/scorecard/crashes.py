"""Kills, cancellations and full disks: nothing is bought twice, lost or left over."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from typing import Any

from tests.crash import cancels, disks, lines
from tests.crash.figures import complain, spread
from tests.crash.work import MODES
from tests.scorecard.figure import Figure
from tests.support.callers import come_and_go, leaks
from tests.support.virtual_sandbox import in_world

PROCESSES = os.cpu_count() or 1
Cases = Sequence[dict[str, Any]]


def figures(*, long: bool) -> Iterator[Figure]:
    yield from kills(at_least=400 if long else 30)
    yield from cancelled_jobs(every=1 if long else 16)
    yield from cancelled_callers(at_least=20_000 if long else 600)
    yield from full_disks(sizes=83 if long else 8)


def kills(at_least: int) -> Iterator[Figure]:
    """`kill -9` of a job's process at lines spread evenly over all that it executes, then resume it."""
    cases: list[tuple[str, str, int]] = []
    for mode in MODES:
        executed, wanted = lines.executed_lines(mode, "request"), -(-at_least // len(MODES))
        cases += [(mode, "request", 1 + executed * number // wanted) for number in range(wanted)]
    ends = spread(cases, lines.crash_at, PROCESSES)
    tries = sum(end["killed"] for end in ends)
    yield from _bought_once("kill -9", ends, tries)
    yield Figure("most chunks unknown after a kill", max(end["unknown"] for end in ends), 1)
    yield Figure("kills that found the run over already", len(cases) - tries, len(cases) // 10)


def cancelled_jobs(every: int) -> Iterator[Figure]:
    """Cancel a job at every so many steps of the event loop, in each mode and shape, then resume it."""
    cases = [
        (mode, shape, step)
        for mode in MODES
        for shape in cancels.SHAPES
        for step in range(1, cancels.count_steps(mode, shape) + 1, every)
    ]
    ends = spread(cases, cancels.cancel_at, PROCESSES)
    tries = sum(end["cancelled"] for end in ends)
    yield from _bought_once("a cancellation of a job", ends, tries)
    left_over = sum(len(end["leaks"]) for end in ends)
    yield Figure("tokens, connections, tasks and locks left over", left_over, 0, of=tries)
    yield Figure("cancellations that found no run", len(cases) - tries, len(cases) // 10)


def cancelled_callers(at_least: int) -> Iterator[Figure]:
    """Cancel callers of `enrich_one` at random instants of virtual time, beside as many who stay."""
    cancelled = twice = unserved = left_over = seed = 0

    async def main(world) -> None:
        nonlocal cancelled, twice, unserved, left_over
        tasks = asyncio.all_tasks()
        _, got, left = await come_and_go(world, seed)
        cancelled += left
        twice += sum(times > 1 for times in world.ledger.times_accepted().values())
        unserved += sum(getattr(one, "status", None) not in {"found", "not_found"} for one in got[::2])
        left_over += sum(leaks(world).values())
        await world.client.aclose()
        await asyncio.sleep(1)  # until the server has heard of the connections that were closed
        left_over += len(asyncio.all_tasks() - tasks)

    while cancelled < at_least:
        in_world(main)
        seed += 1
    yield Figure("contacts bought twice beside cancelled callers", twice, 0, of=cancelled)
    yield Figure("callers who stayed and got no result", unserved, 0, of=seed * 1_000)
    yield Figure("tokens, connections, tasks and waiters left over", left_over, 0, of=cancelled)


def full_disks(sizes: int) -> Iterator[Figure]:
    """Run a job onto disks of all sizes that are too small, then resume it with room."""
    cases = [(mode, size) for mode in MODES for size in disks.sizes_of_disks(mode, sizes)]
    ends = spread(cases, disks.fill, PROCESSES)
    yield from _bought_once("a full disk", ends, len(cases))
    unclear = sum(not end["clear"] for end in ends)
    yield Figure("runs that ended without an error that names the journal", unclear, 0, of=len(cases))


def _bought_once(what: str, ends: Cases, tries: int) -> Iterator[Figure]:
    """After *what*: nothing twice, nothing lost, and the resumed job comes to its end."""
    failures = [end for end in ends if end["problem"]]
    complain(failures)
    yield Figure(f"contacts bought twice after {what}", sum(end["dup"] for end in ends), 0, of=tries)
    yield Figure(f"results lost after {what}", sum(end["lost"] for end in ends), 0, of=tries)
    yield Figure(f"jobs that an auditor objects to after {what}", len(failures), 0, of=tries)
