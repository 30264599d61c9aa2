"""A table as an import of leads takes it: the columns of a contact, and those that only an import knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Self, cast

from cleanlist_async import facts
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.facts import CsvField
from cleanlist_async.tables.contact_building import contact_builder
from cleanlist_async.tables.formats import TableFormat
from cleanlist_async.tables.guessing import Guess, Survey
from cleanlist_async.tables.headers import known_as, words
from cleanlist_async.tables.input import InputFile
from cleanlist_async.tables.mapping import Mapper, is_split_name, no_columns_error
from cleanlist_async.tables.reading import (
    known_format,
    open_source,
    refuse_data_as_header,
    survey_of,
)
from cleanlist_async.tables.records import Source

_ALIASES: Final = {
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
        if isinstance(given, bytes):  # bytes have no name with an extension
            file, by_name = InputFile.of_bytes(given, encoding), None
        else:
            by_name = known_format(given)
            file = InputFile(given, encoding=encoding, kind=format or by_name or "csv")
        source = open_source(file, format or by_name or "csv", delimiter=delimiter, has_header=has_header)
        known = _survey(source) if guess else Survey()
        mapper = Mapper(file, source.headers, known, facts.CSV_FIELDS)
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
        """Read the rows that are not blank: the number of each, and its value for each of `columns`.

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
    """Return the field beyond those of a contact that a header means, and how well it fits (0 is best)."""
    if alias := _ALIASES.get("".join(words(header))):
        return alias, 0
    known = known_as(header)
    return ("full_name", known[1]) if known and known[0] == "full_name" else None
