"""The commands that only ask: doctor, whoami, credits, usage."""

from __future__ import annotations

from typing import Annotated

import typer

from cleanlist_async.cli.terminal.console import end, open_console
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.options import AsJSON, BaseURL, MaxCredits, WindowS, Yes

Grouping = Annotated[str, typer.Option("--by", metavar="BY", help="tool, key, day or error.")]


def doctor(
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Also find out what the API's documentation leaves open.")
    ] = False,
    max_credits: MaxCredits = None,
    yes: Yes = False,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="OUT", help="With --live: JSON file to write.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Check key, plan, scopes, credits, clock, limits and connection, and say how to mend each."""
    from cleanlist_async.cli.doctor import command  # noqa: PLC0415
    from cleanlist_async.cli.terminal.connection import Connection  # noqa: PLC0415

    connection = Connection(base_url, window_s, max_retries=0)
    if not live:
        if output is not None or max_credits is not None:
            raise CommandError("--output and --max-credits go with --live.", ExitCode.USAGE)
        end(command.doctor(open_console(), connection, as_json=as_json))
        return
    from cleanlist_async.cli.doctor.live.command import Live  # noqa: PLC0415
    from cleanlist_async.cli.terminal.asking import Consent  # noqa: PLC0415

    study = Live(connection, Consent(yes, max_credits), output, overwrite, as_json)
    end(study.carry_out(open_console()))


def whoami(*, as_json: AsJSON = False, base_url: BaseURL = None, window_s: WindowS = None) -> None:
    """Show whose key this is, its organization, plan and scopes."""
    from cleanlist_async.cli import account  # noqa: PLC0415
    from cleanlist_async.cli.terminal.connection import Connection  # noqa: PLC0415

    account.whoami(open_console(), Connection(base_url, window_s), as_json=as_json)


def balance(*, as_json: AsJSON = False, base_url: BaseURL = None, window_s: WindowS = None) -> None:
    """Show how many credits are left."""
    from cleanlist_async.cli import account  # noqa: PLC0415
    from cleanlist_async.cli.terminal.connection import Connection  # noqa: PLC0415

    account.balance(open_console(), Connection(base_url, window_s), as_json=as_json)


def usage(
    *,
    days: Annotated[int, typer.Option(help="Days to look back, 1 to 365.")] = 7,
    by: Grouping = "tool",
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Show the organization's calls and errors of the last days."""
    from cleanlist_async.cli import account  # noqa: PLC0415
    from cleanlist_async.cli.terminal.connection import Connection  # noqa: PLC0415

    account.usage(open_console(), Connection(base_url, window_s), days, by, as_json=as_json)
