"""The input of a command, a file of contacts: opened, counted, and passed to the client."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, cast

import typer
from rich.console import Console

from cleanlist_async.cli.enrich.outcome import FINAL, RESULTS, Tally, beside
from cleanlist_async.cli.terminal.asking import choose_column
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.options import FileLayout
from cleanlist_async.cli.terminal.render import say
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.cli.terminal.wording import as_typed
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.tables import ContactTable, EncodingUnknownError, OutputChoice, Row, TableError
from cleanlist_async.tables.dialect import declared_encoding
from cleanlist_async.tables.formats import FORMATS, READ_ONLY, SUFFIXES, TableFormat, is_read_only
from cleanlist_async.tables.formats.location import STDOUT, is_address
from cleanlist_async.tables.formats.original import PACKED
from cleanlist_async.tables.input import is_stream
from cleanlist_async.tables.output_choice import WHOLE, as_written
from cleanlist_async.tables.reading import known_format
from cleanlist_async.tables.writing import checked_target

_BYTES_PER_RESULT: Final = 400
"""Of the columns that are added for one contact: two addresses, two numbers, two ids and a reason."""
_CANDIDATES: Final = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("shift_jis", "gb18030", "big5", "euc_kr", "mac_roman"),
)
"""Encodings that are offered for a file which is not UTF-8."""
_SAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How to read a table, as the command line says."""

    mapping: dict[str, str] = field(default_factory=dict[str, str])
    encoding: str | None = None
    delimiter: str | None = None
    has_header: bool = True
    format: TableFormat | None = None
    sheet: str | None = None

    @classmethod
    def parse(cls, mapping: Sequence[str] | None, layout: FileLayout) -> TableOptions:
        """Take the options as they were typed. Raises CommandError for a ``--map`` without ``=``."""
        pairs: dict[str, str] = {}
        for text in mapping or ():
            name, equals, header = text.partition("=")
            if not equals:
                raise CommandError(
                    f'--map takes FIELD=HEADER, such as --map "linkedin_url=Profile", not "{text}".',
                    ExitCode.USAGE,
                )
            pairs[name.strip()] = header.strip()
        chosen = cast("TableFormat | None", layout.table_format)
        if chosen not in {None, *FORMATS}:
            raise CommandError(f"--format must be one of {', '.join(FORMATS)}.", ExitCode.USAGE)
        return cls(pairs, layout.encoding, layout.delimiter, not layout.no_header, chosen, layout.sheet)

    def open(self, path: str, *, snapshot: bool = False) -> ContactTable:
        """Open the table at *path*, asking where two columns could be a field. Raises TableError."""
        while True:
            try:
                return ContactTable.open(
                    path,
                    self.mapping,
                    format=self.format,
                    encoding=self.encoding,
                    delimiter=self.delimiter,
                    has_header=self.has_header,
                    sheet=self.sheet,
                    snapshot=snapshot,
                )
            except TableError as error:
                if is_stream(path):  # it cannot be opened again
                    raise
                self.mapping[error.field] = choose_column(error)

    def of_output(self, path: str) -> TableOptions:
        """Return the options to read a file that was written for this input."""
        table_format = known_format(path)
        is_csv = table_format in {"csv", "tsv"}
        kept = self if table_format is None else replace(self, format=None)
        encoding = self.encoding if table_format not in PACKED and not _is_marked(path) else None
        return replace(kept, sheet=None, encoding=encoding, delimiter=self.delimiter if is_csv else None)

    def as_typed(self) -> str:
        """Return the options as they would be typed again, with a blank before each word."""
        return as_typed(
            {
                "--map": [f"{name}={header}" for name, header in self.mapping.items()],
                "--format": self.format,
                "--encoding": self.encoding,
                "--delimiter": self.delimiter,
                "--sheet": self.sheet,
                "--no-header": not self.has_header,
            }
        )


