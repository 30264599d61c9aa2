"""The sandbox as a server of its own, to try everything against without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cleanlist_async.checks import with_extras
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, end
from cleanlist_async.cli.terminal.render import open_console, plural, print_line, say
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import API_KEY_VARIABLE, BASE_URL_VARIABLE, WINDOW_S

if TYPE_CHECKING:
    from rich.console import Console

    from cleanlist_async.sandbox import Sandbox


def sandbox(
    *,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8787,
    window_s: Annotated[float, typer.Option(help="Seconds of the rate limit's window.")] = 60.0,
    workflow_s: Annotated[float, typer.Option(help="Seconds that a workflow takes.")] = 5.0,
    org_limit: Annotated[int, typer.Option(help="Requests per window, all keys together.")] = 60,
    key_limit: Annotated[int, typer.Option(help="Requests per window and key.")] = 30,
    credits_: Annotated[float, typer.Option("--credits", help="Credits to start with.")] = 1_000_000,
    hit_rate: Annotated[float, typer.Option(help="Share of e-mails and phones that are found.")] = 0.7,
) -> None:
    """Run a server that behaves like the API, until Ctrl-C. Nothing in it is real."""
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
    end(_serve(open_console(), server))


def import_sandbox() -> type[Sandbox]:
    """Return the sandbox class. Raises CommandError where its packages are not installed."""
    try:
        from cleanlist_async.sandbox import Sandbox  # its packages are an extra
    except ImportError as missing:
        raise CommandError(
            f"the sandbox needs more packages: {with_extras('cli', 'sandbox')}.", ExitCode.USAGE
        ) from missing
    return Sandbox


def _serve(console: Console, sandbox: Sandbox) -> ExitCode:
    """Run *sandbox* until Ctrl-C or SIGTERM."""
    import anyio

    def report(started: Sandbox) -> None:
        print_line(f"export {BASE_URL_VARIABLE}={started.base_url}")  # for a shell's eval
        print_line(f"export {API_KEY_VARIABLE}={started.api_key}")
        say(console, f"Sandbox at {started.base_url}, key {started.api_key}. No real data, no real credits.")
        say(
            console,
            f"Limits: {started.key_limit} requests per key and {started.org_limit} in total,"
            f" per {started.window_s:g} s.",
        )
        # The client would wait a minute for tokens that are back after seconds.
        if started.window_s != WINDOW_S:
            say(console, f"Its window is not a minute: pass --window-s {started.window_s:g} to enrich.")
        say(console, "Press Ctrl-C to stop it.")

    async def run() -> None:
        scope = anyio.CancelScope()
        with signals.stopping(scope), scope:
            # Reported only once it listens: the next command of a script may come at once.
            await sandbox.serve_forever(report)

    # Ctrl-C is how the command is meant to end, so there is nothing to say.
    with StopSignals(lambda: None) as signals:
        try:
            anyio.run(run)
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise CommandError(
                f"port {sandbox.port}: {reason}; choose another with --port.", ExitCode.USAGE
            ) from None
    ledger = sandbox.ledger
    say(
        console,
        f"{plural(len(ledger.requests), 'request')}, {plural(len(ledger.contacts), 'contact')},"
        f" {plural(ledger.credits_charged, 'credit')}, {plural(ledger.count(429), '429 answer')}.",
    )
    return ExitCode.DONE
