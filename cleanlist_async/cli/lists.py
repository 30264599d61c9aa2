"""The commands on lists: lists, and list show, create, delete, import, export."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.asking import Consent, confirm
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, end
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    FileLayout,
    Limit,
    ListId,
    Map,
    NoConfirmation,
    Output,
    Overwrite,
    StoreOption,
)
from cleanlist_async.cli.terminal.render import (
    clean,
    dumped,
    moment,
    open_console,
    plural,
    print_fields,
    print_json,
    print_line,
    print_table,
    say,
)
from cleanlist_async.facts import MAX_LEADS_PER_PAGE

if TYPE_CHECKING:
    from cleanlist_async.api.models.lead_lists import Lead, LeadList
    from cleanlist_async.client import AsyncCleanlist

T = TypeVar("T")

app = CommandGroup("Show, create, delete, import or export one list.")

_IMPORT_ARGS: Final = typer.Argument(
    metavar="[ID] FILE.csv", help="The list (or --create), and the file: .csv, .tsv or .jsonl."
)


def show_lists(*, limit: Limit = 0, as_json: AsJSON = False, connection: Connection) -> None:
    """Show the lists you can see."""
    console = open_console()
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
                one.lead_count,
                one.visibility,
                one.owner_name,
                moment(one.created_at),
            )
            for one in found
        ],
        numbers=("leads",),
    )
    say(console, f"{plural(len(found), 'list')}.")


@app.command()
def show(
    list_id: ListId,
    *,
    limit: Limit = 20,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Show a list and its first leads."""
    console = open_console()

    async def ask(client: AsyncCleanlist) -> tuple[LeadList, list[Lead]]:
        one = await client.lead_lists.get_list(list_id)
        # No larger a page than is shown, and no larger than the API allows.
        page = min(limit or MAX_LEADS_PER_PAGE, MAX_LEADS_PER_PAGE)
        return one, await _first(client.lead_lists.list_leads_in_list(list_id, limit=page), limit)

    one, leads = connection.ask(console, ask)
    if as_json:
        print_json({"list": dumped(one), "leads": [dict(lead.raw) for lead in leads]})
        return
    print_fields(
        [
            ("id", one.list_id),
            ("name", one.name),
            ("description", one.description),
            ("leads", one.lead_count),
            ("enriched", one.enriched_count),
            ("folder", one.folder_id),
            ("created", moment(one.created_at)),
        ]
    )
    if leads:
        print_line()
        print_table(
            ("id", "name", "e-mail", "phone", "title", "company"),
            [(lead.lead_id, _name(lead), lead.email, lead.phone, lead.title, lead.company) for lead in leads],
        )
    if len(leads) < one.lead_count:
        say(console, f"{len(leads):,} of {plural(one.lead_count, 'lead')}; --limit shows more.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 200 characters.")],
    *,
    description: Annotated[str | None, typer.Option(help="What the list is for.")] = None,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Create a list, or reuse yours of that name. Prints its id."""
    console = open_console()
    made = connection.ask(
        console, lambda client: client.lead_lists.create_list(name, description=description)
    )
    if as_json:
        print_json(dumped(made))
        return
    print_line(clean(made.list_id))
    what = "You already have a list of that name" if made.reused else "Created"
    say(console, f"{what}: {clean(made.name)}.")


@app.command()
def delete(
    list_id: ListId,
    *,
    yes: NoConfirmation = False,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Delete a list permanently; its leads are kept."""
    console = open_console()
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


@app.command(name="import")
def import_(
    # One argument of one or two words, since the first of two arguments cannot be left out.
    list_and_file: Annotated[list[str], _IMPORT_ARGS],
    *,
    create: Annotated[
        str | None, typer.Option("--create", metavar="NAME", help="Import into your list of this name.")
    ] = None,
    mapping: Map = None,
    layout: FileLayout,
    enrich: Annotated[
        str | None,
        typer.Option("--enrich", metavar="TYPE", help="Enrich what is imported: partial, phone_only, full."),
    ] = None,
    consent: Consent,
    store: StoreOption = None,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Import a CSV file of any size into a list. Free unless --enrich is given."""
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.list_files import Import

    table, location = TableOptions.parse(mapping, layout), StoreLocation(store)
    wanted = Import(list_and_file, create, table, enrich, consent, location, as_json)
    end(wanted.carry_out(open_console(), connection))


@app.command()
def export(
    list_id: ListId,
    *,
    output: Output,
    columns: Annotated[
        str | None, typer.Option(metavar="NAME,NAME", help="Columns to export instead of the default ones.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Export a list into a .csv or .jsonl file. Free."""
    from cleanlist_async.cli import list_files

    list_files.export(
        open_console(), connection, list_id, output, columns, overwrite=overwrite, as_json=as_json
    )


def _name(lead: Lead) -> str:
    return lead.full_name or " ".join(filter(None, (lead.first_name, lead.last_name)))


async def _first(items: AsyncIterable[T], limit: int) -> list[T]:
    """Return the first *limit* items; all for 0."""
    found: list[T] = []
    async for item in items:
        found.append(item)
        # Breaking off also ends the paging, and each page is a request.
        if len(found) == limit:
            break
    return found
