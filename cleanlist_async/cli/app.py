"""The command line put together, and run: no error leaves it as a traceback."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Final

import typer

from cleanlist_async import __version__
from cleanlist_async.cli import account, agents, limits, lists, serving, single
from cleanlist_async.cli.enrich import commands as files
from cleanlist_async.cli.job import commands as jobs
from cleanlist_async.cli.store import budget
from cleanlist_async.cli.store import commands as store
from cleanlist_async.cli.terminal.exits import DEBUG_FLAG, MEANINGS, ExitCode, report
from cleanlist_async.cli.terminal.help import CommandGroup, Group, Rows
from cleanlist_async.cli.terminal.render import print_line
from cleanlist_async.cli.terminal.wording import typed


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
            "The default is a file in your cache directory, and none for a server on this machine.",
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
        logging.basicConfig(level=logging.DEBUG)


def _panel(panel: str, **commands: Callable[..., None]) -> None:
    for name, command in commands.items():
        app.command(name.replace("_", "-"), rich_help_panel=panel)(command)


_FILES: Final = "Contact files"
_ACCOUNT: Final = "Account"
_LISTS: Final = "Lists and smart agents"

_panel(
    _FILES,
    demo=files.demo,
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
_panel(_ACCOUNT, doctor=account.doctor, whoami=account.whoami, credits=account.balance, usage=account.usage)
app.add_typer(limits.app, name="limits", rich_help_panel=_ACCOUNT)
app.add_typer(budget.app, name="budget", rich_help_panel=_ACCOUNT)
_panel("Development", sandbox=serving.sandbox)


def run_guarded(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code. Tracebacks are for --debug only."""
    _open_closed_streams()
    # A command prints what its user has to know, in its own words; Python would print each warning again.
    logging.getLogger("cleanlist_async").addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        _print_any_character(stream)
    try:
        # Not standalone: Typer would print errors in its own form, and exit before we could.
        return int(app(list(arguments), prog_name="cleanlist-async", standalone_mode=False) or 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered has nowhere to go
        return ExitCode.DONE
    except (Exception, KeyboardInterrupt) as error:  # whatever it is, the user sees one line
        if DEBUG_FLAG in arguments:
            raise
        return _reported(error, as_json="--json" in arguments)
    finally:
        # The next command of this process, of which tests run many, must not repeat these options.
        typed.begin(None)


def _reported(error: BaseException, *, as_json: bool) -> int:
    try:
        return report(error, as_json=as_json)
    except OSError:  # standard output is full or gone: there is no place for the object
        return report(error)
    except KeyboardInterrupt:  # a second Ctrl-C needs no words
        return ExitCode.INTERRUPTED


def _open_closed_streams() -> None:
    """Lead streams that the caller closed to nowhere; no file that is opened later may get their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  # for as long as the process lives


def _print_any_character(stream: object) -> None:
    """Escape what the encoding of a stream lacks: what was paid for must not be lost to a code page."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
