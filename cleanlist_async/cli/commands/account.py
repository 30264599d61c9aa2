"""The commands that only ask: doctor, whoami, credits, usage."""

from __future__ import annotations

from typing import Annotated

import typer

from cleanlist_async.cli.terminal.console import end, open_console
from cleanlist_async.cli.terminal.options import AsJSON, BaseURL, WindowS

Grouping = Annotated[str, typer.Option("--by", metavar="BY", help="tool, key, day or error.")]


def doctor(*, as_json: AsJSON = False, base_url: BaseURL = None, window_s: WindowS = None) -> None:
    """Check the key, plan, scopes, credits, clock, limits and connection, and say how to fix each problem."""
    from cleanlist_async.cli.doctor import command  # noqa: PLC0415
    from cleanlist_async.cli.terminal.connection import Connection  # noqa: PLC0415

    end(command.doctor(open_console(), Connection(base_url, window_s, max_retries=0), as_json=as_json))


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
