"""Splits a table into CSV files that one import takes. Pure.

An import takes 150 KB and about 600 rows, and knows duplicates only within its file
(docs.cleanlist.ai/openapi-public-v2.json). So rows that repeat an earlier one, in whatever spelling, are left
out here already.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from cleanlist_async import facts
from cleanlist_async.contacts.canonical import folded, profile
from cleanlist_async.facts import CsvField
from cleanlist_async.tables.import_table import ImportTable

_IDENTITIES: Final[Mapping[str, str]] = {
    "email": "duplicate_email",
    "linkedin_url": "duplicate_linkedin",
    "name": "duplicate_name",
}
_NAME: Final[Sequence[CsvField]] = ("full_name", "first_name", "last_name", "company_name", "company_domain")
"""Fields that stand for a contact without an address."""


@dataclass(slots=True)
class CsvPart:
    """A CSV file in UTF-8; its headers are names of fields. ``rows`` are its rows' numbers in the table."""

    content: bytes
    rows: Sequence[int]


@dataclass(slots=True)
class CsvParts:
    """A table in parts. ``left_out`` are the numbers of rows that are in none, by reason."""

    fields: Sequence[CsvField]
    parts: list[CsvPart] = field(default_factory=list[CsvPart])
    left_out: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    @property
    def mapping(self) -> dict[CsvField, str]:
        """The header of each field in every part."""
        return {name: name for name in self.fields}

    @property
    def rows(self) -> int:
        """How many rows there are in all parts."""
        return sum(len(part.rows) for part in self.parts)


def split_table(table: ImportTable) -> CsvParts:
    """Split *table* into parts. Raises TableError for a row that cannot be read, or fits into no part."""
    split = CsvParts(cast("tuple[CsvField, ...]", tuple(table.columns)))
    part, seen = _OpenPart(split.fields), set[tuple[str, str]]()
    for number, row in table.rows():
        identities = _identities(dict(zip(split.fields, row, strict=True)))
        if reason := _why_not(row, identities & seen):
            split.left_out.setdefault(reason, []).append(number)
            continue
        seen |= identities  # over all parts: the server compares only within one
        line = _encoded(table, number, row)
        if not part.fits(line):
            split.parts.append(part.closed())
            part = _OpenPart(split.fields)
        if not part.fits(line):
            problem = f"is larger than one import may be ({facts.MAX_IMPORT_BYTES:,} bytes)"
            raise table.source.file.error(problem, "shorten it", row=number)
        part.add(line, number)
    if part.numbers:
        split.parts.append(part.closed())
    return split


def _why_not(row: Sequence[str], known: Iterable[tuple[str, str]]) -> str | None:
    """Return why a row is not sent, in the server's words; None if it is."""
    if not any(row):
        return "missing_required"
    return next((_IDENTITIES[name] for name, _ in sorted(known)), None)  # the e-mail address first


class _OpenPart:
    """A part that still grows."""

    def __init__(self, header: Sequence[str]) -> None:
        self._lines = [_line(header).encode()]
        self._bytes = len(self._lines[0])
        self.numbers: list[int] = []

    def fits(self, line: bytes) -> bool:
        """Whether another row fits."""
        is_full = len(self.numbers) >= facts.MAX_IMPORT_ROWS
        return not is_full and self._bytes + len(line) <= facts.MAX_IMPORT_BYTES

    def add(self, line: bytes, number: int) -> None:
        """Add a row."""
        self._lines.append(line)
        self._bytes += len(line)
        self.numbers.append(number)

    def closed(self) -> CsvPart:
        """Return the part as it stands."""
        return CsvPart(b"".join(self._lines), tuple(self.numbers))


def _encoded(table: ImportTable, number: int, row: Sequence[str]) -> bytes:
    try:
        return _line(row).encode()
    except UnicodeEncodeError:  # JSON lines can hold lone surrogates
        problem = "holds half of a surrogate pair, which cannot be encoded"
        raise table.source.file.error(problem, "remove it", row=number) from None


def _line(row: Sequence[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(row)
    return line.getvalue().replace("\0", "\ufffd")  # many readers of CSV refuse NUL, which JSON can hold


def _identities(row: Mapping[CsvField, str]) -> set[tuple[str, str]]:
    """Return what makes a row the same as another: its addresses, else its name and company."""
    addresses = {
        ("email", folded(row.get("email", ""))),
        ("linkedin_url", profile(row.get("linkedin_url", ""))),
    }
    if found := {(name, key) for name, key in addresses if key}:
        return found
    # Two people may share a name, but hardly a name, a company and the lack of any address.
    name = [folded(row.get(field, "")) for field in _NAME]
    return {("name", "\n".join(name))} if name[0] or (name[1] and name[2]) else set()
