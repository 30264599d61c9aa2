"""The column of each field, given by the caller or guessed, and the contact that is built from them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from cleanlist_async.checks import with_extras
from cleanlist_async.contacts.contact import CONTACT_FIELDS, Contact
from cleanlist_async.contacts.texts import is_placeholder
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.guessing import Guess, Survey
from cleanlist_async.tables.headers import known_as, last_name_comes_first, words
from cleanlist_async.tables.input import InputFile
from cleanlist_async.tables.values import (
    company_domain,
    is_email,
    published_free_hosts,
    split_name,
    without_titles,
)
from cleanlist_async.tables.vocabulary import FULL_NAME

BY_CALLER: Final = "as you said"

NAME_HALVES: Final = ("first_name", "last_name")
_SHARED: Final = ("key", "company_domain")
"""Fields whose column may be another's, too."""
Texts: TypeAlias = Sequence[str] | Mapping[int, str]
"""The cells of a record, by the position of their column."""
BuildContact: TypeAlias = Callable[[Texts], Contact]


def _as_option(field: str, header: str) -> str:
    return f"--map {_quoted(f'{field}={header}')}" if header else f"--map {field}=..."


def position_of(path: str, headers: Sequence[str], header: str) -> int:
    """Return the position of the column that a caller named. Raises TableError if there is none, or two."""
    # An exact name first: a file can have both "E-Mail" and "Email".
    if header in headers:
        return headers.index(header)
    wanted = words(header)
    alike = [
        number
        for number, name in enumerate(headers)
        if (wanted and words(name) == wanted) or name.strip() == header.strip()
    ]
    if len(alike) == 1:
        return alike[0]
    fix = _close(header, headers) or f"the columns are {_listed(headers)}"
    raise TableError(path=path, problem=f'there is no column "{header}"', fix=fix)


@dataclass(frozen=True, slots=True)
class Mapper:
    """Resolves the caller's mapping and the guesses into the column of each of *fields*.

    *path* is what errors call the table. *choice* says how the caller maps a field to a column.
    """

    path: str
    headers: Sequence[str]
    survey: Survey
    fields: Sequence[str] = CONTACT_FIELDS
    choice: Callable[[str, str], str] = _as_option

    def columns(self, mapping: Mapping[str, str]) -> dict[str, Guess]:
        """Return the column of each field, in the order of `fields`.

        A field mapped to an empty string is left out. Raises :class:`TableError` on an unknown field or
        header, on a column none of whose values can be that of its field, and on a tie for a field without
        which no contact can be sent.
        """
        mapping = self._with_halves(mapping)
        given = {field: self._given(field, header) for field, header in mapping.items()}
        guessed = self._guessed(given)
        chosen = {**guessed, **{field: guess for field, guess in given.items() if guess}}
        self._refuse_ties(chosen, mapping)
        return {field: chosen[field] for field in self.fields if field in chosen}

    def notes(self, columns: Mapping[str, Guess]) -> list[str]:
        """Return a line for each field for which other columns would do as well."""
        ties = [
            f"{self._named(tied)} could both be {field}: neither is used; {self._choice(field, tied)}"
            for field, tied in self.survey.ambiguous.items()
            if field not in columns
        ]
        split = is_split_name(columns)
        return ties + [
            f'{field} is taken from "{columns[field].header}", though {self._named(others)} could be it as'
            f" well: {self._choice(field, others)}"
            for field, others in self.survey.others.items()
            if field in columns and columns[field] == self.survey.guesses.get(field)
            if not (split and field == "last_name")
        ]

    def _named(self, columns: Sequence[int]) -> str:
        return " and ".join(f'"{self.headers[column]}"' for column in columns)

    def _choice(self, field: str, columns: Sequence[int]) -> str:
        return self.choice(field, self.headers[columns[0]])

    def _with_halves(self, mapping: Mapping[str, str]) -> Mapping[str, str]:
        """Return what the caller said, with a full name as the two halves that it is split into."""
        if FULL_NAME not in mapping or FULL_NAME in self.fields:
            return mapping
        if halves := [half for half in NAME_HALVES if half in mapping]:
            fix = "map either the whole name, or its halves"
            raise TableError(path=self.path, problem=halves_error(halves), fix=fix)
        header = mapping[FULL_NAME]
        if header:
            self._given(FULL_NAME, header)  # so that an error names what the caller did
        # None is to be split: that concerns no halves with columns of their own.
        is_free = bool(header) or is_split_name(self.survey.guesses)
        others = {field: other for field, other in mapping.items() if field != FULL_NAME}
        return others | dict.fromkeys(NAME_HALVES if is_free else (), header)

    def _given(self, field: str, header: str) -> Guess | None:
        known = tuple(dict.fromkeys((*self.fields, FULL_NAME)))
        if field not in known:
            close = _close(field, known) or f"the fields are {', '.join(known)}"
            raise TableError(path=self.path, problem=f'a contact has no field "{field}"', fix=close)
        if not header:  # --map email= leaves the field out
            return None
        position = position_of(self.path, self.headers, header)
        if (value := self.survey.misfit(field, position)) is not None:
            problem = f"no value of this column can be {field}, such as {_quoted(value[:40])}"
            fix = f"map another column: {self.choice(field, '')}"
            raise TableError(path=self.path, problem=problem, fix=fix, column=self.headers[position])
        if (
            field == "company_domain"
            and self.survey.share(position, is_email)
            and published_free_hosts() is None
        ):
            problem = "the hosts that give e-mail addresses to everyone are not known"
            fix = with_extras("cli")
            raise TableError(path=self.path, problem=problem, fix=fix, column=self.headers[position])
        return Guess(self.headers[position], position, BY_CALLER)

    def _guessed(self, given: Mapping[str, Guess | None]) -> dict[str, Guess]:
        # The column of the key may be that of a field, too, and a work e-mail address holds a domain.
        taken = {guess.column for field, guess in given.items() if guess and field not in _SHARED}
        guesses = {
            field: guess
            for field, guess in self.survey.guesses.items()
            if field not in given and guess.column not in taken
        }
        # Half of a split name would be wrong beside the half that the caller mapped.
        is_split = is_split_name(self.survey.guesses)
        if is_split and not all(half in guesses for half in NAME_HALVES):
            for half in NAME_HALVES:
                guesses.pop(half, None)
        return guesses

    def _refuse_ties(self, chosen: Mapping[str, Guess], mapping: Mapping[str, str]) -> None:
        for field in _needed(chosen):
            tied = self.survey.ambiguous.get(field)
            if tied and field not in mapping:  # a guess here would enrich the wrong person
                names = " and ".join(f'"{self.headers[column]}" (column {column + 1})' for column in tied)
                fix = f"choose one: {self._choice(field, tied)}"
                error = TableError(path=self.path, problem=f"{names} could both be {field}", fix=fix)
                error.field, error.candidates = field, tuple(self.headers[column] for column in tied)
                raise error


