"""Where the contacts of a job come from: a file, or anything that can be read again with the same result."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from cleanlist_async.checks import a_type, checked_path, is_any, wrong
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.tables import ContactTable, TableError
from cleanlist_async.tables.contact_rows import GUESSED, Columns, RowFormat
from cleanlist_async.tables.input import is_stream
from cleanlist_async.tables.input_options import ReadContact, open_source

JobSource: TypeAlias = str | os.PathLike[str] | ContactTable | Iterable[ContactLike]


class Source:
    """Contacts that can be read any number of times, always in the same order.

    Attributes
    ----------
    name
        The file's name, or what kind of object it is.
    digest
        Of a file: over all its bytes. Otherwise empty: then the contacts themselves are compared.
    table
        The table, if the source is a file.

    """

    def __init__(self, given: JobSource, rows: RowFormat = GUESSED) -> None:
        self.table: ContactTable | None = None
        self.digest = ""
        if isinstance(given, str | os.PathLike):
            path = checked_path("source", given)
            if is_stream(path):
                raise _read_once("a pipe")
            given = _table(path, rows.columns or {})
        elif isinstance(given, ContactTable) and rows.columns is not None:
            raise ConfigurationError("The columns of a ContactTable are said when it is opened.")
        if isinstance(given, ContactTable):
            self.table = given
            self.name = given.name
            self.digest = given.fingerprint
        else:
            self._contacts, self._read = _opened(given, rows)
            self.name = type(given).__name__

    def has_no_contacts(self) -> CleanlistError:
        """Return the error for a source that is empty."""
        if self.table is None:
            return ConfigurationError(f"{self.name} has no contacts.")
        return TableError(path=self.name, problem="has no contacts", fix="there is nothing below its header")

    def prepared(self) -> Iterator[Prepared | Invalid]:
        """Yield the contacts in their order, each checked and reduced to what is sent."""
        given: Iterable[ContactLike]
        given = map(self._read, self._contacts) if self.table is None else self.table.contacts()
        return (prepare(place, contact) for place, contact in enumerate(given))

    def numbers(self, places: Collection[int]) -> dict[int, int]:
        """Return the numbers by which people know contacts: their rows in the table, or else from 1."""
        if self.table is None:
            return {place: place + 1 for place in places}
        last = max(places, default=-1)
        rows = islice(self.table.rows(), last + 1)  # read again, and no further than needed
        return {row.index: row.number for row in rows if row.index in places}


def _table(path: Path, said: Columns) -> ContactTable:
    mapping = {field: header for header, field in said.items() if field is not None}
    table = ContactTable.open(path, mapping)
    unused = {header for header, field in said.items() if field is None}
    left_out = {field: "" for field, guess in table.columns.items() if guess.header in unused}
    return ContactTable.open(path, {**mapping, **left_out}) if left_out else table


def _read_once(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"source is read more than once, and {what} can be read only once.",
        fix="Pass a file, a list, or an object whose __iter__ starts again.",
    )


def _opened(given: Iterable[ContactLike], rows: RowFormat) -> tuple[Iterable[ContactLike], ReadContact]:
    # Read to compare it, to plan the job, and to copy it.
    if is_any(given, Iterator):
        raise _read_once(a_type(given))
    source, read = open_source(given, rows, "source")
    if not isinstance(source, Iterable):
        raise wrong("source", "an iterable that is not async", given)
    return source, read
