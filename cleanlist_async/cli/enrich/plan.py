"""What enriching a file would take, as it is shown; and the commands that only look at a file.

Those need no key, send nothing and spend nothing.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Final

import anyio
from rich.console import Console
from rich.table import Table

from cleanlist_async import facts
from cleanlist_async.checks import check_enrichment_type
from cleanlist_async.cli.enrich.contacts import contacts_of
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableContacts, TableOptions, opened
from cleanlist_async.cli.terminal.asking import credits_range, worst_case
from cleanlist_async.cli.terminal.exits import ExitCode
from cleanlist_async.cli.terminal.render import (
    Figures,
    clean,
    duration,
    figures_grid,
    grid,
    number,
    plural,
    print_grid,
    print_json,
    print_line,
    say,
    show_figures,
    show_notes,
)
from cleanlist_async.cli.terminal.wording import in_words
from cleanlist_async.enrich.plan import LISTED, Plan, Planner, make_plan
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.credentials import find_credentials
from cleanlist_async.ratelimit import RateLimits
from cleanlist_async.tables import ContactTable
from cleanlist_async.tables.input_options import Suppression, preparation
from cleanlist_async.types import JSON

FEW: Final = 5
"""Invalid rows that are shown of a plan."""
_WORKFLOW_S: Final = 10.0
"""Assumed for a workflow. The API gives no figure; its examples ask every 5 to 10 s (docs.cleanlist.ai)."""


def plan(
    console: Console,
    path: str,
    options: TableOptions,
    enrichment_type: EnrichmentType,
    suppress: Path | None,
    *,
    as_json: bool,
) -> ExitCode:
    """Show what enriching a file would take."""
    check_enrichment_type(enrichment_type)
    options, table = opened(console, options, path)
    enriched = EnrichedTable.within(table, options)
    contacts = contacts_of(table, enriched, enrichment_type)
    found = anyio.run(offline_plan, contacts, enrichment_type, RateLimits(), Suppression.of(suppress))
    if as_json:
        show_columns(console, contacts.table)
        show_notes(console, contacts.table.notes)
        show_file_plan(console, found, contacts)
        kept: dict[str, JSON] = {"kept": contacts.settled}
        print_json({"plan": plan_as_json(found, has_looked=False), **kept, **_as_json(contacts.table)})
    else:
        _print_file_plan(found, contacts)
        show_notes(console, contacts.table.notes)
    # Without the name of the file: it may be one that cannot be printed.
    say(
        console,
        "note: no store was asked. What is known already costs nothing: cleanlist-async enrich IN -o OUT"
        " --dry-run counts it.",
    )
    return ExitCode.DONE


def validate(
    console: Console, path: str, options: TableOptions, *, all_rows: bool, as_json: bool
) -> ExitCode:
    """List the rows of a file that would not be sent, and those that repeat an earlier one."""
    options, table = opened(console, options, path)
    enriched = EnrichedTable.within(table, options)
    table = table if enriched is None else enriched.table
    # Any type will do: all of them need the same fields.
    planner, numbers = Planner("partial", sys.maxsize if all_rows else LISTED), array("I")
    for row in table.rows():
        planner.add(row.contact)
        numbers.append(row.number)
    found = planner.plan
    TableContacts(table, numbers).refuse_none()
    invalid = [(numbers[index], reason) for index, reason in found.invalid_contacts]
    repeated = [(numbers[index], numbers[first]) for index, first in found.duplicate_contacts]
    show_columns(console, table)
    show_notes(console, table.notes)
    if as_json:
        print_json(
            {
                "contacts": found.contacts,
                "invalid": found.invalid,
                "duplicates": found.duplicates,
                "invalid_rows": [{"row": row, "reason": reason} for row, reason in invalid],
                "duplicate_rows": [{"row": row, "first": first} for row, first in repeated],
                **_as_json(table),
            }
        )
    else:
        for at, reason in invalid:
            print_line(f"row {at}: invalid: {in_words(reason, table.field_headers)}")
        for at, first in repeated:
            print_line(f"row {at}: duplicate of row {first}")
    if enriched is not None and (earlier := contacts_of(table, enriched, "partial")).settled:
        say(console, kept_line(earlier))
    shown = len(invalid) + len(repeated)
    if found.invalid + found.duplicates > shown:
        say(console, f"note: only the first {LISTED:,} of each are listed; --all lists them all.")
    counts = f"{found.invalid:,} invalid, {plural(found.duplicates, 'duplicate')}"
    say(console, f"{plural(found.contacts, 'contact')}: {counts}.")
    return ExitCode.REFUSED if found.invalid else ExitCode.DONE


def _as_json(table: ContactTable) -> dict[str, JSON]:
    return {"columns": {**table.field_headers}, "notes": [*table.notes]}


async def offline_plan(
    contacts: TableContacts,
    enrichment_type: EnrichmentType,
    limits: RateLimits,
    suppression: Suppression | None,
) -> Plan:
    """Say what enriching *contacts* would take, without a store. Raises TableError for a bad suppression."""
    if suppression is not None:
        await suppression.load()
    return await make_plan(contacts, enrichment_type, limits, _keys_given(), prepare=preparation(suppression))


def _keys_given() -> int:
    """Return the number of keys to send with: 0 for a JWT, 1 where there are none yet."""
    try:
        keys = find_credentials(None, os.environ)
    except ConfigurationError:
        return 1
    return 0 if keys[0].is_jwt else len(keys)


def show_file_plan(
    console: Console,
    plan: Plan,
    contacts: TableContacts,
    *,
    balance: float | None = None,
    max_credits: float | None = None,
) -> None:
    """Show what enriching a file would take, with the first invalid rows, and what an earlier run left."""
    invalid = _invalid_rows(plan, contacts)
    show_plan(console, plan, _requests(plan), invalid, balance=balance, max_credits=max_credits)
    if contacts.settled:
        say(console, kept_line(contacts))
    for remark in contacts.remarks:
        say(console, f"note: {remark}")


def _print_file_plan(plan: Plan, contacts: TableContacts) -> None:
    """Print how a file is read, and what enriching it would take, on standard output."""
    print_grid(_columns_grid(contacts.table))
    for line in (*_split_lines(contacts.table), ""):
        print_line(clean(line, None))
    print_grid(figures_grid(_plan_figures(plan, _requests(plan))))
    for line in _first_invalid(plan, _invalid_rows(plan, contacts)):
        print_line(line)
    if contacts.settled:
        print_line(kept_line(contacts))


def kept_line(contacts: TableContacts) -> str:
    """Return why the rows of an earlier run are not among what is sent, and what sends them."""
    have = "has an outcome and keeps" if contacts.settled == 1 else "have an outcome and keep"
    rows = plural(contacts.settled, "row")
    return (
        f"{rows} of an earlier run {have} it, of any --type (enrich --only-missing cleanlist_phones asks for"
        " what a row lacks; --fresh buys anew)."
    )


def plan_as_json(plan: Plan, *, has_looked: bool = True) -> dict[str, JSON]:
    """Return a plan for ``--json``; null for what a store would say, if it was not asked."""
    # Without the lists of rows, which `validate --json` gives.
    left_out = ("_contacts", "_per_chunk")
    kept = {name: value for name, value in asdict(plan).items() if not name.endswith(left_out)}
    if not has_looked:
        kept |= {"known": None, "doubtful": None}
    return {**kept, "requests": plan.requests, "credits_min": plan.credits_min}


def _requests(plan: Plan) -> str:
    asked = plural(plan.requests - plan.chunks, "status request")
    return f"{plural(plan.chunks, 'submit')}, {asked}" if plan.chunks else ""


def _invalid_rows(plan: Plan, contacts: TableContacts) -> Iterator[tuple[int, str]]:
    headers = contacts.table.field_headers
    return ((contacts.numbers[index], in_words(reason, headers)) for index, reason in plan.invalid_contacts)


def _columns_grid(table: ContactTable) -> Table:
    """Return which column is which field."""
    columns = grid("field", "column", "why")
    columns.columns[2].style = "dim"
    for field, guess in table.columns.items():
        columns.add_row(field, clean(guess.header), clean(guess.why))
    return columns


def _split_lines(table: ContactTable) -> Iterator[str]:
    """Yield how some of the names were split."""
    for name, contact in table.split_samples().items():
        yield f'split: "{name}" is first name "{contact.first_name}", last name "{contact.last_name}"'


def show_columns(console: Console, table: ContactTable) -> None:
    """Show which column is which field, and how names were split."""
    console.print(_columns_grid(table))
    for line in _split_lines(table):
        say(console, line)


def show_plan(
    console: Console,
    plan: Plan,
    requests: str,
    invalid_rows: Iterable[tuple[int, str]],
    *,
    balance: float | None,
    max_credits: float | None = None,
    more: Figures = (),
) -> None:
    """Show what a run would take, then the first invalid rows by the numbers that a spreadsheet shows.

    *requests* is a remark on their number; *invalid_rows* are numbers with reasons, read only as needed.
    """
    show_figures(console, [*_plan_figures(plan, requests, balance, max_credits), *more])
    for line in _first_invalid(plan, invalid_rows):
        say(console, f"  {line}")


def _plan_figures(
    plan: Plan, requests: str, balance: float | None = None, max_credits: float | None = None
) -> Figures:
    figures = [("contacts", f"{plan.contacts:,}", "")]
    if plan.duplicates:
        figures.append(("duplicates", f"{plan.duplicates:,}", "bought once"))
    if plan.invalid:
        figures.append(("invalid", f"{plan.invalid:,}", "skipped"))
    figures += [
        ("requests", f"{plan.requests:,}", requests),
        _time(plan),
        ("credits", credits_range(plan, max_credits), f'enrichment type "{plan.enrichment_type}"'),
    ]
    if balance is not None:
        most = worst_case(plan, max_credits)
        is_short = most is not None and balance < most
        figures.append(("balance", number(balance), "does not cover the worst case" if is_short else ""))
    return figures


def _first_invalid(plan: Plan, invalid_rows: Iterable[tuple[int, str]]) -> Iterator[str]:
    """Return a line for each of the first invalid rows, and one for the others."""
    yield from (f"row {row}: {reason}" for row, reason in islice(invalid_rows, FEW))
    if plan.invalid > FEW:
        yield f"and {plan.invalid - FEW:,} more; the command validate lists them"


def show_halves_known(console: Console, plan: Plan) -> None:
    """Show a line for each half of ``full`` that would be paid again."""
    halves: tuple[tuple[int, str, str, EnrichmentType], ...] = (
        (plan.emails_known, "e-mail address", "e-mail addresses", "phone_only"),
        (plan.phones_known, "phone number", "phone numbers", "partial"),
    )
    for count, one, several, other in halves:
        if count:
            what, them = (f"The {one}", "it") if count == 1 else (f"The {several}", "them")
            say(
                console,
                f"{what} of {plural(count, 'contact')} to buy {'is' if count == 1 else 'are'} known, and full"
                f" pays {them} again: {other} buys only what is missing, for up to"
                f" {plural(count * facts.WORST_CASE_CREDITS[other], 'credit')} instead of"
                f" {number(count * facts.WORST_CASE_CREDITS['full'])}.",
            )


def _time(plan: Plan) -> tuple[str, str, str]:
    if not plan.chunks:
        return "time", "0 s", "nothing to send"
    of_workflow = f"{duration(_WORKFLOW_S)} of it for the last workflow, which may take longer"
    return "time", f"about {duration(plan.minutes * 60 + _WORKFLOW_S)}", of_workflow
