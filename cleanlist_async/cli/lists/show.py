"""The commands that show, create and delete lists."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TypeVar

from rich.console import Console

from cleanlist_async.api.models.lead_lists import Lead, LeadList
from cleanlist_async.cli.terminal.asking import confirm
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.output import as_json as dumped
from cleanlist_async.cli.terminal.output import moment, print_fields, print_json, print_line, print_table
from cleanlist_async.cli.terminal.render import clean, number, plural, say
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.facts import MAX_LEADS_PER_PAGE

T = TypeVar("T")


def show_all(console: Console, connection: Connection, limit: int, *, as_json: bool) -> None:
    """Show all lists, or the first *limit*."""
    found = connection.ask(console, lambda client: _first(client.lead_lists.list_lists(), limit))
    if as_json:
        print_json({"lists": [dict(dumped(one)) for one in found]})
        return
    print_table(
        ("id", "name", "leads", "visibility", "owner", "created"),
        [
            (
                one.list_id,
                one.name,
                number(one.lead_count),
                one.visibility or "",
                one.owner_name or "",
                moment(one.created_at),
            )
            for one in found
        ],
        numbers=("leads",),
    )
    say(console, f"{plural(len(found), 'list')}.")


def show(console: Console, connection: Connection, list_id: str, limit: int, *, as_json: bool) -> None:
    """Show one list and its first leads."""

    async def ask(client: AsyncCleanlist) -> tuple[LeadList, list[Lead]]:
        one = await client.lead_lists.get_list(list_id)
        # No larger a page than is shown, and no larger than the API allows.
        page = min(limit or MAX_LEADS_PER_PAGE, MAX_LEADS_PER_PAGE)
        return one, await _first(client.lead_lists.list_leads_in_list(list_id, limit=page), limit)

    one, leads = connection.ask(console, ask)
    if as_json:
        print_json({"list": dumped(one), "leads": [dict(lead.raw) for lead in leads]})
        return
    print_fields(_fields(one))
    if leads:
        print_line()
        print_table(
            ("id", "name", "e-mail", "phone", "title", "company"), [_lead_cells(lead) for lead in leads]
        )
    if len(leads) < one.lead_count:
        say(console, f"{len(leads):,} of {plural(one.lead_count, 'lead')}; --limit shows more.")


def create(
    console: Console, connection: Connection, name: str, description: str | None, *, as_json: bool
) -> None:
    """Create a list, and print its id."""
    made = connection.ask(
        console, lambda client: client.lead_lists.create_list(name, description=description)
    )
    if as_json:
        print_json(dumped(made))
        return
    print_line(clean(made.list_id))
    what = "You already have a list of that name" if made.reused else "Created"
    say(console, f"{what}: {clean(made.name)}.")


def delete(console: Console, connection: Connection, list_id: str, *, yes: bool, as_json: bool) -> None:
    """Delete a list after a yes. Raises CommandError without one."""
    if not yes:
        one = connection.ask(console, lambda client: client.lead_lists.get_list(list_id))
        confirm(
            f'Permanently delete the list "{clean(one.name)}" of {plural(one.lead_count, "lead")}?',
            risk="this deletes a list permanently",
            refusal="nothing was deleted.",
        )
    gone = connection.ask(console, lambda client: client.lead_lists.delete_list(list_id))
    if as_json:
        print_json(dumped(gone))
    if not gone.deleted:  # an answer of 200 alone does not say so
        raise CommandError("the server did not confirm that the list is deleted.", ExitCode.API)
    say(console, "Deleted; its leads are kept.")


def _fields(one: LeadList) -> list[tuple[str, str]]:
    return [
        ("id", one.list_id),
        ("name", one.name),
        ("description", one.description or ""),
        ("leads", number(one.lead_count)),
        ("enriched", number(one.enriched_count)),
        ("folder", one.folder_id or ""),
        ("created", moment(one.created_at)),
    ]


def _lead_cells(lead: Lead) -> tuple[str, ...]:
    name = lead.full_name or " ".join(filter(None, (lead.first_name, lead.last_name)))
    return (lead.lead_id, name, lead.email or "", lead.phone or "", lead.title or "", lead.company or "")


async def _first(items: AsyncIterable[T], limit: int) -> list[T]:
    """Return the first *limit* items; all for 0."""
    found: list[T] = []
    async for item in items:
        found.append(item)
        # Breaking off also ends the paging, and each page is a request.
        if len(found) == limit:
            break
    return found
