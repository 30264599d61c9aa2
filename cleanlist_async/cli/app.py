"""The commands and their options. What they do is in the modules beside this one, imported when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from cleanlist_async import __version__
from cleanlist_async.cli.exits import DEBUG_FLAG, MEANINGS, CommandError, ExitCode
from cleanlist_async.facts import ENRICHMENT_TYPES, MAX_RETRIES, EnrichmentType

if TYPE_CHECKING:
    from rich.console import Console

_TYPES: Final = ", ".join(ENRICHMENT_TYPES)
_EPILOG: Final = "Exit codes: " + "; ".join(f"{code:d} {meaning}" for code, meaning in MEANINGS.items()) + "."

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=_EPILOG,
    help="Enrich contact files through Cleanlist at the full rate the API allows, and never pay twice.\n\n"
    "The key is read from CLEANLIST_API_KEY. To see it all work without a key: cleanlist-async demo.",
)

Source = Annotated[
    str, typer.Argument(metavar="IN", help="CSV, TSV or JSON lines file; - is CSV on standard input.")
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=HEADER", help="Column of a field, where the guess is wrong. Repeatable."
    ),
]
Encoding = Annotated[str | None, typer.Option(help="Encoding of the file, if it is not UTF-8.")]
Delimiter = Annotated[str | None, typer.Option(help="Delimiter of the file: one character, or tab.")]
NoHeader = Annotated[
    bool, typer.Option("--no-header", help="Row 1 is a contact; --map takes column numbers.")
]
Kind = Annotated[str, typer.Option("--type", metavar="TYPE", help=f"Enrichment type: {_TYPES}.")]
BaseURL = Annotated[str | None, typer.Option(help="Address of the API, for a sandbox.")]
WindowS = Annotated[float | None, typer.Option(hidden=True, help="Seconds of the rate limit's window.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)  # noqa: T201 - this is the data
        raise typer.Exit


_VERSION: Final = typer.Option(
    "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
)


@app.callback()
def _main(
    *,
    version: Annotated[bool, _VERSION] = False,  # noqa: ARG001 - its callback has done it
    debug: Annotated[bool, typer.Option(DEBUG_FLAG, hidden=True, help="Show tracebacks.")] = False,
) -> None:
    if debug:
        import logging  # noqa: PLC0415 - only here

        logging.basicConfig(level=logging.DEBUG)


@app.command()
def demo(
    *,
    output: Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="File to write.")] = "demo.csv",
    contacts: Annotated[int, typer.Option(help="How many people to invent.")] = 10_000,
    enrichment_type: Kind = "partial",
    overwrite: Overwrite = False,
    as_json: AsJSON = False,
    window_s: Annotated[float, typer.Option(hidden=True)] = 6.0,
) -> None:
    """Enrich invented people through a server on this machine. Needs no key, spends nothing."""
    from cleanlist_async.cli.demo import Demo  # noqa: PLC0415

    kind = cast("EnrichmentType", enrichment_type)
    _end(Demo(output, contacts, kind, window_s, overwrite, as_json).carry_out(_console()))


@app.command()
def enrich(
    source: Source,
    *,
    output: Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="File to write.")],
    mapping: Map = None,
    enrichment_type: Kind = "partial",
    max_credits: Annotated[float | None, typer.Option(help="Never spend more credits than this.")] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask before spending.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    overwrite: Overwrite = False,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    no_header: NoHeader = False,
    webhook_url: Annotated[
        str | None, typer.Option(help="Address the server posts each workflow's end to.")
    ] = None,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
    max_retries: Annotated[int, typer.Option(hidden=True)] = MAX_RETRIES,
) -> None:
    """Enrich a file. Every column and row is kept; the results stand in columns beside them."""
    from cleanlist_async.cli.asking import Consent  # noqa: PLC0415
    from cleanlist_async.cli.flows import Connection, Enrichment  # noqa: PLC0415
    from cleanlist_async.cli.inputs import TableOptions  # noqa: PLC0415

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
    )
    _end(command.carry_out(_console()))


@app.command()
def collect(
    file: Annotated[str, typer.Argument(metavar="OUT", help="A file that enrich wrote.")],
    *,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="NEW", help="Write to this file, not in place.")
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
    """Fetch what is still pending in a file that enrich wrote. Spends nothing."""
    from cleanlist_async.cli import flows  # noqa: PLC0415
    from cleanlist_async.cli.inputs import TableOptions  # noqa: PLC0415

    table = TableOptions.parse(mapping or (), encoding, delimiter, no_header=no_header)
    connection, kind = flows.Connection(base_url, window_s), cast("EnrichmentType", enrichment_type)
    done = flows.collect(_console(), file, output, table, connection, enrichment_type=kind, as_json=as_json)
    _end(done)


@app.command()
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
    """Show what enriching a file would take. Needs no key, sends nothing."""
    from cleanlist_async.cli import checks  # noqa: PLC0415
    from cleanlist_async.cli.inputs import TableOptions  # noqa: PLC0415

    table = TableOptions.parse(mapping or (), encoding, delimiter, no_header=no_header)
    kind = cast("EnrichmentType", enrichment_type)
    _end(checks.plan(_console(), source, table, kind, as_json=as_json))


@app.command()
def validate(
    source: Source,
    *,
    mapping: Map = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    no_header: NoHeader = False,
    as_json: AsJSON = False,
) -> None:
    """List invalid rows and duplicates of a file. Needs no key, sends nothing; exits 1 if any is invalid."""
    from cleanlist_async.cli import checks  # noqa: PLC0415
    from cleanlist_async.cli.inputs import TableOptions  # noqa: PLC0415

    table = TableOptions.parse(mapping or (), encoding, delimiter, no_header=no_header)
    _end(checks.validate(_console(), source, table, as_json=as_json))


@app.command(name="credits")
def balance(*, as_json: AsJSON = False, base_url: BaseURL = None, window_s: WindowS = None) -> None:
    """Show how many credits are left."""
    import anyio  # noqa: PLC0415

    from cleanlist_async.cli.flows import Connection, print_json  # noqa: PLC0415

    async def ask() -> float:
        async with Connection(base_url, window_s).open() as client:
            return (await client.public.credits_balance()).credits

    left = anyio.run(ask)
    if as_json:
        print_json({"credits": left})
    else:
        print(f"{left:,.10g}")  # noqa: T201 - this is the data


@app.command()
def sandbox(
    *,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8787,
    window_s: Annotated[float, typer.Option(help="Seconds of the rate limit's window.")] = 60.0,
    workflow_s: Annotated[float, typer.Option(help="Seconds that a workflow takes.")] = 5.0,
    org_limit: Annotated[int, typer.Option(help="Requests in a window, all keys together.")] = 60,
    key_limit: Annotated[int, typer.Option(help="Requests in a window of one key.")] = 30,
    credits_: Annotated[float, typer.Option("--credits", help="Credits there are.")] = 1_000_000.0,
    hit_rate: Annotated[float, typer.Option(help="Share of e-mails, and of phones, that are found.")] = 0.7,
) -> None:
    """Run a server that behaves like the API, until Ctrl-C. Nothing in it is real."""
    from cleanlist_async.cli.serving import import_sandbox, serve  # noqa: PLC0415

    try:
        server = import_sandbox()(
            port=port,
            window_s=window_s,
            workflow_s=workflow_s,
            org_limit=org_limit,
            key_limit=key_limit,
            credits=credits_,
            hit_rate=hit_rate,
        )
    except ValueError as problem:
        raise CommandError(f"{problem}.", ExitCode.USAGE) from None
    _end(serve(_console(), server))


def _console() -> Console:
    from cleanlist_async.cli.render import open_console  # noqa: PLC0415

    return open_console()


def _end(code: ExitCode) -> None:
    if code:
        raise typer.Exit(int(code))
