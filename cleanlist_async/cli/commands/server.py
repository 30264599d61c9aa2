"""The command that runs a server."""

from __future__ import annotations

from typing import Annotated

import typer

from cleanlist_async.cli.terminal.console import end, open_console
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.errors import ConfigurationError


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
    except ConfigurationError as problem:
        raise CommandError(f"{problem}", ExitCode.USAGE) from None
    end(serve(open_console(), server))
