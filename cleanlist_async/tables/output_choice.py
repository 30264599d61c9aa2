"""What is written: which columns of an enrichment and of its input, under which names, and which rows.

The words are not ``columns=``, which says how an input is read: *keep* names columns that are added, *rename*
gives them other names, *only* leaves rows out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias, cast, get_args

from cleanlist_async.checks import check_text, is_any, shown, wrong
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.results import COLUMN_PREFIX, ResultStatus

ADDED: Final = (
    *("status", "email", "email_status", "phones", "credits", "error"),
    *("workflow_id", "task_id", "duplicate_of"),
)
"""What an enrichment adds to a row."""
ENRICHMENT_COLUMNS: Final = tuple(COLUMN_PREFIX + name for name in ADDED)
"""Columns that are appended. One that the table has already stays; ours is then called ``... (2)``."""
_COLLECTED_BY: Final = frozenset({"status", "workflow_id"})
"""What ``collect`` needs, which fetches what is pending by what the output says."""
_COLUMN: Final = "column of an enrichment"

Keep: TypeAlias = str | Iterable[str]
Only: TypeAlias = ResultStatus | Iterable[ResultStatus]


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
        outcomes = [] if only is None else _each("only", only, "", get_args(ResultStatus), "outcome")
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
