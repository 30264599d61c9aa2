"""Rows with fewer or more cells than the header: mended, and counted once however often they are read."""

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
    """Pads short rows and keeps account of short, long and blank ones."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._counted_to = 0
        self._short = _Tally()
        self._long = _Tally()
        self._blank = _Tally()

    def mended(self, number: int, cells: list[str]) -> tuple[str, ...] | None:
        """Return the cells, padded if they are too few, as they are if too many; None for a blank line."""
        missing = self._width - len(cells)
        if number > self._counted_to:
            self._counted_to = number
            tally = self._blank if not cells else self._short if missing > 0 else self._long
            tally.add(number)
        return (*cells, *[""] * missing) if cells else None

    @property
    def notes(self) -> list[str]:
        """What was met so far."""
        notes: list[str] = []
        if self._short.count:
            notes.append(f"{self._short} with fewer cells than the header: read as blank cells")
        if self._long.count:
            notes.append(f"{self._long} with more cells than the header: kept after the last column")
        if self._blank.count:
            notes.append(f"{self._blank} blank: kept, not taken for a contact")
        return notes
