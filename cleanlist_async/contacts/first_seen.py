"""Where each identity was first seen: a dict of integers, in a sixth of its memory. Pure."""

from __future__ import annotations

from array import array


class FirstSeen:
    """The index at which each identity was first seen: 33 to 67 bytes an entry, for millions of them.

    Open addressing over flat arrays of 20 bytes a slot, at most three fifths of them taken. The same in a
    dict takes about 200 bytes an entry. While it grows it holds both tables.
    """

    __slots__ = ("_count", "_high", "_index", "_low", "_mask")

    def __init__(self) -> None:
        self._count = 0
        self._allocate(1 << 10)

    def __len__(self) -> int:
        return self._count

    def setdefault(self, identity: bytes, index: int) -> int:
        """Return the index of the first contact with *identity*, which is *index* if it is new."""
        low = int.from_bytes(identity[:8], "little")
        high = int.from_bytes(identity[8:16], "little")
        slot = self._slot(low, high)
        if found := self._index[slot]:  # stored plus one, as 0 marks a free slot
            return found - 1
        self._low[slot], self._high[slot], self._index[slot] = low, high, index + 1
        self._count += 1
        # Beyond three fifths, the runs of taken slots that a lookup walks through grow fast.
        if self._count * 5 > (self._mask + 1) * 3:
            self._grow()
        return index

    def _slot(self, low: int, high: int) -> int:
        slot = low & self._mask  # identities are digests, so their low bits are spread evenly
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
