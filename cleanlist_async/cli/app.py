"""The command line put together: which commands there are, and in which panel of the help."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

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
from cleanlist_async.cli.terminal.output import print_line

_EPILOG: Final = "Exit codes: " + "; ".join(f"{code:d} {meaning}" for code, meaning in MEANINGS.items()) + "."


class Panels(TyperGroup):
    """A group whose help lists its commands by panel; Typer itself does so only with rich, which is slow."""

    # Any, because Typer takes these from click or has its own, depending on its version.
    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, panel by panel."""
        panels: dict[str, list[tuple[str, Any]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            if not command.hidden:
                panels.setdefault(command.rich_help_panel or "Commands", []).append((name, command))
        width = max((len(name) for rows in panels.values() for name, _ in rows), default=0)
        for panel, rows in panels.items():
            with formatter.section(panel):
                # As click computes it: the indent, and the gap between name and help.
                limit = formatter.width - 6 - width
                formatter.write_dl(
                    # Padded, so that the panels have their help in one column.
                    [(name.ljust(width), command.get_short_help_str(limit)) for name, command in rows]
                )


app = typer.Typer(
    cls=Panels,
    add_completion=False,  # installing it edits the files of the user's shell
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they show the values of variables: contacts, keys
    rich_markup_mode=None,  # rich takes longer to import than all the rest of --help
    epilog=_EPILOG,
    help="Enrich contact files through Cleanlist at the full rate the API allows, and never pay twice.\n\n"
    "The API key is read from CLEANLIST_API_KEY. To try everything without a key: cleanlist-async demo.",
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
