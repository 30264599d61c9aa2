"""The commands on what may be spent: budget show, budget set, budget pause, budget resume."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cleanlist_async.cli.store.actor import actor
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import AsJSON, BaseURL, StoreOption, WindowS
from cleanlist_async.cli.terminal.output import print_fields, print_json, print_table
from cleanlist_async.cli.terminal.render import number, open_console, say

if TYPE_CHECKING:
    from cleanlist_async.client import AsyncCleanlist
    from cleanlist_async.storage.store.budget import BudgetStatus, Period
    from cleanlist_async.types import JSON

T = TypeVar("T")

app = CommandGroup("Limit what is spent in a day and a month, or pause it.")

LimitOption = Annotated[float | None, typer.Option(min=0, metavar="CREDITS", help="Credits, at most.")]


@app.command("show")
def show(
    *,
    store: StoreOption = None,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Show the limits, what is spent, and whether it is paused."""
    status = _ask(store, Connection(base_url, window_s), lambda client: client.budget.show())
    if as_json:
        print_json(_as_json(status))
        return
    print_table(
        ("period", "limit", "spent or reserved", "left", "ends"),
        [_row(status.day), _row(status.month)],
        numbers=("limit", "spent or reserved", "left"),
    )
    if (pause := status.pause) is not None:
        since = pause.since.isoformat(timespec="seconds")
        print_fields([("paused", pause.reason), ("by", pause.actor), ("since", since)])


@app.command("set")
def set_limits(
    *,
    per_day: LimitOption = None,
    per_month: LimitOption = None,
    tz: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Time zone of the days, such as Europe/Berlin.")
    ] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Remove both limits.")] = False,
    store: StoreOption = None,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Change the limits. What is not given stays as it is."""
    from cleanlist_async.storage.store.budget import Budget

    if no_limit == (per_day is not None or per_month is not None or tz is not None):
        raise CommandError("pass --per-day, --per-month or --tz, or else --no-limit.", ExitCode.USAGE)

    async def change(client: AsyncCleanlist) -> BudgetStatus:
        now = (await client.budget.show()).budget
        wanted = Budget(
            per_day=now.per_day if per_day is None else per_day,
            per_month=now.per_month if per_month is None else per_month,
            tz=tz or now.tz,
        )
        await client.budget.set(Budget(tz=now.tz) if no_limit else wanted, actor=actor())
        return await client.budget.show()

    status = _ask(store, Connection(base_url, window_s), change)
    if as_json:
        print_json(_as_json(status))
    else:
        say(open_console(), f"budget: {status.budget}")


@app.command("pause")
def pause(
    reason: Annotated[str, typer.Argument(metavar="WHY", help="What is told to whoever would spend.")],
    *,
    store: StoreOption = None,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Stop all spending, of every process that shares the store."""

    async def stop(client: AsyncCleanlist) -> BudgetStatus:
        await client.budget.pause(reason, actor=actor())
        return await client.budget.show()

    status = _ask(store, Connection(base_url, window_s), stop)
    if as_json:
        print_json(_as_json(status))
    else:
        say(open_console(), "Spending is paused. To let it go on: cleanlist-async budget resume")


@app.command("resume")
def resume(
    *,
    store: StoreOption = None,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Let spending go on."""

    async def go_on(client: AsyncCleanlist) -> BudgetStatus:
        await client.budget.resume(actor=actor())
        return await client.budget.show()

    status = _ask(store, Connection(base_url, window_s), go_on)
    if as_json:
        print_json(_as_json(status))
    else:
        say(open_console(), "Spending goes on.")


def _ask(store: str | None, connection: Connection, question: Callable[[AsyncCleanlist], Awaitable[T]]) -> T:
    from cleanlist_async.cli.store.location import StoreLocation

    return connection.ask(open_console(), question, StoreLocation(store).open())


def _row(period: Period) -> tuple[str, str, str, str, str]:
    limit, left = period.limit, period.left
    return (
        period.name,
        "none" if limit is None else number(limit),
        number(period.committed),
        "" if left is None else number(left),
        period.end.isoformat(timespec="minutes"),
    )


def _as_json(status: BudgetStatus) -> dict[str, JSON]:
    periods: dict[str, JSON] = {
        period.name: {
            "limit": period.limit,
            "committed": period.committed,
            "left": period.left,
            "ends": period.end.isoformat(),
        }
        for period in (status.day, status.month)
    }
    pause = status.pause
    paused: JSON = (
        None
        if pause is None
        else {"reason": pause.reason, "actor": pause.actor, "since": pause.since.isoformat()}
    )
    return {"tz": status.budget.tz, **periods, "paused": paused}
