"""The commands on durable jobs: job start, resume, status, unknown, resolve, report, export, purge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from cleanlist_async.cli.terminal.asking import Consent
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import end
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.option_groups import with_groups
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    FileLayout,
    Kind,
    Map,
    NoConfirmation,
    Output,
    Overwrite,
)
from cleanlist_async.cli.terminal.render import open_console
from cleanlist_async.facts import EnrichmentType

if TYPE_CHECKING:
    from cleanlist_async.cli.job.order import JobOrder

app = CommandGroup("Run a durable job: kill it, resume it, never pay twice.")

JournalFile = Annotated[Path, typer.Argument(metavar="JOURNAL", help="Journal of the job.")]
Input = Annotated[str, typer.Argument(metavar="IN", help="The input: a CSV, TSV or JSON Lines file.")]
Pilot = Annotated[
    int | None, typer.Option(metavar="N", help="Buy a sample of N contacts first, then ask again.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What ``start`` and ``resume`` have in common, in the order in which their help lists it."""

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
    layout: FileLayout
    as_json: AsJSON = False
    connection: Connection
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="Accept a journal that is outdated, emptied or a copy; check usage first."
        ),
    ] = False

    def order(
        self, journal: Path, source: str, mapping: list[str] | None, consent: Consent, pilot: int | None
    ) -> JobOrder:
        """Return the order of a job. Raises CommandError for a ``--map`` without ``=``."""
        from cleanlist_async.cli.enrich.inputs import TableOptions
        from cleanlist_async.cli.job.order import JobOrder

        return JobOrder(
            journal=journal,
            source=source,
            table=TableOptions.parse(mapping, self.layout),
            connection=self.connection,
            consent=consent,
            listen=self.listen,
            on_unknown=cast('Literal["hold", "resubmit"]', self.on_unknown),
            max_duplicate_credits=self.max_duplicate_credits,
            cache=self.cache,
            pilot=pilot,
            output=self.output,
            overwrite=self.overwrite,
            as_json=self.as_json,
            adopt=self.adopt,
        )


@app.command()
@with_groups
def start(
    source: Input,
    *,
    journal: Annotated[
        Path, typer.Option("--journal", metavar="FILE", help="Journal to create: what survives a crash.")
    ],
    mapping: Map = None,
    enrichment_type: Kind = "partial",
    consent: Consent,
    pilot: Pilot = None,
    submit_mode: Annotated[
        str,
        typer.Option(
            metavar="MODE", help="auto, plain, tracked or exact; decides what a lost answer can cost."
        ),
    ] = "auto",
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Public address of your receiver, for tracked.")
    ] = None,
    run: RunOptions,
) -> None:
    """Start a job: show its plan, ask, then run it."""
    from cleanlist_async.cli.job import running

    order = replace(
        run.order(journal, source, mapping, consent, pilot),
        enrichment_type=cast("EnrichmentType", enrichment_type),
        submit_mode=cast('Literal["auto", "plain", "tracked", "exact"]', submit_mode),
        webhook=webhook,
    )
    end(running.start(open_console(), order))


@app.command()
@with_groups
def resume(
    journal: JournalFile,
    source: Input,
    *,
    mapping: Map = None,
    consent: Consent,
    pilot: Pilot = None,
    run: RunOptions,
) -> None:
    """Continue a job, after a crash, Ctrl-C, an outage or a top-up."""
    from cleanlist_async.cli.job import running

    end(running.resume(open_console(), run.order(journal, source, mapping, consent, pilot)))


@app.command()
def status(journal: JournalFile, *, as_json: AsJSON = False) -> None:
    """Show where a job stands, even while another process runs it."""
    from cleanlist_async.cli.job.looking import Look

    end(Look(open_console(), journal, as_json).status())


@app.command()
def unknown(journal: JournalFile, *, as_json: AsJSON = False) -> None:
    """List the chunks that may have been accepted. Exits with 3 if there are any."""
    from cleanlist_async.cli.job.looking import Look

    end(Look(open_console(), journal, as_json).unknown())


@app.command()
def resolve(
    journal: JournalFile,
    chunk: Annotated[
        int, typer.Argument(metavar="CHUNK", help="Number of a chunk, as shown by job unknown.")
    ],
    *,
    accepted: Annotated[
        str | None, typer.Option(metavar="WORKFLOW", help="The server has it, as this workflow.")
    ] = None,
    absent: Annotated[
        bool, typer.Option("--absent", help="The server does not have it: send it again.")
    ] = False,
    i_checked: Annotated[bool, typer.Option("--i-checked", help="With --absent: you checked.")] = False,
    resubmit: Annotated[
        bool, typer.Option("--resubmit", help="Send it again and risk paying twice.")
    ] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Give it up.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Record a decision about an unknown chunk. Sends nothing itself."""
    from cleanlist_async.cli.job import deciding

    answers = deciding.Answers(accepted, absent, i_checked, resubmit, abandon)
    end(deciding.resolve(open_console(), journal, chunk, answers, as_json=as_json))


@app.command()
@with_groups
def report(
    journal: JournalFile,
    source: Annotated[
        str | None, typer.Argument(metavar="[IN]", help="The input, needed for --output.")
    ] = None,
    *,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="OUT", help="Write each row with its receipt.")
    ] = None,
    overwrite: Overwrite = False,
    mapping: Map = None,
    layout: FileLayout,
    as_json: AsJSON = False,
) -> None:
    """Show what a job cost, and by which rule."""
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.job.looking import Look

    table = TableOptions.parse(mapping, layout)
    end(Look(open_console(), journal, as_json, source, table, output, overwrite).report())


@app.command()
@with_groups
def export(
    journal: JournalFile,
    source: Input,
    *,
    output: Output,
    overwrite: Overwrite = False,
    mapping: Map = None,
    layout: FileLayout,
    as_json: AsJSON = False,
) -> None:
    """Write every row of the input with what the job has found so far. Free."""
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.job.looking import Look

    table = TableOptions.parse(mapping, layout)
    end(Look(open_console(), journal, as_json, source, table, output, overwrite).export())


@app.command()
def purge(
    journal: JournalFile,
    *,
    cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Empty this cache of results too.")
    ] = None,
    yes: NoConfirmation = False,
    as_json: AsJSON = False,
) -> None:
    """Remove all contact data from a journal. Results that were not exported are lost."""
    from cleanlist_async.cli.job import deciding

    end(deciding.purge(open_console(), journal, cache, yes=yes, as_json=as_json))
