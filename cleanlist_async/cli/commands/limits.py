"""limits: what all processes of this user have sent within the last minute, as the limits file knows it."""

from __future__ import annotations

import typer

from cleanlist_async.cli.commands.ending import open_console
from cleanlist_async.cli.options import AsJSON

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The rate limits that the processes of this machine share through a file.",
)


@app.command("show")
def show(*, as_json: AsJSON = False) -> None:
    """Show the buckets, who holds their tokens, and when the next one returns."""
    from cleanlist_async.cli import limits  # noqa: PLC0415
    from cleanlist_async.cli.connection import limits_file  # noqa: PLC0415

    limits.show(open_console(), limits_file() or limits.default_limits_file(), as_json=as_json)


@app.command("reset")
def reset(*, as_json: AsJSON = False) -> None:
    """Forget what was sent. The server does not, and may answer 429 for a minute."""
    from cleanlist_async.cli import limits  # noqa: PLC0415
    from cleanlist_async.cli.connection import limits_file  # noqa: PLC0415

    limits.reset(open_console(), limits_file() or limits.default_limits_file(), as_json=as_json)
