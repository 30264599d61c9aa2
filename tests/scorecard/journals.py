"""Journals that are old, emptied, copied, linked or damaged: nothing is bought twice or changes unseen."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from unittest import mock

from cleanlist_async import Contact
from cleanlist_async.errors import JournalError
from tests.job.damage import go_on_flipped, read_flipped, resume_flipped
from tests.job.worlds import Bench, in_world, people
from tests.scorecard.figure import Figure

CONTACTS, CHUNK = 750, 250
DAMAGED = [*people(40), people(1)[0], people(3)[2], Contact(first_name="Only")]


def figures(*, long: bool) -> Iterator[Figure]:
    """Measure them; `long` flips 20 times as many bytes."""
    folder = tempfile.TemporaryDirectory()
    with folder as name, mock.patch.dict(os.environ, {"XDG_STATE_HOME": name}):
        for number, (what, replace) in enumerate(REPLACED.items()):
            value = bought_twice(Path(name, str(number)), replace)
            yield Figure(f"contacts bought twice from {what}", value, 0, of=CONTACTS)
        times = 20 if long else 1
        read, resumed = in_world(lambda world: damaged(world, Path(name), times))
        gone_on, twice = go_on_flipped(Path(name), 30 * times)
        for how, fates in (("read", read), ("resumed", resumed), ("gone on with", gone_on)):
            foreign = sum(count for fate, count in fates.items() if fate.startswith("foreign"))
            what, tries = f"when a journal with a flipped byte is {how}", fates.total()
            yield Figure(f"foreign exceptions {what}", foreign, 0, of=tries)
            yield Figure(f"results changed in silence {what}", fates["changed"], 0, of=tries)
        yield Figure("contacts bought twice after a flipped byte", twice, 0, of=15 * gone_on.total())


async def damaged(world, folder: Path, times: int) -> tuple[Counter[str], Counter[str]]:
    """Flip bytes of a finished job, and return what came of reading and of resuming it."""
    bench = Bench(world, folder, DAMAGED)
    await bench.run()
    return read_flipped(bench.path, 500 * times), await resume_flipped(bench, 50 * times)


def bought_twice(folder: Path, replace: Callable[[Bench, Path, Path], None]) -> int:
    """Run a job in two runs, put another file in the place of its journal, and run it again."""
    folder.mkdir()

    async def main(world) -> int:
        bench = Bench(world, folder, people(CONTACTS), chunk=CHUNK)
        await (await bench.open()).aclose()
        evening = Path(shutil.copy(bench.path, folder / "evening"))
        during: list[bytes] = []
        job = await bench.open()
        job.on_progress = lambda status: during.append(bench.path.read_bytes())
        async with job:
            await job.run()
        running = folder / "running"
        running.write_bytes(during[len(during) // 3])
        replace(bench, evening, running)
        for _ in range(2):
            with suppress(JournalError):
                await bench.run()
        return len(world.ledger.duplicates())

    return in_world(main)


def _old(bench: Bench, evening: Path, _running: Path) -> None:
    evening.replace(bench.path)


def _from_its_run(bench: Bench, _evening: Path, running: Path) -> None:
    running.replace(bench.path)


def _empty(bench: Bench, _evening: Path, _running: Path) -> None:
    bench.path.write_bytes(b"")


def _removed(bench: Bench, _evening: Path, _running: Path) -> None:
    bench.path.unlink()


def _copy(bench: Bench, evening: Path, _running: Path) -> None:
    bench.path = evening


def _linked(bench: Bench, evening: Path, _running: Path) -> None:
    linked = evening.with_name("linked")
    linked.hardlink_to(evening)
    bench.path = linked


REPLACED = {
    "a backup of the evening before": _old,
    "a backup of the time when it ran": _from_its_run,
    "a journal of no bytes": _empty,
    "a journal that was removed": _removed,
    "the second of two copies": _copy,
    "a hard link to a copy": _linked,
}
