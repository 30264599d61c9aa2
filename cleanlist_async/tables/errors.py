"""What is said of contact tables: errors with the place, the problem and the fix; counts for notes."""

from __future__ import annotations

from typing import Final

from cleanlist_async.errors import CleanlistError

_NAMED: Final = 5
_SHOWN: Final = 3


class TableError(CleanlistError, ValueError):
    """A contact table cannot be read or written.

    Attributes
    ----------
    path
        The file, as the caller named it.
    row
        Number of the row as a spreadsheet shows it (the header is row 1), or None.
    column
        Header of the column, or None.
    problem, fix
        What is wrong, and what to do about it. ``str()`` joins all of them in one line.
    field, candidates
        A field of a contact, and the headers of the columns that could all be it, where that is the problem.

    """

    field: str = ""
    candidates: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        path: str = "",
        row: int | None = None,
        column: str | None = None,
        problem: str = "",
        fix: str = "",
    ) -> None:
        super().__init__(problem, fix=fix)
        self.args = ()  # all arguments have names, so that the error can be unpickled
        self.path = path
        self.row = row
        self.column = column

    def __str__(self) -> str:
        places = [self.path] if self.path else []
        if self.row is not None:
            places.append(f"row {self.row}")
        if self.column is not None:
            places.append(f'column "{self.column}"')
        place = ", ".join(places)
        sentence = f"{place}: {self.problem}" if place else self.problem
        return on_one_line(f"{sentence}; {self.fix}" if self.fix else sentence)


class EncodingUnknownError(TableError):
    """A table is not in UTF-8, and nothing shows which encoding it is in: pass its name."""


def on_one_line(text: str) -> str:
    """Replace line breaks and other control characters, so that a cell cannot forge a line of output."""
    return "".join(character if character.isprintable() else " " for character in text)


class Tally:
    """Counts rows or cells that are odd in one way: *what* they are, and the *effect* of it."""

    def __init__(self, what: str, effect: str, noun: str = "row") -> None:
        self._what, self._effect, self._noun = what, effect, noun
        self._count = 0
        self._first: list[str] = []
        self._examples: dict[str, None] = {}

    def add(self, place: object) -> None:
        """Count a row by its number, or a cell by its address."""
        self._count += 1
        if len(self._first) < _NAMED:
            self._first.append(str(place))

    def show(self, example: str) -> None:
        """Keep one of the first examples."""
        if len(self._examples) < _SHOWN:
            self._examples[example] = None

    @property
    def notes(self) -> list[str]:
        """A line that names the first, if there are any."""
        if not self._count:
            return []
        nouns = self._noun if self._count == 1 else f"{self._noun}s"
        first = ", ".join(self._first) + (", ..." if self._count > len(self._first) else "")
        examples = f" ({', '.join(self._examples)})" if self._examples else ""
        return [f"{self._count:,} {nouns} ({first}) {self._what}{examples}: {self._effect}"]
