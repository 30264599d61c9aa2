"""A disk that is full after so many bytes, then has room again: nothing lost, nothing twice, a clear error.

The system's limit on the size of a file stands in for the disk, so that no disk need be made.

::

    python -m tests.crash.disks --modes plain,tracked,exact --sizes 83 --jobs 2
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.crash.auditor import audit
from tests.crash.figures import finish, folder, guarded, spread
from tests.crash.processes import Death, ServerProcess, run_life
from tests.crash.work import CONTACTS, MODES, Life, write_source

CLEAR = ("The journal run.journal cannot be used", "Check the disk")
"""What the error must say: which file cannot be written, and where to look."""


def main(arguments: list[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    started, failures = time.monotonic(), []
    figure: dict = {"what": "full disks"}
    for mode in options.modes.split(","):
        sizes = [options.only] if options.only is not None else sizes_of_disks(mode, options.sizes)
        ends = spread([(mode, size) for size in sizes], fill, options.jobs)
        figure[mode] = summary(ends)
        failures += [end for end in ends if end["problem"]]
    return finish(figure, failures, started)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.disks")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--sizes", type=int, default=83, help="how many sizes")
    parser.add_argument("--only", type=int, default=None, help="one size, in bytes")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    return parser


def sizes_of_disks(mode: str, count: int) -> list[int]:
    """Return so many sizes, from no room at all to just too little for the journal of the whole job."""
    with folder() as place, ServerProcess() as server:
        life = _life(Path(place), server, mode)
        end = run_life(life, kill_at=-1).end()
        if not end.report or end.report.get("state") != "complete":
            raise RuntimeError(f"the undisturbed run failed: {end}")
        needed = Path(life.journal).stat().st_size
    return [(needed - 1) * number // max(1, count - 1) for number in range(count)]


def fill(cases: Iterable[tuple[str, int]]) -> Iterable[dict]:
    with ServerProcess() as server:
        for mode, size in cases:
            with folder() as place:
                run = partial(_fill, Path(place), server, mode, size)
                found = guarded(run, full=False, clear=False)
            command = f"python -m tests.crash.disks --modes {mode} --only {size}"
            yield {"command": command, **found}


def _life(place: Path, server: ServerProcess, mode: str) -> Life:
    return Life(str(place / "run.journal"), str(write_source(place)), server.base_url, mode)


def _fill(place: Path, server: ServerProcess, mode: str, size: int) -> dict:
    """Run the job into a full disk, audit what it left, resume it with room to its end, and audit that."""
    server.ask("reset")
    life = _life(place, server, mode)
    stopped = run_life(life, kill_at=-1, file_bytes=size).end()
    ledger = server.ask("ledger")
    left = audit(Path(life.journal), ledger, CONTACTS)
    life.truth = {record["contact"]: record["workflow_id"] for record in ledger["accepted"]}
    resumed = run_life(life, kill_at=-1).end()
    end = audit(Path(life.journal), server.ask("ledger"), CONTACTS, over=True)
    report = resumed.report or {"error": f"died of signal {resumed.signal}"}
    problems = [*left.problems, *end.problems, *report.get("verify", [])]
    problems += [report["error"]] if "error" in report else []
    if report.get("state") != "complete":
        problems.append(f"the resumed job is {report.get('state')}: {report.get('stopped_by')}")
    said = what_it_said(stopped)
    is_clear = all(part in said for part in CLEAR)
    if not is_clear:
        problems.append(f"a disk of {size} bytes: {said or 'no error'}")
    found = {"dup": left.duplicates + end.duplicates, "lost": left.lost + end.lost, "unknown": left.unknown}
    if found["dup"] or found["lost"] or found["unknown"] > 1:
        problems.append(str(found))
    return {**found, "full": bool(said), "clear": is_clear, "problem": "; ".join(problems)[-1_500:]}


def what_it_said(death: Death) -> str:
    """Return the error that ended a run: what it raised, or what its report says it was stopped by."""
    report = death.report or {}
    raised = report.get("error", "").strip()
    return raised.splitlines()[-1] if raised else report.get("stopped_by") or ""


def summary(ends: list[dict]) -> dict:
    return {
        "sizes": sum(end["full"] for end in ends),
        "dup": sum(end["dup"] for end in ends),
        "lost": sum(end["lost"] for end in ends),
        "unknown_max": max((end["unknown"] for end in ends), default=0),
        "without_a_clear_error": sum(not end["clear"] for end in ends),
    }


if __name__ == "__main__":
    sys.exit(main())
