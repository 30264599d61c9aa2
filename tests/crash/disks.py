"""A disk that is full after so many bytes, then has room again: nothing lost, nothing twice, a clear error.

The system's limit on the size of a file stands in for the disk, so that no disk need be made.

::

    python -m tests.crash.disks --modes plain,tracked,exact --sizes 83 --jobs 2
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.crash.aftermath import aftermath, life_in, report_of_undisturbed, totals
from tests.crash.figures import finish, folder, guarded, options_of, spread
from tests.crash.processes import Death, ServerProcess, run_life
from tests.crash.work import MODES

CLEAR = ("The journal run.journal cannot be used", "Check the disk")
"""What the error must say: which file cannot be written, and where to look."""


def main(arguments: list[str] | None = None) -> int:
    options = options_of("disks", arguments, modes=",".join(MODES), sizes=83, only=int, jobs=2)
    started, failures = time.monotonic(), []
    figure: dict = {"what": "full disks"}
    for mode in options.modes.split(","):
        sizes = [options.only] if options.only is not None else sizes_of_disks(mode, options.sizes)
        ends = spread([(mode, size) for size in sizes], fill, options.jobs)
        figure[mode] = summary(ends)
        failures += [end for end in ends if end["problem"]]
    return finish(figure, failures, started)


def sizes_of_disks(mode: str, count: int) -> list[int]:
    """Return so many sizes, from no room at all to just too little for the journal of the whole job."""
    with ServerProcess() as server:
        # By a page more or less, as the records fall: every run needs as much as the least of some.
        needed = min(_needed(server, mode) for _ in range(3))
    return [(needed - 1) * number // max(1, count - 1) for number in range(count)]


def _needed(server: ServerProcess, mode: str) -> int:
    """Return the bytes of the journal of an undisturbed run."""
    server.ask("reset")
    with folder() as place:
        life = life_in(Path(place), server, mode)
        report_of_undisturbed(run_life(life, kill_at=-1).end())
        return Path(life.journal).stat().st_size


def fill(cases: Iterable[tuple[str, int]]) -> Iterable[dict]:
    with ServerProcess() as server:
        for mode, size in cases:
            with folder() as place:
                run = partial(_fill, Path(place), server, mode, size)
                found = guarded(run, full=False, clear=False)
            command = f"python -m tests.crash.disks --modes {mode} --only {size}"
            yield {"command": command, **found}


def _fill(place: Path, server: ServerProcess, mode: str, size: int) -> dict:
    """Run the job into a full disk, audit what it left, resume it with room to its end, and audit that."""
    server.ask("reset")
    life = life_in(place, server, mode)
    said = what_it_said(run_life(life, kill_at=-1, file_bytes=size).end())
    after = aftermath(life, server)
    is_clear = all(part in said for part in CLEAR)
    if not is_clear:
        after.problems.append(f"a disk of {size} bytes: {said or 'no error'}")
    return after.told(full=bool(said), clear=is_clear)


def what_it_said(death: Death) -> str:
    """Return the error that ended a run: what it raised, or what its report says it was stopped by."""
    report = death.report or {}
    raised = report.get("error", "").strip()
    return raised.splitlines()[-1] if raised else report.get("stopped_by") or ""


def summary(ends: list[dict]) -> dict:
    return {
        "sizes": sum(end["full"] for end in ends),
        **totals(ends),
        "without_a_clear_error": sum(not end["clear"] for end in ends),
    }


if __name__ == "__main__":
    sys.exit(main())
