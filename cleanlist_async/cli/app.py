"""The command line put together: which commands there are, and in which panel of the help."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Final

import typer

from cleanlist_async import __version__
from cleanlist_async.cli import account, agents, limits, serving, single
from cleanlist_async.cli.demo.command import demo
from cleanlist_async.cli.doctor.command import doctor
from cleanlist_async.cli.enrich import commands as files
from cleanlist_async.cli.job import commands as jobs
from cleanlist_async.cli.lists import commands as lists
from cleanlist_async.cli.store import budget
from cleanlist_async.cli.store import commands as store
from cleanlist_async.cli.terminal.exits import DEBUG_FLAG, MEANINGS
from cleanlist_async.cli.terminal.help import CommandGroup, Group, Rows
from cleanlist_async.cli.terminal.output import print_line
from cleanlist_async.cli.terminal.typed import typed


class Root(Group):
    """The commands as a whole."""

    more: ClassVar[Mapping[str, Rows]] = {
        "Examples": [
            ("$ cleanlist-async demo", "try it without a key"),
            ("$ cleanlist-async plan in.csv", "what it takes, for free"),
            ("$ cleanlist-async enrich in.csv -o out.csv", ""),
        ],
        "Exit codes": [(str(int(code)), meaning) for code, meaning in MEANINGS.items()],
    }


app = CommandGroup(
    "Enrich contact files through Cleanlist at the full rate the API allows, and never pay twice.\n\n"
    "The API key is read from CLEANLIST_API_KEY, or the file of CLEANLIST_API_KEY_FILE. The demo needs none.",
    cls=Root,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print_line(__version__)
        raise typer.Exit


# Eager, so that it is answered before a missing command is reported.
_VERSION: Final = typer.Option(
    "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
)


@app.callback()
def _main(
    context: typer.Context,
    *,
    version: Annotated[bool, _VERSION] = False,  # noqa: ARG001 - its callback has done it
    limits: Annotated[
        str | None,
        typer.Option(
            "--limits",
            "--limits-file",
            metavar="PATH|URL",
            envvar=["CLEANLIST_LIMITS", "CLEANLIST_LIMITS_FILE"],
            help="What runs share the rate limits through: a file, redis://... or postgresql://..., or none. "
            "The default is a file in your cache directory.",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option(DEBUG_FLAG, hidden=True, help="Show tracebacks.")] = False,
) -> None:
    # By its name: where the class of a source is differs between versions of Typer.
    is_typed = getattr(context.get_parameter_source("limits"), "name", "") == "COMMANDLINE"
    typed.begin(limits if is_typed else None)
    if limits is not None:  # commands read the variable where they open a client
        os.environ["CLEANLIST_LIMITS"] = limits
    if debug:
        import logging

        logging.basicConfig(level=logging.DEBUG)


def _panel(panel: str, **commands: Callable[..., None]) -> None:
    for name, command in commands.items():
        app.command(name.replace("_", "-"), rich_help_panel=panel)(command)


_FILES: Final = "Contact files"
_ACCOUNT: Final = "Account"
_LISTS: Final = "Lists and smart agents"

_panel(
    _FILES,
    demo=demo,
    plan=files.plan,
    validate=files.validate,
    enrich=files.enrich,
    collect=files.collect,
)
app.add_typer(jobs.app, name="job", rich_help_panel=_FILES)
app.add_typer(store.app, name="store", rich_help_panel=_FILES)
_panel(_FILES, audit=store.audit)
_panel("One person, one company", enrich_person=single.enrich_person, enrich_company=single.enrich_company)
_panel(_LISTS, lists=lists.show_lists)
app.add_typer(lists.app, name="list", rich_help_panel=_LISTS)
app.add_typer(agents.app, name="agents", rich_help_panel=_LISTS)
_panel(
    _ACCOUNT,
    doctor=doctor,
    whoami=account.whoami,
    credits=account.balance,
    usage=account.usage,
)
app.add_typer(limits.app, name="limits", rich_help_panel=_ACCOUNT)
app.add_typer(budget.app, name="budget", rich_help_panel=_ACCOUNT)
_panel("Development", sandbox=serving.sandbox)
