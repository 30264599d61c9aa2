"""Write the table back with the enrichment beside each row, in input order, as results come in any order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath
from types import TracebackType
from typing import BinaryIO, Self

from cleanlist_async.results import COLUMN_PREFIX
from cleanlist_async.tables.csv_source import CsvSource
from cleanlist_async.tables.dialect import Dialect, Preamble
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.formats import TEXT_OF, TableFormat, compression_of, is_read_only
from cleanlist_async.tables.formats.location import STDOUT, compressed, deliver, is_address
from cleanlist_async.tables.formats.original import PACKED
from cleanlist_async.tables.formats.packing import Packer
from cleanlist_async.tables.output_choice import ENRICHMENT_COLUMNS, WHOLE, OutputChoice, as_written
from cleanlist_async.tables.own_files import DeliveryFolder, PartFile
from cleanlist_async.tables.reading import ContactTable, known_format
from cleanlist_async.tables.records import Record
from cleanlist_async.tables.rendering import (
    CsvRendering,
    EnrichmentRendering,
    JsonlRendering,
    Rendering,
    new_names,
)


class EnrichedWriter:
    """Writes *table* to *path* with the enrichment columns appended, as far as *choice* says.

    Where it leaves rows or columns out, so it does with blank lines and lines above and below the table.

    Rows stand in input order with their original cells untouched, even those of a CSV that a spreadsheet
    takes for formulas: they are the user's own. With *excel_safe*, an enrichment cell that would be a formula
    gets a leading ``'`` (OWASP, "CSV Injection"), and so does in a CSV what was text in a file of another
    format; phone numbers keep their ``+``, and JSON lines need no guard. CSV keeps the input's delimiter,
    line ends, byte order mark and encoding; the table's ``layout`` says what they are where the input has
    none. The output grants no more permissions than the input.

    The output grows in ``path.part`` and is renamed by :meth:`close`, as it is when the context is left, with
    an error or without: nothing that was bought is lost. Where *is_renewable* says that it can be written
    again, it grows in ``path.tmp``, and replaces what a killed run left. An output ``-`` or at an address is
    made in a temporary folder, and delivered when it is closed.

    Raises :class:`TableError` if *path* is the input itself, exists (unless *overwrite*), or cannot be
    written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        table: ContactTable,
        columns: Sequence[str] = ENRICHMENT_COLUMNS,
        *,
        choice: OutputChoice = WHOLE,
        excel_safe: bool = True,
        overwrite: bool = False,
        is_renewable: bool = False,
        format: TableFormat | None = None,  # noqa: A002 - the word of the command line
    ) -> None:
        self.name = os.fspath(path)
        table = as_written(table, choice)
        self._table = table
        self._known = frozenset(columns)
        self._choice = choice
        # Each column to the name that it is to have.
        self._columns = (
            {COLUMN_PREFIX + column: name for column, name in choice.names().items()}
            if choice is not WHOLE
            else {column: column for column in columns}
        )
        self._overwrite = overwrite
        if is_read_only(self.name):
            raise self._error("would be a workbook without its macros", "end the name in .xlsx")
        self._folder: DeliveryFolder | None = None
        is_elsewhere = self.name == STDOUT or is_address(self.name)
        target = None if is_elsewhere else checked_target(self.name, table, overwrite=overwrite)
        self._format = format or known_format(path) or table.format
        table.layout.refuse_other_format(self.name, self._format)
        self._packer = _packer(table, self._columns, self._format, self.name, is_whole=choice.is_whole)
        if self._packer is not None and not (self._format == "json" and _is_text(table)):
            self._rendering: Rendering = EnrichmentRendering(self._columns)
        else:
            self._rendering = _rendering(table, self._columns, self._format, excel_safe=excel_safe)
        self._blank = self._enrichment({})
        # Rendered text, not results: many may wait behind a row whose result comes late.
        # None for a row that is left out.
        self._waiting: dict[int, str | None] = {}
        self._next = 0
        self._records = table.source.records()
        self._part = self._created_part(target, is_renewable=is_renewable)
        self._is_open = True
        self._broken = False
        self._part.write(self._rendering.head())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def part_path(self) -> Path:
        """Where the output grows until it is complete."""
        return self._part.path

    @property
    def notes(self) -> list[str]:
        """What the user should know about how the output was written."""
        return [*_taken_names(self._table, self._choice), *self._part.notes]

    @property
    def rows_written(self) -> int:
        """How many contacts are written or left out; those put later wait for the ones before them."""
        return self._next

    def put(self, index: int, values: Mapping[str, str]) -> None:
        """Add the enrichment of the contact at *index* (0-based, :attr:`Row.index`), in any order.

        *values* goes from column to text; a column left out is blank. Until its row is reached the latest
        one counts. Raises ValueError on an unknown column or a row that is already written.
        """
        if not self._is_open:
            raise ValueError("the writer is closed")
        if index < self._next:
            raise ValueError(f"the row with index {index} is already written")
        self._waiting[index] = self._enrichment(values)
        while self._next in self._waiting:
            enrichment = self._waiting.pop(self._next)
            if not self._write_next(enrichment):  # the table has fewer rows than results: close() refuses
                self._waiting[self._next] = enrichment
                return

    def flush_partial(self) -> None:
        """Write all that is known to ``path.part``, so that a crash loses nothing.

        Results that wait for rows before them are written too, those rows with blank cells until they are
        known. That reads the input again: call it now and then, not for each row.
        """
        self._part.flush(self._lines_ahead())

    def close(self, missing: Mapping[str, str] | None = None) -> None:
        """Write the rows that were never put, with the values *missing*, and rename the part to the target.

        Raises :class:`TableError`, and leaves the part, if the input is no longer the file that was opened
        (its rows could be other people's), if results belong to no row of it, or if the disk refuses.
        """
        if not self._is_open:
            return
        absent = self._enrichment(missing or {})
        self._is_open = False  # even if this fails: what follows must not be tried twice
        is_packed = self._packer is not None or compression_of(self.name) is not None
        try:
            while self._write_next(self._waiting.pop(self._next, absent)):
                pass
            self._refuse_mix_up()
            self._part.finish(overwrite=self._overwrite, pack=self._pack if is_packed else None)
        finally:
            self._part.leave()
        if self._folder is not None:
            try:
                deliver(self._part.target, self.name)
                self._folder.remove()
            except OSError as error:
                where = f"the output is in {self._part.target}"
                raise self._error(f"cannot be written ({error})", where) from error

    def discard(self) -> None:
        """Close without a target, and remove the part: for output that can be written again at no cost."""
        self._is_open = False
        self._part.leave()
        with suppress(OSError):
            self.part_path.unlink()
        if self._folder is not None:
            self._folder.remove()

    def _pack(self, part: Path, stream: BinaryIO) -> None:
        with compressed(stream, compression_of(self.name)) as out:
            if self._packer is not None:
                self._packer.write(part, out)
            else:
                with part.open("rb") as text:
                    shutil.copyfileobj(text, out)

    def _enrichment(self, values: Mapping[str, str]) -> str | None:
        """Render the enrichment of a row; None if the row is left out."""
        if unknown := values.keys() - self._known:
            raise ValueError(f"no such enrichment columns: {', '.join(sorted(unknown))}")
        if not self._choice.has(values.get("cleanlist_status", "")):
            return None
        return self._rendering.enrichment([values.get(column, "") for column in self._columns])

    def _line(self, record: Record, enrichment: str | None) -> str:
        if not record.is_contact:  # a footer that counts rows would no longer be right
            return self._rendering.line(record, "") if self._choice.is_whole else ""
        return self._rendering.left_out if enrichment is None else self._rendering.line(record, enrichment)

    def _write_next(self, enrichment: str | None) -> bool:
        """Write the next contact, and the blank lines before it; False at the end of the table.

        Once that fails half-way, by Ctrl-C or a full disk, no row is written: it could get another row's
        enrichment.
        """
        if self._broken:
            raise self._error("was not finished", f"what is written is in {self.part_path.name}")
        self._broken = True  # until this row is written whole
        wrote = False
        for record in self._records:
            self._part.write(self._line(record, enrichment))
            if record.is_contact:
                self._next += 1
                wrote = True
                break
        self._broken = False
        return wrote

    def _lines_ahead(self) -> Iterator[str]:
        """Render the rows from the next one to the last that waits."""
        index, last = 0, max(self._waiting, default=-1)
        for record in self._table.source.records():
            if index > last:
                return
            if index >= self._next:
                yield self._line(record, self._waiting.get(index, self._blank))
            index += record.is_contact

    def _refuse_mix_up(self) -> None:
        if not self._table.source.file.is_unchanged():
            problem = f"was not written, because {self._table.name} has changed since it was read"
            raise self._error(problem, f"the results for the table as it was are in {self.part_path.name}")
        if self._waiting:
            problem = (
                f"was not written: {len(self._waiting):,} results belong to no row of {self._table.name}"
            )
            raise self._error(problem, f"the rest is in {self.part_path.name}")

    def _created_part(self, target: Path | None, *, is_renewable: bool) -> PartFile:
        """Create the file that grows; without a *target* in a folder of its own."""
        if target is None:
            try:
                self._folder = DeliveryFolder()
            except OSError as error:
                problem = f"cannot be made in a temporary folder ({error.strerror or error})"
                raise self._error(problem, "free some space, or name a folder in TMPDIR") from error
            target = self._folder.path / (PurePath(self.name).name.strip("-") or "out.csv")
        encoding, source = self._rendering.encoding, self._table.source.file.given
        try:
            return PartFile(target, self.name, encoding, source, is_renewable=is_renewable)
        except TableError:
            if self._folder is not None:
                self._folder.remove()
            raise

    def _error(self, problem: str, fix: str) -> TableError:
        return TableError(path=self.name, problem=problem, fix=fix)


