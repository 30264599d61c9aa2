"""The options that ``job run``, ``job start`` and ``job resume`` have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.options import AsJSON, FileLayout, OutputOptions, Overwrite, Suppressed


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """They stand in the order in which the help lists them."""

    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Receive the job's webhooks here while it runs.")
    ] = None
    on_unknown: Annotated[
        str,
        typer.Option(
            "--on-unknown",
            metavar="HOW",
            help="Hold chunks that may be paid for (hold), or send them again (resubmit).",
        ),
    ] = "hold"
    max_duplicate_credits: Annotated[
        float | None, typer.Option(help="With resubmit: credits that buying twice may cost.")
    ] = None
    cache: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Cache of results bought before, to read and to extend."),
    ] = None
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="File to write when the job is complete."),
    ] = None
    overwrite: Overwrite = False
    written: OutputOptions
    suppress: Suppressed = None
    layout: FileLayout
    as_json: AsJSON = False
    connection: Connection
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt",
            help="Accept a journal that is outdated, emptied or a copy, or the unsent job of another key.",
        ),
    ] = False
