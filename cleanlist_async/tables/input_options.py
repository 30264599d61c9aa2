"""What a caller says about the contacts it gives: the columns of rows, and whom to leave out."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from cleanlist_async.contacts.checks import check_contacts, check_form, is_frame
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.tables.contact_rows import GUESSED, SAMPLE, Columns, Extra, MappingReader, RowFormat
from cleanlist_async.tables.suppression import SUPPRESSED, Suppress, Suppression

ContactSource: TypeAlias = Iterable[ContactLike] | AsyncIterable[ContactLike]
ReadContact: TypeAlias = Callable[[ContactLike], ContactLike]
"""Returns the contact of a row whose columns have any names."""
Prepare: TypeAlias = Callable[[int, ContactLike], Prepared | Invalid]
"""Checks the contact at an index, and reduces it to what is sent."""


def open_source(given: ContactSource, rows: RowFormat, name: str) -> tuple[ContactSource, ReadContact]:
    """Return the rows of what a caller gave, and what makes a contact of each.

    Raises ConfigurationError for what holds none: text, bytes, a set, a single contact, or a list whose items
    are all malformed in one way; TableError for columns that are not known.
    """
    if is_frame(given):
        from cleanlist_async.tables.frames import frame_contacts  # noqa: PLC0415  # needs an extra

        if (contacts := frame_contacts(given, rows)) is not None:
            return contacts, as_given
    check_contacts(given, Iterable, AsyncIterable, name=name)
    reader = MappingReader(rows, given[:SAMPLE] if isinstance(given, Sequence) else ())
    if isinstance(given, Sequence):
        check_form(map(reader.read, given))
    return given, reader.read


def as_given(contact: ContactLike) -> ContactLike:
    """Return a contact as it is."""
    return contact


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How rows are read, and which contacts are not to be enriched."""

    rows: RowFormat = GUESSED
    suppression: Suppression | None = None

    @classmethod
    def of(cls, columns: Columns | None, extra: Extra, suppress: Suppress | None) -> Self:
        """Take what the caller said. Raises ConfigurationError for what cannot work."""
        return cls(RowFormat(columns, extra).checked(), Suppression.of(suppress))

    async def load(self) -> None:
        """Read what is suppressed. Raises ConfigurationError or TableError for what is no entry."""
        if self.suppression is not None:
            await self.suppression.load()


NOTHING_SAID: Final = InputOptions()


def preparation(suppression: Suppression | None, read: ReadContact = as_given) -> Prepare:
    """Return a function that reads a row, checks its contact, and keeps it back if it is suppressed."""
    if suppression is None:
        return lambda index, given: prepare(index, read(given))
    covers = suppression.covers

    def prepare_unless_suppressed(index: int, given: ContactLike) -> Prepared | Invalid:
        contact = prepare(index, read(given))
        if isinstance(contact, Prepared) and covers(contact.sent):
            return Invalid(index, contact.contact, SUPPRESSED)
        return contact

    return prepare_unless_suppressed