def checked_target(path: str, table: ContactTable, *, overwrite: bool) -> Path:
    """Return the file that is to become the output of *table*. Raises TableError, before it is created."""
    target = Path(os.path.realpath(path))  # a rename would replace a link, not the file behind it
    problem, fix = "", "name a file"
    if target.is_dir():
        problem = "is a folder"
    elif not target.parent.is_dir():
        problem, fix = "cannot be written: its folder does not exist", "create it first"
    elif target.exists() and not target.is_file():  # the rename would put a file in place of a pipe or device
        problem = "is no regular file"
    elif table.source.file.is_at(target):  # by the file and not by its name: a link to it is the input
        problem, fix = "is the input itself", "write to another file"
    elif target.exists() and not overwrite:
        problem, fix = "already exists", "name another file, or pass --overwrite"
    if problem:
        raise TableError(path=path, problem=problem, fix=fix)
    return target


def _packer(
    table: ContactTable, columns: Mapping[str, str], table_format: TableFormat, path: str, *, is_whole: bool
) -> Packer | None:
    if table_format not in PACKED and (table_format != "jsonl" or _is_text(table)):
        return None
    names = dict(zip(columns, new_names(columns.values(), table.source.all_headers()), strict=True))
    return Packer(table.source, table_format, names, path, is_whole=is_whole)


