"""What a user sees: compact tables on standard error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from cleanlist_async import facts
from cleanlist_async.cli.terminal.typed import typed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cleanlist_async.cli.terminal.tally import Tally
    from cleanlist_async.enrich.plan import Plan
    from cleanlist_async.facts import EnrichmentType
    from cleanlist_async.results import ResultStatus
    from cleanlist_async.tables import ContactTable

Figures: TypeAlias = Sequence[tuple[str, str, str]]
"""Lines of a table: what, how much, and a remark."""

FEW: Final = 5
"""Invalid rows that are shown of a plan."""
_LONGEST_CELL: Final = 60
_WORKFLOW_S: Final = 10.0
"""Assumed for a workflow. The API gives no figure; its examples ask every 5 to 10 s (docs.cleanlist.ai)."""
_STATUS_REMARKS: Final = {
    "invalid": "never sent",
    "pending": "submitted, not finished yet",
    "unknown": "look in the portal before sending them again",
    "failed": "not bought",
}


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


def columns_grid(table: ContactTable) -> Table:
    """Return which column is which field."""
    columns = grid("field", "column", "why")
    columns.columns[2].style = "dim"
    for field, guess in table.columns.items():
        columns.add_row(field, clean(guess.header), clean(guess.why))
    return columns


def split_lines(table: ContactTable) -> Iterator[str]:
    """Yield how some of the names were split."""
    for name, contact in table.split_samples().items():
        yield f'split: "{name}" is first name "{contact.first_name}", last name "{contact.last_name}"'


def show_columns(console: Console, table: ContactTable) -> None:
    """Show which column is which field, and how names were split."""
    console.print(columns_grid(table))
    for line in split_lines(table):
        say(console, line)


def show_notes(console: Console, table: ContactTable) -> None:
    """Show what the user should know about how a table was read, which it knows once it was."""
    for note in table.notes:
        say(console, f"note: {note}")


def show_plan(
    console: Console,
    plan: Plan,
    requests: tuple[int, str],
    invalid_rows: Iterable[tuple[int, str]],
    *,
    balance: float | None,
    max_credits: float | None = None,
    more: Figures = (),
) -> None:
    """Show what a run would take, then the first invalid rows by the numbers that a spreadsheet shows.

    *invalid_rows* are numbers with reasons, read only as needed.
    """
    figures = plan_figures(plan, requests, balance=balance, max_credits=max_credits)
    show_figures(console, [*figures, *more])
    for line in first_invalid(plan, invalid_rows):
        say(console, f"  {line}")


def plan_figures(
    plan: Plan,
    requests: tuple[int, str],
    *,
    balance: float | None = None,
    max_credits: float | None = None,
) -> Figures:
    """Return what a run would take; *requests* is their number and a remark."""
    figures = [("contacts", f"{plan.contacts:,}", "")]
    if plan.duplicates:
        figures.append(("duplicates", f"{plan.duplicates:,}", "bought once"))
    if plan.invalid:
        figures.append(("invalid", f"{plan.invalid:,}", "skipped"))
    figures += [
        ("requests", f"{requests[0]:,}", requests[1]),
        _time(plan),
        ("credits", credits_range(plan, max_credits), f'enrichment type "{plan.enrichment_type}"'),
    ]
    if balance is not None:
        bounds = [bound for bound in (plan.credits_max, max_credits) if bound is not None]
        is_short = bool(bounds) and balance < min(bounds)
        figures.append(("balance", number(balance), "does not cover the worst case" if is_short else ""))
    return figures


def first_invalid(plan: Plan, invalid_rows: Iterable[tuple[int, str]]) -> Iterator[str]:
    """Return a line for each of the first invalid rows, and one for the others."""
    yield from (f"row {row}: {reason}" for row, reason in islice(invalid_rows, FEW))
    if plan.invalid > FEW:
        yield f"and {plan.invalid - FEW:,} more; the command validate lists them"


def halves_known(plan: Plan) -> Iterator[str]:
    """Return a line for each half of ``full`` that would be paid again."""
    halves: tuple[tuple[int, str, str, EnrichmentType], ...] = (
        (plan.emails_known, "e-mail address", "e-mail addresses", "phone_only"),
        (plan.phones_known, "phone number", "phone numbers", "partial"),
    )
    for count, one, several, other in halves:
        if count:
            what, them = (f"The {one}", "it") if count == 1 else (f"The {several}", "them")
            yield (
                f"{what} of {plural(count, 'contact')} to buy {'is' if count == 1 else 'are'} known, and full"
                f" pays {them} again:"
                f" {other} buys only what is missing, for up to"
                f" {plural(count * facts.WORST_CASE_CREDITS[other], 'credit')} instead of"
                f" {number(count * facts.WORST_CASE_CREDITS['full'])}."
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


def status_figures(tally: Tally) -> Figures:
    """Return the contacts by status."""
    order: tuple[ResultStatus, ...] = ("found", "not_found", "invalid", "pending", "unknown", "failed")
    remarks = _STATUS_REMARKS
    if tally.refused:
        never_sent = tally.statuses["invalid"] - tally.refused
        others = f"; {never_sent:,} never sent" if never_sent else ""
        remarks = {**remarks, "invalid": f"{tally.refused:,} refused by the server{others}"}
    figures = [
        (status.replace("_", " "), f"{tally.statuses[status]:,}", remarks.get(status, ""))
        for status in order
        if tally.statuses[status] or status == "found"
    ]
    if tally.duplicates:
        figures.append(("duplicates", f"{tally.duplicates:,}", "included above, at no cost"))
    return figures


def _time(plan: Plan) -> tuple[str, str, str]:
    if not plan.chunks:
        return "time", "0 s", "nothing to send"
    of_workflow = f"{duration(_WORKFLOW_S)} of it for the last workflow, which may take longer"
    return "time", f"about {duration(plan.minutes * 60 + _WORKFLOW_S)}", of_workflow


def credits_range(plan: Plan, max_credits: float | None = None) -> str:
    """Return the credits that a plan may take."""
    most = plan.credits_max
    limit = "" if max_credits is None else f", limited to {number(max_credits)}"
    if most is None:
        return f"0 or more{limit}"
    return f"0 to {most:,}{limit if max_credits is not None and max_credits < most else ''}" if most else "0"


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


def number(value: float | None) -> str:
    """Return a number as people write it; nothing for None."""
    return "" if value is None else f"{value:,.10g}"
