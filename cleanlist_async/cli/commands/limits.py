"""limits: what all processes of this user have sent within the last minute, as the limits file knows it."""

from __future__ import annotations

from pathlib import Path

import typer

from cleanlist_async.cli.terminal.console import open_console
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.options import AsJSON

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The rate limits that the processes of this machine share through a file.",
)


@app.command("show")
def show(*, as_json: AsJSON = False) -> None:
    """Show the buckets, who holds their tokens, and when the next one returns."""
    from cleanlist_async.cli import limits  # noqa: PLC0415

    limits.show(open_console(), _file(), as_json=as_json)


@app.command("reset")
def reset(*, as_json: AsJSON = False) -> None:
    """Forget what was sent. The server does not, and may answer 429 for a minute."""
    from cleanlist_async.cli import limits  # noqa: PLC0415

    limits.reset(open_console(), _file(), as_json=as_json)


def _file() -> Path:
    from cleanlist_async.cli.terminal.limits_file import limits_file  # noqa: PLC0415

    if (path := limits_file()) is None:
        raise CommandError("there is no limits file: --limits-file is none.", ExitCode.USAGE)
    return path
