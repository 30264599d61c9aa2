"""Which rows of a table are enriched: those without an outcome, a number of them, those that lack something.

A file that an enrichment wrote may be given to it again; only rows without an outcome are sent then.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, islice
from operator import itemgetter
from random import Random
from typing import Final

from cleanlist_async.cli.enrich.collect import Collection
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableContacts, TableOptions
from cleanlist_async.cli.enrich.missing import MissingColumns
from cleanlist_async.cli.enrich.outcome import FINAL, Tally
from cleanlist_async.cli.terminal.options import RowChoice
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Invalid, prepare
from cleanlist_async.enrich.source import FirstSeen
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import COLUMN_PREFIX
from cleanlist_async.tables import ContactTable, OutputChoice, Row, TableError
from cleanlist_async.tables.output_choice import as_written
from cleanlist_async.tables.records import Cells, json_text
from cleanlist_async.tables.rendering import new_names, text_with_formula

_KEPT: Final = FINAL | {"pending", "unknown"}
"""What was bought, or may have been. The others never were, or cost nothing."""
_BOUGHT: Final = ("cleanlist_email", "cleanlist_email_status", "cleanlist_phones", "cleanlist_credits")
"""Columns that are blank where there is no outcome."""


@dataclass(slots=True, kw_only=True)
class OpenContacts(TableContacts):
    """Of the contacts of a table that was enriched before, those without an outcome, or without all of it.

    `waiting` are the rows whose workflow is known, and whose results are fetched for free.
    """

    enriched: EnrichedTable
    waiting: Collection
    places: array[int] = field(default_factory=lambda: array("I"))
    is_open: bytearray = field(default_factory=bytearray)
    undecided: int = 0

    @classmethod
    def find(
        cls, enriched: EnrichedTable, enrichment_type: EnrichmentType, missing: MissingColumns
    ) -> OpenContacts:
        """Read the whole table once. Raises TableError at a row that cannot be read."""
        contacts = cls(enriched.table, enriched=enriched, waiting=Collection(enriched))
        for row, cells in enriched.rows():
            status = cells["cleanlist_status"]
            is_open = status not in _KEPT or missing.ask_again(cells)
            contacts.is_open.append(is_open)
            if is_open:
                contacts.numbers.append(row.number)
                contacts.places.append(row.index)
                contacts.note_earlier(row, cells)
            elif status in FINAL:
                contacts.settled += 1
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

    async def fetch(self, client: AsyncCleanlist, signals: StopSignals) -> None:
        """Fetch for free what an earlier run submitted. Raises CleanlistError if the key is bad."""
        if self.waiting.waiting:
            await self.waiting.fetch(client, signals)

    def count_kept(self, tally: Tally) -> None:
        """Count the rows that still have no final result."""
        self.waiting.count(tally)
        tally.count_rows(self.undecided, "unknown")


def contacts_of(
    table: ContactTable,
    enriched: EnrichedTable | None,
    enrichment_type: EnrichmentType,
    missing: MissingColumns | None = None,
    *,
    fresh: bool = False,
) -> TableContacts:
    """Read the whole table once, and return the contacts that are to be enriched. Raises TableError.

    Of a table that was *enriched* before, *fresh* takes all of them.
    """
    missing = missing or MissingColumns(table)
    if enriched is not None and not fresh:
        return OpenContacts.find(enriched, enrichment_type, missing)
    contacts = TableContacts.read(table)
    if enriched is not None and missing.wanted:  # else all of the enrichment is bought anew
        for row, cells in enriched.rows():
            contacts.note_earlier(row, cells)
    return contacts


def settled_in(
    path: str,
    table: ContactTable,
    options: TableOptions,
    choice: OutputChoice,
    *,
    enriched: EnrichedTable | None = None,
    missing: MissingColumns | None = None,
) -> int | None:
    """Return how many contacts of *table* have an outcome in an output of *choice* that was made from it.

    Such an output holds its rows, or some of them where the choice leaves rows out, and no others. None for
    any other file. A row that is asked again for what is *missing*, and has in the output what it had before,
    when the table was *enriched*, does not count.
    """
    expected, wished = as_written(table, choice), choice.names()
    new = new_names(wished.values(), expected.source.given_headers)
    names = dict(zip((COLUMN_PREFIX + column for column in wished), new, strict=True))
    if choice.input_columns is not None:  # the columns of a contact may not be among them
        options = replace(options, mapping={})
    settled, seen = 0, FirstSeen()
    given = _rows_as_written(table, expected)
    before = enriched.rows() if enriched is not None and missing is not None and missing.wanted else None
    try:
        output = EnrichedTable.open(path, options, names)
        if not _is_same(output.table.headers, expected.headers):
            return None
        for written, cells in output.rows():
            texts = _texts(written.cells)
            # A choice may have left rows out before this one; else it must be the very next.
            candidates = given if choice.only else islice(given, 1)
            row = next((row for row, own in candidates if _is_same(texts, own)), None)
            if row is None:
                return None
            if before is not None and missing is not None:
                had = next(had for other, had in before if other.index == row.index)
                if missing.ask_again(had) and all(_is_same([cells[name]], [had[name]]) for name in cells):
                    continue
            settled += _is_settled(cells, choice) and _is_first(row, cells, seen)
        if not choice.only and next(given, None) is not None:
            return None
    except TableError:
        return None
    return settled


def _rows_as_written(table: ContactTable, written: ContactTable) -> Iterator[tuple[Row, tuple[str, ...]]]:
    """Yield each row with the texts of its cells that are written."""
    if written is table:
        return ((row, _texts(row.cells)) for row in table.rows())
    records = (record for record in written.source.records() if record.is_contact)
    return ((row, _texts(record.cells)) for row, record in zip(table.rows(), records, strict=True))


def _is_settled(cells: Mapping[str, str], choice: OutputChoice) -> bool:
    """Whether a row has an outcome; in doubt, because the output has no column that says it, it has one."""
    if (status := cells.get("cleanlist_status")) is not None:
        return status in FINAL
    return bool(choice.only & FINAL) or any(cells.get(column) for column in _BOUGHT)


def _is_first(row: Row, cells: Mapping[str, str], seen: FirstSeen) -> bool:
    """Whether a row repeats no earlier one: what is known is counted once for all of them."""
    if (duplicate_of := cells.get("cleanlist_duplicate_of")) is not None:
        return not duplicate_of
    contact = prepare(row.index, row.contact)
    return isinstance(contact, Invalid) or seen.setdefault(contact.identity, row.index) == row.index


def _is_same(written: Sequence[str], given: Sequence[str]) -> bool:
    """Whether texts were written from those that were given: some are kept from becoming formulas."""
    return written == given or [*map(text_with_formula, written)] == [*map(text_with_formula, given)]


def _texts(cells: Cells) -> tuple[str, ...]:
    return cells if isinstance(cells, tuple) else tuple(map(json_text, cells.values()))


def choose(
    contacts: TableContacts,
    choice: RowChoice,
    missing: MissingColumns,
    enriched: EnrichedTable | None = None,
) -> TableContacts:
    """Return the chosen contacts, of a table that was *enriched* before or not."""
    if choice == RowChoice():
        return contacts
    indices = array("I", _lacking(contacts, missing, enriched))
    if choice.sample is not None and choice.sample < len(indices):
        # The same rows for the same file, so that a run that was stopped goes on with them.
        drawn = Random(contacts.table.fingerprint).sample(indices, choice.sample)  # noqa: S311
        indices = array("I", sorted(drawn))  # in the order in which they are read
    return ChosenContacts(
        contacts.table,
        whole=contacts,
        indices=indices[: choice.limit],
        enriched=enriched,
        only_missing=tuple(choice.only_missing or ()),
    )


def _lacking(
    contacts: TableContacts, missing: MissingColumns, enriched: EnrichedTable | None
) -> Iterator[int]:
    """Yield the indices of the contacts whose rows lack the columns that they have to lack."""
    without: Mapping[str, str] = {}
    # Places rise with the indices of contacts, so one pass over the rows serves all.
    rows = iter(
        enriched.rows()
        if enriched is not None and missing.added
        else ((row, without) for row in contacts.table.rows())
    )
    for index in range(len(contacts)):
        row, cells = next(pair for pair in rows if pair[0].index == contacts.place(index))
        if missing.are_lacked_by(row, cells):
            yield index


@dataclass(slots=True, kw_only=True)
class ChosenContacts(TableContacts):
    """Some of the contacts of a table, by their *indices* among the *whole*."""

    whole: TableContacts
    indices: array[int]
    enriched: EnrichedTable | None = None
    only_missing: tuple[str, ...] = ()
    _is_chosen: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.settled = self.whole.settled
        self._is_chosen = bytearray(len(self.whole))
        for index in self.indices:
            self._is_chosen[index] = True
            self.numbers.append(self.whole.numbers[index])
        # What is left out keeps what it has in any case.
        places = (self.place(index) for index in range(len(self.indices)))
        self.earlier = {place: self.whole.earlier[place] for place in places if place in self.whole.earlier}

    @property
    def remarks(self) -> Sequence[str]:
        """What the choice of rows comes to, where that is not plain."""
        named = " or ".join(self.only_missing)
        if self.only_missing and self.whole.numbers and not self.indices:
            other = "other " if self.settled else ""
            return (f"no {other}row is without {named}: there is nothing to send.",)
        if self.only_missing and (again := len(self.earlier)):
            are = "row of an earlier run is" if again == 1 else "rows of an earlier run are"
            return (f"{again:,} {are} asked for again, without {named}.",)
        return ()

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

    async def fetch(self, client: AsyncCleanlist, signals: StopSignals) -> None:
        """Fetch for free what an earlier run submitted. Raises CleanlistError if the key is bad."""
        await self.whole.fetch(client, signals)

    def count_kept(self, tally: Tally) -> None:
        """Count those of the kept rows that have no final result."""
        self.whole.count_kept(tally)
