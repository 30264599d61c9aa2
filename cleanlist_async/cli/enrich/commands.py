"""The commands on files of contacts: demo, enrich, collect, plan, validate."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, cast

import typer

from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.asking import Consent
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import end
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    FileLayout,
    Kind,
    Map,
    Output,
    OutputOptions,
    Overwrite,
    RowChoice,
    Source,
    StoreOption,
    Suppressed,
)
from cleanlist_async.cli.terminal.render import open_console
from cleanlist_async.facts import MAX_RETRIES, EnrichmentType


def demo(
    *,
    output: Output = "demo.csv",
    contacts: Annotated[int, typer.Option(help="How many people to invent.")] = 10_000,
    enrichment_type: Kind = "partial",
    overwrite: Overwrite = False,
    as_json: AsJSON = False,
    # A tenth of the real window: the demo takes seconds instead of minutes.
    window_s: Annotated[float, typer.Option(hidden=True)] = 6.0,
) -> None:
    """Enrich invented people through a local server. Needs no key and spends nothing."""
    from cleanlist_async.cli.demo import Demo

    kind = cast("EnrichmentType", enrichment_type)
    end(Demo(output, contacts, kind, window_s, overwrite, as_json).carry_out(open_console()))


def enrich(
    source: Source,
    *,
    output: Output,
    mapping: Map = None,
    enrichment_type: Kind = "partial",
    consent: Consent,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    overwrite: Overwrite = False,
    layout: FileLayout,
    choice: RowChoice,
    written: OutputOptions,
    suppress: Suppressed = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="URL to which the server posts when a workflow ends.")
    ] = None,
    store: StoreOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Buy anew what was bought before, in this file or any other.")
    ] = False,
    as_json: AsJSON = False,
    connection: Connection,
    max_retries: Annotated[int, typer.Option(hidden=True)] = MAX_RETRIES,
) -> None:
    """Enrich a file. Every row and column is kept; the results are added in new columns.

    What was bought is remembered, so the same command again goes on where a run ended, whatever ended it.
    """
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.enrich.run import Enrichment

    table = TableOptions.parse(mapping, layout)
    command = Enrichment(
        source,
        output,
        table,
        replace(connection, max_retries=max_retries),
        cast("EnrichmentType", enrichment_type),
        consent,
        webhook_url,
        overwrite,
        dry_run,
        as_json,
        StoreLocation(store),
        fresh,
        choice,
        written,
        suppress,
    )
    end(command.carry_out(open_console()))


def collect(
    file: Annotated[
        str, typer.Argument(metavar="OUT", help="A file that enrich wrote; - reads it from standard input.")
    ],
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="NEW",
            help="Write to this file instead of in place; after -, to standard output if not given.",
        ),
    ] = None,
    mapping: Map = None,
    # The file does not say which type was bought, and the price of a result depends on it.
    enrichment_type: Kind = "partial",
    layout: FileLayout,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Fetch what is still pending in a file that enrich wrote. Free."""
    from cleanlist_async.cli.enrich.collect import collect as fetch
    from cleanlist_async.cli.enrich.inputs import TableOptions

    table = TableOptions.parse(mapping, layout)
    kind = cast("EnrichmentType", enrichment_type)
    done = fetch(open_console(), file, output, table, connection, enrichment_type=kind, as_json=as_json)
    end(done)


def plan(
    source: Source,
    *,
    mapping: Map = None,
    enrichment_type: Kind = "partial",
    layout: FileLayout,
    suppress: Suppressed = None,
    as_json: AsJSON = False,
) -> None:
    """Show what enriching a file would take. Needs no key and sends nothing."""
    from cleanlist_async.cli.enrich import plan as checks
    from cleanlist_async.cli.enrich.inputs import TableOptions

    table = TableOptions.parse(mapping, layout)
    kind = cast("EnrichmentType", enrichment_type)
    end(checks.plan(open_console(), source, table, kind, suppress, as_json=as_json))


def validate(
    source: Source,
    *,
    mapping: Map = None,
    layout: FileLayout,
    all_rows: Annotated[
        bool, typer.Option("--all", help="List all of them, not only the first 1,000 of each kind.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """List the invalid rows and duplicates of a file. Needs no key and sends nothing.

    Exits with 1 if a row is invalid.
    """
    from cleanlist_async.cli.enrich import plan as checks
    from cleanlist_async.cli.enrich.inputs import TableOptions

    table = TableOptions.parse(mapping, layout)
    end(checks.validate(open_console(), source, table, all_rows=all_rows, as_json=as_json))
