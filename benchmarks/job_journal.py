"""What does the journal cost per submit, and does that grow with the job?

Everything a chunk of 250 contacts writes, with all of its rows, each step on the disk before the next; rounds
in an empty and in a full journal take turns. At full rate a key sends one request in 2 s. Beside it the bare disk:
the same number of SQLite transactions, each of one small row, with the same settings.

    python -m benchmarks.job_journal [--contacts 100000] [--rounds 100] [--folder DIR]
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from pathlib import Path

from benchmarks import report
from cleanlist_async import Contact
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Acceptance, Attempt, Header
from cleanlist_async.job.status import status_of
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.testing.strict_server import Workflow

REQUEST_S, CHUNK = 2.0, 250
STEPS = ("intend", "accepted", "fetching", "settled")
MOST_SHARE = 0.02

Times = dict[str, list[float]]


class Chunks:
    """A journal with so many chunks, which are sent and settled one after the other."""

    def __init__(self, path: Path, contacts: int, spare: int) -> None:
        chunks = contacts // CHUNK + spare
        self.journal = Journal.create(path)
        with self.journal.transaction():
            for number in range(chunks):
                first = number * CHUNK
                self.journal.plan_chunk(first, first + CHUNK - 1, CHUNK, number.to_bytes(16, "big"))
            self.header = header_of(path, chunks * CHUNK)
            self.journal.begin(self.header)
        self.next_number = count(1)
        self._fill(contacts // CHUNK)

    def _fill(self, chunks: int) -> None:
        self.journal._db.execute("PRAGMA synchronous = OFF")
        for _ in range(chunks):
            self.run_one(lambda _step, act: act())
        self.journal._db.execute("PRAGMA synchronous = EXTRA")

    def run_one(self, measured: Callable[[str, Callable[[], object]], object]) -> None:
        """Write all that one chunk writes, each step through *measured*."""
        number = next(self.next_number)
        attempt = Attempt(submission=f"{number:032x}", chunk=number)
        workflow = workflow_of(number)
        results = results_of(workflow, number)
        ids = tuple(workflow.task_ids)
        acceptance = Acceptance(workflow.workflow_id, ids, "key", f"req_{number:016x}", body=str(ids))
        measured("intend", lambda: self.journal.intend(attempt, CHUNK))
        measured("accepted", lambda: self.journal.accepted(attempt, acceptance))
        measured("fetching", lambda: self.journal.fetching(number))
        measured("settled", lambda: self.journal.settled(number, results, acceptance.request_id))


def header_of(path: Path, contacts: int) -> Header:
    return Header(
        name=path.name,
        created_at="2026-01-01T00:00:00+00:00",
        origin="http://localhost",
        enrichment_type="partial",
        submit_mode="plain",
        half_full_price="full",
        webhook=None,
        max_credits=None,
        source_name="benchmark",
        source_digest="",
        duplicates_digest=bytes(16),
        salt=bytes(16),
        contacts=contacts,
    )


def workflow_of(number: int) -> Workflow:
    return Workflow(
        workflow_id=f"public_bulk_{number:08x}-0000-4000-8000-000000000000",
        contacts=[
            {"first_name": f"Ada{n}", "last_name": f"Lovelace{number}", "company_domain": "example.com"}
            for n in range(CHUNK)
        ],
        task_ids=[f"{number:08x}-0000-4000-8000-{n:012x}" for n in range(CHUNK)],
        enrichment_type="partial",
        hit_rate=0.7,
        submitted_at=0.0,
        finishes_at=0.0,
    )


def results_of(workflow: Workflow, number: int) -> list[EnrichmentResult]:
    rows = workflow.report(0.0, rows=True)["results"]
    assert isinstance(rows, list)
    return [
        EnrichmentResult(
            index=(number - 1) * CHUNK + place,
            contact=Contact(),
            status="found" if row["primary_email"] else "not_found",
            email=row["primary_email"],
            email_status=row["primary_email_status"],
            task_id=row["task_id"],
            workflow_id=workflow.workflow_id,
            credits_estimated=1.0 if row["primary_email"] else 0.0,
            raw=row,
        )
        for place, row in enumerate(rows)
    ]


class BareDisk:
    """One small row per transaction, as safe as the journal's."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for statement in ("journal_mode = TRUNCATE", "synchronous = EXTRA"):
            self._connection.execute(f"PRAGMA {statement}")
        self._connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT)")

    def commit(self) -> None:
        """Write one row, on the disk when this returns."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO rows (text) VALUES ('intent')")
        self._connection.execute("COMMIT")


def take_times(chunks: Chunks, times: Times) -> None:
    def timed(step: str, act: Callable[[], object]) -> None:
        start = time.perf_counter()
        act()
        times[step].append(time.perf_counter() - start)

    chunks.run_one(timed)
    times["all four"].append(sum(times[step][-1] for step in STEPS))
    timed("credits committed (before a submit)", chunks.journal.committed)
    timed("status (for a display)", lambda: status_of(chunks.journal, chunks.header, running=True))


def measure(contacts: int = 100_000, rounds: int = 100, folder: str | None = None) -> report.Section:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        full = Chunks(Path(name, "full.journal"), contacts, rounds)
        empty = Chunks(Path(name, "empty.journal"), 0, rounds)
        size_mib = Path(name, "full.journal").stat().st_size / 2**20
        disk = BareDisk(Path(name, "bare.db"))
        at_start, at_end, bare = (defaultdict[str, list[float]](list) for _ in range(3))
        for _ in range(rounds):
            take_times(empty, at_start)
            take_times(full, at_end)
            start = time.perf_counter()
            for _ in STEPS:
                disk.commit()
            bare["all four"].append(time.perf_counter() - start)
    shares = {step: statistics.median(seconds) / REQUEST_S for step, seconds in at_end.items()}
    rows = [
        (step, text(at_start[step]), text(seconds), f"{shares[step]:.2%}") for step, seconds in at_end.items()
    ]
    return report.Section(
        "The journal of a durable job",
        f"{report.text_of(__doc__)}\n\n"
        f"Empty: no results yet; full: {contacts:,} results, {size_mib:,.0f} MiB; {rounds} interleaved rounds; "
        "ms, median (99th percentile).",
        [
            report.Table(
                ("step", "empty", "full", "full, share of 2 s"),
                [*rows, ("four bare transactions", text(bare["all four"]), "", "")],
            )
        ],
        [
            report.Target(
                "all four steps of a submit, share of a request's 2 s",
                f"under {MOST_SHARE:.0%}",
                f"{shares['all four']:.2%}",
                shares["all four"] < MOST_SHARE,
            )
        ],
    )


def text(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"{statistics.median(ordered) * 1000:.2f} ({ordered[int(len(ordered) * 0.99)] * 1000:.1f})"


if __name__ == "__main__":
    report.command(measure)
