"""What a run that was struck left behind, and what became of it when it was resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.crash.auditor import Finding, audit, counts
from tests.crash.processes import Death, ServerProcess, run_life
from tests.crash.work import CONTACTS, Life, write_source


@dataclass(frozen=True)
class Aftermath:
    """The audit after the strike, the server's ledger then, and the report of the resumed run."""

    left: Finding
    ledger: dict
    report: dict
    found: dict[str, int]
    problems: list[str]

    def told(self, **more: object) -> dict:
        """What a case came to."""
        return {**self.found, **more, "problem": "; ".join(self.problems)[-1_500:]}


def life_in(place: Path, server: ServerProcess, mode: str) -> Life:
    return Life(str(place / "run.journal"), str(write_source(place)), server.base_url, mode)


def aftermath(life: Life, server: ServerProcess) -> Aftermath:
    """Audit what a run left, resume it to the end, and audit that."""
    journal, ledger = Path(life.journal), server.ask("ledger")
    left = audit(journal, ledger, CONTACTS)
    life.truth = {record["contact"]: record["workflow_id"] for record in ledger["accepted"]}
    resumed = run_life(life, kill_at=-1).end()
    end = audit(journal, server.ask("ledger"), CONTACTS, over=True)
    report = resumed.report or {"error": f"died of signal {resumed.signal}"}
    problems = [*left.problems, *end.problems, *report.get("verify", [])]
    if "error" in report:
        problems.append(report["error"])
    if report.get("state") != "complete":
        problems.append(f"the resumed job is {report.get('state')}: {report.get('stopped_by')}")
    found = counts(left, end)
    if found["dup"] or found["lost"] or found["unknown"] > 1:
        problems.append(str(found))
    return Aftermath(left, ledger, report, found, problems)


def report_of_undisturbed(end: Death) -> dict:
    """Return the report of a run that nobody disturbed, which must be complete."""
    if not end.report or end.report.get("state") != "complete":
        raise RuntimeError(f"the undisturbed run failed: {end}")
    return end.report


def totals(cases: Sequence[dict]) -> dict[str, int]:
    """Sum up what the cases of a mode came to."""
    return {
        "dup": sum(case["dup"] for case in cases),
        "lost": sum(case["lost"] for case in cases),
        "unknown_max": max((case["unknown"] for case in cases), default=0),
        "unknown_cases": sum(case["unknown"] > 0 for case in cases),
    }
