"""What does importing the client cost, beside importing httpx and pydantic?

Each import in a process of its own, interleaved; CPU time over that of `pass`, as the system accounts it. httpx
loads asyncio with its first request, ours at once: the second line has it too, as any program has that awaits.

    python -m benchmarks.import_time [--rounds 9]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from functools import partial

from benchmarks import report
from benchmarks.measuring import ratio, rounds_of

FLOOR, FLOOR_AND_ASYNCIO, OURS, OFFICIAL = (
    "httpx + pydantic.BaseModel",
    "httpx + pydantic.BaseModel + asyncio",
    "cleanlist_async.AsyncCleanlist",
    "cleanlist_ai.aio.Cleanlist",
)
CODE = {
    "pass": "pass",
    FLOOR: "import httpx; from pydantic import BaseModel",
    FLOOR_AND_ASYNCIO: "import asyncio, httpx; from pydantic import BaseModel",
    OURS: "from cleanlist_async import AsyncCleanlist",
    OFFICIAL: "from cleanlist_ai.aio import Cleanlist",
}
AT_MOST = 1.2


def seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(rounds: int = 9) -> report.Section:
    times = rounds_of({name: partial(seconds, code) for name, code in CODE.items()}, rounds)
    nothing = times.pop("pass")
    over = {name: [t - n for t, n in zip(taken, nothing, strict=True)] for name, taken in times.items()}
    rows = [
        (name, f"{1e3 * statistics.median(taken):.0f}", str(ratio(taken, over[FLOOR])))
        for name, taken in over.items()
    ]
    ours = ratio(over[OURS], over[FLOOR])
    return report.Section(
        "Import",
        report.text_of(__doc__),
        [report.Table(("import", "CPU over pass, ms", f"ratio (middle half of {rounds} rounds)"), rows)],
        [
            report.Target(
                f"import: CPU beside {FLOOR}", f"at most {AT_MOST}", str(ours), ours.median <= AT_MOST
            )
        ],
    )


if __name__ == "__main__":
    report.command(measure)
