"""Processes that buy with a store are killed, stopped or refused at its statements, or their database is.

::

    python -m tests.crash.store --database postgres --what kill,terminate --door enrich,enrich_one --jobs 2

What may happen is in `WHAT`, and to callers of which door in `DOORS`. `--cases` takes so many places of each
kind, evenly spread, `--storms` so many cases of two to four random ones.

In each case something happens to one run or to several, then runs follow until all is bought. The store is
audited beside the server's ledger: nobody is bought twice or lost, each purchase was recorded before it was
sent, and no more submits are in doubt than were on their way when it happened.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cleanlist_async import Store
from tests.crash.figures import EVERY, finish, folder, guarded, options_of, spread
from tests.crash.processes import Death, ServerProcess
from tests.crash.store_life import LEASE_S, Life, names_of, rows_of
from tests.crash.work import CHUNK, CONTACTS

if TYPE_CHECKING:
    from tests.support.postgres_server import PostgresServer

_MODULE = "python -m tests.crash.store"
WHAT = {
    "kill": "kill -9 at statements",
    "line": "kill -9 at executed lines",
    "stop": "SIGSTOP for three leases, while another takes over",
    "refuse": "a statement that fails",
    "away": "a store that fails from a statement on",
    "terminate": "a backend that is terminated at a statement",
    "restart": "a server that crashes and restarts at a statement",
    "cut": "connections that are cut at a statement",
    "hole": "a network that swallows what comes from a statement on",
    "delay": "a network that is slow from a statement on",
}
OF_PROCESSES = ("kill", "line", "stop", "refuse", "away")
"""What may happen with a file, too."""
Case: TypeAlias = tuple[str, str, list[int]]
"""What happens to callers of which door, at which places."""
_BOUGHT = {"found", "not_found"}


class Databases:
    """Gives empty stores in a file each, or in a PostgreSQL of its own."""

    def __init__(self, folder: str, server: PostgresServer | None) -> None:
        self.server = server
        self._folder = folder
        self._made = 0

    def new(self) -> str:
        """Return the address of another empty store."""
        self._made += 1
        if self.server is None:
            return f"sqlite:///{Path(self._folder, f'{self._made}.db')}"
        name = f"t{self._made}"
        self.server.execute(f"CREATE SCHEMA {name}")
        return f"{self.server.url()}?options=-csearch_path%3D{name}"

    def strike(self, what: str) -> None:
        """Let something happen to the server."""
        if self.server is None:
            raise AssertionError
        if what == "restart":
            self.server.stop(signal.SIGQUIT)
            self.server.start()
        else:
            self.server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )


@contextmanager
def databases(kind: str) -> Iterator[Databases]:
    with folder() as place:
        if kind == "sqlite":
            yield Databases(place, None)
            return
        from tests.support.postgres_server import postgres_server

        with postgres_server(settings=("fsync=off",)) as server:
            yield Databases(place, server)


# -- auditing ----------------------------------------------------------------------------------------------


async def audit(url: str, ledger: dict) -> dict:
    """Compare the store with what the server accepted."""
    async with Store(url) as store:
        names = names_of(store)
        rows = {names[digest]: rest for digest, *rest in await rows_of(store)}
        spent = sum([line.credits or 0.0 async for line in store.audit()])
    bought = Counter(record["contact"] for record in ledger["accepted"])
    known = {name for name, (submission, _, _, result) in rows.items() if submission or result}
    doubtful = [row for row in rows.values() if row[1] in {"sending", "unknown", "lost"}]
    return {
        "dup": sum(times - 1 for times in bought.values()),
        "lost": len(set(bought) - known),  # bought, and the store has no word of it
        "unknown": len(doubtful),
        "unknown_submits": len({submission for submission, *_ in doubtful}),
        "spent": spent,
        "cost": sum(record["credits"] or 0.0 for record in ledger["accepted"]),
    }


# -- cases -------------------------------------------------------------------------------------------------


def happen(there: Databases, server: ServerProcess, life: Life, places: list[int]) -> dict:
    """Let it happen at places of one run after the other, then run to the end, and audit."""
    server.ask("reset")
    life = Life(there.new(), server.base_url, life.door, life.what)
    problems: list[str] = []
    deaths = [strike(there, life, place, problems) for place in places]
    in_flight = sum(death.in_flight for death in deaths)
    found = aftermath(server, life, in_flight, problems, deaths=len(deaths))
    return {"struck": any(death.place for death in deaths), **found}


def aftermath(
    server: ServerProcess, life: Life, in_flight: int, problems: list[str], *, deaths: int = 1
) -> dict:
    """Audit what struck runs left, run to the end, and audit that."""
    left = asyncio.run(audit(life.url, server.ask("ledger")))
    if left["unknown_submits"] > in_flight:
        problems.append(f"{left['unknown_submits']} submits in doubt, and {in_flight} were on their way")
    statuses = end_of(life.undisturbed(), problems)
    # A journal is written before the store: one chunk for each death may be in doubt there alone.
    doubtful = max(left["unknown"], CHUNK * deaths if life.door == "journal" else 0)
    if statuses["unknown"] > doubtful or sum(statuses[one] for one in (*_BOUGHT, "unknown")) != CONTACTS:
        problems.append(f"the second run ends with {dict(statuses)}, and {left['unknown']} were in doubt")
    if statuses["unknown"]:
        truth = {record["contact"]: record["workflow_id"] for record in server.ask("ledger")["accepted"]}
        done = end_of(life.undisturbed(truth), problems)
        if sum(done[one] for one in _BOUGHT) != CONTACTS:
            problems.append(f"the last run ends with {dict(done)}")
    end = asyncio.run(audit(life.url, server.ask("ledger")))
    if end["spent"] != end["cost"]:
        problems.append(f"the audit trail says {end['spent']} credits, the server {end['cost']}")
    if left["dup"] or left["lost"] or end["dup"] or end["lost"] or end["unknown"]:
        problems.append(f"{left} {end}")
    return {
        "dup": end["dup"],
        "lost": left["lost"] + end["lost"],
        "unknown": left["unknown_submits"],
        "beyond": max(0, left["unknown_submits"] - in_flight),
        "problem": "; ".join(problems)[-1_500:],
    }


def strike(there: Databases, life: Life, place: int, problems: list[str]) -> Death:
    """Begin a run to which something happens at a place, and wait for its end."""
    life = Life(life.url, life.base_url, life.door, life.what, place)
    child = life.start()
    if life.what in {"stop", "terminate", "restart"}:
        found = os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if found and found.si_code == os.CLD_STOPPED:
            while_stopped(there, life, problems)
            os.kill(child.pid, signal.SIGCONT)
    death = child.end()
    complain_of(death, problems)
    return death


def while_stopped(there: Databases, life: Life, problems: list[str]) -> None:
    stopped_at = time.monotonic()
    if life.what != "stop":
        there.strike(life.what)
        return
    end_of(life.undisturbed(), problems)
    time.sleep(max(0.0, 3 * LEASE_S - (time.monotonic() - stopped_at)))


def end_of(life: Life, problems: list[str]) -> Counter[str]:
    """Run to the end, and return how many contacts have which status."""
    death = life.start().end()
    complain_of(death, problems)
    return Counter((death.report or {}).get("statuses", []))


def complain_of(death: Death, problems: list[str]) -> None:
    if death.report and "error" in death.report:
        problems.append(death.report["error"])
    elif not death.report and death.signal != signal.SIGKILL:
        problems.append(f"died of signal {death.signal}")


def strike_share(options: argparse.Namespace, shares: Iterable[int]) -> Iterable[dict]:
    """Carry out the cases of some of the processes that share the work, with a server of their own."""
    with databases(options.database) as there, ServerProcess() as server:
        cases = cases_of(options, there, server)
        for what, door, places in [case for share in shares for case in cases[share :: options.jobs]]:
            life = Life("", server.base_url, door, what)
            found = guarded(partial(happen, there, server, life, places), struck=False, beyond=0)
            only = ",".join(map(str, places))
            command = f"{_MODULE} --database {options.database} --what {what} --door {door} --only {only}"
            yield {"kind": f"{what} {door}", "command": command, **found}


def cases_of(options: argparse.Namespace, there: Databases, server: ServerProcess) -> list[Case]:
    """Return what is to happen where: at places of one run, or for a storm of several."""
    kinds = [
        (what, door)
        for what in options.what.split(",")
        for door in options.door.split(",")
        if (what, door) != ("stop", "journal")  # it keeps the lock of its file, so that nobody takes over
    ]
    if options.only:
        ((what, door),) = kinds
        return [(what, door, [int(place) for place in options.only.split(",")])]
    rng, cases = random.Random(options.seed), []
    for what, door in kinds:
        last = count_places(Life(there.new(), server.base_url, door, what, 0))
        places = [[place] for place in range(1 + options.first, last + 1, options.stride)]
        if options.cases:
            places = [[1 + last * (2 * n + 1) // (2 * options.cases)] for n in range(options.cases)]
        if options.storms:
            places = [[rng.randint(1, last) for _ in range(rng.randint(2, 4))] for _ in range(options.storms)]
        cases += [(what, door, one) for one in places]
    return cases


def count_places(life: Life) -> int:
    """Count the places of a run that nobody disturbs."""
    end = life.start().end()
    if not end.report or "places" not in end.report:
        raise RuntimeError(f"the undisturbed run failed: {end}")
    return end.report["places"]


def measure(options: argparse.Namespace) -> tuple[dict, list[dict]]:
    """Return the figure of all cases, and the cases."""
    cases = spread(range(options.jobs), partial(strike_share, options), options.jobs)
    figure = {
        "what": f"a store in {options.database}",
        "struck": dict(Counter(case["kind"] for case in cases if case["struck"])),
        **{name: sum(case[name] for case in cases) for name in ("dup", "lost", "beyond")},
        "unknown_max": max((case["unknown"] for case in cases), default=0),
        "unknown_cases": sum(case["unknown"] > 0 for case in cases),
    }
    return figure, cases


def main(arguments: list[str] | None = None) -> int:
    options = parsed(arguments)
    started = time.monotonic()
    figure, cases = measure(options)
    return finish(figure, [case for case in cases if case["problem"]], started)


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    kinds = {"database": ("sqlite", "postgres"), "what": "kill", "door": "enrich", "only": ""}
    return options_of("store", arguments, **kinds, cases=0, storms=0, seed=0, jobs=1, **EVERY)


if __name__ == "__main__":
    sys.exit(main())
