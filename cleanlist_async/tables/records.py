"""What all kinds of contact tables share: numbered records under named columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from cleanlist_async.tables.input import InputFile
from cleanlist_async.types import JSON

Cells: TypeAlias = tuple[str, ...] | Mapping[str, JSON]
"""Texts, or the values of a JSON line, whose numbers are :class:`NumberText`."""


class NumberText(str):
    """A JSON number, as its text: ``1.50`` stays ``1.50``."""

    __slots__ = ()


class Record(NamedTuple):
    """One record: its number as a spreadsheet shows it, and its cells.

    *raw* is the line itself where it is to be written back as it was (JSON lines). A blank record, or a line
    below the table, is no contact.
    """

    number: int
    cells: Cells
    raw: str = ""
    is_contact: bool = True


class Source(Protocol):
    """A file of records that can be read any number of times."""

    @property
    def file(self) -> InputFile:
        """The file itself."""
        ...

    @property
    def headers(self) -> Sequence[str]:
        """One name for each column, no two alike."""
        ...

    @property
    def notes(self) -> list[str]:
        """What was noticed while reading, each note once."""
        ...

    def records(self) -> Iterator[Record]:
        """Read all records after the header, in one pass."""
        ...

    def texts(self, record: Record, columns: Sequence[int]) -> Sequence[str]:
        """Return the text of some cells of a record."""
        ...
