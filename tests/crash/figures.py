"""What the commands share: work spread over processes, one JSON line at the end, one command per failure."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from tests.crash.processes import Child

MEMORY = Path("/dev/shm")
EVERY = {"first": 0, "stride": 1}
"""Options of a command with so many cases that a part of them may do."""


def options_of(command: str, arguments: list[str] | None, **known: object) -> argparse.Namespace:
    """Return the options of a command, from the default of each, its choices or its type."""
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.crash.{command}",
        description=sys.modules["__main__"].__doc__,
        epilog="--first leaves out so many cases, --stride takes every so many of the others,\n"
        "--only repeats one as a failure names it, --jobs is the number of processes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, value in known.items():
        if isinstance(value, tuple):
            parser.add_argument(f"--{name}", choices=value, default=value[0])
        elif isinstance(value, type):
            parser.add_argument(f"--{name}", type=value)
        else:
            parser.add_argument(f"--{name}", type=type(value), default=value)
    return parser.parse_args(arguments)


@contextmanager
def folder() -> Iterator[str]:
    """Make a folder, in memory where there is such a place: kill -9 does not tell the difference.

    The records of journals are in it too.
    """
    place = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, prefix="cleanlist-crash-")
    with place as name, mock.patch.dict(os.environ, {"XDG_STATE_HOME": name}):
        yield name


def spread(
    cases: Sequence[object], run: Callable[[Iterable[object]], Iterable[dict]], jobs: int
) -> list[dict]:
    """Run the cases in so many forked processes, and return what each came to."""
    if jobs <= 1:
        return list(run(cases))

    def work(share: int):
        def tell(pipe: int) -> None:
            with os.fdopen(os.dup(pipe), "w") as out:
                out.write(json.dumps({"cases": list(run(cases[share::jobs]))}) + "\n")

        return tell

    children = [Child(work(share)) for share in range(jobs)]
    ends = [child.end(patience_s=24 * 3600.0) for child in children]
    found: list[dict] = []
    for end in ends:
        if end.report is None or "cases" not in end.report:
            raise RuntimeError((end.report or {}).get("error", f"a worker died of signal {end.signal}"))
        found += end.report["cases"]
    return found


def guarded(run: Callable[[], dict], **otherwise: object) -> dict:
    """Run a case; an exception is its problem, and not the end of the others."""
    try:
        return run()
    except Exception:  # noqa: BLE001
        return {"dup": 0, "lost": 0, "unknown": 0, **otherwise, "problem": traceback.format_exc()[-1_500:]}


def complain(failures: Sequence[dict]) -> None:
    """Print the first failures, each with the command that repeats it."""
    for failure in failures[:20]:
        sys.stderr.write(f"FAILED {failure['problem']}\n  {failure['command']}\n")


def finish(figure: dict, failures: Sequence[dict], started: float, *, reached: bool = True) -> int:
    """Print failures, then the figure; return the exit code."""
    complain(failures)
    figure = {**figure, "failed": len(failures), "seconds": round(time.monotonic() - started, 1)}
    sys.stdout.write(json.dumps(figure) + "\n")
    return 1 if failures or not reached else 0
