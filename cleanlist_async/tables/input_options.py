"""What a caller says about the contacts it gives: the columns of rows, and whom to leave out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.tables.contact_rows import GUESSED, Columns, Extra, RowFormat
from cleanlist_async.tables.contact_source import ReadContact
from cleanlist_async.tables.suppression import SUPPRESSED, Suppress, Suppression

Prepare: TypeAlias = Callable[[int, ContactLike], Prepared | Invalid]
"""Checks the contact at an index, and reduces it to what is sent."""


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


def _as_given(contact: ContactLike) -> ContactLike:
    return contact


def preparation(suppression: Suppression | None, read: ReadContact = _as_given) -> Prepare:
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
