"""``agents``: runs a smart agent over a list, at a price that the user has agreed to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.asking import Consent, agree_to_spend
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, end
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import AsJSON, ListId, NoWait, StoreOption, TimeoutS
from cleanlist_async.cli.terminal.progress import Waited, wait_for
from cleanlist_async.cli.terminal.render import (
    clean,
    dumped,
    moment,
    number,
    open_console,
    plural,
    print_fields,
    print_json,
    print_line,
    print_table,
    say,
)
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.facts import AGENT_ROWS, WAIT_TIMEOUT_S
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from rich.console import Console

    from cleanlist_async.api.models.lead_lists import SmartAgentResults, StartedSmartAgent
    from cleanlist_async.client import AsyncCleanlist
    from cleanlist_async.types import SmartAgentTaskId

app = CommandGroup("Run a smart agent over a list, or show a run.")

_TYPES: Final = "custom_ai, cold_intro_email, title_normalizer, company_intel, pain_point_hypothesis."


@app.command()
def run(
    list_id: ListId,
    *,
    column: Annotated[str, typer.Option("--column", metavar="NAME", help="The column it fills.")],
    agent_type: Annotated[str, typer.Option("--type", metavar="TYPE", help=_TYPES)] = "custom_ai",
    prompt: Annotated[str | None, typer.Option(help="What custom_ai should do.")] = None,
    max_rows: Annotated[int, typer.Option(help="Leads to run over.")] = AGENT_ROWS,
    all_rows: Annotated[bool, typer.Option("--all", help="Run over all leads of the list.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the column's values instead of adding to them.")
    ] = False,
    consent: Consent,
    no_wait: NoWait = False,
    timeout_s: TimeoutS = WAIT_TIMEOUT_S,
    store: StoreOption = None,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Run an agent over a list, and show what it wrote.

    It asks before it spends.
    """
    from cleanlist_async.api.request_models import RunSmartAgent

    asked: dict[str, Any] = {
        "list_id": list_id,
        "column_name": column,
        "agent_type": agent_type,
        "prompt": prompt,
        "lead_scope": "all" if all_rows or not max_rows else "subset",
        "max_rows": None if all_rows else max_rows,
        "overwrite": overwrite,
    }
    # Before a quote is asked for, which is a request; the client fetches its own when it buys.
    RunSmartAgent.checked(**asked, quote_id="checked before anything is sent")
    console, wait_s = open_console(), None if no_wait else timeout_s
    # --max-credits is agreement enough: the client compares its own quote with it before it buys.
    limit = consent.max_credits
    budget = _agreed_price(console, connection, asked, consent) if limit is None else limit

    async def buy(
        client: AsyncCleanlist, signals: StopSignals
    ) -> tuple[StartedSmartAgent, Waited[SmartAgentResults]]:
        # The client asks for a quote of its own, and refuses one above this.
        begun = await client.smart_agents.run_smart_agent(**asked, max_credits=budget)
        return begun, await _wait(client, console, signals, begun.smart_agent_task_id, wait_s)

    begun, waited = connection.run(console, buy, StoreLocation(store).open())
    # Shown even if the wait was cut short: the id is what leads back to what was bought.
    _show(waited, as_json=as_json, started=begun)
    shown = f"cleanlist-async agents show {clean(begun.smart_agent_task_id)}{connection.as_typed()}"
    waited.report(console, f"The run continues: {shown}")
    end(waited.exit_code)


@app.command()
def show(
    run_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Id of a run.")] = None,
    *,
    list_id: Annotated[str | None, typer.Option("--list", metavar="ID", help="Runs of this list.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run is finished.")] = False,
    timeout_s: TimeoutS = WAIT_TIMEOUT_S,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Show a run and what it wrote; without an id, the latest runs."""
    console = open_console()
    if run_id is None:
        _show_runs(console, connection, list_id, as_json=as_json)
    else:
        wait_s = timeout_s if wait else None
        end(_show_run(console, connection, run_id, wait_s, as_json=as_json))


def _agreed_price(
    console: Console, connection: Connection, asked: Mapping[str, Any], consent: Consent
) -> float:
    quote = connection.ask(
        console,
        lambda client: client.workspace.credits_estimate(
            "run_smart_agent",
            list_id=asked["list_id"],
            agent_type=asked["agent_type"],
            row_count=asked["max_rows"],
        ),
    )
    price, left = quote.estimated_cost, number(quote.available_credits) or "unknown"
    if price is None:
        raise CommandError("the server quoted no price; nothing was bought.", ExitCode.API)
    leads, cost = plural(quote.row_count, "lead"), plural(price, "credit")
    say(console, f"{leads}: {cost}; the balance is {left}.")
    agree_to_spend("This run", price, consent)
    return price


def _show_run(
    console: Console, connection: Connection, run_id: str, wait_s: float | None, *, as_json: bool
) -> ExitCode:
    """Show a run; with *wait_s*, once it is finished or so many seconds have passed."""
    id_ = cast("SmartAgentTaskId", run_id)

    async def ask(client: AsyncCleanlist, signals: StopSignals) -> Waited[SmartAgentResults]:
        if wait_s is None:
            return Waited(await client.smart_agents.get_smart_agent_results(id_))
        return await _wait(client, console, signals, id_, wait_s)

    waited = connection.run(console, ask)
    _show(waited, as_json=as_json)
    waited.report(console, "The run continues; show it again at any time.")
    return waited.exit_code


def _show_runs(console: Console, connection: Connection, list_id: str | None, *, as_json: bool) -> None:
    found = connection.ask(console, lambda client: client.smart_agents.list_smart_agents(list_id=list_id))
    if as_json:
        print_json(dumped(found))
        return
    print_table(
        ("id", "list", "column", "agent", "status", "done", "failed", "of", "started"),
        [
            (
                run.task_id,
                run.list_id,
                run.column_name,
                run.agent_type,
                run.status,
                run.processed,
                run.failed,
                run.total,
                moment(run.created_at),
            )
            for run in found.runs
        ],
        numbers=("done", "failed", "of"),
    )


async def _wait(
    client: AsyncCleanlist,
    console: Console,
    signals: StopSignals,
    id_: SmartAgentTaskId,
    wait_s: float | None,
) -> Waited[SmartAgentResults]:
    return await wait_for(
        console,
        signals,
        wait_s,
        lambda left_s, show: client.smart_agents.wait(id_, timeout_s=left_s, progress=show),
        lambda run: f"{clean(run.status)}, {run.succeeded + run.failed:,} of {run.total:,} leads",
    )


def _show(
    waited: Waited[SmartAgentResults], *, as_json: bool, started: StartedSmartAgent | None = None
) -> None:
    run = waited.answer
    if as_json:
        answer: dict[str, JSON] = {} if started is None else {"started": dumped(started)}
        print_json({**answer, "run": None if run is None else dumped(run), "stopped_by": waited.as_json()})
        return
    if run is None:
        if started is not None:
            print_fields([("run", started.smart_agent_task_id), ("status", started.status)])
        return
    print_fields(
        [
            ("run", run.smart_agent_task_id),
            ("status", run.status),
            ("done", f"{run.succeeded:,} of {run.total:,}, {run.failed:,} failed"),
        ]
    )
    if run.results:
        print_line()
        print_table(
            ("lead", "value"),
            # An error stands in parentheses, since a value may be any text.
            [(row.lead_id, f"({row.error})" if row.error else _text(row.value)) for row in run.results],
        )


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
