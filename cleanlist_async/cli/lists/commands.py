"""The commands on lists: lists, and list show, create, delete, import, export."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cleanlist_async.cli.terminal.exits import end
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    BaseURL,
    Delimiter,
    Encoding,
    Limit,
    ListId,
    Map,
    MaxCredits,
    NoHeader,
    Output,
    Overwrite,
    WindowS,
    Yes,
)
from cleanlist_async.cli.terminal.render import open_console

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Show, create, delete, import or export one list."
)

_IMPORT_ARGS: Final = typer.Argument(
    metavar="[ID] FILE.csv", help="The list (or --create), and the file: .csv, .tsv or .jsonl."
)


def show_lists(
    *, limit: Limit = 0, as_json: AsJSON = False, base_url: BaseURL = None, window_s: WindowS = None
) -> None:
    """Show the lists you can see."""
    from cleanlist_async.cli.lists import show as lists
    from cleanlist_async.cli.terminal.connection import Connection

    lists.show_all(open_console(), Connection(base_url, window_s), limit, as_json=as_json)


@app.command()
def show(
    list_id: ListId,
    *,
    limit: Limit = 20,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Show a list and its first leads."""
    from cleanlist_async.cli.lists import show as lists
    from cleanlist_async.cli.terminal.connection import Connection

    lists.show(open_console(), Connection(base_url, window_s), list_id, limit, as_json=as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 200 characters.")],
    *,
    description: Annotated[str | None, typer.Option(help="What the list is for.")] = None,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Create a list, or reuse yours of that name. Prints its id."""
    from cleanlist_async.cli.lists import show as lists
    from cleanlist_async.cli.terminal.connection import Connection

    lists.create(open_console(), Connection(base_url, window_s), name, description, as_json=as_json)


@app.command()
def delete(
    list_id: ListId,
    *,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Delete a list permanently; its leads are kept."""
    from cleanlist_async.cli.lists import show as lists
    from cleanlist_async.cli.terminal.connection import Connection

    lists.delete(open_console(), Connection(base_url, window_s), list_id, yes=yes, as_json=as_json)


@app.command(name="import")
def import_(
    list_and_file: Annotated[list[str], _IMPORT_ARGS],
    *,
    create: Annotated[
        str | None, typer.Option("--create", metavar="NAME", help="Import into your list of this name.")
    ] = None,
    mapping: Map = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    no_header: NoHeader = False,
    enrich: Annotated[
        str | None,
        typer.Option("--enrich", metavar="TYPE", help="Enrich what is imported: partial, phone_only, full."),
    ] = None,
    max_credits: MaxCredits = None,
    yes: Yes = False,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Import a CSV file of any size into a list. Free unless --enrich is given."""
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.lists.import_csv import Import
    from cleanlist_async.cli.terminal.asking import Consent
    from cleanlist_async.cli.terminal.connection import Connection

    consent = Consent(yes, max_credits)
    options = TableOptions.parse(mapping or (), encoding, delimiter, no_header=no_header)
    wanted = Import.parse(list_and_file, create, options, enrich, consent=consent, as_json=as_json)
    end(wanted.carry_out(open_console(), Connection(base_url, window_s)))


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
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Export a list into a .csv or .jsonl file. Free."""
    from cleanlist_async.cli.lists.export import Export
    from cleanlist_async.cli.terminal.connection import Connection

    wanted = Export(list_id, output, columns, overwrite, as_json)
    wanted.carry_out(open_console(), Connection(base_url, window_s))
