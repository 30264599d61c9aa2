"""Flips bytes of a journal, and looks at whether anybody notices."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from random import Random

from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.lock import forget
from cleanlist_async.job.journal.schema import TABLES
from cleanlist_async.job.reader import reading
from tests.job.worlds import Bench, in_world, people
from tests.support.virtual_sandbox import check_against_ledger


def everything(path: Path) -> tuple:
    """All that can be read of a journal without a client."""
    with reading(path) as reader:
        results = list(reader.results())
        return results, list(reader.receipts()), reader.status(), reader.costs(), reader.unknown()


def flips(data: bytes, seed: int) -> Iterable[bytes]:
    """Yield the data with one byte of it changed, at random places that hold something, for ever."""
    rng = Random(seed)
    places = [place for place, byte in enumerate(data) if byte]
    while True:
        place, mask = rng.choice(places), rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
        yield data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


@contextmanager
def judged(fates: Counter[str]) -> Iterator[None]:
    """Count what reading a damaged journal comes to; what is read is found to be the same by an assertion."""
    try:
        yield
        fates["same"] += 1
    except JournalError:
        fates["refused"] += 1
    except AssertionError:
        fates["changed"] += 1
    except Exception as problem:  # noqa: BLE001
        fates[f"foreign: {type(problem).__name__}"] += 1


def read_flipped(path: Path, count: int, seed: int = 0) -> Counter[str]:
    """Flip so many bytes, each in a copy of its own, and count what reading everything comes to."""
    sound, data = everything(path), path.read_bytes()
    copy, fates = path.with_suffix(".flipped"), Counter()
    for flipped in islice(flips(data, seed), count):
        copy.write_bytes(flipped)
        with judged(fates):
            assert everything(copy) == sound
    return fates


async def resume_flipped(bench: Bench, count: int, seed: int = 0) -> Counter[str]:
    """Flip so many bytes of a finished job, each in a copy of its own; count what resuming it comes to."""
    sound, data, fates = await _results(bench), bench.path.read_bytes(), Counter()
    for flipped in islice(flips(data, seed), count):
        bench.path.write_bytes(flipped)
        with judged(fates):
            assert await _results(bench) == sound
    assert not bench.world.ledger.duplicates()
    return fates


def go_on_flipped(folder: Path, count: int, seed: int = 0) -> tuple[Counter[str], int]:
    """Flip so many bytes, each of another job that is half done; count what going on comes to.

    Also returns how many contacts were bought twice.
    """
    fates: Counter[str] = Counter()
    twice = 0

    async def main(world, number: int) -> int:
        bench = Bench(world, folder, people(15))
        bench.path = folder / f"half-{number}.journal"
        await bench.run(max_credits=10)
        data = bench.path.read_bytes()
        bench.path.write_bytes(next(iter(flips(data, seed + number))))
        with judged(fates):
            results = await _results(bench)
            assert [result.contact for result in results] == bench.contacts
            check_against_ledger(world, results)
        return len(world.ledger.duplicates())

    for number in range(count):
        twice += in_world(lambda world, number=number: main(world, number))
    return fates, twice


async def _results(bench: Bench) -> list:
    return sorted(await bench.results(adopt=True), key=lambda result: result.index)


def to_version_1(path: Path) -> None:
    """Make a journal one of version 1, as earlier versions of the package wrote it: without a record."""
    with reading(path) as reader:
        forget(reader._journal.id)
    old = path.with_suffix(".v1")
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.executescript(TABLES)
        db.execute("DELETE FROM arrows")
        db.execute("ATTACH ? AS today", (str(path),))
        for (table,) in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            names = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM today.{table}")
    old.replace(path)