@dataclass(slots=True)
class TableContacts:
    """The contacts of a table as a source that can be read twice, and the row number of each."""

    table: ContactTable
    # Of four bytes each, since a file may have millions of rows.
    numbers: array[int] = field(default_factory=lambda: array("I"))
    settled: int = 0
    """How many rows are not among the contacts because they keep a final result."""
    earlier: dict[int, str] = field(default_factory=dict[int, str])
    """Of the rows that are enriched again, by their index: what they have, as JSON, which takes less room."""

    @classmethod
    def read(cls, table: ContactTable) -> TableContacts:
        """Read the whole table once. Raises TableError at a row that cannot be read, or without a contact."""
        contacts = cls(table)
        for row in table.rows():
            contacts.numbers.append(row.number)
        contacts.refuse_none()
        return contacts

    def refuse_none(self) -> None:
        """Raise TableError if there is no contact at all."""
        if not self.numbers:
            raise TableError(
                path=self.table.name, problem="has no contacts", fix="there is nothing below its header"
            )

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Contact]:
        return self.table.contacts()

    @property
    def remarks(self) -> Sequence[str]:
        """What the user should know of which contacts these are."""
        return ()

    def place(self, index: int) -> int:
        """Return the index of the row that the contact at *index* comes from."""
        return index

    def note_earlier(self, row: Row, cells: Mapping[str, str]) -> None:
        """Note what a row that is enriched again has, if anything."""
        if cells["cleanlist_status"] in FINAL or any(map(cells.get, RESULTS)):
            self.earlier[row.index] = json.dumps({name: text for name, text in cells.items() if text})

    def beside_earlier(self, place: int, cells: dict[str, str]) -> dict[str, str]:
        """Return the new *cells* of the row at *place*, with what it keeps of those that it had."""
        before = self.earlier.pop(place, None)
        return cells if before is None else beside(json.loads(before), cells)

    def unasked(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows that were to be enriched again and got no result, with what they have."""
        for place, before in self.earlier.items():
            yield place, json.loads(before)

    def kept(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield rows that are not among the contacts, by index, and the enrichment that they keep."""
        yield from ()

    async def fetch(self, client: AsyncCleanlist, signals: StopSignals) -> None:
        """Fetch for free what an earlier run submitted. Raises CleanlistError if the key is bad."""

    def count_kept(self, tally: Tally) -> None:
        """Count those of the kept rows that have no final result."""


def check_output(
    path: str,
    table: ContactTable,
    choice: OutputChoice = WHOLE,
    *,
    overwrite: bool,
    kept: Sequence[Path] = (),
) -> None:
    """Raise TableError before anything is asked or spent, if *path* cannot become the output of *table*.

    *kept*: files that must not be overwritten, even with ``--overwrite``.
    """
    as_written(table, choice)
    table.layout.refuse_other_format(path, known_format(path))
    if path == STDOUT or (is_address(path) and known_format(path)):
        return
    if known_format(path) is None or (is_read_only(path) and not is_stream(path)):
        written = [suffix for suffix in SUFFIXES if suffix not in READ_ONLY]
        fix = f"end it in {', '.join(written)}"
        raise TableError(path=path, problem="is not an output file name", fix=fix)
    if any(Path(path).resolve() == file.resolve() for file in kept):
        raise TableError(path=path, problem="belongs to the job", fix="write to another file")
    checked_target(path, table, overwrite=overwrite)


def check_space(path: str, contacts: TableContacts) -> None:
    """Raise TableError before anything is spent, if the output of *contacts* would not fit on its disk."""
    needed = contacts.table.source.file.fingerprint.size + _BYTES_PER_RESULT * len(contacts)
    is_elsewhere = path == STDOUT or is_address(path)  # made among the temporary files, then delivered
    try:
        folder = Path(tempfile.gettempdir()) if is_elsewhere else Path(path).absolute().parent
        free = shutil.disk_usage(folder).free
    except OSError:  # some file systems do not say
        return
    if free < needed:
        disk = f"the disk of {folder}" if is_elsewhere else "its disk"
        problem = f"may need {needed / 1e6:,.1f} MB, and {disk} has {free / 1e6:,.1f} MB left"
        fix = "name another folder in TMPDIR" if is_elsewhere else "name a file on another disk"
        raise TableError(path=path, problem=problem, fix=f"free some space, or {fix}")


def _is_marked(path: str) -> bool:
    """Whether a file begins with a byte order mark, as one does that was to have too small an encoding."""
    try:
        with Path(path).open("rb") as stream:
            return declared_encoding(stream.read(4)) is not None
    except OSError:
        return False


def opened(
    console: Console, options: TableOptions, path: str, *, snapshot: bool = False
) -> tuple[TableOptions, ContactTable]:
    """Open a table; return it, and the options with the encoding that was asked for, if that was needed.

    Raises TableError, also where nobody can be asked; CommandError if no encoding was chosen.
    """
    try:
        return options, options.open(path, snapshot=snapshot)
    except EncodingUnknownError as unknown:
        if not sys.stdin.isatty():
            raise
        options = replace(options, encoding=_ask(console, options, path, unknown))
        return options, options.open(path, snapshot=snapshot)


def _ask(console: Console, options: TableOptions, path: str, unknown: EncodingUnknownError) -> str:
    say(console, f"{unknown.path} {unknown.problem}. In these it would read:")
    for name in _CANDIDATES:
        if sample := "; ".join(_names_in(options, path, name)):
            say(console, f"  {name:<10} {sample}")
    chosen: str = typer.prompt(
        "Which one is right? (none of them: press Enter)", default="", show_default=False, err=True
    )
    if not chosen:
        raise CommandError("not started; nothing was sent. Save the file as UTF-8.", ExitCode.REFUSED)
    return chosen


def _names_in(options: TableOptions, path: str, encoding: str) -> Iterator[str]:
    """Yield the first contacts that have more than ASCII; nothing if the file is not in this encoding."""
    try:
        rows = replace(options, encoding=encoding).open(path).rows()
    except TableError:
        return
    contacts = (row.contact for row in rows)
    texts = (" ".join(filter(None, (one.first_name, one.last_name, one.company_name))) for one in contacts)
    yield from islice((text for text in texts if not text.isascii()), _SAMPLES)
