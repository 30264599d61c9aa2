"""Contacts of rows in memory, mappings or rows of frames, whose columns have any names."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Literal, Self, TypeAlias, cast, get_args

from cleanlist_async.checks import check_choice, check_instance, is_any, optional, wrong
from cleanlist_async.contacts.contact import CONTACT_FIELDS, Contact
from cleanlist_async.contacts.identity import ContactLike
from cleanlist_async.contacts.texts import as_text, is_absent
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.guessing import Guess, survey
from cleanlist_async.tables.headers import OWN_WORD, addressable
from cleanlist_async.tables.mapping import BY_CALLER, NAME_HALVES, Mapper, contact_builder, halves_error
from cleanlist_async.tables.vocabulary import FULL_NAME

Extra: TypeAlias = Literal["ignore", "forbid"]
Columns: TypeAlias = Mapping[str, str | None]
"""Column to the field that it holds, or None."""
BuildRow: TypeAlias = Callable[[Sequence[object]], Contact]
BuildMapping: TypeAlias = Callable[[Mapping[str, object]], ContactLike]

SAMPLE: Final = 100
"""Rows whose values confirm or veto what the headers say."""
_MOST_BUILDERS: Final = 1_000
"""Sets of keys: rows of some databases leave out what is missing."""
_FIELDS: Final = frozenset(CONTACT_FIELDS)
_NAMED: Final = (*CONTACT_FIELDS, FULL_NAME)
"""What a column can be called: a full name is split."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """What the caller said about columns.

    ``extra`` says what a column means that is none of a contact's: nothing, or a mistake.
    """

    columns: Columns | None = None
    extra: Extra = "ignore"

    def checked(self) -> Self:
        """Return it. Raises ConfigurationError for what cannot work."""
        check_choice("extra", self.extra, get_args(Extra))
        optional(check_instance, "columns", self.columns, Mapping)
        held = [field for field in (self.columns or {}).values() if field is not None]
        for field in held:
            if field not in _NAMED:  # a tuple, which takes what cannot be hashed
                raise wrong("columns", f"a mapping to {', '.join(_NAMED)} or None", field)
            if held.count(field) > 1:
                raise wrong("columns", f"a mapping with one column for {field}", self.columns)
        if FULL_NAME in held and (halves := [half for half in NAME_HALVES if half in held]):
            raise ConfigurationError(f"columns: {halves_error(halves)}.")
        return self


GUESSED: Final = RowFormat()
"""Nothing was said: the columns are guessed."""


def _as_argument(field: str, header: str) -> str:
    return f"columns={{{header or '...'!r}: {field!r}}}"


def field_columns(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    said: Columns,
    name: str,
    *,
    trusted: Container[str] = (),
) -> dict[str, Guess]:
    """Return the column of each field: as the caller said, else guessed from headers and some rows.

    Of two columns ``Email`` the second is ``Email (2)``. Values below *trusted* headers are not looked at.
    Raises TableError for a column that is not there, and for a tie for a field that is needed.
    """
    sample = [
        ["" if header in trusted else _text(value) or "" for header, value in zip(headers, row, strict=True)]
        for row in islice(rows, SAMPLE)
    ]
    names = addressable(headers)
    unused = [said.get(name, "") is None for name in names]
    # A column that is none of a contact's, as the caller says, has nothing to guess from.
    known = [OWN_WORD if skip else header for skip, header in zip(unused, headers, strict=True)]
    mapper = Mapper(name, names, survey(known, sample), choice=_as_argument)
    return mapper.columns({field: header for header, field in said.items() if field is not None})


def row_builder(columns: Mapping[str, Guess]) -> tuple[list[int], BuildRow]:
    """Return the positions of the cells that matter, and a function from these cells to a contact.

    A value that is no text stays as it is in the contact, which is refused with the reason.
    """
    positions = sorted({guess.column for guess in columns.values()})
    moved = {field: replace(guess, column=positions.index(guess.column)) for field, guess in columns.items()}
    build = contact_builder(moved)

    def build_row(values: Sequence[object]) -> Contact:
        texts = [value if type(value) is str else _text(value) for value in values]
        contact = build([text or "" for text in texts])
        if None not in texts:
            return contact
        odd: dict[str, Any] = {
            field: values[guess.column] for field, guess in moved.items() if texts[guess.column] is None
        }
        return replace(contact, **odd)

    return positions, build_row


def _text(value: object) -> str | None:
    return "" if is_absent(value) else as_text(value)


class MappingReader:
    """Makes contacts of mappings with any keys; anything else passes as it is.

    A key that is the name of a field holds it; other fields are guessed, once for each set of keys.
    """

    def __init__(self, spec: RowFormat, sample: Sequence[object] = ()) -> None:
        self._said = spec.columns or {}
        self._is_strict = spec.extra == "forbid"
        self._sample = [cast("Mapping[str, object]", row) for row in sample if isinstance(row, Mapping)]
        self._builders: dict[tuple[object, ...], BuildMapping] = {}

    def read(self, given: ContactLike) -> ContactLike:
        """Return the contact of a row. Raises TableError as `field_columns` does."""
        if isinstance(given, Contact) or not is_any(given, Mapping):
            return given
        if not self._said and (self._is_strict or given.keys() <= _FIELDS):
            return given
        keys = tuple(given)
        if (build := self._builders.get(keys)) is None:
            if len(self._builders) >= _MOST_BUILDERS:
                self._builders.clear()
            build = self._builders[keys] = self._strict() if self._is_strict else self._lenient(keys, given)
        return build(given)

    def _strict(self) -> BuildMapping:
        said = self._said
        whole = next((column for column, field in said.items() if field == FULL_NAME), None)
        _, split = row_builder(dict.fromkeys(NAME_HALVES, Guess(FULL_NAME, 0, BY_CALLER)))

        def rename(row: Mapping[str, object]) -> ContactLike:
            named = ((said.get(column, column), value) for column, value in row.items())
            renamed: dict[str, Any] = {field: value for field, value in named if field is not None}
            if whole is not None and whole in row:
                name = split([renamed.pop(FULL_NAME)])
                if given := [half for half in NAME_HALVES if half in renamed]:
                    raise TableError(path="the contacts", problem=halves_error(given))
                renamed |= {half: getattr(name, half) for half in NAME_HALVES}
            return renamed

        return rename

    def _lenient(self, keys: tuple[str, ...], first: Mapping[str, object]) -> BuildMapping:
        headers = [str(key) for key in keys]
        sample = [row for row in self._sample if tuple(row) == keys] or [first]
        own = {key: key for key in keys if key in _FIELDS and key not in self._said}
        said = self._said
        if not self._sample or any(tuple(row) != keys for row in self._sample):  # else a column is misspelt
            said = {header: field for header, field in said.items() if header in headers}
        columns = field_columns(
            headers,
            ([row[key] for key in keys] for row in sample),
            {**own, **said},
            "the contacts",
            trusted=own,
        )
        if not columns:  # refused, by the names that it has
            return lambda row: row
        positions, build = row_builder(columns)
        chosen = [keys[position] for position in positions]
        return lambda row: build([row[key] for key in chosen])
