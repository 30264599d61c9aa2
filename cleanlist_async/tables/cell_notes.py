"""Cells that are not sent though they are not blank: counted once over all passes, and reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cleanlist_async.contacts.canonical import is_profile
from cleanlist_async.contacts.cleaning import cleaned, is_placeholder
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.tables.contact_building import Texts
from cleanlist_async.tables.guessing import Guess
from cleanlist_async.tables.odd_rows import RowTally

_SHOWN: Final = 3


class CellNotes:
    """Counts placeholders, and LinkedIn values that cannot be the profile of a person."""

    def __init__(self, columns: Mapping[str, Guess]) -> None:
        self._positions = [(field, guess.column) for field, guess in columns.items() if field in API_FIELDS]
        self._counted_to = 0
        self._placeholders = RowTally()
        self._examples: dict[str, None] = {}
        self._no_profiles = RowTally()

    def look_at(self, number: int, texts: Texts) -> None:
        """Count what is odd in a row."""
        if number <= self._counted_to:  # a table is read several times
            return
        self._counted_to = number
        has_placeholder = False
        for field, position in self._positions:
            if not (text := cleaned(texts[position])):
                continue
            if is_placeholder(field, text):
                has_placeholder = True
                if len(self._examples) < _SHOWN:
                    self._examples[text] = None
            elif field == "linkedin_url" and not is_profile(text):
                self._no_profiles.add(number)
        if has_placeholder:
            self._placeholders.add(number)

    @property
    def notes(self) -> list[str]:
        """A line for each kind that was found so far."""
        notes: list[str] = []
        if self._placeholders.count:
            examples = ", ".join(self._examples)
            notes.append(f"{self._placeholders} with placeholders ({examples}): read as blank")
        if self._no_profiles.count:
            notes.append(
                f"{self._no_profiles} with a LinkedIn value that is not a person's profile: left out"
            )
        return notes
