"""The commands that ask about the account: doctor, whoami, credits, usage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, end
from cleanlist_async.cli.terminal.options import AsJSON
from cleanlist_async.cli.terminal.render import (
    dumped,
    number,
    open_console,
    print_fields,
    print_json,
    print_line,
    print_table,
    say,
)

if TYPE_CHECKING:
    from cleanlist_async.api.request_models import UsageGrouping


def doctor(*, as_json: AsJSON = False, connection: Connection) -> None:
    """Check key, plan, scopes, credits, limits, store and connection.

    It says how to fix each problem.
    """
    from cleanlist_async.cli.doctor import examination

    # No request is repeated: the first failure is the finding.
    once = replace(connection, max_retries=0)
    end(examination.doctor(open_console(), once, as_json=as_json))


def whoami(*, as_json: AsJSON = False, connection: Connection) -> None:
    """Show whose key this is, its plan and its scopes."""
    me = connection.ask(open_console(), lambda client: client.workspace.whoami())
    if as_json:
        print_json(dumped(me))
        return
    appsumo = f", AppSumo tier {me.appsumo_tier}" if me.appsumo_tier is not None else ""
    print_fields(
        [
            ("user", " ".join(filter(None, (me.user_name, me.user_email)))),
            ("user id", me.user_id),
            ("organization", me.organization_name),
            ("organization id", me.organization_id),
            ("signed in with", me.auth_type.replace("_", " ")),
            ("plan", f"{me.tier}{appsumo}"),
            ("scopes", ", ".join(me.scopes) or "none"),
            ("features", ", ".join(me.features)),
        ]
    )


def balance(*, as_json: AsJSON = False, connection: Connection) -> None:
    """Show how many credits are left."""
    left = connection.ask(open_console(), lambda client: client.public.credits_balance()).credits
    if left is None:  # a 0 would be taken for an empty account
        raise CommandError("the server's answer contains no balance.", ExitCode.API)
    if as_json:
        print_json({"credits": left})
    else:
        print_line(number(left))


def usage(
    *,
    days: Annotated[int, typer.Option(help="Days to look back, 1 to 365.")] = 7,
    by: Annotated[str, typer.Option("--by", metavar="BY", help="tool, key, day or error.")] = "tool",
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Show the organization's calls and errors of the last days."""
    console, group_by = open_console(), cast("UsageGrouping", by)  # checked by the client
    report = connection.ask(
        console, lambda client: client.workspace.usage_report(days=days, group_by=group_by)
    )
    if as_json:
        print_json(dumped(report))
        return
    rows = [(row.group, row.calls, row.errors, row.credits_spent) for row in report.rows]
    # As the server sums them up, which need not be the sum of the rows shown.
    total = ("all", report.total_calls, report.total_errors, report.total_credits_spent)
    print_table((by, "calls", "errors", "credits"), [*rows, total], numbers=("calls", "errors", "credits"))
    if not report.total_credits_spent:
        say(console, "The API does not report credits per call yet; the command credits shows the balance.")
