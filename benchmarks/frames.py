"""What does a contact cost from a data frame into requests, and its result into new columns of the frame?

No network. The floor is the library alone: rows as dicts, dumped as JSON; lists of values, made columns. Ours
finds the columns by their headers, cleans and validates each contact, and keeps it to the bytes that are sent.

    python -m benchmarks.frames [--contacts 100000] [--rounds 3]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from benchmarks import report
from benchmarks.local_server import RESULTS
from benchmarks.measuring import ratio, rounds_of, stopwatch
from benchmarks.people import FIELDS, People
from cleanlist_async import Contact, EnrichmentResult
from cleanlist_async.contacts.chunking import Chunker, bulk_body, chunked
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.tables.contact_rows import RowFormat
from cleanlist_async.tables.frames import FrameReader, with_columns
from cleanlist_async.tables.output_choice import ADDED, enrichment_columns

SIZE = 100_000
KINDS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "polars": pl.DataFrame,
    "pandas": pd.DataFrame,
    "arrow": pa.table,
}


def columns_of(count: int) -> dict[str, Any]:
    contacts = list(People(count))
    read = {name: [getattr(contact, name) for contact in contacts] for name in FIELDS[:-1]}
    return {**read, "score": [n / 2 for n in range(count)], "owner": ["somebody"] * count}


def result() -> EnrichmentResult:
    contact = Contact(first_name="Ada", last_name="Lovelace", company_domain="engines.example")
    found = {"email": "ada@engines.example", "email_status": "valid", "phones": ("+44 20 7946 0000",)}
    return EnrichmentResult(
        0, contact, "found", **found, credits_estimated=1.0, workflow_id="wf", task_id="t"
    )


def prepared(frame: Any) -> Iterator[Prepared]:
    for index, contact in enumerate(FrameReader(RowFormat()).contacts(frame)):
        checked = prepare(index, contact)
        assert isinstance(checked, Prepared)
        yield checked


def requests_ours(frame: Any) -> None:
    for chunk in chunked(prepared(frame), Chunker()):
        bulk_body(chunk, "partial")


def requests_floor(frame: Any) -> None:
    for start in range(0, len(frame), RESULTS):
        some = frame[start : start + RESULTS]
        if isinstance(frame, pl.DataFrame):
            rows = some.select(FIELDS[:-1]).to_dicts()
        elif isinstance(frame, pd.DataFrame):
            rows = some[list(FIELDS[:-1])].to_dict("records")
        else:
            rows = some.select(FIELDS[:-1]).to_pylist()
        json.dumps({"contacts": rows, "enrichment_type": "partial"}).encode()


def columns_ours(frame: Any) -> None:
    with_columns(frame, enrichment_columns([result()] * len(frame), {name: name for name in ADDED}))


def columns_floor(frame: Any) -> None:
    results = [result()] * len(frame)
    texts = {name: [getattr(one, name) for one in results] for name in ADDED if name != "phones"}
    columns = {**texts, "phones": [list(one.phones) for one in results]}
    if isinstance(frame, pl.DataFrame):
        frame.with_columns(**{name: pl.Series(name, values) for name, values in columns.items()})
    elif isinstance(frame, pd.DataFrame):
        frame.assign(**columns)
    else:
        for name, values in columns.items():
            frame = frame.append_column(name, pa.array(values))


STAGES = {
    "frame to requests": (requests_ours, requests_floor),
    "results to columns": (columns_ours, columns_floor),
}


def cpu_s(work: Callable[[Any], None], frame: Any) -> float:
    with stopwatch() as watch:
        work(frame)
    return watch.cpu_s


def measure(contacts: int = SIZE, rounds: int = 3) -> report.Section:
    columns = columns_of(contacts)
    rows: list[tuple[str, ...]] = []
    for kind, make in KINDS.items():
        frame = make(columns)
        for stage, (ours, floor) in STAGES.items():
            timed = rounds_of(
                {"ours": partial(cpu_s, ours, frame), "floor": partial(cpu_s, floor, frame)}, rounds
            )
            rates = [f"{contacts / min(timed[who]):,.0f}" for who in ("ours", "floor")]
            rows.append((kind, stage, *rates, str(ratio(timed["ours"], timed["floor"]))))
    title = ("frame", "stage", "contacts per CPU second", "the library alone", f"CPU, ratio, {rounds} rounds")
    text = report.text_of(__doc__)
    return report.Section(
        "Contacts in data frames", text, [report.Table(title, rows, f"{contacts:,} rows")], [], []
    )


if __name__ == "__main__":
    report.command(measure)
