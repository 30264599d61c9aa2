"""Guess the column of each field of a contact by its header; values confirm or veto a guess. Pure.

A wrong guess costs credits and may put one person's e-mail on another's row. So a column whose values
contradict its header is ignored, and of two equally likely columns neither is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cleanlist_async.contacts.contact import CONTACT_FIELDS
from cleanlist_async.tables import values
from cleanlist_async.tables.headers import OWN_WORD, is_half_of_a_name, known_as, words
from cleanlist_async.tables.vocabulary import FULL_NAME

_NOT_THE_PERSON: Final = frozenset(
    words(
        "company account organization organisation firma employer school owner manager assistant rep "
        "referrer assigned created modified updated sender parent recruiter"
    )
)
"""Words of a header that refer to someone or something other than the contact."""

_WEB_WORDS: Final = frozenset(words("web website site url domain homepage webseite"))
_HALVES: Final = ("first_name", "last_name")

_MOST: Final = 0.5
_NEARLY_ALL: Final = 0.8


@dataclass(frozen=True, slots=True)
class Guess:
    """A column that holds a field."""

    header: str
    """The header of the column."""
    column: int
    """Its position, from 0."""
    why: str
    """The reason in a few words."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Guesses from a table's headers and first rows.

    Attributes
    ----------
    guesses
        The column of each field.
    ambiguous
        Field to the columns that tie for it, so that none is taken.
    others
        Field to the columns that would do as well as the one that was taken, and hold something else.
    sample
        The rows that were looked at.

    """

    guesses: Mapping[str, Guess] = field(default_factory=dict[str, Guess])
    ambiguous: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    others: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    sample: Sequence[Sequence[str]] = ()

    def share(self, column: int, test: Callable[[str], bool]) -> float:
        """Return the share of the values of a column that pass; 0 if there are none."""
        return _Column.of("", column, self.sample).share(test)

    def misfit(self, name: str, column: int) -> str | None:
        """Return a value of a column in which no value can be that of the field *name*; None if one can."""
        values_of = _Column.of("", column, self.sample).filled
        fits = _IS_CHOSEN_WELL.get(name)
        return values_of[0] if fits and values_of and not any(map(fits, values_of)) else None


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    position: int
    sample: tuple[str, ...]

    @classmethod
    def of(cls, header: str, position: int, rows: Sequence[Sequence[str]]) -> _Column:
        return cls(header, position, tuple(row[position].strip() for row in rows if position < len(row)))

    def share(self, test: Callable[[str], bool]) -> float:
        return sum(map(test, self.filled)) / len(self.filled) if self.filled else 0.0

    @property
    def filled(self) -> tuple[str, ...]:
        return tuple(value for value in self.sample if value)


def guess_columns(headers: Sequence[str], sample_rows: Sequence[Sequence[str]]) -> dict[str, Guess]:
    """Guess the columns of a table's contact fields, from its headers and some of its rows.

    ``key`` is only a column of that very name. First and last name are split from one column only if neither
    has its own.
    """
    return dict(survey(headers, sample_rows).guesses)


def survey(headers: Sequence[str], sample_rows: Sequence[Sequence[str]]) -> Survey:
    """Guess as :func:`guess_columns` does, and also return the fields for which two columns tie."""
    columns = [
        _Column.of(header, position, sample_rows)
        for position, header in enumerate(headers)
        if words(header)[:1] != (OWN_WORD,)
    ]
    search = _Search(columns)
    for name in ("linkedin_url", "email", "first_name", "last_name", "company_name", "company_domain"):
        search.by_header(name)
    # Values last: they decide only where no header did.
    search.names()
    search.by_values()
    search.key()
    ordered: dict[str, Guess] = {
        name: search.guesses[name] for name in CONTACT_FIELDS if name in search.guesses
    }
    return Survey(ordered, search.ambiguous, search.others, sample_rows)


@dataclass(slots=True)
class _Search:
    columns: Sequence[_Column]
    guesses: dict[str, Guess] = field(default_factory=dict[str, Guess])
    ambiguous: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    others: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])

    def by_header(self, name: str) -> None:
        likely = self._likely(name)
        if not likely:
            return
        # Only a header with the same words ties; one that is merely known too is a worse match.
        rivals = [column for column in likely if words(column.header) == words(likely[0].header)]
        if len(rivals) > 1:
            rivals = _distinct(rivals)
        if len(rivals) > 1:
            self.ambiguous[name] = tuple(column.position for column in rivals)
        else:
            self._take(name, rivals[0], "known header", likely)

    def names(self) -> None:
        """Find a full name to split where a half of it has no column."""
        missing = [half for half in _HALVES if half not in self.guesses and half not in self.ambiguous]
        full = self._likely(FULL_NAME)
        if not missing or not full:
            return
        present = next((self.guesses[half] for half in _HALVES if half in self.guesses), None)
        # A column of single words called "Name" is no full name.
        whole = next((column for column in full if self._is_whole(column, present)), None)
        if whole is not None:
            for half in _HALVES:
                self._take(half, whole, f"split from {whole.header}", full)
        elif present is not None:
            self._lone_half(missing[0], present, full)

    def by_values(self) -> None:
        """Find columns with an unknown header whose values are unmistakable."""
        self._only_column("linkedin_url", values.is_person_page, "values are linkedin.com/in/ addresses")
        self._only_column("email", values.is_email, "values are e-mail addresses")
        web = [column for column in self.columns if _WEB_WORDS & set(words(column.header))]
        self._only_column("company_domain", values.is_domain, "values are web addresses", web)
        # Some exports hold the domain in the column called company.
        if {"company_domain", "company_name"} & self.guesses.keys() == {"company_name"}:
            position = self.guesses["company_name"].column
            named = self._at(position)
            if named.share(values.is_domain) >= _NEARLY_ALL:
                self.guesses["company_domain"] = Guess(named.header, named.position, "values are domains")
                del self.guesses["company_name"]

    def key(self) -> None:
        """Find the caller's own ids where a column says so; any other column of ids may be of companies."""
        named = [column for column in self.columns if words(column.header) == ("key",)]
        if len(named) == 1:
            self.guesses["key"] = Guess(named[0].header, named[0].position, "known header")

    def _likely(self, name: str) -> list[_Column]:
        """Return the columns that a field can be by their headers and values, best first."""
        known = [
            (-_fit(name, column), found[1], column)
            for column in self.columns
            if (found := known_as(column.header)) and found[0] == name and not _contradicts(name, column)
        ]
        return [column for *_, column in sorted(known, key=lambda rated: rated[:2])]

    def _is_whole(self, column: _Column, present: Guess | None) -> bool:
        """Whether a column holds whole names, also beside one that holds a half of them."""
        if present is None:
            return not column.filled or column.share(values.is_full_name) >= _MOST
        halves = self._at(present.column).sample
        pairs = [(whole, half) for whole, half in zip(column.sample, halves, strict=False) if whole and half]
        # "Jane" beside "Jane Doe"; a first name beside a last name has no word of it.
        repeated = [set(half.split()) < set(whole.split()) for whole, half in pairs]
        return bool(pairs) and sum(repeated) / len(pairs) >= _NEARLY_ALL

    def _lone_half(self, missing: str, present: Guess, full: Sequence[_Column]) -> None:
        for column in full:
            is_beside = abs(column.position - present.column) == 1
            if is_half_of_a_name(missing, column.header) and (is_beside or words(column.header) != ("name",)):
                self._take(missing, column, f"stands beside {present.header}")
                return

    def _at(self, position: int) -> _Column:
        return next(column for column in self.columns if column.position == position)

    def _only_column(
        self, name: str, test: Callable[[str], bool], why: str, among: Sequence[_Column] | None = None
    ) -> None:
        if name in self.guesses or name in self.ambiguous:
            return
        found = [
            column
            for column in (self.columns if among is None else among)
            if column.share(test) >= _NEARLY_ALL
        ]
        if among is None:
            # "Owner Email" holds e-mail addresses, but a colleague's.
            found = [column for column in found if not _NOT_THE_PERSON & set(words(column.header))]
        found = _distinct(found)
        if len(found) == 1:
            self._take(name, found[0], why)
        elif found:
            self.ambiguous[name] = tuple(column.position for column in found)

    def _take(self, name: str, column: _Column, why: str, likely: Sequence[_Column] = ()) -> None:
        self.guesses[name] = Guess(column.header, column.position, why)
        rivals = _distinct([column, *(other for other in likely if other is not column)])
        others = tuple(other.position for other in rivals if other is not column and other.filled)
        if others and column.filled:
            self.others[name] = others


