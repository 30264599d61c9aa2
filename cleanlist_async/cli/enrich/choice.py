"""Which rows of a table are enriched: the first ones, a sample, those that lack something."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter
from random import Random

from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableContacts
from cleanlist_async.cli.terminal.options import RowChoice
from cleanlist_async.cli.terminal.stopping import StopSignals
from cleanlist_async.cli.terminal.tally import Tally
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.texts import cleaned
from cleanlist_async.tables import ContactTable, Row, TableError
from cleanlist_async.tables.records import json_text


def choose(
    contacts: TableContacts, choice: RowChoice, enriched: EnrichedTable | None = None
) -> TableContacts:
    """Return the chosen contacts, of a table that was *enriched* before or not.

    Raises TableError for a column that is not there, or if none is left.
    """
    if choice == RowChoice():
        return contacts
    indices = array("I", _lacking(contacts, enriched, choice.only_missing or ()))
    if choice.sample is not None and choice.sample < len(indices):
        # The same rows for the same file, so that a run that was stopped goes on with them.
        drawn = Random(contacts.table.fingerprint).sample(indices, choice.sample)  # noqa: S311
        indices = array("I", sorted(drawn))  # in the order in which they are read
    chosen = ChosenContacts(
        contacts.table, whole=contacts, indices=indices[: choice.limit], enriched=enriched
    )
    chosen.refuse_none()
    return chosen


def _lacking(contacts: TableContacts, enriched: EnrichedTable | None, names: Sequence[str]) -> Iterator[int]:
    """Yield the indices of the contacts whose rows lack one of the columns, or of all without names."""
    table = contacts.table
    added = [] if enriched is None else [name for name in names if name in enriched.columns]
    columns = [_column(table, name, enriched) for name in names if name not in added]
    without: Mapping[str, str] = {}
    # Places rise with the indices of contacts, so one pass over the rows serves all.
    rows = iter(enriched.rows() if enriched and added else ((row, without) for row in table.rows()))
    for index in range(len(contacts)):
        row, cells = next(pair for pair in rows if pair[0].index == contacts.place(index))
        texts = [*(_text(table, row, column) for column in columns), *(cells[name] for name in added)]
        if not texts or not all(map(cleaned, texts)):
            yield index


@dataclass(slots=True, kw_only=True)
class ChosenContacts(TableContacts):
    """Some of the contacts of a table, by their *indices* among the *whole*."""

    whole: TableContacts
    indices: array[int]
    enriched: EnrichedTable | None = None
    _is_chosen: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._is_chosen = bytearray(len(self.whole))
        for index in self.indices:
            self._is_chosen[index] = True
            self.numbers.append(self.whole.numbers[index])

    def __iter__(self) -> Iterator[Contact]:
        return compress(self.whole, self._is_chosen)

    def place(self, index: int) -> int:
        """Return the index of the row that the contact at *index* comes from."""
        return self.whole.place(self.indices[index])

    def kept(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows that have an outcome already, and those that were left out."""
        yield from heapq.merge(self.whole.kept(), self._left_out(), key=itemgetter(0))

    def _left_out(self) -> Iterator[tuple[int, dict[str, str]]]:
        out = (self.whole.place(index) for index, chosen in enumerate(self._is_chosen) if not chosen)
        if self.enriched is None:
            yield from ((place, {}) for place in out)
            return
        rows = self.enriched.rows()  # bought anew or not, what is left out keeps what it has
        for place in out:
            yield place, next(cells for row, cells in rows if row.index == place)

    @property
    def settled(self) -> int:
        """How many rows keep a final result."""
        return self.whole.settled

    async def fetch(self, client: AsyncCleanlist, signals: StopSignals) -> None:
        """Fetch for free what an earlier run submitted. Raises CleanlistError if the key is bad."""
        await self.whole.fetch(client, signals)

    def count_kept(self, tally: Tally) -> None:
        """Count those of the kept rows that have no final result."""
        self.whole.count_kept(tally)


def _column(table: ContactTable, name: str, enriched: EnrichedTable | None) -> int:
    if (guess := table.columns.get(name)) is not None:
        return guess.column
    if name in table.headers:
        return table.headers.index(name)
    raise TableError(
        path=table.name,
        problem=f'has no column "{name}"',
        fix=f"it has: {', '.join((*table.headers, *(enriched.columns if enriched else ())))}",
    )


def _text(table: ContactTable, row: Row, column: int) -> str:
    if isinstance(row.cells, tuple):
        return row.cells[column] if column < len(row.cells) else ""
    return json_text(row.cells.get(table.headers[column]))
