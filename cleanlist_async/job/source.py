"""Where the contacts of a job come from, and what of them is not as the job began with.

A job reads a file, or anything that can be read again with the same result. It keeps a copy of its input and
goes on with that, in a journal as in a store: what was planned and bought stays, whatever becomes of the
input. One that differs is refused by name, since results are told apart by their place in it.
"""

from __future__ import annotations

import os
from array import array
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Final, Self, TypeAlias

import anyio.lowlevel

from cleanlist_async.checks import a_type, checked_path, is_any, wrong
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.errors import CleanlistError, ConfigurationError, InputChangedError
from cleanlist_async.job.status import Receipt
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.job_records import contact_text
from cleanlist_async.tables import ContactTable, TableError
from cleanlist_async.tables.contact_rows import GUESSED, Columns, RowFormat
from cleanlist_async.tables.input import is_stream
from cleanlist_async.tables.input_options import HasColumns, ReadContact, open_source

JobSource: TypeAlias = str | os.PathLike[str] | ContactTable | Iterable[ContactLike] | HasColumns
STEPS_AT_ONCE: Final = 250
"""Contacts that are read between two checkpoints: an event loop waits some 10 ms for them."""
_NAMED: Final = 10
"""Contacts that an error names one by one."""


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

    def is_of(self, digest: str) -> bool:
        """Whether it is certainly the input of this digest, so that no contact has to be compared."""
        return bool(self.digest) and self.digest == digest

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


def _opened(
    given: Iterable[ContactLike] | HasColumns, rows: RowFormat
) -> tuple[Iterable[ContactLike], ReadContact]:
    # Read to compare it, to plan the job, and to copy it.
    if is_any(given, Iterator):
        raise _read_once(a_type(given))
    source, read = open_source(given, rows, "source")
    if not isinstance(source, Iterable):
        raise wrong("source", "an iterable that is not async", given)
    return source, read


def mark(contact: Prepared | Invalid) -> bytes:
    """Return 16 bytes that are the same for contacts of which the same is sent, with the same key."""
    if isinstance(contact, Invalid):
        text = b"invalid " + contact_text(contact.contact).encode()
    else:
        text = contact.payload + (contact.contact.key or "").encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where the contacts of a job are in an input, which has so many *contacts*.

    `where` has -1 for one that is not there, and no place twice. Places count from 0.
    """

    where: array[int]
    contacts: int

    @classmethod
    def same(cls, contacts: int) -> Self:
        """Return that of an input which did not change."""
        return cls(array("q", range(contacts)), contacts)

    @classmethod
    def of(cls, was: Sequence[bytes], now: Sequence[bytes]) -> Self:
        """Compare the marks of a job and of an input."""
        where = array("q", [-1]) * len(was)
        free = defaultdict[bytes, deque[int]](deque)
        for place, new in enumerate(now):
            if place < len(was) and was[place] == new:
                where[place] = place
            else:
                free[new].append(place)
        for place, old in enumerate(was):
            if where[place] < 0 and free.get(old):
                where[place] = free[old].popleft()
        return cls(where, len(now))

    @property
    def is_same(self) -> bool:
        """Whether each contact is at its place, and there is no other."""
        return self == self.same(len(self.where))

    def changes(self) -> tuple[list[int], list[int], list[int]]:
        """Return the places of contacts that are other ones now, of new ones, and of those that are gone."""
        lost = {place for place, found in enumerate(self.where) if found < 0}
        new = set(range(self.contacts)).difference(self.where)
        return sorted(lost & new), sorted(new - lost), sorted(lost - new)

    def told(self, source: Source) -> str:
        """Say what changed; nothing where only the order did."""
        changed, added, removed = self.changes()
        numbers = source.numbers((*changed[:_NAMED], *added[:_NAMED]))
        noun = "contact" if source.table is None else "row"
        parts = (
            _named(noun, changed, numbers, "changed", "changed"),
            _named(noun, added, numbers, "is new", "are new"),
            # Its row number is not known any more.
            _named("contact", removed, {}, "is gone", "are gone"),
        )
        return "; ".join(filter(None, parts))

    def require_same(self, job: str, source: Source) -> None:
        """Raise InputChangedError, which names what changed, unless nothing did."""
        if self.is_same:
            return
        error = InputChangedError(
            f"{source.name} is not what the job {job} began with:"
            f" {self.told(source) or 'its contacts are in another order'}.",
            fix="Open the job without an input: it goes on with the contacts as they were. Give what changed,"
            " or is new, to another job.",
        )
        error.is_about_contacts = True
        error.changed, error.added, error.removed = map(tuple, self.changes())
        raise error

    def result(self, result: EnrichmentResult) -> EnrichmentResult | None:
        """Return the result of a contact of the job at its place in the input; None without one."""
        if (place := self.where[result.index]) < 0:
            return None
        first = None if result.duplicate_of is None else self.where[result.duplicate_of]
        return replace(result, index=place, duplicate_of=None if first == -1 else first)

    def receipt(self, receipt: Receipt) -> Receipt | None:
        """Return the receipt of a contact of the job at its place in the input."""
        place = self.where[receipt.place]
        return None if place < 0 else replace(receipt, place=place)


def _named(noun: str, places: Sequence[int], numbers: Mapping[int, int], one: str, many: str) -> str:
    names = [f"{numbers.get(place, place + 1):,}" for place in places[:_NAMED]]
    if len(places) > _NAMED:
        return f"{noun}s {', '.join(names)} and {len(places) - _NAMED:,} more {many}"
    if len(places) == 1:
        return f"{noun} {names[0]} {one}"
    return f"{noun}s {', '.join(names[:-1])} and {names[-1]} {many}" if names else ""


async def marks(contacts: Iterable[Prepared | Invalid]) -> list[bytes]:
    """Return the marks of contacts."""
    found: list[bytes] = []
    for contact in contacts:
        found.append(mark(contact))
        if len(found) % STEPS_AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
    return found
