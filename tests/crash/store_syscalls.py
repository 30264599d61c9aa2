"""kill -9 and I/O errors at every system call with which a process reaches its store and the server.

Of a store in a file these write it; of one in PostgreSQL they carry the client's side of the connection.
Needs strace. ::

    python -m tests.crash.store_syscalls --database postgres --door enrich,job --stride 3 --jobs 2
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from mmap import mmap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from tests.crash.figures import EVERY, finish, folder, guarded, options_of, spread
from tests.crash.processes import Child, ServerProcess
from tests.crash.store import Databases, aftermath, complain_of, databases
from tests.crash.store_life import Life
from tests.crash.syscalls import DISK, INJECTIONS, WIRE, calls_in, is_available, requests_after, run_traced

_MODULE = "python -m tests.crash.store_syscalls"
Case: TypeAlias = tuple[str, str, str, int]
"""The door, and what happens at the so-many-th system call of which name."""
_WAKES_LOOP = re.compile(r'sendto\(\d+, "\\0", 1,.*\(INJECTED\)')
"""An error by which a thread does not reach its own event loop, which no network can bring about."""


def strike_share(options: argparse.Namespace, shares: Iterable[int]) -> Iterable[dict]:
    """Carry out the cases of some of the processes that share the work, with a server of their own."""
    with databases(options.database) as there, ServerProcess() as server:
        cases = cases_of(options, there, server)
        for door, call, how, number in [case for share in shares for case in cases[share :: options.jobs]]:
            strike_once = partial(strike, there, server, door, call, how, number)
            found = guarded(strike_once, struck=False, beyond=0, paid_after=0)
            only = f"{call}:{how}:{number}"
            command = f"{_MODULE} --database {options.database} --door {door} --only {only}"
            yield {"kind": f"{how.partition('=')[2]} {door}", "command": command, **found}


def cases_of(options: argparse.Namespace, there: Databases, server: ServerProcess) -> list[Case]:
    """Return what is to happen where."""
    cases: list[Case] = []
    for door in options.door.split(","):
        if options.only:
            call, how, number = options.only.split(":")
            cases.append((door, call, how, int(number)))
            continue
        counts = count_calls(Life(there.new(), server.base_url, door))
        cases += [
            (door, call, how, number)
            for call, how in INJECTIONS
            if call in (WIRE if options.database == "postgres" else (*DISK, *WIRE))
            for number in range(1, counts[call] + 1)
        ]
    return cases[options.first :: options.stride]


def count_calls(life: Life) -> Counter[str]:
    """Count the system calls of a run that nobody disturbs."""
    with folder() as place:
        log = Path(place) / "strace.log"
        end = run_traced(_start_of(life), log)
        if not end.report or "statuses" not in end.report:
            raise RuntimeError(f"the undisturbed run failed: {end}")
        return calls_in(log)


def strike(there: Databases, server: ServerProcess, door: str, call: str, how: str, number: int) -> dict:
    """Disturb one call of a run, then run to the end, and audit."""
    server.ask("reset")
    life, in_flight = Life(there.new(), server.base_url, door, "syscall"), mmap(-1, 1)
    problems: list[str] = []
    with TemporaryDirectory() as place:  # journals stay where they are, and have a life after this one
        log = Path(place) / "strace.log"
        death = run_traced(_start_of(life, in_flight), log, f"{call}:{how}:when={number}")
        traced = log.read_text()
    if _WAKES_LOOP.search(traced):
        return dict.fromkeys(("struck", "paid_after", "dup", "lost", "unknown", "beyond"), 0) | {
            "problem": ""
        }
    complain_of(death, problems)
    is_struck = "(INJECTED)" in traced or death.signal == 9
    # A connection to the server that breaks leaves a submit in doubt, and the store knows that it is.
    doubtful = in_flight[0] + int(call in WIRE and how.startswith("error") and is_struck)
    is_stopped = bool(death.report) and not death.report.get("statuses")
    return {
        "struck": is_struck,
        "paid_after": requests_after(traced, "POST") if is_stopped else 0,
        **aftermath(server, life, doubtful, problems),
    }


def _start_of(life: Life, in_flight: mmap | None = None) -> Callable[[int], Child]:
    return lambda pipe: life.start(wait_for=pipe, in_flight=in_flight)


def main(arguments: list[str] | None = None) -> int:
    options = options_of(
        "store_syscalls", arguments, database=("sqlite", "postgres"), door="enrich", only="", jobs=1, **EVERY
    )
    if not is_available():
        sys.stderr.write("strace is not here, or may not attach: nothing was tested\n")
        return 2
    started = time.monotonic()
    cases = spread(range(options.jobs), partial(strike_share, options), options.jobs)
    figure = {
        "what": f"system calls of processes with a store in {options.database}",
        "struck": dict(Counter(case["kind"] for case in cases if case["struck"])),
        **{name: sum(case[name] for case in cases) for name in ("dup", "lost", "beyond")},
        "unknown_max": max((case["unknown"] for case in cases), default=0),
        "paid_requests_after_a_store_failed": sum(case["paid_after"] for case in cases),
    }
    return finish(figure, [case for case in cases if case["problem"]], started)


if __name__ == "__main__":
    sys.exit(main())
