"""What goes to standard output: the one JSON object of ``--json``, or a table for people."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from cleanlist_async.cli.terminal.render import clean
from cleanlist_async.types import JSON

_WIDE: Final = 10_000
"""Columns of what is not a terminal: nothing is folded there."""
_LONGEST_VALUE: Final = 500
_BESIDE: Final = ("task_id", "timestamp_ms", "agent_instructions", "usage", "message", "poll_url")
"""Fields of answers that are for programs which follow them, not for who asked."""


def print_json(answer: Mapping[str, JSON]) -> None:
    """Print the one object that ``--json`` promises."""
    print(json.dumps(answer))  # noqa: T201 - this is the data


def as_json(model: BaseModel) -> dict[str, JSON]:
    """Return an answer of the API for ``--json``, with the fields we do not know."""
    return {
        name: value
        for name, value in model.model_dump(mode="json", warnings=False).items()
        if name not in _BESIDE
    }


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Collection[str] = ()
) -> None:
    """Print rows under their headers; the columns *numbers* are right-aligned."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header, justify="right" if header in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(clean(cell) for cell in row))
    print_grid(table)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line; those without a value are left out."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in fields:
        if value:
            table.add_row(name, clean(value, _LONGEST_VALUE))
    print_grid(table)


def print_grid(table: Table) -> None:
    """Print a table; where nobody looks at it, its lines are whole and end with their last letter."""
    console = Console(markup=False, highlight=False, emoji=False)
    if console.is_terminal:
        console.print(table)
        return
    console.width = _WIDE
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())  # noqa: T201 - this is the data


def number(value: float | None) -> str:
    """Return a number as people write it; nothing for None."""
    return "" if value is None else f"{value:,.10g}"


def moment(value: datetime | None) -> str:
    """Return a date and time; nothing for None."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"
