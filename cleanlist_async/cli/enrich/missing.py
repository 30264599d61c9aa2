"""The columns of ``--only-missing``: those of the file, and those that an enrichment added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.outcome import FINAL
from cleanlist_async.contacts.texts import cleaned
from cleanlist_async.tables import ContactTable, Row
from cleanlist_async.tables.mapping import position_of
from cleanlist_async.tables.records import json_text


@dataclass(frozen=True, slots=True)
class MissingColumns:
    """Columns of which a row has to lack one to be enriched; without any, each row does."""

    table: ContactTable
    added: tuple[str, ...] = ()
    given: tuple[int, ...] = ()

    @classmethod
    def of(cls, table: ContactTable, enriched: EnrichedTable | None, names: Sequence[str]) -> Self:
        """Find the columns by their *names*. Raises TableError for one that is not there."""
        known = () if enriched is None else enriched.columns
        added: list[str] = []
        given: list[int] = []
        for name in names:
            if name in known:
                added.append(name)
            elif (guess := table.columns.get(name)) is not None:
                given.append(guess.column)
            else:
                place = position_of(table.source.file, (*table.headers, *known), name)
                own = place - len(table.headers)
                if own < 0:
                    given.append(place)
                else:
                    added.append(known[own])
        return cls(table, tuple(added), tuple(given))

    def are_lacked_by(self, row: Row, cells: Mapping[str, str]) -> bool:
        """Whether a row, with its enrichment, is among those to enrich."""
        if not self.added and not self.given:
            return True
        return self._lacks_added(cells) or not all(cleaned(self._text(row, place)) for place in self.given)

    def ask_again(self, cells: Mapping[str, str]) -> bool:
        """Whether a row has an outcome, and yet is to be asked for: it lacks a column that was added."""
        return cells["cleanlist_status"] in FINAL and self._lacks_added(cells)

    def _lacks_added(self, cells: Mapping[str, str]) -> bool:
        return not all(cleaned(cells[name]) for name in self.added)

    def _text(self, row: Row, column: int) -> str:
        if isinstance(row.cells, tuple):
            return row.cells[column] if column < len(row.cells) else ""
        return json_text(row.cells.get(self.table.headers[column]))
