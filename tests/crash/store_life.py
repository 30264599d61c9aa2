"""One life of a process that buys contacts with a store, and what happens to it at one place of its work."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from mmap import mmap
from pathlib import Path
from urllib.parse import urlsplit

import cleanlist_async
from cleanlist_async import (
    APIConnectionError,
    AsyncCleanlist,
    CleanlistError,
    Contact,
    JobLockedError,
    JournalError,
    Store,
    StoreUnavailableError,
    facts,
)
from cleanlist_async.batcher import batch
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.contacts.identity import prepare
from cleanlist_async.enrich import run as enrich_run
from cleanlist_async.job.job import Job
from cleanlist_async.storage.store.operations import Operation
from cleanlist_async.storage.store.statements import Statement
from tests.crash.clocks import SPEED, RacingLoop
from tests.crash.processes import Child, LineCounter
from tests.crash.work import CHUNK, CONTACTS, open_client
from tests.support.chunk_sizes import chunks_of
from tests.support.tcp_proxy import TCPProxy, tcp_proxy

LEASE_S = 2.0
"""Real seconds: the clock of a database does not race."""
HOLE_S, ANSWER_S = 0.6, 0.3
"""Real seconds for which a network swallows everything, and after which a store gives up meanwhile."""
DELAY_S = 0.02
"""Real seconds that a slow network takes in each direction."""
PEOPLE = [
    Contact(first_name=f"Ada{n}", last_name=f"Lovelace{n}", company_domain="a.example")
    for n in range(CONTACTS)
]
_PACKAGE = Path(cleanlist_async.__file__).parent
DOORS = {
    "enrich": (str(_PACKAGE / "storage" / "store"), str(_PACKAGE / "enrich")),
    "enrich_one": (str(_PACKAGE / "storage" / "store"), str(_PACKAGE / "batcher")),
    "job": (str(_PACKAGE / "storage" / "store"), str(_PACKAGE / "job" / "stored")),
    "journal": (str(_PACKAGE / "storage" / "store"), str(_PACKAGE / "job")),
}
"""How contacts are bought, and the code that does it with a store."""
BY_SUBMISSION = """
SELECT p.digest, p.submission, s.state, s.workflow_id, p.result FROM cleanlist_purchases p
LEFT JOIN cleanlist_submits s ON s.id = p.submission
"""


@dataclass(frozen=True)
class Life:
    """One life of the process: it buys all contacts, and *what* happens to it at the so-many-th place.

    A place is a statement, a commit or what lies between; for the kill of a ``line`` it is an executed line.
    *truth* has the workflow of each contact that the server took: then doubtful submits are decided first.
    """

    url: str
    base_url: str
    door: str = "enrich"
    what: str = ""
    place: int = -1
    truth: dict[str, str] | None = None

    def undisturbed(self, truth: dict[str, str] | None = None) -> Life:
        """Return the next life."""
        return replace(self, what="", place=-1, truth=truth)

    def start(self, *, wait_for: int | None = None, in_flight: mmap | None = None) -> Child:
        """Fork the process, which begins once *wait_for* can be read.

        It counts submits on their way in *in_flight*, which shows them after its death.
        """
        return Child(partial(self._work, wait_for, in_flight or bytearray(1)))

    def _work(self, wait_for: int | None, in_flight: mmap | bytearray, pipe: int) -> None:
        if wait_for is not None:
            os.read(wait_for, 2)
        is_in_hole = self.what == "hole"
        facts.STORE_LEASE_S, facts.STORE_ANSWER_S = (
            LEASE_S,
            SPEED * (ANSWER_S if is_in_hole else facts.STORE_ANSWER_S),
        )
        facts.MAX_CONTACTS_PER_REQUEST = CHUNK
        enrich_run.Chunker = batch.Chunker = partial(Chunker, max_contacts=CHUNK)
        with ExitStack() as stack:
            proxy = None
            if self.what in {"cut", "hole", "delay"}:
                proxy = stack.enter_context(tcp_proxy(urlsplit(self.url).port or 0))
            report = self._live(pipe, proxy, in_flight)
        os.write(pipe, json.dumps(report).encode() + b"\n")

    def _live(self, pipe: int, proxy: TCPProxy | None, in_flight: mmap | bytearray) -> dict:
        url = self.url if proxy is None else self.url.replace(f":{urlsplit(self.url).port}", f":{proxy.port}")
        store = CountingStore(url, in_flight)
        lines = LineCounter(self.place, pipe, DOORS[self.door], lambda: {"in_flight": store.in_flight})
        if self.what == "line":
            lines.begin()
        else:
            store.strike_at, store.is_between = self.place, self.what == "stop" and url.startswith("sqlite")
            store.lasts = self.what == "away"
            store.strike = lambda: self._strike(pipe, store, proxy)
        with asyncio.Runner(loop_factory=RacingLoop) as runner:
            statuses = runner.run(live(store, self))
        places = lines.count if self.what == "line" else store.places
        return {"statuses": statuses, "places": places, "struck": places >= self.place > 0}

    def _strike(self, pipe: int, store: CountingStore, proxy: TCPProxy | None) -> None:
        os.write(pipe, json.dumps({"place": "statement", "in_flight": store.in_flight}).encode() + b"\n")
        if self.what in {"refuse", "away"}:
            raise StoreUnavailableError("The disk is gone.")
        if proxy is None:  # whoever is stopped goes on once it was done to the server
            os.kill(os.getpid(), signal.SIGKILL if self.what == "kill" else signal.SIGSTOP)
        elif self.what == "delay":
            proxy.delay_s = DELAY_S
        elif self.what == "cut":
            proxy.cut()
        else:
            proxy.black_hole()
            threading.Timer(HOLE_S, proxy.pass_on).start()


class CountingStore(Store):
    """Counts statements, commits and what lies between; at one of them something happens."""

    places = 0
    strike_at = -1
    is_between = False
    """Whether only places outside of transactions count: who stops inside holds up all who share a file."""
    lasts = False
    """Whether it goes on happening."""
    strike: Callable[[], object]

    def __init__(self, url: str, in_flight: mmap | bytearray) -> None:
        super().__init__(url)
        self._in_flight = in_flight

    @property
    def in_flight(self) -> int:
        """Submits that may have been recorded as sent, and whose outcome is not recorded."""
        return self._in_flight[0]

    def _count_in_flight(self, change: int) -> None:
        # One that was refused by the store is closed as well, and counts once.
        self._in_flight[0] = max(0, self._in_flight[0] + change)

    async def run(self, operation, *, commit_unless=None):
        name = operation.__name__
        self._count_in_flight(name == "intend")
        try:
            value = await super().run(self._counted(operation), commit_unless=commit_unless)
        except CleanlistError as error:
            self._count_in_flight(-(name == "intend" and not isinstance(error, StoreUnavailableError)))
            raise
        self._count_in_flight(-(name in {"accept", "close"} or (name == "intend" and value is False)))
        self._pass_place()
        return value

    def _counted(self, operation: Operation) -> Operation:
        answer = None
        try:
            while True:
                statement = operation.send(answer)
                self._pass_place(within=True)
                answer = yield statement
        except StopIteration as end:
            self._pass_place(within=True)
            return end.value

    def _pass_place(self, *, within: bool = False) -> None:
        if within and self.is_between:
            return
        self.places += 1
        if self.places == self.strike_at or (self.lasts and self.places > self.strike_at):
            self.strike()


async def live(store: CountingStore, life: Life) -> list[str]:
    """Buy all contacts, and return the status of each; nothing where the store failed."""
    try:
        async with store, open_client(life.base_url, store=store) as client:
            if life.truth is not None:
                await resolve(store, life.truth)
            return await DOOR[life.door](client, life)
    except StoreUnavailableError:
        return []
    except (APIConnectionError, JournalError):  # the same system calls reach the server, and write journals
        if life.what != "syscall":
            raise
        return []


async def through_enrich(client: AsyncCleanlist, _life: Life) -> list[str]:
    report = await client.enrich(PEOPLE, enrichment_type="partial")
    if report.stopped_by is not None and not isinstance(report.stopped_by, StoreUnavailableError):
        raise report.stopped_by
    return [result.status for result in report.results]


async def through_enrich_one(client: AsyncCleanlist, _life: Life) -> list[str]:
    """Let callers come in groups, a moment after each other, so that several requests are on their way."""

    async def call(number: int) -> str:
        await asyncio.sleep(0.5 * (number // CHUNK))
        try:
            result = await client.enrich_one(PEOPLE[number], deadline_s=60 * SPEED)
        except CleanlistError as error:
            return "unknown" if error.billed == "unknown" else "failed"
        return result.status

    return await asyncio.gather(*map(call, range(CONTACTS)))


async def through_job(client: AsyncCleanlist, _life: Life) -> list[str]:
    """Do it as a job, once nobody else is at it."""
    while True:
        try:
            job = await client.job("crm", PEOPLE)
        except JobLockedError:
            await asyncio.sleep(1.0)
        else:
            break
    statuses: list[str] = []
    async with job:
        try:
            async for result in job:
                statuses.append(result.status)  # noqa: PERF401  # those before an error count too
        except (JobLockedError, StoreUnavailableError):
            return statuses
        assert await job.verify() == []
    return statuses


async def through_journal(client: AsyncCleanlist, life: Life) -> list[str]:
    """Do it as a job in a journal, which is kept beside the records of journals."""
    path = Path(os.environ["XDG_STATE_HOME"], f"{sha256(life.url.encode()).hexdigest()[:16]}.journal")
    with chunks_of(CHUNK):
        async with await client.job(path, PEOPLE) as job:
            report = await job.run()
            if life.truth is not None and report.unknown:
                await _resolve_chunks(job, life.truth)
                report = await job.run()
            if isinstance(report.stopped_by, StoreUnavailableError):
                return []
            assert await job.verify() == []
            return [receipt.status async for receipt in job.receipts()]


async def _resolve_chunks(job: Job, truth: dict[str, str]) -> None:
    for chunk in await job.unknown():
        workflow_id = truth.get(PEOPLE[chunk.first].first_name or "")
        await job.resolve(chunk.number, accepted=workflow_id, absent=workflow_id is None)


DOOR = {
    "enrich": through_enrich,
    "enrich_one": through_enrich_one,
    "job": through_job,
    "journal": through_journal,
}


async def resolve(store: Store, truth: dict[str, str]) -> None:
    """Decide what became of each doubtful submit, as its owner would after a look into the portal."""
    names = names_of(store)
    doubtful = {orphan.submission for orphan in await store.orphans() if orphan.state != "accepted"}
    for digest, submission, *_ in await rows_of(store):
        if submission in doubtful:
            doubtful.discard(submission)
            workflow_id = truth.get(names[digest])
            await store.resolve(submission, workflow_id=workflow_id, absent=workflow_id is None)


def names_of(store: Store) -> dict[str, str | None]:
    """Return the first name of each contact by its digest."""
    return {
        store.digest(prepare(n, contact).identity): contact.first_name for n, contact in enumerate(PEOPLE)
    }


async def rows_of(store: Store) -> list[tuple]:
    """Return all purchases, each with its submit."""

    def read() -> Operation[list[tuple]]:
        return list((yield Statement(BY_SUBMISSION)).rows)

    return await store.run(read())
