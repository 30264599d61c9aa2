"""Write the table back with the enrichment beside each row, in input order, as results come in any order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cleanlist_async.tables.csv_source import CsvSource
from cleanlist_async.tables.dialect import Dialect, Preamble
from cleanlist_async.tables.errors import TableError
from cleanlist_async.tables.part_file import PartFile
from cleanlist_async.tables.reading import ContactTable, TableFormat, known_format
from cleanlist_async.tables.rendering import PHONES_COLUMN, CsvRendering, JsonlRendering, Rendering

ENRICHMENT_COLUMNS: Final = (
    "cleanlist_status",
    "cleanlist_email",
    "cleanlist_email_status",
    PHONES_COLUMN,
    "cleanlist_credits",
    "cleanlist_error",
    "cleanlist_workflow_id",
    "cleanlist_task_id",
    "cleanlist_duplicate_of",
)
"""Columns that are appended. One that the table has already stays; ours is then called ``... (2)``."""


class EnrichedWriter:
    """Writes *table* to *path* with the enrichment columns appended.

    Rows stand in input order with their original cells untouched, even those that a spreadsheet takes for
    formulas: they are the user's own. With *excel_safe*, an enrichment cell that would be a formula gets a
    leading ``'`` (OWASP, "CSV Injection"); phone numbers keep their ``+``, and JSON lines need no guard.
    CSV keeps the input's delimiter, line ends, byte order mark and encoding. The output
    grants no more permissions than the input.

    The output grows in ``path.part`` and is renamed by :meth:`close`, as it is when the context is left,
    with an error or without: nothing that was bought is lost. Where *is_renewable* says that it can be
    written again, it grows in ``path.tmp``, and replaces what a killed run left.

    Raises :class:`TableError` if *path* is the input itself, exists (unless *overwrite*), or cannot be
    written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        table: ContactTable,
        columns: Sequence[str] = ENRICHMENT_COLUMNS,
        *,
        excel_safe: bool = True,
        overwrite: bool = False,
        is_renewable: bool = False,
        format: TableFormat | None = None,  # noqa: A002 - the word of the command line
    ) -> None:
        self.name = os.fspath(path)
        self._table = table
        self._columns = tuple(columns)
        self._known = frozenset(columns)
        self._overwrite = overwrite
        target = self._checked_target()  # before anything is created
        self._rendering = _rendering(
            table, self._columns, format or _format_of(path, table), excel_safe=excel_safe
        )
        self._blank = self._rendering.enrichment([""] * len(self._columns))
        # Rendered text, not results: many may wait behind a row whose result comes late.
        self._waiting: dict[int, str] = {}
        self._next = 0
        self._records = table.source.records()
        self._part = PartFile(
            target,
            self.name,
            self._rendering.encoding,
            table.source.file.given,
            is_renewable=is_renewable,
        )
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
        return list(self._part.notes)

    @property
    def rows_written(self) -> int:
        """How many contacts are written; those put later wait for the ones before them."""
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
        try:
            while self._write_next(self._waiting.pop(self._next, absent)):
                pass
            self._refuse_mix_up()
            self._part.finish(overwrite=self._overwrite)
        finally:
            self._part.leave()

    def discard(self) -> None:
        """Close without a target, and remove the part: for output that can be written again at no cost."""
        self._is_open = False
        self._part.leave()
        with suppress(OSError):
            self.part_path.unlink()

    def _enrichment(self, values: Mapping[str, str]) -> str:
        if unknown := values.keys() - self._known:
            raise ValueError(f"no such enrichment columns: {', '.join(sorted(unknown))}")
        return self._rendering.enrichment([values.get(column, "") for column in self._columns])

    def _write_next(self, enrichment: str) -> bool:
        """Write the next contact, and the blank lines before it; False at the end of the table.

        Once that fails half-way, by Ctrl-C or a full disk, reader and file may be at different rows. No row
        is written after that, because it could get another row's enrichment.
        """
        if self._broken:
            raise self._error("was not finished", f"what is written is in {self.part_path.name}")
        self._broken = True  # until this row is written whole
        wrote = False
        for record in self._records:
            self._part.write(self._rendering.line(record, enrichment))
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
                yield self._rendering.line(record, self._waiting.get(index, self._blank))
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

    def _checked_target(self) -> Path:
        target = Path(os.path.realpath(self.name))  # a rename would replace a link, not the file behind it
        if target.is_dir():
            raise self._error("is a folder", "name a file")
        if not target.parent.is_dir():
            raise self._error("cannot be written: its folder does not exist", "create it first")
        if target.exists():
            if not target.is_file():  # the rename would put a file in place of a pipe or device
                raise self._error("is no regular file", "name a file")
            if self._table.source.file.is_at(target):
                raise self._error("is the input itself", "write to another file")
            if not self._overwrite:
                raise self._error("already exists", "name another file, or pass --overwrite")
        return target

    def _error(self, problem: str, fix: str) -> TableError:
        return TableError(path=self.name, problem=problem, fix=fix)


def _format_of(path: str | os.PathLike[str], table: ContactTable) -> TableFormat:
    return known_format(path) or table.format


def _rendering(
    table: ContactTable, columns: Sequence[str], table_format: TableFormat, *, excel_safe: bool
) -> Rendering:
    if table_format == "jsonl":
        return JsonlRendering(table.source, columns)
    return CsvRendering(table.source, columns, _dialect(table, table_format), excel_safe=excel_safe)


def _dialect(table: ContactTable, table_format: TableFormat) -> Dialect:
    """Keep the input's layout. A change of format changes the delimiter, and ``sep=`` is left out."""
    delimiter = "\t" if table_format == "tsv" else ","
    if not isinstance(table.source, CsvSource):
        return Dialect(delimiter=delimiter, line_end="\n")
    kept = table.source.dialect
    if (table_format == "tsv") == (kept.delimiter == "\t") or table.format == table_format:
        return kept
    preamble = kept.preamble if kept.preamble.rows else Preamble()  # sep=; would contradict the new delimiter
    return replace(kept, delimiter=delimiter, preamble=preamble)