def _fit(name: str, column: _Column) -> float:
    """Rate how well the values fit, where that outweighs the order of known headers."""
    if name == "linkedin_url":
        return round(column.share(values.is_person_page), 1)
    return 1.0 if column.filled or name != "email" else 0.0


def _contradicts(name: str, column: _Column) -> bool:
    return bool(column.filled) and column.share(_CAN_BE.get(name, _can_be_a_name)) < _MOST


def _can_be_a_name(value: str) -> bool:
    return not ("@" in value or "://" in value or value.isdigit())


def _is_other_address(value: str) -> bool:
    if values.is_person_page(value):
        return False
    if values.is_company_page(value) or "@" in value:
        return True
    return "." in value and "linkedin." not in value.lower()


def _distinct(rivals: Sequence[_Column]) -> list[_Column]:
    """Drop columns that are blank or repeat another one."""
    kept: dict[tuple[str, ...], _Column] = {}
    for column in rivals:
        kept.setdefault(column.sample, column)
    filled = [column for column in kept.values() if column.filled]
    return filled or list(kept.values())[:1]


_CAN_BE: Final[Mapping[str, Callable[[str], bool]]] = {
    "linkedin_url": lambda value: not _is_other_address(value),
    "email": lambda value: "@" in value,  # a list may hold typing errors
    "company_domain": values.is_domain,
    "key": bool,
}
"""Whether a value can be that of a field that is no name."""
_IS_CHOSEN_WELL: Final[Mapping[str, Callable[[str], bool]]] = {
    **dict.fromkeys((FULL_NAME, "first_name", "last_name", "company_name"), _can_be_a_name),
    **_CAN_BE,
    "company_domain": lambda value: values.is_domain(value) or values.is_email(value),
    "linkedin_url": lambda value: (
        re.search(r"linkedin\.|\bin/", value, re.IGNORECASE) is not None and not _is_other_address(value)
    ),
}
"""The same for a column that the caller chose."""
