"""The commands on the store of what was bought: store show, store purge, store resolve, and audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cleanlist_async.cli.store.actor import actor
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import AsJSON, StoreOption, Yes
from cleanlist_async.cli.terminal.output import print_json, print_line
from cleanlist_async.cli.terminal.render import open_console, plural, say

if TYPE_CHECKING:
    from cleanlist_async.storage.store.audit import AuditLine
    from cleanlist_async.storage.store.store import Store

T = TypeVar("T")

app = CommandGroup("Show, purge and settle what was bought.")


@app.command("show")
def show(*, store: StoreOption = None, as_json: AsJSON = False) -> None:
    """Show what the store holds, and submits without an outcome."""
    from cleanlist_async.cli.store.location import StoreLocation
    from cleanlist_async.cli.store.show import show_store

    async def look(opened: Store) -> None:
        counts, unfinished = await opened.counts(), await opened.orphans()
        name = StoreLocation(store).shown(opened)
        show_store(open_console(), name, counts, unfinished, as_json=as_json)

    _with(store, look)


@app.command("purge")
def purge(
    *,
    older_than: Annotated[
        float, typer.Option("--older-than", metavar="DAYS", min=0, help="Keep results of the last DAYS days.")
    ] = 0,
    yes: Yes = False,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Remove results from the store. What was removed is bought again when it is asked for."""
    from cleanlist_async.cli.store.location import DAY_S
    from cleanlist_async.cli.terminal.asking import confirm

    if not yes:
        which = f"results older than {plural(older_than, 'day')}" if older_than else "all results"
        risk = f"this removes {which}, which are bought again when they are asked for"
        confirm(f"Remove {which}?", risk=risk, refusal="nothing was removed.")
    removed = _with(store, lambda opened: opened.purge(older_than * DAY_S))
    if as_json:
        print_json({"removed": removed})
    else:
        say(open_console(), f"{plural(removed, 'result')} removed.")


@app.command("resolve")
def resolve(
    submission: Annotated[str, typer.Argument(metavar="SUBMIT", help="A submit, as store show names it.")],
    *,
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="ID", help="The server has it, as this workflow.")
    ] = None,
    absent: Annotated[
        bool, typer.Option("--absent", help="The server does not have it: its contacts may be bought.")
    ] = False,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Record what became of a submit of unknown outcome, or give up an accepted one. Sends nothing itself."""
    from cleanlist_async.cli.store.location import StoreLocation
    from cleanlist_async.errors import ConfigurationError

    if (workflow is None) == (not absent):
        raise CommandError("pass either --workflow ID or --absent.", ExitCode.USAGE)

    async def decide(opened: Store) -> None:
        try:
            await opened.resolve(submission, workflow_id=workflow, absent=absent, actor=actor())
        except ConfigurationError as error:
            shown = f"cleanlist-async store show{StoreLocation(store).as_typed()}"
            raise CommandError(f"{error.problem} See: {shown}", ExitCode.USAGE) from error

    _with(store, decide)
    if as_json:
        print_json({"submission": submission, "workflow_id": workflow})
    else:
        say(open_console(), "Recorded. The same enrich command again goes on with its contacts.")


def audit(
    *,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="From this day on, such as 2026-11-01.")
    ] = None,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """List each submit, answer, result and decision, then the sums."""
    from cleanlist_async.cli.store.show import AuditSums, line_as_json, line_of

    start, sums = _day(since), AuditSums()
    lines: list[AuditLine] = []

    async def read(opened: Store) -> None:
        async for line in opened.audit(start):
            sums.add(line)
            if as_json:
                lines.append(line)
            else:
                print_line(line_of(line))

    _with(store, read)
    if as_json:
        print_json({"lines": [line_as_json(line) for line in lines], "sums": sums.as_json()})
    else:
        print_line(str(sums))


def _day(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f'--since takes a date such as 2026-11-01, not "{text}".', ExitCode.USAGE
        ) from None


def _with(asked: str | None, do: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store, do one thing with it, and close it. Raises CommandError where there is none."""
    import anyio

    from cleanlist_async.cli.store.location import StoreLocation

    location = StoreLocation(asked)
    if not location.exists:  # opening it would make an empty one
        raise CommandError(f"there is no store at {location.address}: nothing was bought.", ExitCode.REFUSED)

    async def run() -> T:
        async with location.open() as store:
            return await do(store)

    return anyio.run(run)
