"""The commands on durable jobs: run, start, resume, ls, status, unknown, resolve, report, export, purge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from cleanlist_async.cli.job.options import Answers, RunOptions
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.asking import Consent
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, end
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    FileLayout,
    Kind,
    Map,
    NoConfirmation,
    Output,
    OutputOptions,
    Overwrite,
    StoreOption,
)
from cleanlist_async.cli.terminal.render import open_console
from cleanlist_async.facts import EnrichmentType

if TYPE_CHECKING:
    from cleanlist_async.cli.job.memory import JobMemory
    from cleanlist_async.cli.job.order import JobOrder

app = CommandGroup("Run a durable job: kill it, resume it, never pay twice.")

JournalFile = Annotated[Path, typer.Argument(metavar="JOURNAL", help="Journal of the job.")]
NameOrJournal = Annotated[
    str,
    typer.Argument(
        metavar="JOB", help="Name of a job in the store, or a journal: a path, or a name in .journal."
    ),
]
OptionalInput = Annotated[
    str | None, typer.Argument(metavar="[IN]", help="The input: a CSV, TSV or JSON Lines file.")
]
Input = Annotated[str, typer.Argument(metavar="IN", help="The input: a CSV, TSV or JSON Lines file.")]
Pilot = Annotated[
    int | None, typer.Option(metavar="N", help="Buy a sample of N contacts first, then ask again.")
]


@app.command("run")
def run_job(
    job: NameOrJournal,
    source: OptionalInput = None,
    *,
    mapping: Map = None,
    enrichment_type: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Enrichment type of a new job; partial if not given."),
    ] = None,
    consent: Consent,
    pilot: Pilot = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="While another process runs the job, wait for its end, then go on.")
    ] = False,
    store: StoreOption = None,
    run: RunOptions,
) -> None:
    """Start a job, or resume it, on any machine that shares the store.

    The same command does both. The store has a copy of the input, so a job that was started goes on without
    IN too.
    """
    from cleanlist_async.cli.job import running

    order = _order(_memory(job, store, adopt=run.adopt), source, mapping, run, consent=consent, pilot=pilot)
    kind = cast("EnrichmentType | None", enrichment_type)
    end(running.start_or_resume(open_console(), replace(order, enrichment_type=kind, wait=wait)))


@app.command()
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
    store: StoreOption = None,
    run: RunOptions,
) -> None:
    """Start a job in a journal: show its plan, ask, then run it."""
    from cleanlist_async.cli.job import running

    order = replace(
        _order(_journal(journal, store, adopt=run.adopt), source, mapping, run, consent=consent, pilot=pilot),
        enrichment_type=cast("EnrichmentType", enrichment_type),
        submit_mode=cast('Literal["auto", "plain", "tracked", "exact"]', submit_mode),
        webhook=webhook,
    )
    end(running.start(open_console(), order))


@app.command()
def resume(
    journal: JournalFile,
    source: OptionalInput = None,
    *,
    mapping: Map = None,
    consent: Consent,
    pilot: Pilot = None,
    store: StoreOption = None,
    run: RunOptions,
) -> None:
    """Continue a job in a journal, after a crash, an outage or a top-up.

    The journal has a copy of the input, so the job goes on without IN too.
    """
    from cleanlist_async.cli.job import running

    memory = _journal(journal, store, adopt=run.adopt)
    end(running.resume(open_console(), _order(memory, source, mapping, run, consent=consent, pilot=pilot)))


@app.command("ls")
def list_jobs(
    *,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="Only jobs that job run goes on with, and that no process runs."),
    ] = False,
    names: Annotated[
        bool, typer.Option("--names", help="Print nothing but the names, one a line, for a script.")
    ] = False,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """List the jobs of a store."""
    from cleanlist_async.cli.job.looking import list_all

    if names and as_json:
        raise CommandError("pass either --names or --json.", ExitCode.USAGE)
    end(list_all(StoreLocation(store), unfinished=unfinished, names=names, as_json=as_json))


@app.command()
def status(job: NameOrJournal, *, store: StoreOption = None, as_json: AsJSON = False) -> None:
    """Show where a job stands, even while another process runs it."""
    from cleanlist_async.cli.job.looking import Look

    end(Look(open_console(), _memory(job, store), as_json).status())


@app.command()
def unknown(job: NameOrJournal, *, store: StoreOption = None, as_json: AsJSON = False) -> None:
    """List the chunks that may have been accepted. Exits with 3 if there are any."""
    from cleanlist_async.cli.job.looking import Look

    end(Look(open_console(), _memory(job, store), as_json).unknown())


@app.command()
def resolve(
    job: NameOrJournal,
    chunk: Annotated[
        int, typer.Argument(metavar="CHUNK", help="Number of a chunk, as shown by job unknown.")
    ],
    *,
    answers: Answers,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Record a decision about an unknown chunk. Sends nothing itself."""
    from cleanlist_async.cli.job import deciding

    end(deciding.resolve(open_console(), _memory(job, store), chunk, answers, as_json=as_json))


