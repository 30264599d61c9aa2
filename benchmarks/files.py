"""Contacts through files of each format and back: contacts a CPU second, beside the format's own library.

Each format is measured in a process of its own, so that its memory is its own too.

    python -m benchmarks.files [--contacts 100000]
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import python_calamine
import xlsxwriter

from benchmarks import report
from benchmarks.measuring import in_new_process, peak_mib
from cleanlist_async.tables import ContactTable, EnrichedWriter

FORMATS = ("csv", "jsonl", "parquet", "xlsx")
HEADER = ("first_name", "last_name", "company_domain", "note", "score")


def row(number: int) -> tuple[str, str, str, str, str]:
    return f"Ada{number}", "Lovelace", f"engines{number % 1000}.example", "met at the fair", str(number)


def make(folder: Path, kind: str, contacts: int) -> Path:
    """Write a file of invented contacts with the format's own library."""
    path = folder / f"in.{kind}"
    rows = map(row, range(contacts))
    if kind == "csv":
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            writer.writerows(rows)
    elif kind == "jsonl":
        with path.open("w") as file:
            file.writelines(json.dumps(dict(zip(HEADER, cells, strict=True))) + "\n" for cells in rows)
    elif kind == "parquet":
        pq.write_table(pa.table(list(map(list, zip(*rows, strict=True))), names=list(HEADER)), path)
    else:
        book = xlsxwriter.Workbook(path, {"constant_memory": True})
        sheet = book.add_worksheet()
        for number, cells in enumerate([HEADER, *rows]):
            sheet.write_row(number, 0, cells)
        book.close()
    return path


def floor(path: Path, kind: str) -> None:
    """Read and write a file with the format's own library."""
    out = path.with_name(f"floor.{kind}")
    if kind == "csv":
        with path.open(newline="") as source, out.open("w", newline="") as file:
            csv.writer(file).writerows([*cells, *[""] * 9] for cells in csv.reader(source))
    elif kind == "jsonl":
        with path.open() as source, out.open("w") as file:
            file.writelines(json.dumps(json.loads(line)) + "\n" for line in source)
    elif kind == "parquet":
        pq.write_table(pq.read_table(path), out)
    else:
        book = xlsxwriter.Workbook(out, {"constant_memory": True})
        sheet = book.add_worksheet()
        rows = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
        for number, cells in enumerate(rows):
            sheet.write_row(number, 0, cells)
        book.close()


def ours(path: Path, kind: str) -> None:
    """Read each contact, and write its row with an enrichment."""
    table_of = ContactTable.open(path, snapshot=True)
    cells = {"cleanlist_status": "found", "cleanlist_email": "ada@engines.example", "cleanlist_credits": "1"}
    with EnrichedWriter(path.with_name(f"out.{kind}"), table_of) as writer:
        for contact in table_of.rows():
            writer.put(contact.index, cells)


def cpu(work: Callable[[Path, str], None], path: Path, kind: str) -> float:
    started = time.process_time()
    work(path, kind)
    return time.process_time() - started


def one(kind: str, contacts: int) -> dict[str, float]:
    """Measure one format in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = make(Path(folder), kind, contacts)
        alone, before = cpu(floor, path, kind), peak_mib()
        taken = cpu(ours, path, kind)
        grown = peak_mib() - before
    return {"floor": contacts / alone, "ours": contacts / taken, "grown_mib": grown}


def measure(contacts: int = 20_000) -> report.Section:
    figures = {kind: in_new_process(one, kind, contacts) for kind in FORMATS}
    rows = [
        [kind, f"{figure['floor']:,.0f}", f"{figure['ours']:,.0f}", f"{figure['grown_mib']:,.0f}"]
        for kind, figure in figures.items()
    ]
    columns = ["in and out", "the library alone, contacts a CPU second", "ours", "more peak RSS than it, MiB"]
    ratio = figures["csv"]["ours"] / figures["parquet"]["ours"]
    return report.Section(
        "Files of every format",
        f"{contacts:,} contacts of five columns, each written with its enrichment.",
        [report.Table(columns, rows)],
        [report.Target("Parquet to Parquet: CPU beside CSV to CSV", "at most 2", f"{ratio:.2f}", ratio <= 2)],
    )


if __name__ == "__main__":
    report.command(measure)
