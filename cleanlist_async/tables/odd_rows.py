"""Rows and cells of a table that are odd: no contact, of another width, or doubtful; a note on each kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.contacts.mangled import has_question_mark, unmangled
from cleanlist_async.contacts.texts import cleaned, has_lost_letter, is_placeholder, is_profile
from cleanlist_async.tables import values
from cleanlist_async.tables.errors import Tally
from cleanlist_async.tables.guessing import Guess
from cleanlist_async.tables.headers import (
    known_as,
    opens_a_footer,
    opens_a_named_value,
    usual_headers,
    words,
)
from cleanlist_async.tables.mapping import Texts
from cleanlist_async.tables.records import Record

_LONGEST_FOOTER: Final = 1_000
_LEAST_REPEATED: Final = 2
"""Columns of a header that is looked for in the rows: a single word may be a value."""
_BETWEEN_FILES: Final = "\x1a\ufeff"
"""Ctrl-Z, which ends a file of a program for DOS, and the byte order mark, which begins one."""
_RULER: Final = re.compile(r"[-=_+:*]{2,}")
"""A cell of the line that query tools and Markdown draw below a header."""

_NO_CONTACT: Final = "kept, not taken for a contact"
_LONGEST: Final = 60
"""Characters of an example."""
_NAMES: Final = frozenset({"first_name", "last_name", "company_name"})


def _content(cell: str) -> str:
    return cell.strip().strip(_BETWEEN_FILES)


def _plain(cell: str) -> str:
    """Return a header as it is compared first."""
    return _content(cell).replace("_", " ").casefold()


def _is_ruler(cells: Sequence[str]) -> bool:
    if not cells or cells[0][:1].isalnum():  # nearly always
        return False
    filled = [content for cell in cells if (content := _content(cell))]
    return bool(filled) and all(_RULER.fullmatch(cell) for cell in filled)


def _is_blank(cells: Sequence[str]) -> bool:
    return not any(map(_content, cells)) or _is_ruler(cells)


def _is_same_header(cell: str, name: str) -> bool:
    if words(cell) == words(name):
        return True
    field = known_as(name)
    return field is not None and (known_as(cell) or ("",))[0] == field[0]


class OddRows:
    """Makes records of rows: pads short ones, sets those apart that are no contact, and counts them once.

    A *header* that is repeated, as where files were joined, is no contact.
    """

    def __init__(self, width: int, header: Sequence[str] | None = None) -> None:
        self._width = width
        is_looked_for = header is not None and width >= _LEAST_REPEATED
        self._header = list(header) if header is not None and is_looked_for else None
        self._first_cells = usual_headers() | {_plain(cell) for cell in self._header or ()}
        self._counted_to = 0
        self._short = Tally("with fewer cells than the header", "read as blank cells")
        self._long = Tally("with more cells than the header", "kept after the last column")
        self._blank = Tally("blank", _NO_CONTACT)
        self._repeated = Tally("repeating the header", _NO_CONTACT)
        self._footer = Tally("below the table, as in a report", _NO_CONTACT)

    def records(self, rows: Iterable[tuple[int, list[str]]]) -> Iterator[Record]:
        """Make a record of each row, in order."""
        width, is_apart = self._width, False
        held: list[tuple[int, list[str]]] = []  # the footer, unless a contact follows
        for number, cells in rows:
            # The common case first: this runs for each of a million rows.
            if not held and len(cells) == width and self._is_usual(cells):
                is_apart = False
                yield Record(number, tuple(cells))
                continue
            is_blank = _is_blank(cells)
            if is_blank and not held:
                yield self._apart(self._blank, number, cells)
            elif len(held) < _LONGEST_FOOTER and (
                is_blank
                or ((len(cells) < 3 or not all(cells[:3])) and self._may_be_footer(cells, is_apart=is_apart))
            ):
                held.append((number, cells))
            else:
                for row in held:
                    yield self._no_footer(*row)
                held.clear()
                is_usual = len(cells) == width and not self._repeats_header(cells)
                yield Record(number, tuple(cells)) if is_usual else self._no_footer(number, cells)
            is_apart = is_blank or bool(held)
        for number, cells in held:
            yield self._apart(self._blank if _is_blank(cells) else self._footer, number, cells)

    @property
    def notes(self) -> list[str]:
        """A line for each kind of row found so far."""
        kinds = (self._short, self._long, self._blank, self._repeated, self._footer)
        return [note for kind in kinds for note in kind.notes]

    def _is_usual(self, cells: Sequence[str]) -> bool:
        """Whether a row is certainly a contact: it begins with filled cells, and not as a header does."""
        beginning = cells[:3]
        return (
            len(beginning) == 3
            and all(beginning)
            and beginning[0][0].isalnum()
            and _plain(beginning[0]) not in self._first_cells
        )

    def _may_be_footer(self, cells: Sequence[str], *, is_apart: bool) -> bool:
        """Whether a row can stand below the table, *is_apart* from it by blank rows or not."""
        filled = [content for cell in cells if (content := _content(cell))]
        if len(filled) > 2 or len(filled) > self._width - (self._width > 2):
            return False
        if any(values.is_email(cell) or values.is_person_page(cell) for cell in filled):
            return False
        if filled[0].endswith(":") or (is_apart and opens_a_named_value(filled[0])):
            return True
        # "Page" and "Count" are names of people, too.
        is_known = opens_a_footer(filled[0]) and not any(
            sign.isalpha() for cell in filled[1:] for sign in cell
        )
        return is_known or (len(filled) == 1 and (is_apart or len(cells) < self._width))

    def _no_footer(self, number: int, cells: list[str]) -> Record:
        """Return a row, with padding if it is too short."""
        if _is_blank(cells):
            return self._apart(self._blank, number, cells)
        if self._repeats_header(cells):
            return self._apart(self._repeated, number, cells)
        missing = self._width - len(cells)  # below 0 for a long row
        if missing and self._is_new(number):
            (self._short if missing > 0 else self._long).add(number)
        return Record(number, (*cells, *[""] * missing))

    def _apart(self, tally: Tally, number: int, cells: list[str]) -> Record:
        """Count a row, and return it as no contact."""
        if self._is_new(number):
            tally.add(number)
        return Record(number, tuple(cells), is_contact=False)

    def _repeats_header(self, cells: Sequence[str]) -> bool:
        """Whether a row has the header's cells and nothing else, in any spelling or language that is known.

        Later columns may be blank in it.
        """
        header = self._header
        # The common case first: few rows begin with a header of any table.
        if header is None or not cells or _plain(cells[0]) not in self._first_cells:
            return False
        named = [(cell, name) for cell, name in zip(cells, header, strict=False) if _content(cell)]
        return len(named) >= _LEAST_REPEATED and all(_is_same_header(*pair) for pair in named)

    def _is_new(self, number: int) -> bool:
        """Whether a row was not counted yet: a table is read several times."""
        is_new = number > self._counted_to
        self._counted_to = max(self._counted_to, number)
        return is_new


class CellNotes:
    """Counts placeholders, names that an earlier program spoiled, and LinkedIn values of no person."""

    def __init__(self, columns: Mapping[str, Guess]) -> None:
        self._positions = [(field, guess.column) for field, guess in columns.items() if field in API_FIELDS]
        self._counted_to = 0
        why = "with question marks, probably for letters that an earlier program lost"
        self._placeholders = Tally("with placeholders", "read as blank")
        self._lost_letters = Tally("with letters lost by an earlier program", "read as blank")
        self._mangled = Tally("with letters mangled by an earlier program", "sent as they are")
        self._question_marks = Tally(why, "sent as they are")
        self._no_profiles = Tally("with a LinkedIn value that is not a person's profile", "left out")

    def look_at(self, number: int, texts: Texts) -> None:
        """Count what is odd in a row."""
        if number <= self._counted_to:  # a table is read several times
            return
        self._counted_to = number
        found: set[Tally] = set()
        for field, position in self._positions:
            if (text := cleaned(texts[position])) and (tally := self._tally(field, texts[position], text)):
                found.add(tally)
        for tally in found:
            tally.add(number)

    def _tally(self, field: str, given: str, text: str) -> Tally | None:
        """Return where a cell is counted, if it is odd; *text* is what is sent of it."""
        if is_placeholder(field, text):
            if has_lost_letter(text):
                return self._lost_letters
            self._placeholders.show(text)
            return self._placeholders
        if field == "linkedin_url":
            return None if is_profile(text) else self._no_profiles
        if field not in _NAMES or (text.isascii() and "?" not in text):  # nearly always
            return None
        return self._tally_of_name(field, given, text)

    def _tally_of_name(self, field: str, given: str, text: str) -> Tally | None:
        if (before := unmangled(given.strip())) is not None:
            self._mangled.show(f"{text[:_LONGEST]} is probably {before[:_LONGEST]}")
            return self._mangled
        if not has_question_mark(text, is_person=field != "company_name"):
            return None
        self._question_marks.show(text[:_LONGEST])
        return self._question_marks

    @property
    def notes(self) -> list[str]:
        """A line for each kind that was found so far."""
        spoiled = (self._lost_letters, self._mangled, self._question_marks)
        return [note for kind in (self._placeholders, *spoiled, self._no_profiles) for note in kind.notes]
