"""Processes that run `enrich`, or a job, with a store are killed, paused or refused at its statements.

::

    python -m tests.crash.store --database postgres --what kill --door job --stride 1

In each case something happens to one run or to several, then runs follow until all is bought. The store is
audited beside the server's ledger: nobody is bought twice, and nobody is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cleanlist_async import (
    AsyncCleanlist,
    CleanlistError,
    Contact,
    JobLockedError,
    Store,
    StoreUnavailableError,
    facts,
)
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.contacts.identity import prepare
from cleanlist_async.enrich import run as enrich_run
from cleanlist_async.storage.store.operations import Operation
from cleanlist_async.storage.store.statements import Statement
from tests.crash.clocks import SPEED, RacingLoop
from tests.crash.figures import finish, folder, guarded
from tests.crash.processes import Child, Death, ServerProcess
from tests.crash.work import CHUNK, CONTACTS, open_client

_MODULE = "python -m tests.crash.store"
LEASE_S = 2.0
"""Real seconds: the clock of a database does not race."""
WHAT = ("kill", "stop", "terminate", "refuse")
"""kill -9; SIGSTOP for three leases while another takes over; the backend is terminated; the store fails."""
PEOPLE = [
    Contact(first_name=f"Ada{n}", last_name=f"Lovelace{n}", company_domain="a.example")
    for n in range(CONTACTS)
]
BY_SUBMISSION = """
SELECT p.digest, p.submission, s.state, s.workflow_id, p.result FROM cleanlist_purchases p
LEFT JOIN cleanlist_submits s ON s.id = p.submission
"""


class CountingStore(Store):
    """Counts statements, commits and what lies between; at one of them something happens."""

    places = 0
    strike_at = -1
    is_between = False
    """Whether only places outside of transactions count: who stops inside holds up all who share a file."""
    strike: Callable[[], object]

    async def run(self, operation, *, commit_unless=None):
        value = await super().run(self._counted(operation), commit_unless=commit_unless)
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
        if self.places == self.strike_at:
            self.strike()


# -- one life of a process ---------------------------------------------------------------------------------


def start(
    url: str, base_url: str, door: str, what: str = "", place: int = -1, truth: dict | None = None
) -> Child:
    """Fork a process that enriches all contacts; something happens to it at the so-many-th place."""

    def work(pipe: int) -> None:
        facts.STORE_LEASE_S, facts.STORE_ANSWER_S = LEASE_S, facts.STORE_ANSWER_S * SPEED
        facts.MAX_CONTACTS_PER_REQUEST = CHUNK
        enrich_run.Chunker = partial(Chunker, max_contacts=CHUNK)
        with asyncio.Runner(loop_factory=RacingLoop) as runner:
            report = runner.run(live(url, base_url, DOORS[door], what, place, truth))
        os.write(pipe, json.dumps(report).encode() + b"\n")

    return Child(work)


async def live(url: str, base_url: str, door: Door, what: str, place: int, truth: dict | None) -> dict:
    store = CountingStore(url)
    store.strike_at, store.is_between = place, what == "stop" and url.startswith("sqlite")
    store.strike = partial(strike, what, url)
    statuses: list[str] = []
    stopped_by: BaseException | None = None
    try:
        async with store, open_client(base_url, store=store) as client:
            if truth is not None:
                await resolve(store, truth)
            stopped_by = await door(client, statuses)
    except StoreUnavailableError as error:
        stopped_by = error
    if stopped_by is not None and not isinstance(stopped_by, StoreUnavailableError | JobLockedError):
        raise stopped_by
    return {
        "statuses": statuses,
        "places": store.places,
        "struck": store.places >= place > 0,
    }


async def enrich(client: AsyncCleanlist, statuses: list[str]) -> CleanlistError | None:
    """Enrich all contacts; put their statuses into a list, and return what stopped it."""
    report = await client.enrich(PEOPLE, enrichment_type="partial")
    statuses += [result.status for result in report.results]
    return report.stopped_by


async def run_job(client: AsyncCleanlist, statuses: list[str]) -> CleanlistError | None:
    """Do the same as a job, which waits until nobody else is at it."""
    while True:
        try:
            job = await client.job("crm", PEOPLE)
        except JobLockedError:
            await asyncio.sleep(1.0)
        else:
            break
    async with job:
        try:
            async for result in job:
                statuses.append(result.status)  # noqa: PERF401  # those before an error count too
        except (JobLockedError, StoreUnavailableError) as error:
            return error
        assert await job.verify() == []
    return None


Door = Callable[[AsyncCleanlist, list[str]], Awaitable[CleanlistError | None]]
DOORS: dict[str, Door] = {"enrich": enrich, "job": run_job}


def strike(what: str, url: str) -> None:
    if what == "terminate":
        import psycopg

        with psycopg.connect(url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    elif what == "refuse":
        raise StoreUnavailableError("The disk is gone.")
    else:
        os.kill(os.getpid(), signal.SIGKILL if what == "kill" else signal.SIGSTOP)


async def resolve(store: Store, truth: dict) -> None:
    """Decide what became of each doubtful submit, as its owner would after a look into the portal."""
    names = {
        store.digest(prepare(n, contact).identity): contact.first_name for n, contact in enumerate(PEOPLE)
    }
    doubtful = {orphan.submission for orphan in await store.orphans() if orphan.state != "accepted"}
    for digest, submission, *_ in await rows_of(store):
        if submission in doubtful:
            doubtful.discard(submission)
            workflow_id = truth.get(names[digest])
            await store.resolve(submission, workflow_id=workflow_id, absent=workflow_id is None)


async def rows_of(store: Store) -> list[tuple]:
    def read() -> Operation[list[tuple]]:
        return list((yield Statement(BY_SUBMISSION)).rows)

    return await store.run(read())


# -- auditing ----------------------------------------------------------------------------------------------


async def audit(url: str, ledger: dict) -> dict:
    """Compare the store with what the server accepted."""
    async with Store(url) as store:
        digests = {
            store.digest(prepare(n, contact).identity): contact.first_name for n, contact in enumerate(PEOPLE)
        }
        rows = {digests[digest]: rest for digest, *rest in await rows_of(store)}
        spent = sum([line.credits or 0.0 async for line in store.audit()])
    bought = Counter(record["contact"] for record in ledger["accepted"])
    known = {name for name, (submission, _, _, result) in rows.items() if submission or result}
    doubtful = [name for name, (_, state, _, _) in rows.items() if state in {"sending", "unknown", "lost"}]
    return {
        "dup": sum(times - 1 for times in bought.values()),
        "lost": len(set(bought) - known),
        "unknown": len(doubtful),
        "spent": spent,
        "cost": sum(record["credits"] or 0.0 for record in ledger["accepted"]),
    }


# -- cases -------------------------------------------------------------------------------------------------


def happen(url: str, server: ServerProcess, door: str, what: str, places: list[int]) -> dict:
    """Let it happen at places of one run after the other, then run to the end, and audit."""
    server.ask("reset")
    problems: list[str] = []
    struck = 0
    for place in places:
        struck += struck_once(url, server, door, what, place, problems)
    left = asyncio.run(audit(url, server.ask("ledger")))
    again = start(url, server.base_url, door).end()
    statuses = Counter((again.report or {}).get("statuses", []))
    problems += complaints(again)
    if (
        statuses["unknown"] > left["unknown"]
        or statuses["found"] + statuses["not_found"] + statuses["unknown"] != CONTACTS
    ):
        problems.append(f"the second run ends with {dict(statuses)}, and {left['unknown']} were in flight")
    truth = {record["contact"]: record["workflow_id"] for record in server.ask("ledger")["accepted"]}
    last = start(url, server.base_url, door, truth=truth).end()
    problems += complaints(last)
    end = asyncio.run(audit(url, server.ask("ledger")))
    done = Counter((last.report or {}).get("statuses", []))
    if done["found"] + done["not_found"] != CONTACTS:
        problems.append(f"the last run ends with {dict(done)}")
    if end["spent"] != end["cost"]:
        problems.append(f"the audit trail says {end['spent']} credits, the server {end['cost']}")
    if left["dup"] or left["lost"] or end["dup"] or end["lost"] or end["unknown"]:
        problems.append(f"{left} {end}")
    return {
        "struck": struck,
        "dup": end["dup"],
        "lost": left["lost"] + end["lost"],
        "unknown": statuses["unknown"],
        "problem": "; ".join(problems)[-1_500:],
    }


def struck_once(
    url: str, server: ServerProcess, door: str, what: str, place: int, problems: list[str]
) -> bool:
    child = start(url, server.base_url, door, what, place)
    if what != "stop":
        death = child.end()
        problems += complaints(death)
        return death.signal == signal.SIGKILL or (death.report or {}).get("struck", False)
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):  # it had fewer statements than the run before
        return False
    stopped_at = time.monotonic()
    problems += complaints(start(url, server.base_url, door).end())
    time.sleep(max(0.0, 3 * LEASE_S - (time.monotonic() - stopped_at)))
    os.kill(child.pid, signal.SIGCONT)
    problems += complaints(child.end())
    return True


def complaints(death: Death) -> list[str]:
    report = death.report or (
        {} if death.signal == signal.SIGKILL else {"error": f"died of signal {death.signal}"}
    )
    return [report["error"]] if "error" in report else []


@contextmanager
def databases(kind: str) -> Iterator[Callable[[], str]]:
    """Give a function that makes an empty store and returns its address."""
    if kind == "sqlite":
        with folder() as place:
            numbers = iter(range(10**6))
            yield lambda: f"sqlite:///{Path(place, f'{next(numbers)}.db')}"
        return
    from tests.support.postgres_server import postgres_server

    with postgres_server(settings=("fsync=off",)) as server:
        yield lambda: server.url(server.new_database())


def places_of(options: argparse.Namespace, new: Callable[[], str], server: ServerProcess) -> list[list[int]]:
    """Return where it is to happen, in each case: in one run, or for a storm in several."""
    if options.only:
        return [[int(place) for place in options.only.split(",")]]
    server.ask("reset")
    end = start(new(), server.base_url, options.door, options.what if options.what == "stop" else "").end()
    if not end.report or "places" not in end.report:
        raise RuntimeError(f"the undisturbed run failed: {end}")
    last = end.report["places"]
    if options.storms:
        rng = random.Random(options.seed)
        return [[rng.randint(1, last) for _ in range(rng.randint(2, 4))] for _ in range(options.storms)]
    return [[place] for place in range(1 + options.first, last + 1, options.stride)]


def main(arguments: list[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    started = time.monotonic()
    cases: list[dict] = []
    with databases(options.database) as new, ServerProcess() as server:
        for places in places_of(options, new, server):
            found = guarded(partial(happen, new(), server, options.door, options.what, places), struck=0)
            which = f"--database {options.database} --what {options.what} --door {options.door}"
            command = f"{_MODULE} {which} --only "
            cases.append({"command": command + ",".join(map(str, places)), **found})
    figure = {
        "what": f"{options.what} at statements of {options.door} with a store in {options.database}",
        "cases": len(cases),
        "struck": sum(case["struck"] for case in cases),
        "dup": sum(case["dup"] for case in cases),
        "lost": sum(case["lost"] for case in cases),
        "unknown_max": max((case["unknown"] for case in cases), default=0),
        "unknown_cases": sum(case["unknown"] > 0 for case in cases),
    }
    return finish(figure, [case for case in cases if case["problem"]], started)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.store")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--what", choices=WHAT, default="kill")
    parser.add_argument("--door", choices=DOORS, default="enrich")
    parser.add_argument("--stride", type=int, default=1, help="every so many statements")
    parser.add_argument("--first", type=int, default=0, help="leave out so many statements")
    parser.add_argument("--storms", type=int, default=0, help="so many cases of two to four random places")
    parser.add_argument("--seed", type=int, default=0, help="of the storms")
    parser.add_argument("--only", default="", help="one place, or several one run after the other")
    return parser


if __name__ == "__main__":
    sys.exit(main())
