"""Jobs in a virtual world: small chunks, a crash that leaves what a crash leaves, an audit at the end."""

from __future__ import annotations

import math
import shutil
import sqlite3

from cleanlist_async import Contact
from cleanlist_async.job.journal.schema import add_checksum
from tests.job.auditor import audit
from tests.support.chunk_sizes import chunks_of
from tests.support.virtual_sandbox import in_world, open_world, people

__all__ = [
    "Bench",
    "chunks_of",
    "edit",
    "in_world",
    "mixed",
    "open_world",
    "people",
    "reset",
    "states",
    "total",
]

SUBMIT = "/enrich/bulk"
STATUS = "/enrich/status"
CHECK = "/auth/validate-key"
IMPORT = "*/csv-import"


def query(path, statement, *values):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return db.execute(statement, values).fetchall()
    finally:
        db.close()


def edit(path, script) -> None:
    """Change a journal as its own code would: the checksums are right afterwards."""
    db = sqlite3.connect(path)
    add_checksum(db)
    db.executescript(f"PRAGMA ignore_check_constraints = ON; {script};")
    db.commit()
    db.close()


def states(path) -> list[str]:
    """The states of the chunks, in the order of their contacts."""
    return [row[0] for row in query(path, "SELECT state FROM chunks ORDER BY first")]


class Bench:
    """A world, a folder, contacts; opens their job again and again."""

    def __init__(self, world, folder, contacts, *, chunk=5, **options) -> None:
        self.world = world
        self.path = folder / "run.journal"
        self.contacts = contacts
        self.chunk = chunk
        self.options = options
        self.crashes = 0

    async def open(self, **options):
        with chunks_of(self.chunk):
            return await self.world.client.job(self.path, self.contacts, **{**self.options, **options})

    async def run(self, **options):
        """Open, run to the end, close; return the report."""
        with chunks_of(self.chunk):
            async with await self.open(**options) as job:
                report = await job.run()
                assert await job.verify() == []
                return report

    async def results(self, **options):
        async with await self.open(**options) as job:
            return [result async for result in job]

    async def crash(self, job) -> None:
        """Leave the disk as a kill would now: what was sent is on its way, and nothing more is.

        The old process writes no more, so it sends no more either: without its intent nothing leaves.
        """
        self.crashes += 1
        left = self.path.with_name("left-by-crash.journal")
        shutil.copy(self.path, left)
        job._journal._db._connection.execute("PRAGMA query_only = ON")
        await job.aclose()
        left.replace(self.path)

    def check(self, *, unknown_at_most=None) -> None:
        found = audit(self.path, self.world.ledger, self.contacts, unknown_at_most=unknown_at_most)
        assert found == [], found


def reset(bench: Bench) -> None:
    bench.world.sandbox.clear_faults()


def mixed(count):
    """People by name, by profile, by company; a duplicate and an invalid one in every ten."""
    given = []
    for i in range(count):
        if i % 10 == 8:
            given.append(given[i - 5])
        elif i % 10 == 9:
            given.append(Contact(first_name=f"Lone{i}", key=f"k{i}"))
        elif i % 3 == 0:
            given.append(Contact(linkedin_url=f"https://www.linkedin.com/in/person-{i}-x", key=f"k{i}"))
        elif i % 3 == 1:
            given.append(
                Contact(first_name=f"Al{i}", last_name=f"Tur{i}", company_name=f"Firm {i}", key=f"k{i}")
            )
        else:
            given.append(Contact(first_name=f"Gr{i}", last_name=f"Hop{i}", company_domain=f"d{i}.example"))
    return given


async def total(job):
    return math.fsum([receipt.credits async for receipt in job.receipts()])
