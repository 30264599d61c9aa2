"""What a caller gives as contacts: an iterable of contacts or mappings, or a frame."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from typing import TypeAlias

from cleanlist_async.contacts.checks import check_contacts, check_form, is_frame
from cleanlist_async.contacts.identity import ContactLike
from cleanlist_async.tables.contact_rows import SAMPLE, MappingReader, RowFormat

ContactSource: TypeAlias = Iterable[ContactLike] | AsyncIterable[ContactLike]
ReadContact: TypeAlias = Callable[[ContactLike], ContactLike]
"""Returns the contact of a row whose columns have any names."""


def open_source(given: ContactSource, rows: RowFormat, name: str) -> tuple[ContactSource, ReadContact]:
    """Return the rows of what a caller gave, and what makes a contact of each.

    Raises ConfigurationError for what holds none: text, bytes, a set, a single contact, or a list whose items
    are all malformed in one way; TableError for columns that are not known.
    """
    if is_frame(given):
        from cleanlist_async.tables.frames import frame_contacts  # noqa: PLC0415  # needs an extra

        if (contacts := frame_contacts(given, rows)) is not None:
            return contacts, _as_it_is
    check_contacts(given, Iterable, AsyncIterable, name=name)
    reader = MappingReader(rows, given[:SAMPLE] if isinstance(given, Sequence) else ())
    if isinstance(given, Sequence):
        check_form(map(reader.read, given))
    return given, reader.read


def _as_it_is(contact: ContactLike) -> ContactLike:
    return contact
