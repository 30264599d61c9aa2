"""Writes the results of a job beside the rows of its input."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cleanlist_async.cli.job.memory import JobMemory
from cleanlist_async.cli.job.store_memory import StoreMemory
from cleanlist_async.cli.terminal.tally import Tally, enrichment_cells
from cleanlist_async.contacts.contact import CONTACT_FIELDS
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables import ContactTable, EnrichedWriter


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    tally: Tally
    notes: list[str]


def export(memory: JobMemory, table: ContactTable, output: str, *, overwrite: bool) -> Exported:
    """Write every row of *table*, in order, with what the job knows about it.

    Raises JournalError, StoreError and InputChangedError, and TableError when the file cannot be written;
    there is no file then.
    """
    numbers = array("I", (row.number for row in table.rows()))
    tally = Tally()
    writer = EnrichedWriter(output, table, overwrite=overwrite)

    def put(result: EnrichmentResult) -> None:
        tally.count(result)
        writer.put(result.index, enrichment_cells(result, numbers))

    try:
        notes = memory.each_result(table, put)
        writer.close()
    except BaseException:  # a file that looks whole and is not would be worse than none
        writer.discard()
        raise
    return Exported(tally, [*writer.notes, *notes])


@contextmanager
def input_of(memory: StoreMemory) -> Generator[ContactTable]:
    """Give the contacts of a job as a table, in a file that is gone afterwards."""
    with TemporaryDirectory(prefix="cleanlist-") as folder:  # for its owner alone
        path = Path(folder, f"{memory.name}.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("row", *CONTACT_FIELDS))  # numbered, as a blank row is none
            memory.contacts(lambda row: rows.writerow((row.place + 1, *astuple(row.contact))))
        yield ContactTable.open(path)
