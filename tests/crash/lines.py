"""kill -9 at every executed line of a job, then resume it: nothing lost, nothing twice.

::

    python -m tests.crash.lines --modes plain,tracked --code job --stride 1 --jobs 2
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.crash.aftermath import aftermath, life_in, report_of_undisturbed, totals
from tests.crash.figures import EVERY, finish, folder, guarded, options_of, spread
from tests.crash.processes import JOB, PATH_OF_A_REQUEST, RECORD, ServerProcess, run_life
from tests.crash.work import MODES

CODE = {"request": PATH_OF_A_REQUEST, "job": JOB, "record": RECORD}


def main(arguments: list[str] | None = None) -> int:
    options = options_of("lines", arguments, modes=",".join(MODES), code=tuple(CODE), only=0, jobs=2, **EVERY)
    started, failures = time.monotonic(), []
    figure: dict = {"what": "kill -9 at executed lines", "code": options.code}
    for mode in options.modes.split(","):
        if options.only:
            positions = [options.only]
        else:
            positions = range(1 + options.first, executed_lines(mode, options.code) + 1, options.stride)
        cases = spread([(mode, options.code, at) for at in positions], crash_at, options.jobs)
        figure[mode] = summary(cases)
        failures += [case for case in cases if case["problem"]]
    return finish(figure, failures, started)


def executed_lines(mode: str, code: str) -> int:
    """Count the lines of a run that nobody disturbs."""
    with folder() as place, ServerProcess() as server:
        end = run_life(life_in(Path(place), server, mode), counted=CODE[code]).end()
        return report_of_undisturbed(end)["lines"]


def crash_at(cases: Iterable[tuple[str, str, int]]) -> Iterable[dict]:
    with ServerProcess() as server:
        for mode, code, position in cases:
            with folder() as place:
                run = partial(crash_and_resume, Path(place), server, mode, code, position)
                found = guarded(run, killed=False, place=None, stayed_unknown=0)
            command = f"python -m tests.crash.lines --modes {mode} --code {code} --only {position}"
            yield {"command": command, **found}


def crash_and_resume(place: Path, server: ServerProcess, mode: str, code: str, position: int) -> dict:
    """Kill a run at a line, audit what it left, resume it to the end, and audit that."""
    server.ask("reset")
    life = life_in(place, server, mode)
    death = run_life(life, kill_at=position, counted=CODE[code]).end()
    after = aftermath(life, server)
    if death.report and "error" in death.report:
        after.problems.append(death.report["error"])
    stayed_unknown = after.report.get("unknown", 0)
    if mode != "plain" and stayed_unknown > _never_accepted(after.left, after.ledger):
        after.problems.append(f"{stayed_unknown} chunks stayed unknown in mode {mode}")
    return after.told(killed=death.signal == 9, place=death.place, stayed_unknown=stayed_unknown)


def _never_accepted(left, ledger) -> int:
    """How many unknown chunks the server knows nothing of: no webhook will ever come for those."""
    open_chunks = sum(state in {"unknown", "sending"} for state in left.states.values())
    known = {record["workflow_id"] for record in ledger["accepted"]}
    bought = sum(state not in {"unknown", "sending", "planned"} for state in left.states.values())
    return open_chunks - (len(known) - bought)


def summary(cases: list[dict]) -> dict:
    return {
        "positions": sum(case["killed"] for case in cases),
        "lines": len({case["place"] for case in cases if case["place"]}),
        **totals(cases),
        "stayed_unknown": sum(case["stayed_unknown"] > 0 for case in cases),
    }


if __name__ == "__main__":
    sys.exit(main())
