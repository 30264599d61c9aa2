"""What a user sees: compact tables on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cleanlist_async.cli.terminal.tally import Tally
from cleanlist_async.enrich.plan import Plan
from cleanlist_async.tables import ContactTable
from cleanlist_async.tables.errors import on_one_line

Figures: TypeAlias = Sequence[tuple[str, str, str]]
"""Lines of a table: what, how much, and a remark."""

_FEW: Final = 5
_LONGEST_CELL: Final = 60
_STATUS_REMARKS: Final = {
    "invalid": "never sent",
    "pending": "submitted, not here yet",
    "unknown": "look in the portal before sending them again",
    "failed": "not bought",
}


def open_console() -> Console:
    """Return the console of standard error. Markup is off: what is shown comes from files and servers."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def say(console: Console, line: str) -> None:
    """Print one line, folded between words where a terminal is too narrow for it."""
    console.print(on_one_line(line), soft_wrap=not console.is_terminal)


def show_command(console: Console, command: str) -> None:
    """Print a command that can be copied whole."""
    console.print(f"  {on_one_line(command)}", soft_wrap=True)


def show_columns(console: Console, table: ContactTable) -> None:
    """Show which column is which field, and what the user should know of how the file was read."""
    grid = Table("field", "column", "why", box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for field, guess in table.columns.items():
        grid.add_row(field, clean(guess.header), Text(clean(guess.why), style="dim"))
    console.print(grid)
    for note in table.notes:
        say(console, f"note: {note}")


def show_plan(console: Console, plan: Plan, numbers: Sequence[int], balance: float | None) -> None:
    """Show what the run would take, with the first invalid rows."""
    figures = [("contacts", f"{plan.contacts:,}", "")]
    if plan.duplicates:
        figures.append(("duplicates", f"{plan.duplicates:,}", "bought once"))
    if plan.invalid:
        figures.append(("invalid", f"{plan.invalid:,}", "kept back"))
    figures += [
        ("requests", f"{plan.requests:,}", f"{plural(plan.chunks, 'submit')} and as many status requests"),
        ("time", duration(plan.minutes * 60), "by the rate limit, plus that of the last workflow"),
        ("credits", credits_range(plan), f'enrichment type "{plan.enrichment_type}"'),
    ]
    if balance is not None:
        figures.append(("balance", f"{balance:,.10g}", _shortage(plan, balance)))
    show_figures(console, figures)
    show_invalid(console, plan, numbers)


def show_invalid(console: Console, plan: Plan, numbers: Sequence[int], most: int = _FEW) -> None:
    """List the first rows that are kept back, by the numbers that a spreadsheet shows."""
    for index, reason in plan.invalid_contacts[:most]:
        say(console, f"  row {numbers[index]}: {reason}")
    if plan.invalid > most:
        say(console, f"  and {plan.invalid - most:,} more: cleanlist-async validate lists them")


def show_figures(console: Console, figures: Figures) -> None:
    """Show numbers, right-aligned, with a remark on each."""
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column(style="dim")
    for what, much, remark in figures:
        grid.add_row(what, much, remark)
    console.print()
    console.print(grid)
    console.print()


def status_figures(tally: Tally) -> Figures:
    """Return the contacts by status."""
    order = ("found", "not_found", "invalid", "pending", "unknown", "failed")
    figures = [
        (status.replace("_", " "), f"{tally.statuses[status]:,}", _STATUS_REMARKS.get(status, ""))
        for status in order
        if tally.statuses[status] or status == "found"
    ]
    if tally.duplicates:
        figures.append(("duplicates", f"{tally.duplicates:,}", "among these, at no cost"))
    return figures


def credits_range(plan: Plan) -> str:
    """Return the credits that a plan may take."""
    if plan.credits_max is None:
        return "0 or more"
    return f"0 to {plan.credits_max:,}" if plan.credits_max else "0"


def duration(seconds: float) -> str:
    """Return seconds in the unit that reads best."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def clean(text: str, most: int = _LONGEST_CELL) -> str:
    """Return text of a file or a server as one line of *most* characters that cannot disturb the terminal."""
    line = on_one_line(text)
    return line if len(line) <= most else line[: most - 1] + "…"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _shortage(plan: Plan, balance: float) -> str:
    if plan.credits_max is None or balance >= plan.credits_max:
        return ""
    return "does not cover the worst case"
