"""Reads a journal with plain sqlite3 beside the server's ledger. Shares no code with the package."""

from __future__ import annotations

import shutil
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

_BOUGHT = {"accepted", "fetching", "done", "partial", "remote_failed", "remote_expired"}


@dataclass
class Finding:
    """What a journal and a ledger say about each other."""

    duplicates: int = 0
    """Contacts accepted more than once without a decision."""
    lost: int = 0
    """Workflows that the server has, and of which the journal knows nothing."""
    unknown: int = 0
    """Chunks that are unknown, or would be upon resume."""
    states: dict[int, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def counts(left: Finding, end: Finding) -> dict[str, int]:
    """What was found before a job was resumed, and at its end."""
    return {"dup": left.duplicates + end.duplicates, "lost": left.lost + end.lost, "unknown": left.unknown}


def audit(journal: Path, ledger: dict, contacts: int, *, over: bool = False) -> Finding:
    """Check the invariants. *over*: the job has come to its end, and everything must be bought just once."""
    finding = Finding()
    if not journal.exists() or journal.stat().st_size == 0:
        if ledger["accepted"]:
            finding.problems.append("bought without a journal")
        return finding
    with TemporaryDirectory() as folder:
        copy = Path(folder) / journal.name
        for suffix in ("", "-journal", "-wal"):  # opening it may finish what a crash left half done
            if (side := journal.with_name(journal.name + suffix)).exists():
                shutil.copy(side, copy.with_name(copy.name + suffix))
        with closing(sqlite3.connect(copy)) as connection:
            try:
                _audit(connection, ledger, contacts, finding, over=over)
            except sqlite3.DatabaseError as damage:
                finding.problems.append(f"the file is damaged: {damage}")
    return finding


def _audit(connection, ledger: dict, contacts: int, finding: Finding, *, over: bool) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'chunks'").fetchone():
        _compare(connection, ledger, contacts, finding)
        if over:
            _check_end(connection, ledger, contacts, finding)
    elif ledger["accepted"]:
        finding.problems.append("bought without a plan")


def _compare(connection: sqlite3.Connection, ledger: dict, contacts: int, finding: Finding) -> None:
    if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
        finding.problems.append("the file is damaged")
    rows = connection.execute(
        "SELECT number, first, last, contacts, state, workflow_id FROM chunks"
    ).fetchall()
    finding.states = {number: state for number, *_, state, _ in rows}
    finding.unknown = sum(state in {"unknown", "sending"} for state in finding.states.values())
    known = {workflow_id for *_, workflow_id in rows if workflow_id}
    decided = defaultdict(int)
    query = "SELECT chunk FROM decisions WHERE decision IN ('absent', 'resubmit')"
    for (chunk,) in connection.execute(query):
        decided[chunk] += 1
    chunk_of = {place: number for number, first, last, *_ in rows for place in range(first, last + 1)}
    _check_partition(connection, rows, chunk_of, contacts, finding)
    bought = defaultdict(list)
    for record in ledger["accepted"]:
        bought[record["contact"]].append(record["workflow_id"])
    for contact, workflows in bought.items():
        chunk = chunk_of.get(place_of(contact))
        if len(workflows) > 1 + decided[chunk]:
            finding.duplicates += 1
    by_workflow = {record["workflow_id"]: record for record in ledger["accepted"]}
    for workflow_id, record in by_workflow.items():
        chunk = chunk_of.get(place_of(record["contact"]))
        is_held = finding.states.get(chunk) in {"unknown", "sending"}
        if workflow_id not in known and not is_held and not decided[chunk]:
            finding.lost += 1
    _check_attempts(connection, by_workflow, chunk_of, finding)
    for number, _first, _last, _count, state, workflow_id in rows:
        if state in _BOUGHT and workflow_id not in by_workflow:
            finding.problems.append(
                f"chunk {number} is {state} with a workflow that the server does not have"
            )


def _check_partition(connection, rows, chunk_of, contacts, finding) -> None:
    if not rows and not connection.execute("SELECT 1 FROM job").fetchone():
        return
    query = "SELECT place FROM duplicates UNION ALL SELECT place FROM invalid"
    aside = [place for (place,) in connection.execute(query)]
    together = sum(row[3] for row in rows) + len(aside)
    if {*chunk_of, *aside} != set(range(contacts)) or together != contacts:
        finding.problems.append("the chunks do not hold each contact once")


def _check_attempts(connection, by_workflow, chunk_of, finding) -> None:
    """Every submission in the ledger was written down before, under its token where it has one."""
    tokens = {
        token: chunk for token, chunk in connection.execute("SELECT token, chunk FROM attempts") if token
    }
    written = defaultdict(int)
    for (chunk,) in connection.execute("SELECT chunk FROM attempts"):
        written[chunk] += 1
    accepted = defaultdict(int)
    for record in by_workflow.values():
        chunk = chunk_of.get(place_of(record["contact"]))
        accepted[chunk] += 1
        if record["token"] and tokens.get(record["token"]) != chunk:
            finding.problems.append(f"a submission of chunk {chunk} has a token that was not written down")
    for chunk, times in accepted.items():
        if times > written[chunk]:
            finding.problems.append(
                f"chunk {chunk} was accepted {times} times with {written[chunk]} attempts"
            )


def _check_end(connection: sqlite3.Connection, ledger: dict, contacts: int, finding: Finding) -> None:
    left = {number: state for number, state in finding.states.items() if state != "done"}
    if left:
        finding.problems.append(f"chunks are not done: {left}")
    times = defaultdict(int)
    for record in ledger["accepted"]:
        times[place_of(record["contact"])] += 1
    if dict(times) != dict.fromkeys(range(contacts), 1):
        wrong = {place: times[place] for place in range(contacts) if times[place] != 1}
        finding.problems.append(f"not bought exactly once: {wrong}")
    results = connection.execute(
        "SELECT place, coalesce(credits_charged, credits_estimated), workflow_id FROM results"
    ).fetchall()
    if {place for place, *_ in results} != set(range(contacts)):
        finding.problems.append("contacts without a result")
    truth = {place_of(r["contact"]): (r["credits"], r["workflow_id"]) for r in ledger["accepted"]}
    for place, price, workflow_id in results:
        if truth.get(place) != (price, workflow_id):
            finding.problems.append(f"contact {place}: {(price, workflow_id)} is not {truth.get(place)}")
            break


def place_of(contact: str) -> int:
    """Return the place in the input: the contacts of these tests are called Ada0, Ada1 and so on."""
    return int(contact.removeprefix("Ada"))
