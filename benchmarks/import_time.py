"""What does importing the client cost, beside importing httpx and pydantic?

Each import in a process of its own, interleaved; CPU time over that of `pass`, as the system accounts it.

    python benchmarks/import_time.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys

CANDIDATES = {
    "pass": "pass",
    "httpx + pydantic.BaseModel": "import httpx; from pydantic import BaseModel",
    "from cleanlist_async import AsyncCleanlist": "from cleanlist_async import AsyncCleanlist",
}


def seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for _ in range(rounds):
        for name, code in CANDIDATES.items():
            times[name].append(seconds(code))
    nothing, floor, ours = (times[name] for name in CANDIDATES)
    ratios = sorted((o - n) / (f - n) for n, f, o in zip(nothing, floor, ours, strict=True))
    print(f"{rounds} interleaved rounds, medians\n")
    print("| import | ms over pass |")
    print("|---|---|")
    print(
        f"| httpx + pydantic.BaseModel | {1e3 * (statistics.median(floor) - statistics.median(nothing)):.0f} |"
    )
    print(f"| AsyncCleanlist | {1e3 * (statistics.median(ours) - statistics.median(nothing)):.0f} |")
    print(f"\nratio: {statistics.median(ratios):.2f} (middle half {ratios[len(ratios) // 4]:.2f}"
          f" to {ratios[3 * len(ratios) // 4]:.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
