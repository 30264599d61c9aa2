"""Every kind of fault at every request of a job: each ends as the table of `enrich.submit_outcome` says.

::

    python -m tests.crash.faults --stride 1 --jobs 2
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.crash.auditor import audit, counts
from tests.crash.bench import Bench
from tests.crash.clocks import run_jumping
from tests.crash.figures import EVERY, finish, folder, guarded, options_of, spread
from tests.crash.mishaps import ALL, BY_NAME, Mishap
from tests.crash.work import CONTACTS, live

PLACES = tuple(f"{kind} {number}" for kind in ("submit", "status") for number in range(4))
"""Every request of the undisturbed job: the submits of its four chunks, and a question about each."""
TARGET = 360


def main(arguments: list[str] | None = None) -> int:
    options = options_of("faults", arguments, mode="plain", only="", jobs=2, **EVERY)
    started = time.monotonic()
    if options.only:
        name, _, place = options.only.partition(" @ ")
        cases = [(options.mode, place, name)]
    else:
        cases = [
            (options.mode, place, mishap.name)
            for mishap in ALL
            for place in PLACES
            if can_meet(mishap, place)
        ]
        cases = cases[options.first :: options.stride]
    ends = spread(cases, meet, options.jobs)
    failures = [end for end in ends if end["problem"]]
    figure = {
        "what": "faults x requests",
        "mode": options.mode,
        "kinds": len({end["mishap"] for end in ends}),
        "cases": len(ends),
        "dup": sum(end["dup"] for end in ends),
        "lost": sum(end["lost"] for end in ends),
        "unknown": sum(end["unknown"] for end in ends),
        "fates": dict(Counter(end["fate"] for end in ends)),
    }
    whole = options.stride == 1 and not options.only
    return finish(figure, failures, started, reached=not whole or len(ends) >= TARGET)


def can_meet(mishap: Mishap, place: str) -> bool:
    """Only a submit has a connection of its own, which can be reset before it is used."""
    return mishap.connection != "reset" or place.startswith("submit")


def meet(cases: Iterable[tuple[str, str, str]]) -> Iterable[dict]:
    for mode, where, name in cases:
        with folder() as place:
            main = partial(_run, place=Path(place), mode=mode, where=where, mishap=BY_NAME[name])
            found = guarded(partial(run_jumping, main), fate="broken")
        command = f"python -m tests.crash.faults --mode {mode} --only '{name} @ {where}'"
        yield {"mishap": name, "place": where, "command": command, **found}


async def _run(loop, place: Path, mode: str, where: str, mishap: Mishap) -> dict:
    async with Bench(place, loop, mode) as bench:
        bench.arm({where: mishap.name})
        report = await live(bench.life)
        await bench.settle()
        problems = [] if where in bench.server.struck else ["the fault did not happen"]
        left = audit(bench.journal, bench.ledger(), CONTACTS)
        fate = fate_of(bench, left.states, where)
        submits = sum(request.startswith("submit") for request in bench.server.requests)
        kind = where.partition(" ")[0]
        if kind == "submit":
            problems += _check_submit(mishap, mode, fate, report)
        elif left.unknown or not (submits == 4 or (mishap.stops and submits < 4)):
            problems.append(
                f"a fault on a status request left {left.unknown} unknown, after {submits} submits"
            )
        elif mishap.stops != (report["stopped_by"] is not None):
            problems.append(
                f"stopped by {report['stopped_by']}, expected {'a stop' if mishap.stops else 'none'}"
            )
        truth = {record["contact"]: record["workflow_id"] for record in bench.ledger()["accepted"]}
        bench.life.truth = truth
        resumed = await live(bench.life)
        await bench.settle()
        end = audit(bench.journal, bench.ledger(), CONTACTS, over=True)
        if resumed["state"] != "complete":
            problems.append(f"the resumed job is {resumed['state']}: {resumed['stopped_by']}")
        problems += [*left.problems, *end.problems, *report["verify"], *resumed["verify"], *bench.complaints]
        found = counts(left, end)
        if found["dup"] or found["lost"] or found["unknown"] > 1:
            problems.append(str(found))
        return {**found, "fate": f"{kind}: {fate}", "problem": "; ".join(problems)[-1_500:]}


def fate_of(bench: Bench, states: dict[int, str], where: str) -> str:
    """Read what became of the chunk whose submit met the fault, or of all after another fault."""
    kind, _, number = where.partition(" ")
    if kind != "submit":
        return "done" if set(states.values()) == {"done"} else "left over"
    chunk = int(number) + 1
    state = states[chunk]
    with sqlite3.connect(bench.journal) as connection:
        attempts = connection.execute("SELECT count(*) FROM attempts WHERE chunk = ?", (chunk,)).fetchone()[0]
    connection.close()
    if state == "done":
        bought_later = attempts > 1 or bench.server.requests.count(where) == 0
        return "again" if bought_later else "done"
    return {"planned": "pause"}.get(state, state)


def _check_submit(mishap: Mishap, mode: str, fate: str, report: dict) -> list[str]:
    expected = {mishap.submit}
    if mode == "tracked" and mishap.submit == "unknown" and mishap.executes:
        expected = {"unknown", "done"}  # done as soon as its webhook has come
    if mode == "exact" and mishap.submit == "unknown":
        expected = {"again", "done"}  # imported once more under its own key, which buys nothing twice
    if mishap.connection == "refuse":
        expected = {"again", "done"}  # not a byte left, so nothing of it need be written down
    problems = [] if fate in expected else [f"the chunk is {fate}, not {' or '.join(sorted(expected))}"]
    if (report["stopped_by"] is not None) != (mishap.submit == "pause"):
        problems.append(f"stopped by {report['stopped_by']}")
    return problems


if __name__ == "__main__":
    sys.exit(main())
