"""The commands on lists: lists, and list show, create, delete, import, export."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cleanlist_async.cli.terminal.asking import Consent
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import end
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.option_groups import with_groups
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
from cleanlist_async.cli.terminal.render import open_console

app = CommandGroup("Show, create, delete, import or export one list.")

_IMPORT_ARGS: Final = typer.Argument(
    metavar="[ID] FILE.csv", help="The list (or --create), and the file: .csv, .tsv or .jsonl."
)


@with_groups
def show_lists(*, limit: Limit = 0, as_json: AsJSON = False, connection: Connection) -> None:
    """Show the lists you can see."""
    from cleanlist_async.cli.lists import show as lists

    lists.show_all(open_console(), connection, limit, as_json=as_json)


@app.command()
@with_groups
def show(
    list_id: ListId,
    *,
    limit: Limit = 20,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Show a list and its first leads."""
    from cleanlist_async.cli.lists import show as lists

    lists.show(open_console(), connection, list_id, limit, as_json=as_json)


@app.command()
@with_groups
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 200 characters.")],
    *,
    description: Annotated[str | None, typer.Option(help="What the list is for.")] = None,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Create a list, or reuse yours of that name. Prints its id."""
    from cleanlist_async.cli.lists import show as lists

    lists.create(open_console(), connection, name, description, as_json=as_json)


@app.command()
@with_groups
def delete(
    list_id: ListId,
    *,
    yes: NoConfirmation = False,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Delete a list permanently; its leads are kept."""
    from cleanlist_async.cli.lists import show as lists

    lists.delete(open_console(), connection, list_id, yes=yes, as_json=as_json)


@app.command(name="import")
@with_groups
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
    from cleanlist_async.cli.lists.import_csv import Import
    from cleanlist_async.cli.store.location import StoreLocation

    options = TableOptions.parse(mapping, layout)
    wanted = Import.parse(
        list_and_file,
        create,
        options,
        enrich,
        consent=consent,
        store=StoreLocation(store),
        as_json=as_json,
    )
    end(wanted.carry_out(open_console(), connection))


@app.command()
@with_groups
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
    from cleanlist_async.cli.lists.export import Export

    wanted = Export(list_id, output, columns, overwrite, as_json)
    wanted.carry_out(open_console(), connection)
