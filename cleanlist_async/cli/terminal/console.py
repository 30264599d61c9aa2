"""What every command begins and ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cleanlist_async.cli.terminal.exits import ExitCode

if TYPE_CHECKING:
    from rich.console import Console


def open_console() -> Console:
    """Return the console of standard error."""
    from cleanlist_async.cli.terminal import render  # noqa: PLC0415 - rich takes long to import

    return render.open_console()


def end(code: ExitCode) -> None:
    """End the command with *code*."""
    if code:
        raise typer.Exit(int(code))
