"""What does a contact cost from a CSV file into requests, and from answers into a CSV file?

No network: the files are real, the answers are one body of 250 results, repeated. The floor does no more than it
must: csv.reader, dicts and json.dumps; json.loads and csv.writer. Ours validates each contact, keeps it to the bytes
that are sent, types each row, makes sure that it belongs to its contact (the floor takes the n-th for the n-th),
and keeps spreadsheets from running what it writes. The second stage reads the contacts as the first does; it has
no target, for its floor does nothing of what it is for. Neither looks for duplicates: those have benchmarks of
their own, of memory and of growth.

250 contacts to bytes: both are given the same `Contact`s, of which the floor makes dicts, checks them by hand and
dumps them. The other lines of that table are for whom the dicts are there already.

    python -m benchmarks.pipe [--contacts 10000 100000 1000000] [--rounds 3]
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.local_server import RESULTS, WORKFLOW_ID, status
from benchmarks.measuring import Spread, in_new_process, peak_mib, ratio, rounds_of, stopwatch
from benchmarks.people import write_csv
from cleanlist_async import Contact
from cleanlist_async.api.public import BULK_STATUS
from cleanlist_async.cli.enrich.outcome import enrichment_cells
from cleanlist_async.contacts.chunking import Chunker, bulk_body, chunked
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.contacts.identity import ContactLike, Prepared, prepare
from cleanlist_async.enrich import row_results as settle
from cleanlist_async.enrich.matching import match_rows
from cleanlist_async.http.decode import parse_json
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables import ENRICHMENT_COLUMNS, ContactTable, EnrichedWriter

SIZES = (10_000, 100_000, 1_000_000)
CPU_ROUNDS_AT_MOST = 100_000
ANSWER = json.dumps(status()).encode()
MOST_TIMES_THE_FLOOR, MOST_TIMES_A_DUMP, MOST_GROWTH_MIB = 3.0, 1.2, 10.0


def people(count: int) -> Iterator[Contact]:
    """The people of the answer, again and again, so that each chunk of 250 is answered by it."""
    for number in range(count):
        person = number % RESULTS
        yield Contact(
            first_name=f"Ada{person}",
            last_name="Lovelace",
            company_domain=f"company{person}.com",
            key=f"row-{number}",
        )


def prepared(table: ContactTable) -> Iterator[Prepared]:
    for index, contact in enumerate(table.contacts()):
        checked = prepare(index, contact)
        assert isinstance(checked, Prepared)
        yield checked


def requests_ours(source: Path, _target: Path) -> None:
    for chunk in chunked(prepared(ContactTable.open(source)), Chunker()):
        bulk_body(chunk, "partial")


def requests_floor(source: Path, _target: Path) -> None:
    with source.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        headers = next(reader)
        sent = headers[: headers.index("key")]
        while rows := list(islice(reader, RESULTS)):
            contacts = [dict(zip(sent, row, strict=False)) for row in rows]
            json.dumps({"contacts": contacts, "enrichment_type": "partial"}).encode()


def answers_ours(source: Path, _target: Path) -> None:
    for chunk in chunked(prepared(ContactTable.open(source)), Chunker()):
        results_of(chunk)


def results_of(chunk: Sequence[Prepared]) -> list[EnrichmentResult]:
    """Read an answer, and give each contact the row that is certainly its own."""
    rows = BULK_STATUS.parse(parse_json(ANSWER)).rows
    task_ids = [row.task_id for row in rows[: len(chunk)]]
    given = match_rows([contact.contact for contact in chunk], task_ids, rows, whole=True)
    return [
        settle.found(contact, given[position], WORKFLOW_ID, None, "partial")
        for position, contact in enumerate(chunk)
    ]


def answers_floor(source: Path, _target: Path) -> None:
    with source.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        while rows := list(islice(reader, RESULTS)):
            answer: dict[str, Any] = json.loads(ANSWER)
            list(zip(rows, answer["results"], strict=False))


def results_ours(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        count = sum(1 for _ in file) - 1
    table = ContactTable.open(source)
    results = results_of(next(chunked(prepared(table), Chunker())))
    with EnrichedWriter(target, table, overwrite=True) as writer:
        for index, result in zip(range(count), cycle(results), strict=False):
            writer.put(index, enrichment_cells(result, ()))


def results_floor(source: Path, target: Path) -> None:
    answer: dict[str, Any] = json.loads(ANSWER)
    with (
        source.open(newline="", encoding="utf-8") as file,
        target.open("w", newline="", encoding="utf-8") as output,
    ):
        reader, writer = csv.reader(file), csv.writer(output)
        writer.writerow([*next(reader), *ENRICHMENT_COLUMNS])
        for row, found in zip(reader, cycle(answer["results"]), strict=False):
            email, phones = found["primary_email"], "; ".join(found["personal_phone_numbers"])
            status = "found" if email or phones else "not_found"
            price = 1 if email else 0
            email_status, task_id = found["primary_email_status"], found["task_id"]
            new = [status, email, email_status, phones, price, None, answer["workflow_id"], task_id, None]
            writer.writerow([*row, *new])


def one_request() -> Mapping[tuple[str, str], Spread]:
    """CPU of 250 contacts to the bytes of a request, beside dicts, a check by hand and json.dumps.

    Both are given the same. For whom the dicts are there already, the floor only checks and dumps them: those lines
    stand beside it, and when we are given dicts, we make of each the `Contact` that comes back with its result.
    """
    contacts = list(people(RESULTS))
    dicts = [fields_of(contact) for contact in contacts]

    def contacts_ours() -> None:
        body_of(contacts)

    def dicts_ours() -> None:
        body_of(dicts)

    def contacts_floor() -> None:
        checked_and_dumped([fields_of(contact) for contact in contacts])

    def dicts_floor() -> None:
        checked_and_dumped(dicts)

    def cpu_of(work: Callable[[], None]) -> float:
        with stopwatch() as watch:
            for _ in range(100):
                work()
        return watch.cpu_s

    works = (contacts_ours, dicts_ours, contacts_floor, dicts_floor)
    taken = rounds_of({work.__name__: partial(cpu_of, work) for work in works}, 15)
    return {
        SAME_CONTACTS: ratio(taken["contacts_ours"], taken["contacts_floor"]),
        ("Contacts", "dicts"): ratio(taken["contacts_ours"], taken["dicts_floor"]),
        ("dicts", "dicts"): ratio(taken["dicts_ours"], taken["dicts_floor"]),
    }


def body_of(given: Sequence[ContactLike]) -> bytes:
    checked = [prepare(index, contact) for index, contact in enumerate(given)]
    return bulk_body([contact for contact in checked if isinstance(contact, Prepared)], "partial")


def fields_of(contact: Contact) -> dict[str, str]:
    return {name: value for name in API_FIELDS if (value := getattr(contact, name))}


def checked_and_dumped(dicts: Sequence[Mapping[str, str]]) -> bytes:
    for fields in dicts:
        by_name = fields.get("first_name") and fields.get("last_name")
        has_company = fields.get("company_domain") or fields.get("company_name")
        if not (fields.get("linkedin_url") or (by_name and has_company)):
            raise ValueError("not enough to look for")
    return json.dumps({"contacts": dicts, "enrichment_type": "partial"}).encode()


SAME_CONTACTS = ("Contacts", "Contacts")
Work = Callable[[Path, Path], None]
REQUESTS, ANSWERS, RESULTS_TO_CSV = "CSV to requests", "CSV and answers to results", "results to CSV"
STAGES: Mapping[str, tuple[Work, Work]] = {
    REQUESTS: (requests_ours, requests_floor),
    ANSWERS: (answers_ours, answers_floor),
    RESULTS_TO_CSV: (results_ours, results_floor),
}


def cpu_s(work: Work, source: Path, target: Path) -> float:
    with stopwatch() as watch:
        work(source, target)
    return watch.cpu_s


@dataclass(frozen=True)
class Apart:
    """What one piece of work took in a process of its own."""

    cpu_s: float
    peak_mib: float


def apart(work: Work, source: Path, target: Path) -> Apart:
    return Apart(cpu_s(work, source, target), peak_mib())


def measure(contacts: Sequence[int] = SIZES, rounds: int = 3) -> report.Section:
    ratios: dict[tuple[str, int], Spread] = {}
    cpu: dict[tuple[str, int], tuple[list[float], list[float]]] = {}
    alone: dict[tuple[Work, int], Apart] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.csv"), Path(folder, "out.csv")
        for size in contacts:
            write_csv(source, people(size))
            for stage, (ours, floor) in STAGES.items():
                alone |= {(work, size): in_new_process(apart, work, source, target) for work in (ours, floor)}
                turns = rounds if size <= CPU_ROUNDS_AT_MOST else 0
                timed = rounds_of(
                    {w.__name__: partial(cpu_s, w, source, target) for w in (ours, floor)}, turns
                )
                more = [*timed[ours.__name__], alone[ours, size].cpu_s]
                theirs = [*timed[floor.__name__], alone[floor, size].cpu_s]
                ratios[stage, size] = ratio(more, theirs)
                cpu[stage, size] = (more, theirs)
    return section(contacts, ratios, both_ways(cpu, contacts), alone, rounds)


def both_ways(cpu: dict[tuple[str, int], tuple[list[float], list[float]]], sizes: Sequence[int]) -> Spread:
    """The ratio for a contact that goes into a request, and its result into a file."""
    middle = sizes[len(sizes) // 2]
    ours, floor = (
        [
            there + back
            for there, back in zip(cpu[REQUESTS, middle][who], cpu[RESULTS_TO_CSV, middle][who], strict=True)
        ]
        for who in (0, 1)
    )
    return ratio(ours, floor)


def section(
    sizes: Sequence[int],
    ratios: dict[tuple[str, int], Spread],
    total: Spread,
    alone: dict[tuple[Work, int], Apart],
    rounds: int,
) -> report.Section:
    rows = [
        (
            stage,
            f"{size:,}",
            str(ratios[stage, size]),
            f"{size / alone[ours, size].cpu_s:,.0f}",
            f"{size / alone[floor, size].cpu_s:,.0f}",
            f"{alone[ours, size].peak_mib:.0f}",
            f"{alone[floor, size].peak_mib:.0f}",
        )
        for stage, (ours, floor) in STAGES.items()
        for size in sizes
    ]
    columns = (
        "stage",
        "contacts",
        f"CPU, ratio to the floor, {rounds + 1} rounds",
        "contacts per CPU second",
        "floor",
        "peak RSS, MiB",
        "floor",
    )
    largest, smallest = max(sizes), min(sizes)
    found = ratios[REQUESTS, sizes[len(sizes) // 2]]
    requests = one_request()
    targets = [
        report.Target(
            "CSV to requests and results to CSV: CPU beside the floor",
            f"at most {MOST_TIMES_THE_FLOOR:g}",
            str(total),
            total.median <= MOST_TIMES_THE_FLOOR,
        ),
        report.Target(
            f"of that, {REQUESTS}",
            f"at most {MOST_TIMES_THE_FLOOR:g}",
            str(found),
            found.median <= MOST_TIMES_THE_FLOOR,
        ),
        report.Target(
            "250 contacts to bytes: CPU beside dicts of the same contacts, a check by hand and json.dumps",
            f"at most {MOST_TIMES_A_DUMP:g}",
            str(requests[SAME_CONTACTS]),
            requests[SAME_CONTACTS].median <= MOST_TIMES_A_DUMP,
        ),
    ]
    growth = {
        stage: alone[ours, largest].peak_mib - alone[ours, smallest].peak_mib
        for stage, (ours, _) in STAGES.items()
    }
    targets += [
        report.Target(
            f"{stage}: memory from {smallest:,} to {largest:,} contacts",
            "flat",
            f"{mib:+.0f} MiB",
            mib <= MOST_GROWTH_MIB,
        )
        for stage, mib in growth.items()
    ]
    text = report.text_of(__doc__)
    lines = {
        f"{stage}, {who}": [(size, alone[work, size].cpu_s) for size in sizes]
        for stage, works in STAGES.items()
        for who, work in zip(("ours", "floor"), works, strict=True)
    }
    plots = [report.Lines("pipe", "Contacts through the pipe", lines, "CPU, s", "contacts")]
    tables = [report.Table(columns, rows), request_table(requests)]
    return report.Section("Contacts through the pipe", text, tables, targets, plots)


def request_table(requests: Mapping[tuple[str, str], Spread]) -> report.Table:
    rows = [(ours, floor, str(spread)) for (ours, floor), spread in requests.items()]
    columns = ("we are given", "the floor is given", "CPU, ratio to the floor")
    return report.Table(columns, rows, "250 contacts to the bytes of a request")


if __name__ == "__main__":
    report.command(measure)
