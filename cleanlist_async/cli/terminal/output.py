"""What goes to standard output: the one JSON object of ``--json``, or a table for people."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cleanlist_async.cli.terminal.render import clean, grid
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.table import Table

_WIDE: Final = 10_000
"""Columns outside a terminal: nothing is folded there."""
_GAP: Final = 2
"""Columns of text between the columns of a table."""
_LONGEST_VALUE: Final = 500
_LEFT_OUT: Final = ("task_id", "timestamp_ms", "agent_instructions", "usage", "message", "poll_url")
"""Fields of answers that only help a program to follow up; ``--json`` leaves them out."""


def print_line(line: str = "") -> None:
    """Print one line on standard output, which is for the data that a command returns."""
    # Flushed, since a program may wait for this line at the other end of a pipe.
    print(line, flush=True)


def print_json(answer: Mapping[str, JSON]) -> None:
    """Print the one object that ``--json`` promises."""
    print_line(json.dumps(answer))


def as_json(model: BaseModel) -> dict[str, JSON]:
    """Return an answer of the API for ``--json``, including fields that we do not know."""
    return {
        name: value
        for name, value in model.model_dump(mode="json", warnings=False).items()
        if name not in _LEFT_OUT
    }


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Collection[str] = ()
) -> None:
    """Print rows under their headers; the columns *numbers* are right-aligned."""
    table = grid(*headers)
    for column in table.columns:
        column.justify = "right" if column.header in numbers else "left"
    for row in rows:
        table.add_row(*(clean(cell) for cell in row))
    print_grid(table)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line; those without a value are left out."""
    table = grid()
    table.add_column(style="dim")
    table.add_column()
    for name, value in fields:
        if value:
            table.add_row(name, clean(value, _LONGEST_VALUE))
    print_grid(table)


def print_grid(table: Table) -> None:
    """Print a table, no word of it broken; outside a terminal its lines are neither folded nor padded."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if console.is_terminal:
        # An id that is broken cannot be copied. What is wider than the terminal continues in its next line.
        console.width = max(console.width, _keep_words_whole(table))
        console.print(table)
        return
    # Rich pads every line to the width of the table, which programs that read it would have to strip.
    console.width = _WIDE
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print_line(line.rstrip())


def _keep_words_whole(table: Table) -> int:
    """Give each column the width of its longest word, and return how many columns of text that takes."""
    from rich.cells import cell_len

    for column in table.columns:
        words = " ".join(map(str, [column.header, *column.cells])).split()
        column.min_width = max(map(cell_len, words), default=0)
    return sum((column.min_width or 0) + _GAP for column in table.columns)


def moment(value: datetime | None) -> str:
    """Return a date and time; nothing for None."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"
