"""What a user sees: the one JSON object of ``--json``, tables, and lines on standard error.

Data goes to standard output, everything else to standard error.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from cleanlist_async.cli.terminal.wording import typed
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table

Cell: TypeAlias = str | float | None
Figures: TypeAlias = Sequence[tuple[str, str, str]]
"""Lines of a table: what, how much, and a remark."""

_LONGEST_CELL: Final = 60
_WIDE: Final = 10_000
"""Columns outside a terminal: nothing is folded there."""
_GAP: Final = 2
"""Columns of text between the columns of a table."""
_LONGEST_VALUE: Final = 500
_LEFT_OUT: Final = ("task_id", "timestamp_ms", "agent_instructions", "usage", "message", "poll_url")
"""Fields of answers that only help a program to follow up; ``--json`` leaves them out."""


def open_console() -> Console:
    """Return the console of standard error. Markup is off: what is shown comes from files and servers."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def is_live(console: Console) -> bool:
    """Whether what was printed can be changed in its place."""
    return console.is_terminal and not console.is_dumb_terminal


def say(console: Console, line: str) -> None:
    """Print one line, folded between words where a terminal is too narrow for it."""
    # Outside a terminal, such as in a log, a message stays on one line.
    console.print(clean(typed.pasted(line), None), soft_wrap=not console.is_terminal)


def show_notes(console: Console, notes: Iterable[str]) -> None:
    """Print what the user should know about a file that was read or written."""
    for note in notes:
        say(console, f"note: {note}")


def show_command(console: Console, command: str) -> None:
    """Print a command that can be copied whole."""
    # Never folded: a line break would cut the command where it is copied.
    console.print(f"  {clean(typed.pasted(command), None)}", soft_wrap=True)


def grid(*headers: str) -> Table:
    """Return an empty table without lines; without *headers* it has no columns yet."""
    from rich.table import Table

    return Table(
        *headers,
        box=None,
        show_header=bool(headers),
        header_style="dim",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )


def figures_grid(figures: Figures) -> Table:
    """Return numbers, right-aligned, with a remark on each."""
    table = grid()
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim", overflow="fold")
    for figure in figures:
        table.add_row(*figure)
    return table


def show_figures(console: Console, figures: Figures) -> None:
    """Show numbers between two empty lines."""
    console.print()
    console.print(figures_grid(figures))
    console.print()


def duration(seconds: float) -> str:
    """Return seconds in the unit that reads best."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def clean(text: str, most: int | None = _LONGEST_CELL) -> str:
    """Return text of a file or a server as one line of *most* characters that cannot disturb the terminal."""
    # Imported here: --help needs none of the tables package, which takes long to import.
    from cleanlist_async.tables.errors import on_one_line

    line = on_one_line(text)
    return line if most is None or len(line) <= most else line[: most - 1] + "…"


def plural(count: float, noun: str) -> str:
    """Return a count with its noun."""
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else number(cell)


def number(value: float | None) -> str:
    """Return a number as people write it; nothing for None."""
    return "" if value is None else f"{value:,.10g}"


def print_line(line: str = "") -> None:
    """Print one line on standard output, which is for the data that a command returns."""
    # Flushed, since a program may wait for this line at the other end of a pipe.
    print(line, flush=True)


def print_json(answer: Mapping[str, JSON]) -> None:
    """Print the one object that ``--json`` promises."""
    print_line(json.dumps(answer))


def dumped(model: BaseModel) -> dict[str, JSON]:
    """Return an answer of the API for ``--json``, including fields that we do not know."""
    return {
        name: value
        for name, value in model.model_dump(mode="json", warnings=False).items()
        if name not in _LEFT_OUT
    }


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: Collection[str] = ()
) -> None:
    """Print rows under their headers; the columns *numbers* are right-aligned."""
    table = grid(*headers)
    for column in table.columns:
        column.justify = "right" if column.header in numbers else "left"
    for row in rows:
        table.add_row(*(clean(_text(cell)) for cell in row))
    print_grid(table)


def print_fields(fields: Iterable[tuple[str, Cell]]) -> None:
    """Print names and values, one pair a line; those without a value are left out."""
    table = grid()
    table.add_column(style="dim")
    table.add_column()
    for name, value in fields:
        if text := _text(value):
            table.add_row(name, clean(text, _LONGEST_VALUE))
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
