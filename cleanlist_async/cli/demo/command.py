"""The command ``demo``."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from cleanlist_async.cli.terminal.exits import end
from cleanlist_async.cli.terminal.options import AsJSON, Kind, Output, Overwrite
from cleanlist_async.cli.terminal.render import open_console
from cleanlist_async.facts import EnrichmentType


def demo(
    *,
    output: Output = "demo.csv",
    contacts: Annotated[int, typer.Option(help="How many people to invent.")] = 10_000,
    enrichment_type: Kind = "partial",
    overwrite: Overwrite = False,
    as_json: AsJSON = False,
    # A tenth of the real window: the demo takes seconds instead of minutes.
    window_s: Annotated[float, typer.Option(hidden=True)] = 6.0,
) -> None:
    """Enrich invented people through a local server. Needs no key and spends nothing."""
    from cleanlist_async.cli.demo.run import Demo

    kind = cast("EnrichmentType", enrichment_type)
    end(Demo(output, contacts, kind, window_s, overwrite, as_json).carry_out(open_console()))
