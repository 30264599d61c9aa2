"""The commands on what may be spent: budget show, budget set, budget pause, budget resume."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cleanlist_async.cli.store.location import StoreLocation, actor
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import AsJSON, BaseURL, StoreOption, WindowS
from cleanlist_async.cli.terminal.render import open_console, print_fields, print_json, print_table, say
from cleanlist_async.cli.terminal.wording import typed

if TYPE_CHECKING:
    from cleanlist_async.client import AsyncCleanlist
    from cleanlist_async.enrich.client_spending import BudgetControl
    from cleanlist_async.storage.store.budget import BudgetStatus
    from cleanlist_async.types import JSON

app = CommandGroup("Limit what is spent in a day and a month, or pause it.")

LimitOption = Annotated[float | None, typer.Option(min=0, metavar="CREDITS", help="Credits, at most.")]


@dataclass(frozen=True, slots=True)
class Where:
    """Where the budget is, and how its status is shown."""

    store: StoreOption = None
    as_json: AsJSON = False
    base_url: BaseURL = None
    window_s: WindowS = None

    def ask(self, question: Callable[[AsyncCleanlist], Awaitable[BudgetStatus]]) -> BudgetStatus:
        """Ask a client with the store."""
        connection = Connection(self.base_url, self.window_s)
        return connection.ask(open_console(), question, StoreLocation(self.store).open())

    def change(self, change: Callable[[BudgetControl], Awaitable[object]], sentence: str = "") -> None:
        """Change the budget, and say how it is now, or *sentence*."""

        async def changed(client: AsyncCleanlist) -> BudgetStatus:
            await change(client.budget)
            return await client.budget.show()

        status = self.ask(changed)
        if self.as_json:
            print_json(_as_json(status))
        else:
            say(open_console(), sentence or f"budget: {status.budget}")


@app.command("show")
def show(*, where: Where) -> None:
    """Show the limits, what is spent, and whether it is paused."""
    status = where.ask(lambda client: client.budget.show())
    if where.as_json:
        print_json(_as_json(status))
        return
    print_table(
        ("period", "limit", "spent or reserved", "left", "ends"),
        [
            (
                one.name,
                "none" if one.limit is None else one.limit,
                one.committed,
                one.left,
                one.end.isoformat(timespec="minutes"),
            )
            for one in (status.day, status.month)
        ],
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
    where: Where,
) -> None:
    """Change the limits. What is not given stays as it is."""
    from cleanlist_async.storage.store.budget import Budget

    # Equal where neither is given, or both.
    if no_limit == (per_day is not None or per_month is not None or tz is not None):
        raise CommandError("pass --per-day, --per-month or --tz, or else --no-limit.", ExitCode.USAGE)

    async def change(budget: BudgetControl) -> None:
        now = (await budget.show()).budget
        wanted = Budget(
            per_day=now.per_day if per_day is None else per_day,
            per_month=now.per_month if per_month is None else per_month,
            tz=tz or now.tz,
        )
        await budget.set(Budget(tz=now.tz) if no_limit else wanted, actor=actor())

    where.change(change)


@app.command("pause")
def pause(
    reason: Annotated[str, typer.Argument(metavar="WHY", help="What is told to whoever would spend.")],
    *,
    where: Where,
) -> None:
    """Stop all spending, of every process that shares the store."""
    where.change(
        lambda budget: budget.pause(reason, actor=actor()),
        f"Spending is paused. To let it go on: cleanlist-async budget resume{typed.store_option}",
    )


@app.command("resume")
def resume(*, where: Where) -> None:
    """Let spending go on."""
    where.change(lambda budget: budget.resume(actor=actor()), "Spending goes on.")


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
    paused: JSON = None
    if (pause := status.pause) is not None:
        paused = {"reason": pause.reason, "actor": pause.actor, "since": pause.since.isoformat()}
    return {"tz": status.budget.tz, **periods, "paused": paused}
