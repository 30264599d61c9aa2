"""The input of a job, kept in its journal, so that the job goes on whatever becomes of the input."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final
from zlib import compress, decompress

from cleanlist_async.contacts.contact import CONTACT_FIELDS, Contact
from cleanlist_async.contacts.identity import Invalid, Prepared, prepare
from cleanlist_async.job.journal.journal_file import JournalFile

_AT_ONCE: Final = 500
"""Contacts of one row: together they take a fifth of the room."""
_NOBODY: Final = Contact(linkedin_url="https://www.linkedin.com/in/nobody")


class JournalInput(JournalFile):
    """The contacts as they were given, and why some of them are not sent."""

    def keeping(self, contacts: Iterable[Prepared | Invalid]) -> Iterator[Prepared | Invalid]:
        """Yield all contacts of an input, and write them as they pass. To be called within a transaction."""
        rest = iter(contacts)
        while some := list(islice(rest, _AT_ONCE)):
            text = json.dumps([_as_row(contact) for contact in some], default=str)
            self._db.execute("INSERT INTO input VALUES (?, ?, 0)", (some[0].index, compress(text.encode())))
            yield from some

    @property
    def keeps_input(self) -> bool:
        """Whether it has the contacts: not of an earlier version of the package, and not purged."""
        return self._db.has_table("input") and self._db.row("SELECT 1 FROM input LIMIT 1") is not None

    def kept(self, count: int) -> Iterator[Prepared | Invalid]:
        """Yield the *count* contacts in their order; where there are none, nobody in place of each."""
        if not self.keeps_input:
            yield from (Prepared(place, _NOBODY, b"") for place in range(count))
            return
        place = 0
        # Row by row: a query that is left open would keep others from writing.
        while row := self._db.checked_row("contacts", "input", "WHERE first = ?", (place,)):
            for *values, reason in json.loads(decompress(row[0])):
                contact = Contact(**dict(zip(CONTACT_FIELDS, values, strict=True)))
                # What made it invalid may be what no journal can hold, such as a field that does not exist.
                yield prepare(place, contact) if reason is None else Invalid(place, contact, reason)
                place += 1
        if place != count:
            raise self._db.damaged("the copy of its input")


def _as_row(contact: Prepared | Invalid) -> list[object]:
    values = [getattr(contact.contact, name) for name in CONTACT_FIELDS]
    return [*values, contact.reason if isinstance(contact, Invalid) else None]
