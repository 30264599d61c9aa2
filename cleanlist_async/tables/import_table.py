"""A table as an import of leads takes it: its columns, and its split into files that one import takes.

An import takes 150 KB and about 600 rows, and knows duplicates only within its file
(docs.cleanlist.ai/openapi-public-v2.json). So rows that repeat an earlier one, in whatever spelling, are left
out here already.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self, cast

from cleanlist_async import facts
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.contacts.texts import folded, profile
from cleanlist_async.facts import CsvField
from cleanlist_async.tables.csv_source import Source
from cleanlist_async.tables.formats import TableFormat
from cleanlist_async.tables.guessing import Guess, Survey
from cleanlist_async.tables.headers import known_as, words
from cleanlist_async.tables.input import InputBytes, InputFile
from cleanlist_async.tables.mapping import Mapper, contact_builder, is_split_name, no_columns_error
from cleanlist_async.tables.reading import (
    known_format,
    open_source,
    refuse_data_as_header,
    survey_of,
)

_ALIASES: Final = {
    **dict.fromkeys(("phone", "phonenumber"), "phone"),
    **dict.fromkeys(("mobile", "mobilephone", "cellphone"), "mobile_phone"),
    **dict.fromkeys(("workphone", "directphone"), "work_phone"),
    **dict.fromkeys(("title", "jobtitle", "position"), "job_title"),
    **{field: field for field in ("city", "state", "country")},
}
_IDENTITIES: Final[Mapping[str, str]] = {
    "email": "duplicate_email",
    "linkedin_url": "duplicate_linkedin",
    "name": "duplicate_name",
}
_NAME: Final[Sequence[CsvField]] = ("full_name", "first_name", "last_name", "company_name", "company_domain")
"""Fields that stand for a contact without an address."""


class ImportTable:
    """A file of leads. Make one with :meth:`open`.

    Attributes
    ----------
    source
        Its records.
    columns
        The column of each field that an import knows, and why it was taken.

    """

    def __init__(self, source: Source, columns: Mapping[str, Guess], notes: Sequence[str] = ()) -> None:
        self.source = source
        self.columns = columns
        self._notes = tuple(notes)

    @classmethod
    def open(
        cls,
        given: str | os.PathLike[str] | bytes,
        mapping: Mapping[str, str],
        *,
        guess: bool,
        format: TableFormat | None = None,  # noqa: A002 - the word of the command line
        encoding: str | None = None,
        delimiter: str | None = None,
        has_header: bool = True,
    ) -> Self:
        """Open a path, or the bytes of a CSV file, and find out which column is which.

        *mapping* goes from field to column; with *guess* the other columns are guessed as for a
        :class:`ContactTable`. Without *format*, a path that ends neither in ``.tsv`` nor in ``.jsonl`` is
        read as CSV.

        Raises :class:`TableError` as :meth:`ContactTable.open` does.
        """
        by_name = None
        if isinstance(given, bytes):  # bytes have no name with an extension
            file: InputFile = InputBytes(given, encoding=encoding)
        else:
            by_name = known_format(given)
            file = InputFile(given, encoding=encoding, kind=format or by_name or "csv")
        source = open_source(file, format or by_name or "csv", delimiter=delimiter, has_header=has_header)
        known = _survey(source) if guess else Survey()
        mapper = Mapper(file.name, source.headers, known, facts.CSV_FIELDS)
        columns = mapper.columns(mapping)
        if guess and not mapping:  # a caller who maps columns has seen the header
            refuse_data_as_header(source)
        if not columns:
            raise no_columns_error(file, source.headers, has_header=has_header)
        return cls(source, columns, mapper.notes(columns))

    @property
    def notes(self) -> list[str]:
        """What the user should know about how the table was read; grows while it is read."""
        return [*self._notes, *self.source.notes]

    @property
    def mapping(self) -> dict[CsvField, str]:
        """The header of each field's column, as :meth:`open` takes it."""
        headers = {field: self.source.headers[guess.column] for field, guess in self.columns.items()}
        return cast("dict[CsvField, str]", headers)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Read the number of each row that is not blank, and its value for each of `columns`.

        Values that belong to a contact are those that enriching the row would send.
        """
        build = contact_builder(self.columns)
        # Without repetition: first and last name may come from the same column.
        positions = tuple({guess.column: None for guess in self.columns.values()})
        for record in self.source.records():
            if not record.is_contact:
                continue
            texts = dict(zip(positions, self.source.texts(record, positions), strict=True))
            contact = build(texts)
            yield (
                record.number,
                [
                    getattr(contact, field) or "" if field in API_FIELDS else texts[guess.column].strip()
                    for field, guess in self.columns.items()
                ],
            )


def _survey(source: Source) -> Survey:
    """Guess the columns of a contact, then those of what only an import knows, by their headers alone."""
    known = survey_of(source)
    # A full name is sent as well as its halves, since a single word cannot be split into both.
    is_split = is_split_name(known.guesses)
    taken = {guess.column for guess in known.guesses.values()}
    best: dict[str, tuple[int, Guess]] = {}
    for position, header in enumerate(source.headers):
        found = _known(header)
        # "Vorname, Name": there Name is the last name, which is taken, and no full name.
        if found is None or (position in taken and not is_split):
            continue
        field, rank = found
        if field not in best or rank < best[field][0]:
            best[field] = rank, Guess(header, position, "known header")
    more = {field: guess for field, (_, guess) in best.items()}
    return replace(known, guesses={**more, **known.guesses})


def _known(header: str) -> tuple[str, int] | None:
    """Return the field beyond those of a contact that a header means, and its rank (0 is best)."""
    if alias := _ALIASES.get("".join(words(header))):
        return alias, 0
    known = known_as(header)
    return ("full_name", known[1]) if known and known[0] == "full_name" else None


@dataclass(slots=True)
class CsvPart:
    """A CSV file in UTF-8, its headers names of fields. ``rows`` are its rows' numbers in the table."""

    content: bytes
    rows: tuple[int, ...] = ()

    def fits(self, line: bytes) -> bool:
        """Whether one import takes this row too."""
        is_full = len(self.rows) >= facts.MAX_IMPORT_ROWS
        return not is_full and len(self.content) + len(line) <= facts.MAX_IMPORT_BYTES


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
    header = _line(split.fields).encode()
    part, seen = CsvPart(header), set[tuple[str, str]]()
    for number, row in table.rows():
        identities = _identities(dict(zip(split.fields, row, strict=True)))
        if reason := _why_not(row, identities & seen):
            split.left_out.setdefault(reason, []).append(number)
            continue
        seen |= identities  # over all parts: the server compares only within one
        line = _encoded(table, number, row)
        if not part.fits(line):
            split.parts.append(part)
            part = CsvPart(header)
        if not part.fits(line):
            problem = f"is larger than one import may be ({facts.MAX_IMPORT_BYTES:,} bytes)"
            raise table.source.file.error(problem, "shorten it", row=number)
        part.content += line
        part.rows += (number,)
    if part.rows:
        split.parts.append(part)
    return split


def _why_not(row: Sequence[str], known: Iterable[tuple[str, str]]) -> str | None:
    """Return why a row is not sent, in the server's words, or None."""
    if not any(row):
        return "missing_required"
    return next((_IDENTITIES[name] for name, _ in sorted(known)), None)  # the e-mail address first


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
    """Return what makes rows the same: their addresses, else name and company."""
    addresses = {
        ("email", folded(row.get("email", ""))),
        ("linkedin_url", profile(row.get("linkedin_url", ""))),
    }
    if found := {(name, key) for name, key in addresses if key}:
        return found
    # Two people may share a name, but hardly a name, a company and the lack of any address.
    name = [folded(row.get(field, "")) for field in _NAME]
    return {("name", "\n".join(name))} if name[0] or (name[1] and name[2]) else set()
