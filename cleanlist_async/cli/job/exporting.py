"""Writes the results of a job beside the rows of its input."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

from cleanlist_async.cli.terminal.tally import Tally, enrichment_cells
from cleanlist_async.job.reader import reading
from cleanlist_async.job.source import Source
from cleanlist_async.tables import ContactTable, EnrichedWriter


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    tally: Tally
    notes: list[str]


def export(journal: Path, table: ContactTable, output: str, *, overwrite: bool) -> Exported:
    """Write every row of *table*, in order, with what the journal knows about it.

    Raises JournalError and InputChangedError, and TableError when the file cannot be written; there is no
    file then.
    """
    with reading(journal) as reader:
        numbers = array("I", (row.number for row in table.rows()))
        source, tally = Source(table), Tally()
        # Before a file is created: the input may have changed.
        reader.check(source, len(numbers))
        reader.refuse_purged()
        writer = EnrichedWriter(output, table, overwrite=overwrite)
        try:
            for result in reader.results(source):
                tally.count(result)
                writer.put(result.index, enrichment_cells(result, numbers))
            writer.close()
        except BaseException:  # a file that looks whole and is not would be worse than none
            writer.discard()
            raise
        return Exported(tally, writer.notes)
