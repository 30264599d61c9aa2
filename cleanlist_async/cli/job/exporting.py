"""Writes the results of a job beside the rows of its input."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cleanlist_async.cli.job.memory import JobMemory
from cleanlist_async.cli.terminal.tally import Tally, enrichment_cells
from cleanlist_async.contacts.contact import CONTACT_FIELDS
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables import ContactTable, EnrichedWriter, OutputChoice
from cleanlist_async.tables.dialect import OutputLayout
from cleanlist_async.tables.own_files import NoCopyError


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    tally: Tally
    notes: list[str]


def export(
    memory: JobMemory,
    table: ContactTable,
    output: str,
    *,
    choice: OutputChoice,
    overwrite: bool,
    is_own: bool = False,
) -> Exported:
    """Write the rows of *table*, in order, with what the job knows about each, as far as *choice* says.

    It *is_own*: made by :func:`input_of`, so that there is nothing to compare.

    Raises JournalError, StoreError and InputChangedError, and TableError when the file cannot be written;
    there is no file then.
    """
    numbers = array("I", (row.number for row in table.rows()))
    tally, headers = Tally(), table.field_headers
    writer = EnrichedWriter(output, table, choice=choice, overwrite=overwrite)

    def put(result: EnrichmentResult) -> None:
        tally.count(result)
        writer.put(result.index, enrichment_cells(result, numbers, headers))

    try:
        notes = memory.each_result(None if is_own else table, put)
        writer.close()
    except BaseException:  # a file that looks whole and is not would be worse than none
        writer.discard()
        raise
    return Exported(tally, [*writer.notes, *notes])


@contextmanager
def input_of(memory: JobMemory) -> Generator[ContactTable]:
    """Give the contacts of a job as a table, in a file that is gone afterwards."""
    with ExitStack() as stack:
        try:
            path = Path(stack.enter_context(TemporaryDirectory(prefix="cleanlist-")), "contacts.csv")
            with path.open("w", encoding="utf-8", newline="") as file:  # for its owner alone
                rows = csv.writer(file)
                rows.writerow(("row", *CONTACT_FIELDS))  # numbered, as a blank row is none
                memory.contacts(lambda place, contact: rows.writerow((place + 1, *astuple(contact))))
        except OSError as error:
            raise NoCopyError(error).refusal("the contacts of the job") from error
        table = ContactTable.open(path)
        # By its name it is a CSV, whose formulas would count as the user's own.
        table.layout = OutputLayout(is_of_texts=True)
        yield table
