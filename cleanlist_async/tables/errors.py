"""The error of contact tables: the place in the file, the problem, the fix."""

from __future__ import annotations

from cleanlist_async.errors import CleanlistError


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
