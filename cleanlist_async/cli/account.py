"""The commands that ask about the account: whoami, credits, usage."""

from __future__ import annotations

from typing import cast

from rich.console import Console

from cleanlist_async.api.request_models import UsageGrouping
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.output import as_json as dumped
from cleanlist_async.cli.terminal.output import number, print_fields, print_json, print_table


def whoami(console: Console, connection: Connection, *, as_json: bool) -> None:
    """Show whose key this is."""
    me = connection.ask(console, lambda client: client.workspace.whoami())
    if as_json:
        print_json(dumped(me))
        return
    appsumo = f", AppSumo tier {me.appsumo_tier}" if me.appsumo_tier is not None else ""
    print_fields(
        [
            ("user", " ".join(filter(None, (me.user_name, me.user_email)))),
            ("user id", me.user_id or ""),
            ("organization", me.organization_name or ""),
            ("organization id", me.organization_id),
            ("signed in with", me.auth_type.replace("_", " ")),
            ("plan", f"{me.tier}{appsumo}"),
            ("scopes", ", ".join(me.scopes) or "none"),
            ("features", ", ".join(me.features)),
        ]
    )


def balance(console: Console, connection: Connection, *, as_json: bool) -> None:
    """Show the credits left. Raises CommandError if the server does not say."""
    left = connection.ask(console, lambda client: client.public.credits_balance()).credits
    if left is None:
        raise CommandError("the server's answer says nothing of credits.", ExitCode.API)
    if as_json:
        print_json({"credits": left})
    else:
        print(number(left))  # noqa: T201 - this is the data


def usage(console: Console, connection: Connection, days: int, by: str, *, as_json: bool) -> None:
    """Show what was called."""
    grouping = cast("UsageGrouping", by)  # checked by the client
    report = connection.ask(
        console, lambda client: client.workspace.usage_report(days=days, group_by=grouping)
    )
    if as_json:
        print_json(dumped(report))
        return
    rows = [
        (row.group, number(row.calls), number(row.errors), number(row.credits_spent)) for row in report.rows
    ]
    total = (
        "all",
        number(report.total_calls),
        number(report.total_errors),
        number(report.total_credits_spent),
    )
    print_table((by, "calls", "errors", "credits"), [*rows, total], numbers=("calls", "errors", "credits"))
    if not report.total_credits_spent:
        console.print("The API reports no credits per call so far; credits shows the balance.")