def _taken_names(table: ContactTable, choice: OutputChoice) -> Iterator[str]:
    """Note each name that was chosen, and that a column of the input has already."""
    if not choice.rename or not table.source.has_header:
        return
    names = choice.names()
    taken = new_names(names.values(), table.source.all_headers())
    for (column, wished), name in zip(names.items(), taken, strict=True):
        if column in choice.rename and name != wished:
            yield f'the column {column} is called "{name}", because the input has a column "{wished}"'


def _is_text(table: ContactTable) -> bool:
    """Whether its cells have no types but those that its text shows."""
    return TEXT_OF[table.format] == "jsonl" or table.source.file.original is None


def _rendering(
    table: ContactTable, columns: Mapping[str, str], table_format: TableFormat, *, excel_safe: bool
) -> Rendering:
    if TEXT_OF[table_format] == "jsonl":
        return JsonlRendering(table.source, columns)
    dialect = _dialect(table, table_format)
    return CsvRendering(table.source, columns, dialect, excel_safe=excel_safe, layout=table.layout)


def _dialect(table: ContactTable, table_format: TableFormat) -> Dialect:
    """Keep the input's layout. A change of format changes the delimiter, and drops ``sep=``."""
    delimiter = "\t" if table_format == "tsv" else table.layout.delimiter or ","
    if not isinstance(table.source, CsvSource):
        return Dialect(delimiter=delimiter, line_end="\n")
    kept = table.source.dialect
    is_chosen = table.layout.delimiter is not None
    if not is_chosen and (
        (table_format == "tsv") == (kept.delimiter == "\t") or table.format == table_format
    ):
        return kept
    preamble = kept.preamble if kept.preamble.rows else Preamble()  # sep=; would contradict the new delimiter
    return replace(kept, delimiter=delimiter, preamble=preamble)
