"""The sandbox as a server of its own, to try everything against without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from rich.console import Console

from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.render import say
from cleanlist_async.cli.terminal.stopping import StopSignals
from cleanlist_async.facts import API_KEY_VARIABLE, BASE_URL_VARIABLE, WINDOW_S

if TYPE_CHECKING:
    from cleanlist_async.sandbox import Sandbox


def import_sandbox() -> type[Sandbox]:
    """Return the sandbox class. Raises CommandError where its packages are not installed."""
    try:
        from cleanlist_async.sandbox import Sandbox  # noqa: PLC0415 - its packages are an extra
    except ImportError as missing:
        raise CommandError(
            "the sandbox needs more packages: pip install 'cleanlist-async[cli,sandbox]'", ExitCode.USAGE
        ) from missing
    return Sandbox


def serve(console: Console, sandbox: Sandbox) -> ExitCode:
    """Run *sandbox* until Ctrl-C or SIGTERM."""

    def tell(started: Sandbox) -> None:
        print(f"export {BASE_URL_VARIABLE}={started.base_url}")  # noqa: T201 - to be evaluated by a shell
        print(f"export {API_KEY_VARIABLE}={started.api_key}", flush=True)  # noqa: T201
        say(console, f"Sandbox at {started.base_url}, key {started.api_key}. No real data, no real credits.")
        say(
            console,
            f"Limits: {started.key_limit} requests per key and {started.org_limit} in all,"
            f" in {started.window_s:g} s.",
        )
        if started.window_s != WINDOW_S:
            say(console, f"Its window is not a minute: add --window-s {started.window_s:g} to enrich.")
        say(console, "Ctrl-C ends it.")

    async def run() -> None:
        scope = anyio.CancelScope()
        with signals.stopping(scope), scope:
            await sandbox.serve_forever(tell)

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
        f"{len(ledger.requests):,} requests, {len(ledger.contacts):,} contacts,"
        f" {ledger.credits_charged:,.10g} credits, {ledger.count(429):,} answers 429.",
    )
    return ExitCode.DONE
