"""Seeded storms: processes killed at random moments, between faults at random requests, and webhooks.

::

    python -m tests.crash.storms --runs 10000 --seed 1 --jobs 2
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.crash.auditor import audit
from tests.crash.figures import finish, folder, guarded, options_of, spread
from tests.crash.mishaps import ALL, BY_NAME
from tests.crash.processes import ServerProcess, run_life
from tests.crash.work import CONTACTS, Life, write_source

LINES = 8_500
"""About as many as a whole run executes."""
_SLOW = {"stall before", "stall after", "stall in the body", "answer too late", "huge"}
KINDS = [mishap.name for mishap in ALL if mishap.name not in _SLOW]
"""All but those that would make a storm wait for whole timeouts in real time."""


def main(arguments: list[str] | None = None) -> int:
    options = options_of("storms", arguments, modes="plain,tracked", runs=300, seed=0, only=int, jobs=2)
    started = time.monotonic()
    seeds = [options.only] if options.only is not None else range(options.seed, options.seed + options.runs)
    cases = [(options.modes.split(",")[seed % len(options.modes.split(","))], seed) for seed in seeds]
    ends = spread(cases, weather, options.jobs)
    failures = [end for end in ends if end["problem"]]
    figure = {
        "what": "storms",
        "modes": options.modes,
        "runs": len(ends),
        "kills": sum(end["kills"] for end in ends),
        "faults": sum(end["faults"] for end in ends),
        "dup": sum(end["dup"] for end in ends),
        "lost": sum(end["lost"] for end in ends),
        "unknown_max": max((end["unknown"] for end in ends), default=0),
        "runs_with_unknown": sum(end["unknown"] > 0 for end in ends),
    }
    return finish(figure, failures, started)


def weather(cases: Iterable[tuple[str, int]]) -> Iterable[dict]:
    with ServerProcess() as server:
        for mode, seed in cases:
            with folder() as place:
                found = guarded(partial(storm, Path(place), server, mode, seed), kills=0, faults=0)
            command = f"python -m tests.crash.storms --modes {mode} --only {seed}"
            yield {"command": command, **found}


def storm(place: Path, server: ServerProcess, mode: str, seed: int) -> dict:
    """Run a job through one to four deaths and up to twelve faults, then in calm to its end."""
    rng = random.Random(seed)
    faults = {
        f"{kind} {rng.randrange(8)}": name
        for name in rng.sample(KINDS, rng.randint(0, 12))
        for kind in ["status" if BY_NAME[name].submit == "again" else rng.choice(["submit", "status"])]
        if not BY_NAME[name].connection or kind == "submit"
    }
    server.ask("reset", mishaps=faults)
    life = Life(str(place / "run.journal"), str(write_source(place)), server.base_url, mode)
    problems: list[str] = []
    kills = worst = lost = duplicates = 0
    for _ in range(rng.randint(1, 4)):
        death = run_life(life, kill_at=rng.randint(1, LINES)).end()
        kills += death.signal == 9
        left = audit(Path(life.journal), server.ask("ledger"), CONTACTS)
        problems += left.problems
        problems += _complaints(death.report)
        worst, lost, duplicates = max(worst, left.unknown), lost + left.lost, duplicates + left.duplicates
    ledger = server.ask("calm")
    struck = len(ledger["struck"])
    ambiguous = sum(BY_NAME[faults[where]].submit == "unknown" for where in ledger["struck"])
    life.truth = {record["contact"]: record["workflow_id"] for record in ledger["accepted"]}
    report = run_life(life, kill_at=-1).end().report
    end = audit(Path(life.journal), server.ask("ledger"), CONTACTS, over=True)
    problems += [*end.problems, *_complaints(report)]
    if (report or {}).get("state") != "complete":
        problems.append(
            f"the job ends as {report and report.get('state')}: {report and report.get('stopped_by')}"
        )
    if worst > kills + ambiguous:
        problems.append(f"{worst} chunks unknown after {kills} kills and {ambiguous} ambiguous answers")
    if lost or duplicates or end.lost or end.duplicates:
        problems.append(f"dup {duplicates + end.duplicates}, lost {lost + end.lost}")
    return {
        "kills": kills,
        "faults": struck,
        "dup": duplicates + end.duplicates,
        "lost": lost + end.lost,
        "unknown": worst,
        "problem": "; ".join(problems)[-1_500:],
    }


def _complaints(report: dict | None) -> list[str]:
    report = report or {}
    return [*report.get("verify", []), *([report["error"]] if "error" in report else [])]


if __name__ == "__main__":
    sys.exit(main())
