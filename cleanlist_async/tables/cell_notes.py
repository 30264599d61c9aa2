"""Cells that are doubtful, or not sent though not blank: counted once over all passes, and reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cleanlist_async.contacts.canonical import is_profile
from cleanlist_async.contacts.cleaning import cleaned, has_lost_letter, is_placeholder
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.contacts.mangled import has_question_mark, unmangled
from cleanlist_async.tables.contact_building import Texts
from cleanlist_async.tables.guessing import Guess
from cleanlist_async.tables.odd_rows import RowTally

_SHOWN: Final = 3
_LONGEST: Final = 60
"""Characters of an example."""
_NAMES: Final = frozenset({"first_name", "last_name", "company_name"})


class CellNotes:
    """Counts placeholders, names that an earlier program spoiled, and LinkedIn values of no person."""

    def __init__(self, columns: Mapping[str, Guess]) -> None:
        self._positions = [(field, guess.column) for field, guess in columns.items() if field in API_FIELDS]
        self._counted_to = 0
        self._placeholders = RowTally()
        self._examples: dict[str, None] = {}
        self._lost_letters = RowTally()
        self._mangled = RowTally()
        self._unmangled: dict[str, str] = {}
        self._question_marks = RowTally()
        self._questioned: dict[str, None] = {}
        self._no_profiles = RowTally()

    def look_at(self, number: int, texts: Texts) -> None:
        """Count what is odd in a row."""
        if number <= self._counted_to:  # a table is read several times
            return
        self._counted_to = number
        found: set[RowTally] = set()
        for field, position in self._positions:
            if (text := cleaned(texts[position])) and (tally := self._tally(field, texts[position], text)):
                found.add(tally)
        for tally in found:
            tally.add(number)

    def _tally(self, field: str, given: str, text: str) -> RowTally | None:
        """Return where a cell is counted, if it is odd; *text* is what is sent of it."""
        if is_placeholder(field, text):
            if has_lost_letter(text):
                return self._lost_letters
            if len(self._examples) < _SHOWN:
                self._examples[text] = None
            return self._placeholders
        if field == "linkedin_url":
            return None if is_profile(text) else self._no_profiles
        return self._tally_of_name(field, given, text) if field in _NAMES else None

    def _tally_of_name(self, field: str, given: str, text: str) -> RowTally | None:
        if (before := unmangled(given.strip())) is not None:
            if len(self._unmangled) < _SHOWN:
                self._unmangled[text[:_LONGEST]] = before[:_LONGEST]
            return self._mangled
        if not has_question_mark(text, is_person=field != "company_name"):
            return None
        if len(self._questioned) < _SHOWN:
            self._questioned[text[:_LONGEST]] = None
        return self._question_marks

    @property
    def notes(self) -> list[str]:
        """A line for each kind that was found so far."""
        notes: list[str] = []
        if self._placeholders.count:
            examples = ", ".join(self._examples)
            notes.append(f"{self._placeholders} with placeholders ({examples}): read as blank")
        if self._lost_letters.count:
            notes.append(f"{self._lost_letters} with letters lost by an earlier program: read as blank")
        if self._mangled.count:
            examples = ", ".join(f"{text} is probably {before}" for text, before in self._unmangled.items())
            why = "with letters mangled by an earlier program"
            notes.append(f"{self._mangled} {why} ({examples}): sent as they are")
        if self._question_marks.count:
            examples = ", ".join(self._questioned)
            why = "with question marks, probably for letters that an earlier program lost"
            notes.append(f"{self._question_marks} {why} ({examples}): sent as they are")
        if self._no_profiles.count:
            notes.append(
                f"{self._no_profiles} with a LinkedIn value that is not a person's profile: left out"
            )
        return notes
