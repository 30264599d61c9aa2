"""Rows with fewer or more cells than the header: padded or kept, and counted once over all passes."""

from __future__ import annotations

from typing import Final

_NAMED: Final = 5


class _Tally:
    def __init__(self) -> None:
        self.count = 0
        self.first: list[int] = []

    def add(self, number: int) -> None:
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(number)

    def __str__(self) -> str:
        rows = ", ".join(map(str, self.first))
        more = ", ..." if self.count > len(self.first) else ""
        return f"{self.count:,} {'row' if self.count == 1 else 'rows'} ({rows}{more})"


class RaggedRows:
    """Pads short rows and counts short, long and blank ones."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._counted_to = 0
        self._short = _Tally()
        self._long = _Tally()
        self._blank = _Tally()

    def fitted(self, number: int, cells: list[str]) -> tuple[str, ...] | None:
        """Return the cells, padded if they are too few, as they are if too many; None for a blank line."""
        missing = self._width - len(cells)  # below 0 for a long row
        if number > self._counted_to:  # a table is read several times
            self._counted_to = number
            tally = self._blank if not cells else self._short if missing > 0 else self._long
            tally.add(number)
        return (*cells, *[""] * missing) if cells else None

    @property
    def notes(self) -> list[str]:
        """A line for each kind of row found so far."""
        notes: list[str] = []
        if self._short.count:
            notes.append(f"{self._short} with fewer cells than the header: read as blank cells")
        if self._long.count:
            notes.append(f"{self._long} with more cells than the header: kept after the last column")
        if self._blank.count:
            notes.append(f"{self._blank} blank: kept, not taken for a contact")
        return notes
