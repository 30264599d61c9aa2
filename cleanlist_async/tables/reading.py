"""A file of contacts: its columns resolved once, its rows read lazily in any number of passes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Final, Self

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.tables import values
from cleanlist_async.tables.csv_source import CsvSource, Source
from cleanlist_async.tables.dialect import (
    AS_THE_INPUT,
    CSV_DELIMITERS,
    TSV_DELIMITERS,
    OutputLayout,
    delimiter_named,
    written_encoding,
)
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.formats import FORMATS, TEXT_OF, TableFormat, format_of
from cleanlist_async.tables.guessing import Guess, Survey, survey
from cleanlist_async.tables.headers import known_as
from cleanlist_async.tables.input import InputFile, is_stream
from cleanlist_async.tables.mapping import (
    Mapper,
    Texts,
    contact_builder,
    is_split_name,
    looks_like_data_error,
    no_columns_error,
)
from cleanlist_async.tables.odd_rows import CellNotes
from cleanlist_async.tables.records import Cells, JsonlSource, Record

_SAMPLE_ROWS: Final = 100
_SHOWN_SPLITS: Final = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One contact of a table."""

    index: int
    """Position among the contacts, from 0."""
    number: int
    """The row in a spreadsheet, from 1 with the header."""
    cells: Cells
    """What its cells hold."""
    contact: Contact
    """What was read from them."""


class ContactTable:
    """A file of contacts. Make one with :meth:`open`.

    Attributes
    ----------
    name
        The file as the caller named it.
    headers
        One name for each column, no two alike: of two columns ``Email`` the second is ``Email (2)``, a
        blank header is ``Column 4``; without a header row columns are called by their number.
    columns
        The column of each contact field, and why it was taken.

    """

    def __init__(
        self,
        source: Source,
        table_format: TableFormat,
        columns: Mapping[str, Guess],
        notes: Sequence[str],
        layout: OutputLayout = AS_THE_INPUT,
    ) -> None:
        self.source = source
        self.layout = layout
        self.format: TableFormat = table_format
        self.name = source.file.name
        self.headers = tuple(source.headers)
        self.columns = columns
        self._notes = tuple(notes)
        self._build = contact_builder(columns)
        self._positions = tuple(guess.column for guess in columns.values())
        self._cell_notes = CellNotes(columns)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        mapping: Mapping[str, str] | None = None,
        *,
        format: TableFormat | None = None,  # noqa: A002 - the word of the command line
        encoding: str | None = None,
        delimiter: str | None = None,
        has_header: bool = True,
        sheet: str | None = None,
        snapshot: bool = False,
    ) -> Self:
        """Open a table and resolve its columns.

        *path* is a ``.csv``, ``.tsv``, ``.tab``, ``.jsonl``, ``.ndjson``, ``.json``, ``.xlsx``, ``.xlsm``,
        ``.parquet`` or ``.arrow`` file (or any, with *format*), also with ``.gz`` or ``.zst``; ``-`` for CSV
        on standard input; a pipe; or an address that fsspec knows. *sheet* is the name or number of a
        workbook's sheet, by default the first. A file that is no text has no *encoding* and no *delimiter*:
        they are then those of a CSV that is written. *mapping* goes from contact field to column and wins
        over guesses; an empty string leaves a field out. Reads the whole file once, to verify its encoding;
        of a *snapshot* it makes a private copy, which is what is read from then on.

        Raises :class:`TableError` if the file cannot be read, holds no header, or no column that is known.
        """
        table_format = format or known_format(path)
        if table_format is None:
            InputFile(path, encoding=encoding)  # a file that is not there is the first thing to say
            raise _no_format(path)
        file = InputFile(path, encoding=encoding, snapshot=snapshot, kind=table_format, sheet=sheet)
        # The columns of such a file always have names.
        has_header = has_header or table_format in {"parquet", "arrow"}
        source = open_source(file, table_format, delimiter=delimiter, has_header=has_header)
        layout = output_layout(file, table_format, encoding, delimiter)
        return cls(source, table_format, *resolve(source, mapping or {}, has_header=has_header), layout)

    @property
    def notes(self) -> list[str]:
        """What the user should know about how the table was read; grows while it is read."""
        original = self.source.file.original
        return [
            *(original.notes if original else ()),
            *self._notes,
            *self.source.notes,
            *self._cell_notes.notes,
        ]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the file held when it was opened, in hexadecimal.

        Of an object in a store that tells its ETag or version, it is that of its address and version.
        """
        return self.source.file.fingerprint.sha256

    @property
    def field_headers(self) -> dict[str, str]:
        """The header of the column of each contact field."""
        return {field: guess.header for field, guess in self.columns.items()}

    def rows(self) -> Iterator[Row]:
        """Read the rows lazily, in order. Each call reads the file again.

        Raises :class:`TableError` at the first row that cannot be read exactly.
        """
        build = self._build
        for index, (record, texts) in enumerate(self._read()):
            yield Row(index, record.number, record.cells, build(texts))

    def contacts(self) -> Iterator[Contact]:
        """Read the contacts alone."""
        build = self._build
        return (build(texts) for _, texts in self._read())

    def _read(self) -> Iterator[tuple[Record, Texts]]:
        for record in self.source.records():
            if record.is_contact:
                # The cells of a CSV row serve as they are: a dict for each row would cost more than the rest.
                texts: Texts = record.cells if isinstance(record.cells, tuple) else self._texts(record)
                self._cell_notes.look_at(record.number, texts)
                yield record, texts

    def _texts(self, record: Record) -> dict[int, str]:
        return dict(zip(self._positions, self.source.texts(record, self._positions), strict=True))

    def split_samples(self) -> dict[str, Contact]:
        """Return two names of the first rows that were split, the longest ones, and their contacts.

        Empty where first and last name have a column each.
        """
        if not is_split_name(self.columns):
            return {}
        position = self.columns["first_name"].column
        names: dict[str, Contact] = {}
        for _, texts in islice(self._read(), _SAMPLE_ROWS):
            contact = self._build(texts)
            if contact.first_name and contact.last_name:
                names[" ".join(texts[position].split())] = contact
        # The longest are the most likely to go wrong.
        longest = sorted(names, key=lambda name: -len(name.split()))[:_SHOWN_SPLITS]
        return {name: names[name] for name in longest}


def resolve(
    source: Source, mapping: Mapping[str, str], *, has_header: bool
) -> tuple[Mapping[str, Guess], Sequence[str]]:
    """Return the column of each field, and what the user should know of how it was found.

    Raises :class:`TableError` as :meth:`ContactTable.open` does.
    """
    known = survey_of(source)
    mapper = Mapper(source.file.name, source.headers, known)
    columns = mapper.columns(mapping)
    if not set(mapping) - {"key"}:  # a caller who maps columns has seen the header
        refuse_data_as_header(source)
    if not columns.keys() - {"key"}:
        raise no_columns_error(source.file, source.headers, has_header=has_header)
    return columns, [*mapper.notes(columns), *_header_notes(source), *_domain_notes(columns, known.sample)]


def output_layout(
    file: InputFile, table_format: TableFormat, encoding: str | None, delimiter: str | None
) -> OutputLayout:
    """Return what a caller said of a CSV that the input is not: it is for the output then.

    Raises :class:`TableError` for an encoding or a delimiter that does not exist.
    """
    is_text = file.original is None
    is_csv = is_text and TEXT_OF[table_format] != "jsonl"
    return OutputLayout(
        None if is_text or encoding is None else written_encoding(file.name, encoding),
        None if is_csv or delimiter is None else delimiter_named(file.name, delimiter),
    )


def known_format(path: str | os.PathLike[str]) -> TableFormat | None:
    """Return the format by a file's extension, or None; a pipe is CSV unless its name says otherwise."""
    return format_of(path) or ("csv" if is_stream(path) else None)


