"""The store: what was bought once is not bought again, whoever asks for it, and in which process."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random

import anyio

from tests.batcher import store_workers
from tests.batcher.store_workers import Ends
from tests.scorecard.figure import Figure
from tests.support.callers import PATIENT_S, outcomes, start
from tests.support.stores import another_client
from tests.support.virtual_sandbox import World, in_world, people


def figures(*, long: bool) -> Iterator[Figure]:
    """Measure them; `long` repeats those with real processes five times."""
    for rows in ROWS:
        for _ in range(5 if long and rows is worker_rows else 1):
            yield from rows()


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


def worker_rows() -> Iterator[Figure]:
    """What becomes of callers when four real workers are killed, restarted or interchanged."""
    for what, scene in (
        ("SIGKILL of 1 of 4 workers, callers retry once", store_workers.killed_worker),
        ("too short a grace at shutdown, callers retry", store_workers.short_grace),
        ("hang up and come back through 4 workers", store_workers.callers_who_come_back),
    ):
        with tempfile.TemporaryDirectory() as folder:
            ends: Ends = asyncio.run(scene(Path(folder)))
        yield Figure(f"bought twice: {what}", ends.twice, 0, of=ends.callers)
        yield Figure(f"results lost: {what}", ends.lost, 0, of=ends.callers)


ROWS: list[Callable[[], Iterator[Figure]]] = [caller_rows, worker_rows]


def _twice(ask: Callable[[World, int], Awaitable[None]], contacts: int, **options: object) -> int:
    async def main(here: World) -> int:
        await ask(here, contacts)
        if (missing := contacts - len(here.ledger.times_accepted())) > 0:
            raise AssertionError(f"{missing} contacts were never bought")
        return sum(times > 1 for times in here.ledger.times_accepted().values())

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
