"""Where the contacts of a job come from: a file, or anything that can be read again with the same result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias, cast

from cleanlist_async.checks import a_type, checked_path, is_any
from cleanlist_async.contacts.checks import check_contacts, check_form
from cleanlist_async.contacts.identity import ContactLike
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.tables import ContactTable
from cleanlist_async.tables.input import is_stream

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

    def __init__(self, given: JobSource) -> None:
        self.table: ContactTable | None = None
        self.digest = ""
        if isinstance(given, str | os.PathLike):
            path = checked_path("source", given)
            if is_stream(path):
                raise _read_once("a pipe")
            given = ContactTable.open(path)
        if isinstance(given, ContactTable):
            self.table = given
            self.name = given.name
            self.digest = given.fingerprint
        else:
            self._contacts = _checked(given)
            self.name = type(given).__name__

    def __iter__(self) -> Iterator[ContactLike]:
        return self.table.contacts() if self.table is not None else iter(self._contacts)


def _read_once(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"source is read more than once, and {what} can be read only once.",
        fix="Pass a file, a list, or an object whose __iter__ starts again.",
    )


def _checked(given: object) -> Iterable[ContactLike]:
    # The journal holds no contacts: planning, sending and receipts each read them from the source.
    if is_any(given, Iterator):
        raise _read_once(a_type(given))
    check_contacts(given, Iterable, name="source")
    if isinstance(given, Sequence):
        check_form(cast("Sequence[ContactLike]", given))
    return cast("Iterable[ContactLike]", given)