def is_split_name(columns: Mapping[str, Guess]) -> bool:
    """Whether first and last name come from one column, which is to be split."""
    first, last = (columns.get(half) for half in NAME_HALVES)
    return first is not None and last is not None and first.column == last.column


def halves_error(halves: Sequence[str]) -> str:
    """Return why a full name and *halves* of it cannot both have a column."""
    both = " and ".join(halves)
    return f"{FULL_NAME} is split into first and last name, so {both} cannot have a column as well"


def _needed(chosen: Mapping[str, Guess]) -> Sequence[str]:
    """Return the fields that a contact still needs (docs.cleanlist.ai, 422)."""
    if "linkedin_url" in chosen:
        return ()
    names = ("linkedin_url", *NAME_HALVES)
    has_company = "company_name" in chosen or "company_domain" in chosen
    return names if has_company else (*names, "company_name", "company_domain")


def no_columns_error(file: InputFile, first_row: Sequence[str], *, has_header: bool) -> TableError:
    """Return the error for a table none of whose columns is known."""
    if not has_header:
        return file.error("its columns cannot be recognised", "number them, e.g. --map linkedin_url=1")
    example = next((header for header in first_row if header.strip()), "Profile")
    mapped = f"map the columns, e.g. --map linkedin_url={_quoted(example)}"
    fix = f"{mapped}; if row 1 is data, pass --no-header and the column's number, e.g. --map linkedin_url=1"
    if file.or_another_sheet:  # the first sheet is often a cover
        fix = f"{mapped}{file.or_another_sheet}"
    promising = [header for header in first_row if known_as(header)]
    if promising:
        problem = f"the values of {_listed(promising)} are not what the header says"
        return file.error(problem, mapped)
    return file.error(f"none of the column headers is known ({_listed(first_row)})", fix, row=1)


def looks_like_data_error(file: InputFile, first_row: Sequence[str], field: str, column: int) -> TableError:
    """Return the error for a table whose first row is not a header."""
    return file.error(
        f"looks like a contact, not like column headers ({_listed(first_row)})",
        f"add a header row, or pass --no-header and number the columns, e.g. --map {field}={column + 1}",
        row=1,
    )


def _close(word: str, known: Sequence[str]) -> str:
    lowered = {name.lower(): name for name in known}
    close = [lowered[match] for match in difflib.get_close_matches(word.lower(), lowered)]
    return f"did you mean {' or '.join(map(_quoted, close))}?" if close else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(_quoted(name[:40]) for name in names[:6])
    return f"{shown}, ..." if len(names) > 6 else shown


def _quoted(name: str) -> str:
    return f'"{name}"'


def contact_builder(columns: Mapping[str, Guess]) -> BuildContact:
    """Return a function from the cells of a record to a contact.

    Values lose surrounding white space, and names their titles; what is blank then, and placeholders, are
    None; a web address becomes its domain.
    """
    positions = [(field, guess.column) for field, guess in columns.items()]
    # By position, not by name: this runs for each of a million rows.
    order = {field: place for place, field in enumerate(columns)}
    linkedin, first, last, name, domain, email, key = (
        order.get(field, len(order)) for field in CONTACT_FIELDS
    )
    splits = is_split_name(columns)
    is_reversed = splits and last_name_comes_first(columns["last_name"].header)

    def build(texts: Texts) -> Contact:
        values = [_value(field, texts[position]) for field, position in positions]
        values.append(None)  # what an unmapped field reads
        first_name, last_name = values[first], values[last]
        if splits and first_name:
            first_name, last_name = split_name(first_name, last_name_first=is_reversed)
        web = values[domain]
        return Contact(
            linkedin_url=values[linkedin],
            first_name=first_name,
            last_name=last_name,
            company_name=values[name],
            company_domain=company_domain(web) if web else None,
            email=values[email],
            key=values[key],
        )

    return build


def _value(field: str, text: str) -> str | None:
    text = text.strip()
    if text and field in NAME_HALVES:
        without = without_titles(text).strip()
        if without or field == "first_name" or "." in text:  # "Herr" is a family name too
            text = without
    return None if not text or (field != "key" and is_placeholder(field, text)) else text
