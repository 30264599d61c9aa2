"""Print the scorecard: ``python -m tests.scorecard [--long] [TOPIC ...]``.

The short form takes a few minutes and is part of ``.ci/run``; ``--long`` repeats the counts at the size that
a release is judged by. The exit code is 1 when a figure misses its limit, but for times: they are printed
with their limit as information, since they depend on the machine.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterator

from tests.scorecard.figure import Figure

TOPICS = (
    "matching",
    "hostile_answers",
    "resending",
    "journals",
    "webhooks",
    "wire",
    "tables",
    "foreign_exceptions",
    "secrets",
    "crashes",
    "store",
)


def main() -> int:
    """Measure the topics that were asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.scorecard")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(TOPICS)}; default: all")
    parser.add_argument("--long", action="store_true", help="the counts that a release is judged by")
    options = parser.parse_args()
    missed = 0
    for topic in options.topics or TOPICS:
        figures: Callable[..., Iterator[Figure]] = importlib.import_module(f"tests.scorecard.{topic}").figures
        began = time.perf_counter()
        print(f"\n{topic.replace('_', ' ')}", flush=True)
        for figure in figures(long=options.long):
            print(f"  {figure}", flush=True)
            missed += not (figure.holds or figure.is_timed)
        print(f"          {time.perf_counter() - began:.0f} s")
    print(f"\n{missed} missed" if missed else "\nall hold")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