@app.command()
def report(
    job: NameOrJournal,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[IN]",
            help="The input, for --output; without it, the contacts that the job has a copy of.",
        ),
    ] = None,
    *,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="OUT", help="Write each row with its receipt.")
    ] = None,
    overwrite: Overwrite = False,
    mapping: Map = None,
    layout: FileLayout,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Show what a job cost, and by which rule."""
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.job.looking import Look

    table = TableOptions.parse(mapping, layout)
    end(Look(open_console(), _memory(job, store), as_json, source, table, output, overwrite).report())


@app.command()
def export(
    job: NameOrJournal,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[IN]", help="The input; without it, the contacts that the job has a copy of."
        ),
    ] = None,
    *,
    output: Output,
    overwrite: Overwrite = False,
    written: OutputOptions,
    mapping: Map = None,
    layout: FileLayout,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Write the rows of IN, or the contacts of the job, with what was found so far. Free.

    Exits with 3 if some of them have no result yet; the file is written all the same.
    """
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.job.looking import Look

    table = TableOptions.parse(mapping, layout)
    memory, choice = _memory(job, store), written.choice()
    end(Look(open_console(), memory, as_json, source, table, output, overwrite, choice).export())


@app.command()
def purge(
    job: NameOrJournal,
    *,
    cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Empty this cache of results too.")
    ] = None,
    keep_results: Annotated[
        bool,
        typer.Option("--keep-results", help="Remove the job's contacts alone; what it bought serves others."),
    ] = False,
    yes: NoConfirmation = False,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Remove all contact data of a job. Results that were not exported are lost."""
    from cleanlist_async.cli.job import deciding

    memory = _memory(job, store)
    end(deciding.purge(open_console(), memory, cache, keep_results=keep_results, yes=yes, as_json=as_json))


def _order(
    memory: JobMemory,
    source: str | None,
    mapping: list[str] | None,
    run: RunOptions,
    *,
    consent: Consent,
    pilot: int | None,
) -> JobOrder:
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.cli.job.order import JobOrder

    return JobOrder(memory, source, TableOptions.parse(mapping, run.layout), consent, pilot, run)


def _memory(job: str, store: str | None, *, adopt: bool = False) -> JobMemory:
    from cleanlist_async.cli.job.memory import StoreMemory
    from cleanlist_async.job.job import is_journal, is_name

    if is_name(job) and not is_journal(Path(job)):
        return StoreMemory(job, StoreLocation(store))
    return _journal(Path(job), store, adopt=adopt)


def _journal(path: Path, store: str | None, *, adopt: bool) -> JobMemory:
    from cleanlist_async.cli.job.memory import JournalMemory

    return JournalMemory(path, adopt, StoreLocation(store))
