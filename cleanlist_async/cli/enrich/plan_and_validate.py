"""The commands that only look at a file: no key, no network, nothing spent."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
from rich.console import Console

from cleanlist_async.checks import check_enrichment_type
from cleanlist_async.cli.enrich.encodings import opened
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.file_plan import (
    kept_line,
    offline_plan,
    plan_as_json,
    print_file_plan,
    show_file_plan,
)
from cleanlist_async.cli.enrich.inputs import TableOptions, survey
from cleanlist_async.cli.enrich.own_output import contacts_of
from cleanlist_async.cli.terminal import render
from cleanlist_async.cli.terminal.exits import ExitCode
from cleanlist_async.cli.terminal.output import print_json, print_line
from cleanlist_async.cli.terminal.wording import in_words
from cleanlist_async.enrich.plan import LISTED
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.ratelimit import RateLimits
from cleanlist_async.tables import ContactTable
from cleanlist_async.tables.input_options import Suppression
from cleanlist_async.types import JSON


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
        render.show_columns(console, contacts.table)
        render.show_notes(console, contacts.table)
        show_file_plan(console, found, contacts)
        kept: dict[str, JSON] = {"kept": contacts.settled}
        print_json({"plan": plan_as_json(found, has_looked=False), **kept, **_as_json(contacts.table)})
    else:
        print_file_plan(found, contacts)
        render.show_notes(console, contacts.table)
    # Without the name of the file: it may be one that cannot be printed.
    render.say(
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
    found, contacts = survey(table, "partial", RateLimits(), listed=sys.maxsize if all_rows else LISTED)
    numbers = contacts.numbers
    invalid = [(numbers[index], reason) for index, reason in found.invalid_contacts]
    repeated = [(numbers[index], numbers[first]) for index, first in found.duplicate_contacts]
    render.show_columns(console, table)
    render.show_notes(console, table)
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
        headers = table.field_headers
        _print_rows([(row, in_words(reason, headers)) for row, reason in invalid], repeated)
    if enriched is not None and (earlier := contacts_of(table, enriched, "partial")).settled:
        render.say(console, kept_line(earlier))
    shown = len(invalid) + len(repeated)
    if found.invalid + found.duplicates > shown:
        render.say(console, f"note: only the first {LISTED:,} of each are listed; --all lists them all.")
    counts = f"{found.invalid:,} invalid, {render.plural(found.duplicates, 'duplicate')}"
    render.say(console, f"{render.plural(found.contacts, 'contact')}: {counts}.")
    return ExitCode.REFUSED if found.invalid else ExitCode.DONE


def _as_json(table: ContactTable) -> dict[str, JSON]:
    """Return how a table was read: the column of each field, and the notes."""
    return {"columns": {**table.field_headers}, "notes": [*table.notes]}


def _print_rows(invalid: list[tuple[int, str]], repeated: list[tuple[int, int]]) -> None:
    for row, reason in invalid:
        print_line(f"row {row}: invalid: {reason}")
    for row, first in repeated:
        print_line(f"row {row}: duplicate of row {first}")
