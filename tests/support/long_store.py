"""A store in a file that holds as much as one asks for: purchases, submits, jobs, and an audit trail."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from os import PathLike

ORGANIZATION, ANOTHER = "org-1@api.example", "org-2@api.example"
LIVES, IS_GONE = "lives", "gone"
"""Two owners, one of them of a process that has ended."""
JOBS = {"open": 0.5, "doubtful": 0.99, "finished": 1.0, "new": 0.0}
"""A job of each kind, by its name, and how much of it has an outcome. Half a job is in doubt or under way."""


def result(number: int) -> str:
    """A result as it lies in a row."""
    found = {"status": "found", "email": f"ada{number}@a.example", "credits": 1.0}
    return json.dumps({**found, "raw": {"first_name": f"Ada{number}", "last_name": "Lovelace"}})


def contact(number: int) -> str:
    """A contact as it lies in a row."""
    return json.dumps({"first_name": f"Ada{number}", "last_name": "Lovelace", "company_domain": "a.example"})


def digest(job: str, place: int) -> str:
    """The digest of the contact of a job at a place."""
    return f"{job} {place}"


def fill(path: PathLike[str], size: int) -> None:
    """Fill an empty store: with *size* purchases, lines of the audit trail, and contacts in each job."""
    with closing(sqlite3.connect(path)) as connection:
        for table, rows in contents(size).items():
            marks = ", ".join("?" * (table.count(",") + 1))
            connection.executemany(f"INSERT INTO cleanlist_{table} VALUES ({marks})", rows)
        connection.commit()


def contents(size: int) -> dict[str, Iterable[tuple]]:
    """The rows of each table, with its columns."""
    return {
        "owners (id, place, pid, lease_until)": [(LIVES, "x", 1, 9e9), (IS_GONE, "x", 2, 0.0)],
        "organizations (name, organization)": [("key 1", ORGANIZATION), ("key 2", ANOTHER)],
        "jobs (id, organization, name, type, source, source_digest, contacts, state, spent, submits,"
        " created_at, finished_at)": _jobs(size),
        "job_rows (job, place, digest, contact, first, status, rule)": _rows(size),
        "purchases (organization, digest, type, owner, submission, earlier, result, settled_at)": (
            _purchases(size)
        ),
        "submits (id, organization, type, door, owner, state, contacts, workflow_id, reserved, quarter, at,"
        " job, number)": _submits(size),
        "audit (at, event, organization)": ((float(line), "submit", ORGANIZATION) for line in range(size)),
    }


def _jobs(size: int) -> Iterator[tuple]:
    for name, done in JOBS.items():
        state = name if name in {"doubtful", "finished"} else "open"
        finished_at = None if state == "open" else 1.0
        yield (
            name,
            ORGANIZATION,
            name,
            "partial",
            "a list",
            "",
            size,
            state,
            size * done,
            3,
            0.0,
            finished_at,
        )
    yield ("theirs", ANOTHER, "theirs", "partial", "a list", "", size, "open", 0.0, 0, 0.0, None)


def _rows(size: int) -> Iterator[tuple]:
    for job, done in (*JOBS.items(), ("theirs", 0.0)):
        for place in range(size):
            first = place - 1 if place % 10 == 9 else None
            status = "found" if first is None and place < size * done else None
            number = place if first is None else first
            yield (job, place, digest(job, number), contact(number), first, status, status)


def _purchases(size: int) -> Iterator[tuple]:
    for number in range(size):
        yield (ORGANIZATION, f"p{number}", "partial", None, None, None, result(number), float(1 + number))
        yield (ANOTHER, f"p{number}", "partial", None, None, None, result(number), float(1 + number))
    for job, done in JOBS.items():
        for place in range(int(size * done), min(size, int(size * (done + 0.01)))):
            if place % 10 != 9:
                submit = f"{job} {place // 25}"
                owner = LIVES if job == "open" else None
                yield (ORGANIZATION, digest(job, place), "partial", owner, submit, None, None, None)
    for number in range(size // 100):
        yield (ORGANIZATION, f"e{number}", "partial", None, None, "doubtful 1", result(number), 1.0)


def _submits(size: int) -> Iterator[tuple]:
    for job in JOBS:
        state = {"doubtful": "unknown"}.get(job, "accepted")
        owner = LIVES if job == "open" else IS_GONE
        for number in range(size // 25 + 1):
            name = f"{job} {number}"
            workflow = f"wf {name}" if state == "accepted" else None
            yield (
                *(name, ORGANIZATION, "partial", "job", owner, state, 25, workflow, 0.0, 0, float(number)),
                *(job, number),
            )
