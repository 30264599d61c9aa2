"""The columns of ``--only-missing``: those of the file, and those that an enrichment added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.outcome import FINAL
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.contacts.texts import cleaned
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.tables import ContactTable, Row
from cleanlist_async.tables.mapping import position_of
from cleanlist_async.tables.records import json_text

_ADDRESS: Final = frozenset({"cleanlist_email", "cleanlist_email_status"})
_NUMBER: Final = frozenset({"cleanlist_phones"})
_FOUND_BY: Final[Mapping[EnrichmentType, frozenset[str]]] = {
    "partial": _ADDRESS,
    "phone_only": _NUMBER,
    "full": _ADDRESS | _NUMBER,
}
"""The columns that an enrichment of each type can fill. Others may be blank in a row that lacks nothing."""


@dataclass(frozen=True, slots=True)
class MissingColumns:
    """Columns that a row has to lack to be enriched: all of the user's, and one of those that were added.

    `added` by an enrichment, `wanted` those of them for which a row with an outcome is asked for again, and
    `given` by the user.
    """

    table: ContactTable
    added: tuple[str, ...] = ()
    wanted: frozenset[str] = frozenset()
    given: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        table: ContactTable,
        enriched: EnrichedTable | None,
        names: Sequence[str],
        enrichment_type: EnrichmentType,
    ) -> Self:
        """Find the columns by their *names*.

        Raises TableError for one that is not there, CommandError for one that this type does not fill.
        """
        known = () if enriched is None else enriched.columns
        added: list[str] = []
        given: list[int] = []
        for name in names:
            if name in known:
                added.append(name)
            elif (guess := table.columns.get(name)) is not None:
                given.append(guess.column)
            else:
                headers = (*table.headers, *known)
                place = position_of(table.name, headers, name)
                if place < len(table.headers):
                    given.append(place)
                else:
                    added.append(headers[place])
        filled = _FOUND_BY.get(enrichment_type, frozenset())
        if filled and (vain := [name for name in added if name in _FOUND_BY["full"] - filled]):
            other = "phone_only" if vain[0] in _NUMBER else "partial"
            raise CommandError(
                f"--type {enrichment_type} does not fill {vain[0]}; pass --type {other}.",
                ExitCode.USAGE,
            )
        return cls(table, tuple(added), filled.intersection(added), tuple(given))

    def are_lacked_by(self, row: Row, cells: Mapping[str, str]) -> bool:
        """Whether a row, with its enrichment, is among those to enrich."""
        if any(cleaned(self._text(row, place)) for place in self.given):
            return False
        return not self.added or not all(cleaned(cells[name]) for name in self.added)

    def ask_again(self, cells: Mapping[str, str]) -> bool:
        """Whether a row has an outcome, and yet is to be asked for: it lacks what is looked for."""
        is_final = cells["cleanlist_status"] in FINAL
        return is_final and not all(cleaned(cells[name]) for name in self.wanted)

    def _text(self, row: Row, column: int) -> str:
        if isinstance(row.cells, tuple):
            return row.cells[column] if column < len(row.cells) else ""
        return json_text(row.cells.get(self.table.headers[column]))
