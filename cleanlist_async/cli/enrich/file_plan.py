"""What enriching a file would take, as it is shown before anything is spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console

from cleanlist_async.cli.enrich.inputs import TableContacts, keys_given
from cleanlist_async.cli.terminal import render
from cleanlist_async.cli.terminal.output import print_grid, print_line
from cleanlist_async.cli.terminal.wording import in_words
from cleanlist_async.enrich.plan import Plan, make_plan
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.ratelimit import RateLimits
from cleanlist_async.tables.input_options import Suppression, preparation
from cleanlist_async.types import JSON


async def offline_plan(
    contacts: TableContacts,
    enrichment_type: EnrichmentType,
    limits: RateLimits,
    suppression: Suppression | None,
) -> Plan:
    """Say what enriching *contacts* would take, without a store. Raises TableError for a bad suppression."""
    if suppression is not None:
        await suppression.load()
    prepare = preparation(suppression)
    return await make_plan(contacts, enrichment_type, limits, keys_given(), prepare=prepare)


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
    render.show_plan(console, plan, _requests(plan), invalid, balance=balance, max_credits=max_credits)
    if contacts.settled:
        render.say(console, kept_line(contacts))


def print_file_plan(plan: Plan, contacts: TableContacts) -> None:
    """Print how a file is read, and what enriching it would take, on standard output."""
    print_grid(render.columns_grid(contacts.table))
    for line in (*render.split_lines(contacts.table), ""):
        print_line(render.clean(line, None))
    print_grid(render.figures_grid(render.plan_figures(plan, _requests(plan))))
    for line in render.first_invalid(plan, _invalid_rows(plan, contacts)):
        print_line(line)
    if contacts.settled:
        print_line(kept_line(contacts))


def kept_line(contacts: TableContacts) -> str:
    """Return why the rows of an earlier run are not among what is sent, and what sends them."""
    have = "has an outcome and keeps" if contacts.settled == 1 else "have an outcome and keep"
    rows = render.plural(contacts.settled, "row")
    return f"{rows} of an earlier run {have} it, of any --type (enrich --fresh buys anew)."


def plan_as_json(plan: Plan, *, has_looked: bool = True) -> dict[str, JSON]:
    """Return a plan for ``--json``; null for what a store would say, if it was not asked."""
    # Without the lists of rows, which `validate --json` gives.
    left_out = ("_contacts", "_per_chunk")
    kept = {name: value for name, value in asdict(plan).items() if not name.endswith(left_out)}
    if not has_looked:
        kept |= {"known": None, "doubtful": None}
    return {**kept, "requests": plan.requests, "credits_min": plan.credits_min}


def _requests(plan: Plan) -> tuple[int, str]:
    asked = render.plural(plan.requests - plan.chunks, "status request")
    return plan.requests, f"{render.plural(plan.chunks, 'submit')}, {asked}" if plan.chunks else ""


def _invalid_rows(plan: Plan, contacts: TableContacts) -> Iterator[tuple[int, str]]:
    headers = contacts.table.field_headers
    return ((contacts.numbers[index], in_words(reason, headers)) for index, reason in plan.invalid_contacts)
