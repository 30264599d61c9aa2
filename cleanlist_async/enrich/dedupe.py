"""Buying each identity once: later contacts with the same data follow the first."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from cleanlist_async.contacts.identity import ContactLike, Prepared, prepare
from cleanlist_async.enrich.source_thread import read
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables.input_options import Prepare

Dedupe: TypeAlias = Literal["all", "window", "off"]
WINDOW: Final = 50_000
"""Identities remembered of a source that cannot be read twice."""
_TABLES: Final = 256
"""One for each value of a byte. Each grows on its own, so that no event loop waits for the growth of all."""
_FIRST_SIZE: Final = 16


class Duplicates:
    """Links each contact to the first one of the same identity.

    *mode* ``"all"`` links across the whole input, ``"window"`` across its last 50,000 identities (whose
    ``raw`` is not kept for later duplicates), ``"off"`` not. *repeated* are the identities that occur more
    than once, where that is known: only their results need to be remembered.
    """

    def __init__(self, mode: Dedupe, repeated: Collection[bytes] | None = None) -> None:
        self._mode = mode
        self._repeated = repeated
        self._followers: dict[bytes, list[Prepared]] = {}
        self._results: OrderedDict[bytes, EnrichmentResult] = OrderedDict()
        self.waiting = 0
        """Contacts whose result is still to come with that of another."""

    def follow(self, contact: Prepared) -> EnrichmentResult | bool:
        """Return False for the first of its identity, the result if it is there, or True: it will come."""
        identity = contact.identity
        if self._mode == "off" or (self._repeated is not None and identity not in self._repeated):
            return False
        if (result := self._results.get(identity)) is not None:
            return copy_for(contact, result)
        if (followers := self._followers.get(identity)) is None:
            self._followers[identity] = []
            return False
        followers.append(contact)
        self.waiting += 1
        return True

    def settle(self, identity: bytes, result: EnrichmentResult) -> Sequence[EnrichmentResult]:
        """Take the result of a first, and return those of its followers."""
        followers = self._followers.pop(identity, None)
        if followers is None:
            return ()
        self.waiting -= len(followers)
        # `raw` is most of a result, and 50,000 of them would not be a flat memory.
        self._results[identity] = replace(result, raw=None) if self._mode == "window" else result
        if self._mode == "window" and len(self._results) > WINDOW:
            self._results.popitem(last=False)
        return [copy_for(follower, result) for follower in followers]


def copy_for(contact: Prepared, result: EnrichmentResult) -> EnrichmentResult:
    """Return the result of the first contact as that of its duplicate, which cost nothing."""
    return replace(
        result,
        index=contact.index,
        contact=contact.contact,
        key=contact.contact.key,
        duplicate_of=result.index,
        credits_charged=None if result.credits_charged is None else 0.0,  # None: the server named no price
        credits_estimated=0.0,
        bought_for=None if result.bought_for is None else 0.0,
    )


async def repeated_identities(contacts: Iterable[ContactLike], prepare: Prepare = prepare) -> set[bytes]:
    """Read *contacts* once and return the identities that occur more than once."""
    seen, repeated = FirstSeen(), set[bytes]()
    index = 0
    async for given in read(contacts):
        contact = prepare(index, given)
        if isinstance(contact, Prepared) and seen.setdefault(contact.identity, index) != index:
            repeated.add(contact.identity)
        index += 1
    return repeated


class FirstSeen:
    """The index at which each identity was first seen: 33 to 67 bytes an entry, of 200 in a dict."""

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        self._tables = [_Table() for _ in range(_TABLES)]

    def __len__(self) -> int:
        return sum(table.count for table in self._tables)

    def setdefault(self, identity: bytes, index: int) -> int:
        """Return the index of the first contact with *identity*, which is *index* if it is new."""
        # Identities are digests, so they spread evenly over the tables.
        return self._tables[identity[15]].setdefault(identity, index)


class _Table:
    """Open addressing over flat arrays of 20 bytes a slot, at most three fifths of them taken."""

    __slots__ = ("_high", "_index", "_low", "_mask", "count")

    def __init__(self) -> None:
        self.count = 0
        self._allocate(_FIRST_SIZE)

    def setdefault(self, identity: bytes, index: int) -> int:
        low = int.from_bytes(identity[:8], "little")
        high = int.from_bytes(identity[8:16], "little")
        slot = self._slot(low, high)
        if found := self._index[slot]:  # stored plus one, as 0 marks a free slot
            return found - 1
        self._low[slot], self._high[slot], self._index[slot] = low, high, index + 1
        self.count += 1
        # Beyond three fifths, the runs of taken slots that a lookup walks through grow fast.
        if self.count * 5 > (self._mask + 1) * 3:
            self._grow()
        return index

    def _slot(self, low: int, high: int) -> int:
        slot = low & self._mask
        while self._index[slot] and (self._low[slot] != low or self._high[slot] != high):
            slot = (slot + 1) & self._mask
        return slot

    def _allocate(self, size: int) -> None:
        self._mask = size - 1  # sizes are powers of two
        self._low = array("Q", bytes(8 * size))
        self._high = array("Q", bytes(8 * size))
        self._index = array("I", bytes(4 * size))

    def _grow(self) -> None:
        entries = zip(self._low, self._high, self._index, strict=True)
        self._allocate((self._mask + 1) * 2)
        for low, high, index in entries:
            if index:
                slot = self._slot(low, high)
                self._low[slot], self._high[slot], self._index[slot] = low, high, index
