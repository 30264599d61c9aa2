"""What is written: which columns of an enrichment and of its input, under which names, and which rows.

The words are not ``columns=``, which says how an input is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self, TypeAlias, cast, get_args

from cleanlist_async.checks import check_text, is_any, shown, wrong
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.contacts.texts import as_text
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.results import COLUMN_PREFIX, EnrichmentResult, ResultStatus
from cleanlist_async.tables.csv_source import CsvColumns, CsvSource, Source, T
from cleanlist_async.tables.frames import NewColumn
from cleanlist_async.tables.mapping import position_of
from cleanlist_async.tables.reading import ContactTable
from cleanlist_async.tables.records import JsonlColumns

_Kind: TypeAlias = Literal["choice", "text", "texts", "number", "whole"]
_Read: TypeAlias = Callable[[EnrichmentResult], object]
_COLUMNS: Final[Mapping[str, tuple[_Kind, _Read]]] = {
    "status": ("choice", lambda result: result.status),
    "email": ("text", lambda result: result.email),
    "email_status": ("text", lambda result: result.email_status),
    "phones": ("texts", lambda result: list(result.phones)),
    "credits": ("number", lambda result: float(result.credits)),
    "error": ("text", lambda result: result.error),
    "workflow_id": ("text", lambda result: result.workflow_id),
    "task_id": ("text", lambda result: result.task_id),
    "duplicate_of": ("whole", lambda result: result.duplicate_of),
}
"""What an enrichment adds to a row: the kind of each column, and how it is read from a result."""
ADDED: Final = tuple(_COLUMNS)
ENRICHMENT_COLUMNS: Final = tuple(COLUMN_PREFIX + name for name in ADDED)
"""Columns that are appended. One that the table has already stays; ours is then ``... (2)``."""
_COLLECTED_BY: Final = frozenset({"status", "workflow_id"})
"""What ``collect`` needs to fetch what is pending."""
_COLUMN: Final = "column of an enrichment"
_STATUSES: Final[tuple[str, ...]] = get_args(ResultStatus)

Keep: TypeAlias = str | Iterable[str]
Only: TypeAlias = ResultStatus | Iterable[ResultStatus]
_GIVEN: Final = (("key", "key"), *((f"contact_{field}", field) for field in API_FIELDS))


@dataclass(frozen=True, slots=True)
class OutputChoice:
    """A choice among `ADDED` columns and outcomes; by default of all. Make one with :meth:`of`.

    Attributes
    ----------
    keep
        The columns that are written, in their order.
    rename
        Column to the whole of its name in the output.
    only
        Outcomes whose rows are written; empty: all rows, also those without one.
    input_columns
        The columns of the input that are written, in their order; None: all.

    """

    keep: tuple[str, ...] = ADDED
    rename: Mapping[str, str] = field(default_factory=dict[str, str])
    only: frozenset[str] = frozenset()
    input_columns: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        keep: Keep | None = None,
        rename: Mapping[str, str] | None = None,
        only: Only | None = None,
        *,
        prefix: str = COLUMN_PREFIX,
        input_columns: Iterable[str] | None = None,
    ) -> Self:
        """Take what a caller said. Columns may be named with *prefix* or without.

        Raises ConfigurationError for a column or an outcome that does not exist, and for two columns of one
        name.
        """
        if rename is not None and not is_any(rename, Mapping):
            raise wrong("rename", "a mapping of columns to names", rename)
        kept = ADDED if keep is None else _each("keep", keep, prefix, ADDED, _COLUMN)
        names = {_known("rename", old, prefix, ADDED, _COLUMN): new for old, new in (rename or {}).items()}
        for name in names.values():
            check_text("each new name in rename", name)
        outcomes = [] if only is None else _each("only", only, "", _STATUSES, "outcome")
        own = None if input_columns is None else tuple(input_columns)
        if own is not None and not any(own):
            raise ConfigurationError("input_columns is empty, so nothing would say whose row it is.")
        made = cls(tuple(kept), names, frozenset(outcomes), own)
        written = [name.casefold() for name in made.names(prefix).values()]
        if twice := next((name for name in written if written.count(name) > 1), None):
            raise ConfigurationError(f'rename: two columns of the output would be called "{twice}".')
        return made

    def names(self, prefix: str = COLUMN_PREFIX) -> dict[str, str]:
        """Return the name in the output of each column that is written."""
        return {column: self.rename.get(column, prefix + column) for column in self.keep}

    def has(self, status: str) -> bool:
        """Whether a row of this outcome is written; blank for one that has none."""
        return not self.only or status in self.only

    @property
    def is_whole(self) -> bool:
        """Whether all of the input is written: its columns, its rows, and what stands around them."""
        return not self.only and self.input_columns is None

    @property
    def is_collectable(self) -> bool:
        """Whether the output tells what is pending, so that it can be fetched with nothing else."""
        return self.is_whole and set(self.keep) >= _COLLECTED_BY and not _COLLECTED_BY & self.rename.keys()


WHOLE: Final = OutputChoice()


def _each(what: str, given: object, prefix: str, known: Sequence[str], kind: str) -> list[str]:
    """Return names, each once and without *prefix*. Raises ConfigurationError for one that is not *known*."""
    if not is_any(given, Iterable) or is_any(given, bytes):
        raise wrong(what, f"names, each of a {kind}", given)
    each = [given] if isinstance(given, str) else cast("Iterable[object]", given)
    names = dict.fromkeys(_known(what, name, prefix, known, kind) for name in each)
    if not names:
        raise ConfigurationError(f"{what} is empty, so nothing would be written.")
    return [*names]


def _known(what: str, name: object, prefix: str, known: Sequence[str], kind: str) -> str:
    bare = name.removeprefix(prefix) if isinstance(name, str) else ""
    if bare not in known:
        raise ConfigurationError(
            f"{what}: {shown(name)} is no {kind}.", fix=f"There are: {', '.join(known)}."
        )
    return bare


def as_written(table: ContactTable, choice: OutputChoice) -> ContactTable:
    """Return a table with the columns that are written, to be written only.

    Raises TableError for a column that it does not have.
    """
    if choice.input_columns is None:
        return table
    source = table.source
    headers = source.all_headers()
    positions = list(
        dict.fromkeys(
            # The name of a field stands for its column, unless a column has that name itself.
            table.columns[name].column
            if name in table.columns and name not in headers
            else position_of(source.file.name, headers, name)
            for name in choice.input_columns
        )
    )
    written = copy(table)
    if isinstance(source, CsvSource):
        chosen: Source = _CsvChosen(source, positions)
    else:
        chosen = _JsonlChosen(source, [headers[position] for position in positions])
    written.source, written.headers = chosen, tuple(chosen.headers)
    return written


class _CsvChosen(CsvColumns):
    """Some columns of a CSV file, without what stands above and below its contacts."""

    def __init__(self, whole: CsvSource, positions: Sequence[int]) -> None:
        self._positions = positions
        super().__init__(whole)
        # Its rows are still counted, by what reads the typed rows of a workbook.
        self.dialect = replace(whole.dialect, preamble=replace(whole.dialect.preamble, text=""))

    def of_row(self, row: Sequence[T]) -> list[T]:
        cells = self._whole.of_row(row)
        return [cells[position] for position in self._positions if position < len(cells)]

    def _cells(self, cells: Sequence[str]) -> tuple[str, ...]:
        # A row that is too short has blanks in its place: a column is written wherever it is chosen.
        return tuple(cells[position] if position < len(cells) else "" for position in self._positions)


class _JsonlChosen(JsonlColumns):
    def all_headers(self) -> tuple[str, ...]:
        return self.headers


def enrichment_columns(results: Sequence[EnrichmentResult], names: Mapping[str, str]) -> list[NewColumn]:
    """Return columns for the rows of *results*: *names* goes from column to its name there."""
    return [
        NewColumn(name, kind, [read(result) for result in results], _STATUSES if kind == "choice" else ())
        for column, name in names.items()
        for kind, read in (_COLUMNS[column],)
    ]


def report_columns(results: Sequence[EnrichmentResult]) -> list[NewColumn]:
    """Return place, key, contact and enrichment of results as columns."""
    return [
        NewColumn("index", "whole", [result.index for result in results]),
        *(NewColumn(name, "text", [_given(result, field) for result in results]) for name, field in _GIVEN),
        *enrichment_columns(results, {name: name for name in ADDED}),
    ]


def as_dict(result: EnrichmentResult) -> dict[str, Any]:
    """Return a result as a row of `report_columns`."""
    return {
        "index": result.index,
        **{name: _given(result, field) for name, field in _GIVEN},
        **{name: read(result) for name, (_, read) in _COLUMNS.items()},
    }


def _given(result: EnrichmentResult, field: str) -> str | None:
    text = as_text(getattr(result.contact, field))
    # A contact that was refused for lone surrogates still has them, and no frame or file can.
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()
