"""The commands on the store of what was bought: store show, store purge, store resolve, and audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cleanlist_async.cli.store.actor import actor
from cleanlist_async.cli.store.person import NamedPerson
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.option_groups import with_groups
from cleanlist_async.cli.terminal.options import AsJSON, FileLayout, Map, NoConfirmation, StoreOption, Yes
from cleanlist_async.cli.terminal.output import print_json, print_line
from cleanlist_async.cli.terminal.render import open_console, plural, say
from cleanlist_async.cli.terminal.typed import PLACEHOLDER

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
        show_store(open_console(), StoreLocation(store), opened, counts, unfinished, as_json=as_json)

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


@app.command("forget")
@with_groups
def forget(
    source: Annotated[
        str | None, typer.Argument(metavar="[PEOPLE]", help="A file of people, read as enrich reads one.")
    ] = None,
    *,
    person: NamedPerson,
    mapping: Map = None,
    layout: FileLayout,
    yes: NoConfirmation = False,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Delete the data of a person: results, and rows in all jobs, whatever they are called by.

    An unfinished job does not send them any more. The audit trail and all sums stay, without contacts.
    """
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.store.person import OUT_OF_REACH
    from cleanlist_async.cli.terminal.asking import confirm

    wanted = person.people(source, TableOptions.parse(mapping, layout))
    whom = "this person" if source is None else f"the people of {source} ({len(wanted):,})"
    if not yes:
        risk = f"this deletes what the store has of {whom}, for good"
        confirm(f"Delete what the store has of {whom}?", risk=risk, refusal="nothing was deleted.")
    gone = _with(store, lambda opened: opened.forget(*wanted, actor=actor()))
    if as_json:
        print_json({"results": gone.results, "rows": gone.rows})
        return
    console = open_console()
    say(console, f"Deleted: {plural(gone.results, 'result')}, {plural(gone.rows, 'row')} of jobs.")
    say(console, OUT_OF_REACH)


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

    if workflow == PLACEHOLDER:
        raise CommandError(f"put the id of the workflow in place of {PLACEHOLDER}.", ExitCode.USAGE)
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
        say(
            open_console(),
            "Recorded. The same command again goes on with its contacts; for a job, job run.",
        )


def audit(
    *,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="From this day or time on: 2026-11-01, 2026-11-01T18:30."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Before this day or time, written in the same way.")
    ] = None,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """List each submit, answer, result and decision, then the sums."""
    from cleanlist_async.cli.store.show import AuditSums, line_as_json, line_of

    start, end, sums = _moment("--since", since), _moment("--until", until), AuditSums()
    lines: list[AuditLine] = []

    async def read(opened: Store) -> None:
        if not as_json:
            say(open_console(), f"Times are those of this machine: {datetime.now().astimezone():%Z, UTC%z}.")
        async for line in opened.audit(start, end):
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


def _moment(option: str, text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f'{option} takes a date, with a time or without, such as 2026-11-01T18:30, not "{text}".',
            ExitCode.USAGE,
        ) from None


def _with(asked: str | None, do: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store, do one thing with it, and close it. Raises CommandError where there is none."""
    import anyio

    from cleanlist_async.cli.store.location import StoreLocation

    location = StoreLocation(asked)
    if not location.exists:  # opening it would make an empty one
        raise CommandError(
            f"there is no store at {location.address}: what was bought may be in another one."
            " Pass --store with the one that was used.",
            ExitCode.REFUSED,
        )

    async def run() -> T:
        async with location.open() as store:
            return await do(store)

    return anyio.run(run)
