"""What does the store cost for each submit, how long does a claim take, and does it ever block the event loop?

The four steps of a submit of 250 contacts, with all of their rows: claim, intend, accept, settle, each durable before
the next. At full rate a key sends one request in 2 s. Then the claim of 250 contacts, half of them known, among few
and among many purchases, which SQL has made; each has an e-mail address, and is also looked for without it. Then the longest time for which the event loop had no turn, while 4 tasks
claim and settle, and while the database stands still (PostgreSQL: SIGSTOP; SQLite: another process holds the lock).
PostgreSQL is a server of this machine, behind a proxy that delays each way by 0.5 ms where that is said.

    python -m benchmarks.store [--large] [--rounds 60] [--folder DIR]   # --large: 10 million purchases, minutes
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

from benchmarks import report
from benchmarks.measuring import percentile
from benchmarks.store_databases import Database, databases
from cleanlist_async import Store, StoreError, facts
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.storage.store.operations import Operation
from cleanlist_async.storage.store.statements import Statement
from tests.support.store_owners import ORGANIZATION, Owner, found, people, workflow

REQUEST_S, CHUNK = 2.0, 250
FEW, MANY = 10_000, 10_000_000
STEPS = ("claim", "intend", "accept", "settle")
MOST_SHARE = {"SQLite": 0.02, "PostgreSQL": 0.04, "PostgreSQL, 1 ms away": 0.04}
MOST_CLAIM_S, MOST_BLOCKED_S = 0.060, 0.050
MOST_ROUND_TRIPS = 8

Times = dict[str, list[float]]


# -- what is measured ------------------------------------------------------------------------------


class Submit:
    """A chunk of contacts that nobody has, and what the server will answer."""

    def __init__(self, first: int) -> None:
        self.contacts = people(range(first, first + CHUNK))
        self.results = [found(contact) for contact in self.contacts]
        self.reply = workflow(f"public_bulk_{first:08x}-0000-4000-8000-000000000000", self.contacts)


def submits(count: int, first: int) -> list[Submit]:
    return [Submit(first + number * CHUNK) for number in range(count)]


async def buy(owner: Owner, submits: list[Submit], times: Times) -> None:
    """Go through all steps of one submit after the other."""
    for submit in submits:
        record = owner.submit(submit.contacts)
        acts: list[Callable[[], Awaitable[object]]] = [
            partial(owner.claim, submit.contacts),
            record.intend,
            partial(record.accepted, submit.reply),
            partial(record.settle, submit.results),
        ]
        for step, act in zip(STEPS, acts, strict=True):
            began = time.perf_counter()
            await act()
            times[step].append(time.perf_counter() - began)
        times["all four"].append(sum(times[step][-1] for step in STEPS))


async def claims(owner: Owner, rounds: int, first: int) -> list[float]:
    """Claim chunks of which half is known, and release the rest."""
    known = await digests_of(owner.store, rounds * CHUNK // 2)
    seconds: list[float] = []
    for number in range(rounds):
        contacts = with_emails(people(range(first + number * CHUNK, first + (number + 1) * CHUNK)))
        half = dict(zip((c.identity for c in contacts[::2]), known[number * 125 :], strict=False))
        owner.purchases._session.digest = lambda c, half=half: (
            half.get(c.identity) or owner.store.digest(c.identity)
        )
        began = time.perf_counter()
        await owner.claim(contacts)
        seconds.append(time.perf_counter() - began)
        await owner.purchases.release(contacts, "partial")
    owner.purchases._session.digest = lambda contact: owner.store.digest(contact.identity)
    return seconds


def with_emails(contacts: list[Prepared]) -> list[Prepared]:
    prepared = (prepare(one.index, replace(one.contact, email=f"{one.index}@a.example")) for one in contacts)
    return [one for one in prepared if isinstance(one, Prepared)]


async def digests_of(store: Store, count: int) -> list[str]:
    """Digests from all over the table."""

    def read() -> Operation[list[str]]:
        text = "SELECT digest FROM cleanlist_purchases WHERE organization = :organization AND digest > :from LIMIT 8"
        digests: list[str] = []
        for number in range(0, count, 8):
            values = {"organization": ORGANIZATION, "from": f"{number * 2**32 // count:08x}"}
            digests += [digest for (digest,) in (yield Statement(text, values)).rows]
        return digests

    return await store.run(read())


class Gaps:
    """For how long the event loop had no turn for us: by the clock, and by what its thread computed meanwhile.

    On a busy machine the first is long without anybody blocking the loop.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu_s: list[float] = []

    @asynccontextmanager
    async def noted(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()

    async def _watch(self) -> None:
        while True:
            began, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self.seconds.append(time.perf_counter() - began - 0.001)
            self.cpu_s.append(time.thread_time() - cpu)


async def busy(owner: Owner, first: int) -> Gaps:
    gaps, times = Gaps(), defaultdict[str, list[float]](list)
    all_chunks = [submits(5, first + task * 10 * CHUNK) for task in range(4)]
    gc.collect()
    gc.freeze()  # what the benchmark holds ready is not to be searched for garbage meanwhile
    async with gaps.noted():
        await asyncio.gather(*(buy(owner, chunks, times) for chunks in all_chunks))
    return gaps


async def standing_still(owner: Owner, database: Database, first: int) -> tuple[Gaps, float]:
    """Ask while the database stands still; return the gaps, and for how long a caller was held up."""
    gaps, contacts = Gaps(), people(range(first, first + CHUNK))
    usual_s, facts.STORE_ANSWER_S = facts.STORE_ANSWER_S, 3.0
    try:
        with database.still():
            async with gaps.noted():
                began = time.perf_counter()
                with suppress(StoreError):
                    await owner.claim(contacts)
                held_up_s = time.perf_counter() - began
    finally:
        facts.STORE_ANSWER_S = usual_s
    return gaps, held_up_s


class Figures:
    """What was measured of one database."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps: Times = defaultdict(list)
        self.claims: dict[int, list[float]] = {}
        self.busy = self.still = Gaps()
        self.held_up_s = 0.0
        self.round_trips = 0.0
        """Of one submit; 0 where there is no network to count them on."""


async def measure_one(database: Database, rounds: int, sizes: list[int]) -> Figures:
    figures, there = Figures(database.name), 0
    async with Store(database.url) as store:
        owner = await Owner.begin(store, "benchmark")
        await buy(owner, submits(3, 10**7), defaultdict(list))
        before = database.proxy.round_trips if database.proxy else 0
        await buy(owner, submits(rounds, 2 * 10**7), figures.steps)
        if database.proxy:
            figures.round_trips = (database.proxy.round_trips - before) / rounds
        for size in sizes:
            await asyncio.to_thread(database.fill, there + 1, size)
            there = size
            await claims(owner, 3, 3 * 10**7)
            figures.claims[size] = await claims(owner, rounds, 4 * 10**7)
        figures.busy = await busy(owner, 5 * 10**7)
        figures.still, figures.held_up_s = await standing_still(owner, database, 6 * 10**7)
    return figures


def measure(rounds: int = 60, folder: str | None = None, *, large: bool = False) -> report.Section:
    sizes = [FEW, MANY] if large else [FEW, 20 * FEW]
    with databases(folder) as all_of_them:
        measured = [
            # What is a millisecond away differs in its steps only.
            asyncio.run(measure_one(database, rounds, sizes if "away" not in database.name else [FEW]))
            for database in all_of_them
        ]
    return report.Section(
        "The store",
        report.text_of(__doc__),
        tables(measured),
        targets(measured),
    )


def tables(measured: list[Figures]) -> list[report.Table]:
    steps = [
        (
            step,
            *(text(figures.steps[step]) for figures in measured),
            *(share_text(figures, step) for figures in measured),
        )
        for step in (*STEPS, "all four")
    ]
    names = [figures.name for figures in measured]
    claimed = [
        (figures.name, f"{size:,}", text(seconds))
        for figures in measured
        for size, seconds in figures.claims.items()
    ]
    gaps = [
        (
            figures.name,
            text(figures.busy.seconds),
            f"{longest(figures.busy.seconds)} ({longest(figures.busy.cpu_s)})",
            f"{longest(figures.still.seconds)} ({longest(figures.still.cpu_s)})",
            f"{figures.held_up_s:.1f}",
        )
        for figures in measured
    ]
    return [
        report.Table(
            ("step of a submit of 250", *names, *(f"{name}: share of 2 s" for name in names)),
            steps,
            "ms, median (99th percentile)",
        ),
        report.Table(
            ("database", "purchases", "claim of 250, ms"), claimed, "Claims, median (99th percentile)"
        ),
        report.Table(
            (
                "database",
                "busy, median (99th percentile)",
                "busy, longest",
                "still, longest",
                "caller held up, s",
            ),
            gaps,
            "The event loop without a turn, ms; in brackets what its own thread computed meanwhile",
        ),
    ]


def targets(measured: list[Figures]) -> list[report.Target]:
    found: list[report.Target] = []
    for figures in measured:
        share, most = share_of(figures, "all four"), MOST_SHARE[figures.name]
        found.append(
            report.Target(
                f"{figures.name}: four steps of a submit, share of 2 s",
                f"under {most:.0%}",
                f"{share:.2%}",
                share < most,
            )
        )
        if figures.round_trips:
            found.append(
                report.Target(
                    f"{figures.name}: round trips of a submit",
                    f"<= {MOST_ROUND_TRIPS}",
                    f"{figures.round_trips:.1f}",
                    round(figures.round_trips) <= MOST_ROUND_TRIPS,
                )
            )
        size, seconds = max(figures.claims.items())
        median = statistics.median(seconds)
        found.append(
            report.Target(
                f"{figures.name}: claim of 250 among {size:,}",
                f"<= {MOST_CLAIM_S * 1000:.0f} ms",
                f"{median * 1000:.1f} ms",
                median <= MOST_CLAIM_S,
            )
        )
        blocked = max(figures.busy.seconds + figures.still.seconds)
        found.append(
            report.Target(
                f"{figures.name}: event loop blocked at most",
                f"{MOST_BLOCKED_S * 1000:.0f} ms",
                f"{blocked * 1000:.1f} ms",
                blocked <= MOST_BLOCKED_S,
            )
        )
    return found


def share_of(figures: Figures, step: str) -> float:
    return statistics.median(figures.steps[step]) / REQUEST_S


def share_text(figures: Figures, step: str) -> str:
    return f"{share_of(figures, step):.2%}"


def longest(seconds: list[float]) -> str:
    return f"{max(seconds) * 1000:.1f}"


def text(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.2f} ({percentile(seconds, 0.99) * 1000:.1f})"


if __name__ == "__main__":
    report.command(measure)
