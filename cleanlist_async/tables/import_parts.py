"""Splits a CSV file into files that one import takes. Pure.

An import takes 150 KB and about 600 rows, drops the columns that are not mapped, and knows duplicates only
within its file (docs.cleanlist.ai/openapi-public-v2.json). So only mapped columns are sent, and rows that
repeat an earlier one are left out here already.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from cleanlist_async import facts
from cleanlist_async.checks import check_instance, shown
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import CsvField
from cleanlist_async.tables.headers import known_as, words

_DELIMITERS: Final = (",", ";", "\t", "|")
_QUOTED: Final = re.compile(r'"[^"]*"')
_WORST: Final = 1_000
_IDENTITIES: Final[Mapping[str, str]] = {
    "email": "duplicate_email",
    "linkedin_url": "duplicate_linkedin",
}
_ALIASES: Final[Mapping[str, CsvField]] = {
    "phone": "phone",
    "phonenumber": "phone",
    "mobile": "mobile_phone",
    "mobilephone": "mobile_phone",
    "cellphone": "mobile_phone",
    "workphone": "work_phone",
    "directphone": "work_phone",
    "title": "job_title",
    "jobtitle": "job_title",
    "position": "job_title",
    "city": "city",
    "state": "state",
    "country": "country",
}


@dataclass(slots=True)
class CsvPart:
    """A CSV file of its own, with the header. ``rows`` are its rows' numbers in the whole file.

    They count as a reader of CSV files does: from 1 with the header, blank rows included.
    """

    content: bytes
    rows: Sequence[int]


@dataclass(slots=True)
class CsvParts:
    """A file in parts. ``left_out`` are the numbers of rows that are in none, by reason."""

    mapping: Mapping[CsvField, str]
    parts: list[CsvPart] = field(default_factory=list[CsvPart])
    left_out: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    @property
    def rows(self) -> int:
        """How many rows there are in all parts."""
        return sum(len(part.rows) for part in self.parts)


def split_csv(data: bytes, mapping: Mapping[CsvField, str] | None = None) -> CsvParts:
    """Split the CSV file *data* (UTF-8, also with a mark).

    *mapping* gives the header of each field; by default it is read from the headers. Raises
    ConfigurationError for what could not be imported: no header, no known column, a row too large.
    """
    rows = _rows(data)
    header = [name.strip() for name in next((row for _, row in rows), list[str]())]
    if not any(header):
        raise ConfigurationError("The CSV file has no header.")
    split = CsvParts(_checked(mapping, header) if mapping is not None else guess_mapping(header))
    columns = list(dict.fromkeys(split.mapping.values()))
    keyed = [(columns.index(column), name) for name, column in split.mapping.items() if name in _IDENTITIES]
    picked = [header.index(column) for column in columns]
    part, seen = _OpenPart(columns), set[tuple[str, str]]()
    for number, whole in rows:
        row = [whole[at] if at < len(whole) else "" for at in picked]
        identities = {(name, key) for column, name in keyed if (key := _key(row[column]))}
        if reason := _why_not(row, identities & seen):
            split.left_out.setdefault(reason, []).append(number)
            continue
        seen |= identities
        if not part.fits(row, number):
            split.parts.append(part.closed())
            part = _OpenPart(columns)
        part.add(row, number)
    if part.numbers:
        split.parts.append(part.closed())
    return split


def _why_not(row: Sequence[str], known: Iterable[tuple[str, str]]) -> str | None:
    """Return why a row is not sent, in the server's words; None if it is."""
    if not any(cell.strip() for cell in row):
        return "missing_required"
    return next((_IDENTITIES[name] for name, _ in sorted(known)), None)


def guess_mapping(header: Sequence[str]) -> dict[CsvField, str]:
    """Read from the headers which column means what. Raises ConfigurationError if none is known."""
    best: dict[CsvField, tuple[int, str]] = {}
    for name in header:
        if (found := _known(name)) is not None and found[1] < best.get(found[0], (_WORST, ""))[0]:
            best[found[0]] = (found[1], name)
    if not best:
        raise ConfigurationError(
            "No column of the CSV file is known.",
            fix="Give column_mapping={'email': 'Header of the column'}.",
        )
    return {field_: name for field_, (_, name) in best.items()}


def _known(name: str) -> tuple[CsvField, int] | None:
    alias = _ALIASES.get("".join(words(name)))
    known = (alias, 0) if alias else known_as(name)
    return cast("tuple[CsvField, int]", known) if known and known[0] in facts.CSV_FIELDS else None


def _checked(mapping: Mapping[CsvField, str], header: Sequence[str]) -> dict[CsvField, str]:
    check_instance("column_mapping", mapping, Mapping)
    if not mapping:
        raise ConfigurationError("column_mapping is empty.", fix="Leave it out to go by the headers.")
    for field_, name in mapping.items():
        if field_ not in facts.CSV_FIELDS:
            raise ConfigurationError(
                f"column_mapping has {shown(field_)}, which is no field of an import.",
                fix=f"It is one of {', '.join(facts.CSV_FIELDS)}.",
            )
        if not isinstance(name, str) or name.strip() not in header:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"column_mapping: the CSV file has no column {shown(name)}.")
    return {field_: name.strip() for field_, name in mapping.items()}


class _OpenPart:
    """A part that still grows."""

    def __init__(self, header: Sequence[str]) -> None:
        self._lines = [_line(header)]
        self._bytes = len(self._lines[0])
        self.numbers: list[int] = []

    def fits(self, row: Sequence[str], number: int) -> bool:
        """Whether another row fits. Raises ConfigurationError for one that fits nowhere."""
        size = len(_line(row))
        if len(self._lines[0]) + size > facts.MAX_IMPORT_BYTES:
            raise ConfigurationError(f"Row {number} of the CSV file is larger than one import may be.")
        full = len(self.numbers) >= facts.MAX_IMPORT_ROWS
        return not full and self._bytes + size <= facts.MAX_IMPORT_BYTES

    def add(self, row: Sequence[str], number: int) -> None:
        """Add a row."""
        line = _line(row)
        self._lines.append(line)
        self._bytes += len(line)
        self.numbers.append(number)

    def closed(self) -> CsvPart:
        """Return the part as it stands."""
        return CsvPart(b"".join(self._lines), tuple(self.numbers))


def _rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield rows that are not blank, with their numbers."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise ConfigurationError("The CSV file is not UTF-8.", fix="Save it as UTF-8, and import that.")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        for number, row in enumerate(lines, 1):
            if any(cell.strip() for cell in row):
                yield number, row
    except csv.Error as problem:
        raise ConfigurationError(f"Line {lines.line_num} of the CSV file: {problem}.") from None


def _delimiter(text: str) -> str:
    first = next(filter(str.strip, _QUOTED.sub("", text).splitlines()), "")
    return max(_DELIMITERS, key=first.count)


def _line(row: Sequence[str]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(row)
    return line.getvalue().encode()


def _key(cell: str) -> str:
    return cell.strip().casefold().rstrip("/")
