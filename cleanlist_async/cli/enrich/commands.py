"""The commands on files of contacts."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from cleanlist_async.cli.terminal.exits import end
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    BaseURL,
    Delimiter,
    Encoding,
    Kind,
    Map,
    MaxCredits,
    NoHeader,
    Output,
    Overwrite,
    Source,
    StoreOption,
    WindowS,
    Yes,
)
from cleanlist_async.cli.terminal.render import open_console
from cleanlist_async.facts import MAX_RETRIES, EnrichmentType


def enrich(
    source: Source,
    *,
    output: Output,
    mapping: Map = None,
    enrichment_type: Kind = "partial",
    max_credits: MaxCredits = None,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    overwrite: Overwrite = False,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    no_header: NoHeader = False,
    webhook_url: Annotated[
        str | None, typer.Option(help="URL to which the server posts when a workflow ends.")
    ] = None,
    store: StoreOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Buy anew what was bought before, in this file or any other.")
    ] = False,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
    max_retries: Annotated[int, typer.Option(hidden=True)] = MAX_RETRIES,
) -> None:
    """Enrich a file. Every row and column is kept; the results are added in new columns.

    What was bought is remembered, so the same command again goes on where a run ended, whatever ended it.
    """
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.enrich.run import Enrichment
    from cleanlist_async.cli.store.location import StoreLocation
    from cleanlist_async.cli.terminal.asking import Consent
    from cleanlist_async.cli.terminal.connection import Connection

    table = TableOptions.parse(mapping or (), encoding, delimiter, no_header=no_header)
    command = Enrichment(
        source,
        output,
        table,
        Connection(base_url, window_s, max_retries),
        cast("EnrichmentType", enrichment_type),
        Consent(yes, max_credits),
        webhook_url,
        overwrite,
        dry_run,
        as_json,
        StoreLocation(store),
        fresh,
    )
    end(command.carry_out(open_console()))


def collect(
    file: Annotated[str, typer.Argument(metavar="OUT", help="A file that enrich wrote.")],
    *,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="NEW", help="Write to this file instead of in place."),
    ] = None,
    mapping: Map = None,
    enrichment_type: Kind = "partial",
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    no_header: NoHeader = False,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Fetch the results that are still pending in a file that enrich wrote. Free."""
    from cleanlist_async.cli.enrich import run as flows
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.terminal.connection import Connection

    table = TableOptions.parse(mapping or (), encoding, delimiter, no_header=no_header)
    connection, kind = Connection(base_url, window_s), cast("EnrichmentType", enrichment_type)
    done = flows.collect(
        open_console(), file, output, table, connection, enrichment_type=kind, as_json=as_json
    )
    end(done)


def plan(
    source: Source,
    *,
    mapping: Map = None,
    enrichment_type: Kind = "partial",
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    no_header: NoHeader = False,
    as_json: AsJSON = False,
) -> None:
    """Show what enriching a file would take. Needs no key and sends nothing."""
    from cleanlist_async.cli.enrich import plan_and_validate as checks
    from cleanlist_async.cli.enrich.inputs import TableOptions

    table = TableOptions.parse(mapping or (), encoding, delimiter, no_header=no_header)
    kind = cast("EnrichmentType", enrichment_type)
    end(checks.plan(open_console(), source, table, kind, as_json=as_json))


def validate(
    source: Source,
    *,
    mapping: Map = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    no_header: NoHeader = False,
    as_json: AsJSON = False,
) -> None:
    """List the invalid rows and duplicates of a file. Needs no key and sends nothing.

    Exits with 1 if a row is invalid.
    """
    from cleanlist_async.cli.enrich import plan_and_validate as checks
    from cleanlist_async.cli.enrich.inputs import TableOptions

    table = TableOptions.parse(mapping or (), encoding, delimiter, no_header=no_header)
    end(checks.validate(open_console(), source, table, as_json=as_json))
