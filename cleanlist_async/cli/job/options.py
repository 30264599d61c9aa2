"""Options of the commands on jobs that belong together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.options import AsJSON, FileLayout, OutputOptions, Overwrite, Suppressed
from cleanlist_async.cli.terminal.wording import PLACEHOLDER

if TYPE_CHECKING:
    from cleanlist_async.job.journal.records import Decision

# No blanks or control characters: the id becomes part of an address.
_WORKFLOW: Final = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What ``run``, ``start`` and ``resume`` have in common, in the order in which their help lists it."""

    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Receive the job's webhooks here while it runs.")
    ] = None
    on_unknown: Annotated[
        str,
        typer.Option(
            "--on-unknown",
            metavar="HOW",
            help="Hold chunks that may be paid for (hold), or send them again (resubmit).",
        ),
    ] = "hold"
    max_duplicate_credits: Annotated[
        float | None, typer.Option(help="With resubmit: credits that buying twice may cost.")
    ] = None
    cache: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Cache of results bought before, to read and to extend."),
    ] = None
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="File to write when the job is complete."),
    ] = None
    overwrite: Overwrite = False
    written: OutputOptions
    suppress: Suppressed = None
    layout: FileLayout
    as_json: AsJSON = False
    connection: Connection
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt",
            help="Accept a journal that is outdated, emptied or a copy, or the unsent job of another key.",
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What was typed about an unknown chunk."""

    accepted: Annotated[
        str | None, typer.Option(metavar="WORKFLOW", help="The server has it, as this workflow.")
    ] = None
    absent: Annotated[bool, typer.Option("--absent", help="The server does not have it: send it again.")] = (
        False
    )
    i_checked: Annotated[bool, typer.Option("--i-checked", help="With --absent: you checked.")] = False
    resubmit: Annotated[bool, typer.Option("--resubmit", help="Send it again and risk paying twice.")] = False
    abandon: Annotated[bool, typer.Option("--abandon", help="Give it up.")] = False

    def decision(self) -> Decision:
        """Return the one decision. Raises CommandError for none, or several."""
        given: dict[Decision, bool] = {
            "accepted": self.accepted is not None,
            "absent": self.absent,
            "resubmit": self.resubmit,
            "abandon": self.abandon,
        }
        chosen: list[Decision] = [decision for decision, is_given in given.items() if is_given]
        if len(chosen) != 1:  # a mistake here is a second purchase, or a lost result
            raise CommandError(
                "pass exactly one of --accepted, --absent, --resubmit and --abandon.", ExitCode.USAGE
            )
        is_id = self.accepted != PLACEHOLDER and _WORKFLOW.fullmatch(self.accepted or "")
        if self.accepted is not None and not is_id:
            raise CommandError("--accepted takes a workflow id, such as public_bulk_1a2b.", ExitCode.USAGE)
        if self.absent != self.i_checked:
            raise CommandError(
                "--absent needs --i-checked: if the server has the chunk after all, it is paid for twice.",
                ExitCode.USAGE,
            )
        return chosen[0]
