"""The commands on smart agents."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cleanlist_async.cli.terminal.console import end, open_console
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    BaseURL,
    ListId,
    MaxCredits,
    NoWait,
    TimeoutS,
    WindowS,
    Yes,
)
from cleanlist_async.facts import AGENT_ROWS, WAIT_TIMEOUT_S

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Run a smart agent over a list, or show a run."
)

_TYPES: Final = "custom_ai, cold_intro_email, title_normalizer, company_intel, pain_point_hypothesis."


@app.command()
def run(
    list_id: ListId,
    *,
    column: Annotated[str, typer.Option("--column", metavar="NAME", help="The column it fills.")],
    agent_type: Annotated[str, typer.Option("--type", metavar="TYPE", help=_TYPES)] = "custom_ai",
    prompt: Annotated[str | None, typer.Option(help="What custom_ai is to do.")] = None,
    max_rows: Annotated[int, typer.Option(help="Leads to run over.")] = AGENT_ROWS,
    all_rows: Annotated[bool, typer.Option("--all", help="Run over all leads of the list.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is in the column, do not add to it.")
    ] = False,
    max_credits: MaxCredits = None,
    yes: Yes = False,
    no_wait: NoWait = False,
    timeout_s: TimeoutS = WAIT_TIMEOUT_S,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Run an agent over a list, once its price is agreed to, and show what it wrote."""
    from cleanlist_async.cli.agents import Run  # noqa: PLC0415
    from cleanlist_async.cli.terminal.asking import Consent  # noqa: PLC0415
    from cleanlist_async.cli.terminal.connection import Connection  # noqa: PLC0415

    wanted = Run(
        list_id,
        column,
        agent_type,
        prompt,
        None if all_rows else max_rows,
        overwrite,
        Consent(yes, max_credits),
    )
    wait_s = None if no_wait else timeout_s
    end(wanted.carry_out(open_console(), Connection(base_url, window_s), wait_s, as_json=as_json))


@app.command()
def show(
    run_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Id of a run.")] = None,
    *,
    list_id: Annotated[str | None, typer.Option("--list", metavar="ID", help="Runs of this list.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run is finished.")] = False,
    timeout_s: TimeoutS = WAIT_TIMEOUT_S,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Show a run and what it wrote so far; without an id, the latest runs."""
    from cleanlist_async.cli import agents  # noqa: PLC0415
    from cleanlist_async.cli.terminal.connection import Connection  # noqa: PLC0415

    console, connection = open_console(), Connection(base_url, window_s)
    if run_id is None:
        agents.show_runs(console, connection, list_id, as_json=as_json)
    else:
        wait_s = timeout_s if wait else None
        end(agents.show_run(console, connection, run_id, wait_s, as_json=as_json))
