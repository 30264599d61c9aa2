"""What of an input is not as its job began with. One rule for jobs in a journal and in a store.

A job keeps a copy of its input, and goes on with that: what was planned and bought stays, whatever becomes of
the input. One that differs is refused by name, since results are told apart by their place in it.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final, Self

import anyio.lowlevel

from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.errors import InputChangedError
from cleanlist_async.job.source import Source
from cleanlist_async.job.status import Receipt
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.job_records import contact_text

_BETWEEN_CHECKPOINTS: Final = 250
_NAMED: Final = 10
"""Contacts that an error names one by one."""


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

    def refusal(self, job: str, source: Source) -> InputChangedError:
        """Return the error that names what changed."""
        error = InputChangedError(
            f"{source.name} is not what the job {job} began with:"
            f" {self.told(source) or 'its contacts are in another order'}.",
            fix="Open the job without an input: it goes on with the contacts as they were. Give what changed,"
            " or is new, to another job.",
        )
        error.is_about_contacts = True
        error.changed, error.added, error.removed = map(tuple, self.changes())
        return error

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
        if len(found) % _BETWEEN_CHECKPOINTS == 0:
            await anyio.lowlevel.checkpoint()
    return found
