"""The store: what was bought once is not bought again, whoever asks for it, and in which process."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from random import Random

import anyio

from tests.batcher import store_workers
from tests.batcher.store_workers import Ends
from tests.cli.enrich import interrupted_runs
from tests.crash import store as crash_store
from tests.crash import store_life
from tests.crash.figures import complain
from tests.enrich import test_budget_of_many_processes as budget
from tests.examples import pressed_lists
from tests.scorecard.figure import Figure
from tests.support.callers import PATIENT_S, outcomes, start
from tests.support.postgres_server import BIN
from tests.support.stores import another_client
from tests.support.virtual_sandbox import World, in_world, people


def figures(*, long: bool) -> Iterator[Figure]:
    """Measure them; `long` repeats those with real processes five times, and strikes a store everywhere."""
    for rows in ROWS:
        for _ in range(5 if long and rows is not caller_rows else 1):
            yield from rows()
    yield from struck_stores(long=long)


def caller_rows() -> Iterator[Figure]:
    """What callers of `enrich_one` do in one process."""
    for what, contacts, ask in (
        ("the same contact asked 5 times later by enrich_one", 20, _ask_five_times),
        ("asyncio.timeout around enrich_one, asked again when the workflow is done", 200, _time_out),
        ("a client closed while callers wait, the same callers again", 200, _close),
    ):
        with tempfile.TemporaryDirectory() as folder:
            options = {"client_options": {"store": Path(folder, "store.db")}}
            yield Figure(f"bought twice: {what}", _twice(ask, contacts, **options), 0, of=contacts)
    with tempfile.TemporaryDirectory() as folder:
        options = {"client_options": {"store": Path(folder, "store.db")}}
        yield Figure("submits for 10,000 callers of enrich_one", _submits_for(10_000, **options), 42)


def worker_rows() -> Iterator[Figure]:
    """What becomes of callers when four real workers are killed, restarted or interchanged."""
    for what, scene in (
        ("SIGKILL of 1 of 4 workers, callers retry once", store_workers.killed_worker),
        ("too short a grace at shutdown, callers retry", store_workers.short_grace),
        ("hang up and come back through 4 workers", store_workers.callers_who_come_back),
        ("1,000 callers for 200 contacts through 4 workers", store_workers.crowd),
    ):
        with tempfile.TemporaryDirectory() as folder:
            ends: Ends = asyncio.run(scene(Path(folder)))
        yield Figure(f"bought twice: {what}", ends.twice, 0, of=ends.callers)
        yield Figure(f"results lost: {what}", ends.lost, 0, of=ends.callers)


def command_rows() -> Iterator[Figure]:
    """What becomes of `cleanlist-async enrich` that ends in the middle, and is called again."""
    for what, scene in (
        ("kill -9 during cleanlist-async enrich, the same command again", interrupted_runs.killed),
        ("the terminal closes during it, the same command again", interrupted_runs.hung_up),
        ("enrich on its own output after a 402", interrupted_runs.out_of_credits),
    ):
        twice, lost = interrupted_runs.twice_and_lost(scene)
        yield Figure(f"bought twice: {what}", twice, 0, of=interrupted_runs.CONTACTS)
        yield Figure(f"rows without an outcome: {what}", lost, 0, of=interrupted_runs.CONTACTS)


def example_rows() -> Iterator[Figure]:
    """A list of the example application that is pressed twice, killed, looked at and pressed again."""
    if find_spec("uvicorn") is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        twice, lost = asyncio.run(pressed_lists.press_again_and_again(Path(folder)))
    what = "a list in the example application, killed, refreshed and pressed again"
    yield Figure(f"bought twice: {what}", twice, 0, of=pressed_lists.CONTACTS)
    yield Figure(f"rows without an outcome: {what}", lost, 0, of=pressed_lists.CONTACTS)


def budget_rows() -> Iterator[Figure]:
    """What eight processes spend of one budget."""
    with tempfile.TemporaryDirectory() as folder:
        spent = asyncio.run(budget.spend_all(Path(folder, "store.db")))
    off = abs(spent.ledger.credits_charged - budget.LIMIT) + abs(spent.settled - budget.LIMIT)
    yield Figure("credits beyond or short of a budget over 8 processes", off, 0, of=budget.LIMIT)


ROWS: list[Callable[[], Iterator[Figure]]] = [
    caller_rows,
    worker_rows,
    command_rows,
    example_rows,
    budget_rows,
]


def struck_stores(*, long: bool) -> Iterator[Figure]:
    """Processes, databases and networks that fail at statements and lines, evenly spread over a run."""
    databases = {"sqlite": crash_store.OF_PROCESSES, **({"postgres": crash_store.WHAT} if BIN else {})}
    for database, kinds in databases.items():
        what = ",".join(kind for kind in kinds if long or kind != "stop")  # which takes three leases each
        where = ("--database", database, "--what", what, "--door", ",".join(store_life.DOORS))
        how = ("--cases", "60" if long else "1", "--jobs", str(os.cpu_count() or 1))
        figure, ends = crash_store.measure(crash_store.parsed([*where, *how]))
        failed = [end for end in ends if end["problem"]]
        complain(failed)
        struck = sum(figure["struck"].values())
        after = f"a store in {database} was struck"
        yield Figure(f"contacts bought twice after {after}", figure["dup"], 0, of=struck)
        yield Figure(f"contacts bought without a word in it after {after}", figure["lost"], 0, of=struck)
        yield Figure(
            f"submits in doubt beyond those on their way when {after}", figure["beyond"], 0, of=struck
        )
        yield Figure(f"runs that an auditor objects to after {after}", len(failed), 0, of=struck)


def _twice(ask: Callable[[World, int], Awaitable[None]], contacts: int, **options: object) -> int:
    async def main(here: World) -> int:
        await ask(here, contacts)
        if (missing := contacts - len(here.ledger.times_accepted())) > 0:
            raise AssertionError(f"{missing} contacts were never bought")
        return sum(times > 1 for times in here.ledger.times_accepted().values())

    return in_world(main, **options)


def _submits_for(callers: int, **options: object) -> int:
    async def main(here: World) -> int:
        got = await outcomes(start(here, people(callers)))
        if any(getattr(one, "status", None) not in {"found", "not_found"} for one in got):
            raise AssertionError("some callers got no result")
        return here.submits()

    return in_world(main, **options)


async def _ask_five_times(here: World, contacts: int) -> None:
    for _ in range(6):
        await outcomes(start(here, people(contacts)))


async def _time_out(here: World, contacts: int) -> None:
    rng = Random(1)

    async def call(contact: object) -> None:
        with anyio.move_on_after(rng.uniform(0.5, 4)):
            await here.client.enrich_one(contact)
        await anyio.sleep(30)
        await here.client.enrich_one(contact, deadline_s=PATIENT_S)

    await outcomes([asyncio.ensure_future(call(contact)) for contact in people(contacts)])


async def _close(here: World, contacts: int) -> None:
    store = here.client.store
    tasks = start(here, people(contacts))
    await anyio.sleep(2)
    await here.client.aclose()
    await outcomes(tasks)
    async with another_client(here, store) as other:
        await outcomes(
            [
                asyncio.ensure_future(other.enrich_one(contact, deadline_s=PATIENT_S))
                for contact in people(contacts)
            ]
        )
