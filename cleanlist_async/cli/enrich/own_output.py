"""A file that an enrichment wrote, given to it again: only rows without an outcome are sent."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress, zip_longest
from typing import Final

from cleanlist_async.cli.enrich.collect import Collection
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableContacts, TableOptions
from cleanlist_async.cli.terminal.stopping import StopSignals
from cleanlist_async.cli.terminal.tally import Tally
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.tables import ContactTable, TableError
from cleanlist_async.tables.jsonl_source import json_text
from cleanlist_async.tables.records import Cells

_KEPT: Final = frozenset({"found", "not_found", "pending", "unknown"})
"""What was bought, or may have been. The others never were, or cost nothing."""
_FINAL: Final = frozenset({"found", "not_found"})


@dataclass(slots=True, kw_only=True)
class OpenContacts(TableContacts):
    """Of the contacts of a table that was enriched before, those without an outcome.

    `waiting` are the rows whose workflow is known, and whose results are fetched for free.
    """

    enriched: EnrichedTable
    waiting: Collection
    places: array[int] = field(default_factory=lambda: array("I"))
    is_open: bytearray = field(default_factory=bytearray)
    found: int = 0
    undecided: int = 0

    @classmethod
    def find(cls, enriched: EnrichedTable, enrichment_type: EnrichmentType) -> OpenContacts:
        """Read the whole table once. Raises TableError at a row that cannot be read."""
        contacts = cls(enriched.table, enriched=enriched, waiting=Collection(enriched))
        for row, cells in enriched.rows():
            status = cells["cleanlist_status"]
            contacts.is_open.append(status not in _KEPT)
            if status not in _KEPT:
                contacts.numbers.append(row.number)
                contacts.places.append(row.index)
            elif status in _FINAL:
                contacts.found += 1
            elif cells["cleanlist_workflow_id"]:
                contacts.waiting.add(row, cells, enrichment_type)
            else:
                contacts.undecided += 1
        return contacts

    def __iter__(self) -> Iterator[Contact]:
        return compress(self.table.contacts(), self.is_open)

    def place(self, index: int) -> int:
        """Return the index of the row that the contact at *index* comes from."""
        return self.places[index]

    def kept(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows that have an outcome, with what was fetched since."""
        for row, cells in self.enriched.rows():
            if not self.is_open[row.index]:
                yield row.index, cells | self.waiting.updates(row.index, cells)

    @property
    def settled(self) -> int:
        """How many rows keep a final result."""
        return self.found

    async def fetch(self, client: AsyncCleanlist, signals: StopSignals) -> None:
        """Fetch for free what an earlier run submitted. Raises CleanlistError if the key is bad."""
        if self.waiting.waiting:
            await self.waiting.fetch(client, signals)

    def count_kept(self, tally: Tally) -> None:
        """Count the rows that still have no final result."""
        self.waiting.count(tally)
        tally.count_undecided(self.undecided)


def contacts_of(
    table: ContactTable, enriched: EnrichedTable | None, enrichment_type: EnrichmentType
) -> TableContacts:
    """Read the whole table once, and return the contacts that are to be enriched. Raises TableError."""
    if enriched is None:
        return TableContacts.read(table)
    return OpenContacts.find(enriched, enrichment_type)


def settled_in(path: str, table: ContactTable, options: TableOptions) -> int | None:
    """Return how many contacts of *table* have an outcome in an output that holds its rows and no others.

    None for any other file.
    """
    try:
        enriched = EnrichedTable.open(path, options)
        if enriched.table.headers != table.headers:
            return None
        settled = 0
        rows = zip_longest(table.rows(), enriched.rows())
        for row, written in rows:
            if row is None or written is None or _texts(row.cells) != _texts(written[0].cells):
                return None
            cells = written[1]
            settled += cells["cleanlist_status"] in _FINAL and not cells.get("cleanlist_duplicate_of")
    except TableError:
        return None
    return settled


def _texts(cells: Cells) -> tuple[str, ...]:
    return cells if isinstance(cells, tuple) else tuple(map(json_text, cells.values()))
