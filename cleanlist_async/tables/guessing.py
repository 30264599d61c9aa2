"""Guess the column of each field of a contact by its header; values confirm or veto a guess. Pure.

A wrong guess costs credits and may put one person's e-mail on another's row. So a column whose values
contradict its header is ignored, and of two equally likely columns neither is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.tables import values
from cleanlist_async.tables.headers import FULL_NAME, OWN_WORD, known_as, words

_NOT_THE_PERSON: Final = frozenset(
    words(
        "company account organization organisation firma employer school owner manager assistant rep "
        "referrer assigned created modified updated sender parent recruiter"
    )
)
"""Words in a header that refer to someone or something other than the contact."""

_WEB_WORDS: Final = frozenset(words("web website site url domain homepage webseite"))
_OTHER_HALF: Final = {
    "last_name": {("vorname", "name")},
    "first_name": {(last, "nombre") for last in ("apellido", "apellidos", "primerapellido")}
    | {(last, "nome") for last in ("cognome", "sobrenome", "apelido")},
}
"""Pairs of headers of which the second, general word means the other half of the name."""

_MOST: Final = 0.5
_NEARLY_ALL: Final = 0.8


@dataclass(frozen=True, slots=True)
class Guess:
    """A column that holds a field: its header, its 0-based position, and the reason in a few words."""

    header: str
    column: int
    why: str


@dataclass(frozen=True, slots=True)
class Survey:
    """Guesses from a table's headers and first rows. *ambiguous*: field to the columns that tie for it."""

    guesses: Mapping[str, Guess]
    ambiguous: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    position: int
    sample: tuple[str, ...]

    def share(self, test: Callable[[str], bool]) -> float:
        """Share of the non-blank sample values that pass; 0 if there are none."""
        return sum(map(test, self.filled)) / len(self.filled) if self.filled else 0.0

    @property
    def filled(self) -> tuple[str, ...]:
        return tuple(value for value in self.sample if value)


def guess_columns(headers: Sequence[str], sample_rows: Sequence[Sequence[str]]) -> dict[str, Guess]:
    """Guess the columns of a table's contact fields, from its headers and some of its rows.

    ``key`` is never guessed. First and last name are split from one column only if neither has its own.
    """
    return dict(survey(headers, sample_rows).guesses)


def survey(headers: Sequence[str], sample_rows: Sequence[Sequence[str]]) -> Survey:
    """Guess as :func:`guess_columns` does, and also return the fields for which two columns tie."""
    columns = [
        _Column(header, position, tuple(row[position].strip() for row in sample_rows if position < len(row)))
        for position, header in enumerate(headers)
        if words(header)[:1] != (OWN_WORD,)
    ]
    search = _Search(columns)
    for name in ("linkedin_url", "email", "first_name", "last_name", "company_name", "company_domain"):
        search.by_header(name)
    search.names()
    search.by_values()
    ordered: dict[str, Guess] = {name: search.guesses[name] for name in API_FIELDS if name in search.guesses}
    return Survey(ordered, search.ambiguous)


@dataclass(slots=True)
class _Search:
    columns: Sequence[_Column]
    guesses: dict[str, Guess] = field(default_factory=dict[str, Guess])
    ambiguous: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])

    def by_header(self, name: str) -> None:
        likely = sorted(self._known(name), key=lambda found: (-_fit(name, found[1]), found[0]))
        if not likely:
            return
        best = likely[0][1]
        # Only a header with the same words ties; one that is merely known too is a worse match.
        rivals = [column for _, column in likely if words(column.header) == words(best.header)]
        if len(rivals) > 1:
            rivals = _distinct(rivals)
        if len(rivals) > 1:
            self.ambiguous[name] = tuple(column.position for column in rivals)
        else:
            self._take(name, rivals[0], "known header")

    def names(self) -> None:
        """Find a full name to split where there is no first or no last name column."""
        missing = {"first_name", "last_name"} - self.guesses.keys() - self.ambiguous.keys()
        full = [column for _, column in sorted(self._known(FULL_NAME), key=lambda found: found[0])]
        if not missing or not full:
            return
        if len(missing) == 1:
            self._lone_half(missing.pop(), full)
        # A column of single words called "Name" is no full name.
        elif column := next((column for column in full if _can_be_full_name(column)), None):
            for name in ("first_name", "last_name"):
                self._take(name, column, f"split from {column.header}")

    def by_values(self) -> None:
        """Find columns with an unknown header whose values are unmistakable."""
        self._only_column("linkedin_url", values.is_person_page, "values are linkedin.com/in/ addresses")
        self._only_column("email", values.is_email, "values are e-mail addresses")
        web = [column for column in self.columns if _WEB_WORDS & set(words(column.header))]
        self._only_column("company_domain", values.is_domain, "values are web addresses", web)
        # Some exports hold the domain in the column called company.
        if {"company_domain", "company_name"} & self.guesses.keys() == {"company_name"}:
            position = self.guesses["company_name"].column
            named = next(column for column in self.columns if column.position == position)
            if named.share(values.is_domain) >= _NEARLY_ALL:
                self.guesses["company_domain"] = Guess(named.header, named.position, "values are domains")
                del self.guesses["company_name"]

    def _known(self, name: str) -> Iterator[tuple[int, _Column]]:
        for column in self.columns:
            found = known_as(column.header)
            if found and found[0] == name and not _contradicts(name, column):
                yield found[1], column

    def _lone_half(self, missing: str, full: Sequence[_Column]) -> None:
        present = self.guesses.get("first_name") or self.guesses.get("last_name")
        if present is None:
            return
        for column in full:
            if ("".join(words(present.header)), "".join(words(column.header))) in _OTHER_HALF[missing]:
                self._take(missing, column, f"stands beside {present.header}")
                return

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
        if len(found) == 1:
            self._take(name, found[0], why)

    def _take(self, name: str, column: _Column, why: str) -> None:
        self.guesses[name] = Guess(column.header, column.position, why)


def _fit(name: str, column: _Column) -> float:
    """Rate how well the values fit, where that outweighs the order of known headers."""
    if name == "linkedin_url":
        return round(column.share(values.is_person_page), 1)
    return 1.0 if column.filled or name != "email" else 0.0


def _contradicts(name: str, column: _Column) -> bool:
    if not column.filled:
        return False
    if name == "linkedin_url":
        return column.share(_is_other_address) >= _MOST
    if name == "email":  # leniently: a list may hold typing errors
        return column.share(lambda value: "@" in value) < _MOST
    if name == "company_domain":
        return column.share(values.is_domain) < _MOST
    return column.share(lambda value: "@" in value or values.is_address(value) or value.isdigit()) >= _MOST


def _is_other_address(value: str) -> bool:
    if values.is_person_page(value):
        return False
    if values.is_company_page(value) or "@" in value:
        return True
    return "." in value and "linkedin." not in value.lower()


def _can_be_full_name(column: _Column) -> bool:
    return not column.filled or column.share(values.is_full_name) >= _MOST


def _distinct(rivals: Sequence[_Column]) -> list[_Column]:
    """Drop columns that are blank or repeat another one."""
    kept: dict[tuple[str, ...], _Column] = {}
    for column in rivals:
        kept.setdefault(column.sample, column)
    filled = [column for column in kept.values() if column.filled]
    return filled or list(kept.values())[:1]