def _no_format(path: str | os.PathLike[str]) -> TableError:
    name = os.fspath(path)
    extension = PurePath(name).suffix
    problem = f'the extension "{extension}" is unknown' if extension else "the name has no extension"
    fix = f"save it as CSV, or pass --format with one of {', '.join(FORMATS)}"
    return TableError(path=name, problem=problem, fix=fix)


def open_source(
    file: InputFile, table_format: TableFormat, *, delimiter: str | None = None, has_header: bool = True
) -> Source:
    """Open the records of a file.

    Raises :class:`TableError` on a delimiter that cannot be one, and as the sources do.
    """
    if TEXT_OF[table_format] == "jsonl":
        return JsonlSource(file)
    if file.original is not None:
        delimiter = ","  # its text is our own
    if delimiter is None:  # a TSV file may have more commas than tabs
        delimiters = TSV_DELIMITERS if table_format == "tsv" else CSV_DELIMITERS
        return CsvSource(file, delimiters, has_header=has_header)
    return CsvSource(file, (delimiter_named(file.name, delimiter),), has_header=has_header)


def survey_of(source: Source) -> Survey:
    """Survey a table by its headers and its first rows."""
    filled = (record for record in source.records() if record.is_contact)
    sample = [_sample_texts(source, record) for record in islice(filled, _SAMPLE_ROWS)]
    # As they stand in the file: of two called "Email" neither is the better one.
    return survey(source.given_headers, sample)


def _sample_texts(source: Source, record: Record) -> Sequence[str]:
    if isinstance(record.cells, tuple):
        return record.cells
    plain = map(record.cells.get, source.headers)
    return [value if isinstance(value, str) else "" for value in plain]


def refuse_data_as_header(source: Source) -> None:
    """Raise :class:`TableError` where the row of headers holds a contact."""
    if not isinstance(source, CsvSource) or not source.has_header:
        return
    tests = (("linkedin_url", values.is_person_page), ("email", values.is_email))
    # Otherwise the first contact would be lost silently.
    for field, test in tests:
        for column, cell in enumerate(source.raw_headers):
            if test(cell):
                raise looks_like_data_error(source.file, source.raw_headers, field, column)


def _domain_notes(columns: Mapping[str, Guess], rows: Sequence[Sequence[str]]) -> list[str]:
    """Propose to take the domain from work e-mail addresses, where only a company is missing."""
    if "company_domain" in columns or "email" not in columns or "last_name" not in columns:
        return []
    build = contact_builder(columns)
    width = 1 + max(guess.column for guess in columns.values())
    contacts = [build([*row, *[""] * (width - len(row))]) for row in rows]
    lacking = [
        contact
        for contact in contacts
        if contact.first_name and contact.last_name and not (contact.company_name or contact.linkedin_url)
    ]
    helped = sum(values.company_domain(contact.email or "") is not None for contact in lacking)
    if not helped:
        return []
    found = f"{helped} of the first {len(rows)} contacts lack only a company, and have a work e-mail address"
    return [f'{found}: --map "company_domain={columns["email"].header}" takes the domain from it']


def _header_notes(source: Source) -> list[str]:
    if isinstance(source, CsvSource) and not source.has_header:
        known = [cell for cell in source.raw_headers if known_as(cell)]
        if len(known) > 1:
            return ["row 1 looks like column headers but is read as a contact (--no-header)"]
    return []
