"""The commands that read a file of contacts, from beginning to end."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field

import anyio
from rich.console import Console

from cleanlist_async.checks import check_enrichment_type, check_webhook_url
from cleanlist_async.cli.enrich.collect import Collection
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableContacts, TableOptions, check_output, survey
from cleanlist_async.cli.enrich.result_file import Job, Outcome, run
from cleanlist_async.cli.terminal import render
from cleanlist_async.cli.terminal.asking import Consent, fetch_balance, get_consent
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import ExitCode, code_for, complain, error_as_json
from cleanlist_async.cli.terminal.output import print_json
from cleanlist_async.cli.terminal.progress import showing, warnings_shown
from cleanlist_async.cli.terminal.stopping import STOPPING, StopSignals
from cleanlist_async.enrich.plan import Plan
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.types import JSON


@dataclass(frozen=True, slots=True)
class Enrichment:
    """The command ``enrich``, as it was typed."""

    source: str
    output: str
    table: TableOptions
    connection: Connection
    enrichment_type: EnrichmentType = "partial"
    consent: Consent = field(default_factory=Consent)
    webhook_url: str | None = None
    overwrite: bool = False
    dry_run: bool = False
    as_json: bool = False

    def carry_out(self, console: Console) -> ExitCode:
        """Plan, ask, enrich, write, report."""
        check_enrichment_type(self.enrichment_type)
        check_webhook_url(self.webhook_url)
        has_key = self._has_key()
        table = self.table.open(self.source)
        # Before the input is read to its end, which takes a while for a large file.
        check_output(self.output, table, overwrite=self.overwrite)
        plan, contacts = survey(table, self.enrichment_type, self.connection.limits)
        render.show_columns(console, table)
        with warnings_shown(console):
            # A dry run is useful offline too; a real one would fail at its first submit.
            connect, needed = self.connection.open, not self.dry_run
            balance = fetch_balance(connect, console, must_connect=needed) if has_key else None
            show_file_plan(console, plan, contacts, balance)
            if self.dry_run:
                render.say(console, "Dry run: nothing was sent for enrichment, and nothing was spent.")
                return self._print({"plan": plan_as_json(plan), "balance": balance}, ExitCode.DONE)
            get_consent(plan, self.consent)
            job = Job(
                contacts,
                self.output,
                self.enrichment_type,
                self.consent.max_credits,
                self.webhook_url,
                self.overwrite,
            )
            with StopSignals(lambda: render.say(console, STOPPING)) as signals:
                outcome = anyio.run(self._run, console, job, signals)
        return self._report(console, outcome, signals)

    async def _run(self, console: Console, job: Job, signals: StopSignals) -> Outcome:
        window_s = self.connection.limits.window_s
        async with self.connection.open() as client:
            with showing(console, len(job.contacts), window_s) as display:
                return await run(client, job, display, signals)

    def _has_key(self) -> bool:
        """Whether there is a key. Raises ConfigurationError if one is needed and missing."""
        try:
            self.connection.open()
        except ConfigurationError as problem:
            # Any other fault of the key, such as a line break in it, is worth reporting in a dry run.
            if self.dry_run and "no API key" in problem.problem:
                return False
            raise
        return True

    def _report(self, console: Console, outcome: Outcome, signals: StopSignals) -> ExitCode:
        show_outcome(console, outcome, self.output)
        if outcome.tally.pending:
            report_pending(console, outcome.tally.pending, self._collect_command())
        code = exit_code(outcome, signals)
        answer: dict[str, JSON] = {
            **outcome.tally.as_json(),
            "workflows": outcome.summary.workflows,
            "requests": outcome.summary.requests,
            "elapsed_s": round(outcome.summary.elapsed_s, 3),
            "file": self.output,
            "stopped_by": _stop_as_json(outcome, signals),
        }
        return self._print(answer, code)

    def _collect_command(self) -> str:
        # Only what differs from the defaults, so that the command stays short enough to copy.
        kind = f" --type {self.enrichment_type}" if self.enrichment_type != "partial" else ""
        options = f"{self.table.as_typed()}{kind}{self.connection.as_typed()}"
        return f"cleanlist-async collect {shlex.quote(self.output)}{options}"

    def _print(self, answer: dict[str, JSON], code: ExitCode) -> ExitCode:
        if self.as_json:
            print_json(answer)
        return code


def collect(
    console: Console,
    path: str,
    output: str | None,
    options: TableOptions,
    connection: Connection,
    *,
    enrichment_type: EnrichmentType,
    as_json: bool,
) -> ExitCode:
    """Fetch what is pending in a file that ``enrich`` wrote, and write the file again."""
    check_enrichment_type(enrichment_type)
    enriched = EnrichedTable.open(path, options)
    if output:
        check_output(output, enriched.table, overwrite=False)
    collection = Collection.of(enriched, enrichment_type)
    workflows = render.plural(len(collection.waiting), "workflow")
    render.say(
        console, f"{render.plural(collection.contacts, 'contact')} to fetch from {workflows}. This is free."
    )

    async def fetch() -> None:
        async with connection.open() as client:
            await collection.fetch(client, signals)

    with warnings_shown(console), StopSignals(lambda: render.say(console, "Stopping.")) as signals:
        anyio.run(fetch)
        # After a signal too: what was fetched until then is written.
        collection.write(output)
    tally, stopped_by = collection.tally, collection.stopped_by
    render.show_figures(console, [*render.status_figures(tally), ("file", "", output or path)])
    if stopped_by is not None:
        complain(stopped_by)
    if as_json:
        print_json({**tally.as_json(), "file": output or path, "stopped_by": error_as_json(stopped_by)})
    if signals.received:
        return signals.exit_code
    # A workflow that failed on the server is an unfinished contact, not an error of the command.
    if stopped_by is not None and code_for(stopped_by) in {ExitCode.API, ExitCode.CONNECTION}:
        return code_for(stopped_by)
    return ExitCode.DONE if tally.is_complete else ExitCode.INCOMPLETE


def exit_code(outcome: Outcome, signals: StopSignals) -> ExitCode:
    """Return what a run exits with: what stopped it counts before what is missing."""
    # A stop also leaves contacts unfinished, but the reason is what a script needs to know.
    if signals.received:
        return signals.exit_code
    if outcome.stopped_by is not None:
        return code_for(outcome.stopped_by)
    if outcome.file_error is not None:
        return ExitCode.REFUSED
    return ExitCode.DONE if outcome.tally.is_complete else ExitCode.INCOMPLETE


def show_outcome(console: Console, outcome: Outcome, output: str, more: render.Figures = ()) -> None:
    """Show the closing table, then what went wrong."""
    tally, summary = outcome.tally, outcome.summary
    figures = [
        *render.status_figures(tally),
        ("credits", f"{tally.credits:,.10g}", "as reported by the server, else by the price list"),
        ("requests", f"{summary.requests:,}", f"{render.plural(summary.workflows, 'submit')} among them"),
        *more,
        ("time", render.duration(summary.elapsed_s), ""),
    ]
    render.show_figures(console, figures)
    for note in outcome.notes:
        render.say(console, f"note: {note}")
    if outcome.stopped_by is None:  # else the error below is the reason
        for status, reason in tally.reasons.items():
            render.say(console, f"{status}: {reason}")
    if outcome.file_error is None:
        render.say(console, f"Written: {output}")
    for error in (outcome.stopped_by, outcome.file_error):
        if error is not None:
            complain(error)


def report_pending(console: Console, pending: dict[str, int], command: str) -> None:
    """Report the contacts that are pending, and the command that fetches them."""
    contacts, workflows = sum(pending.values()), len(pending)
    are = "is" if contacts == 1 else "are"
    render.say(
        console,
        f"{render.plural(contacts, 'contact')} {are} pending in {render.plural(workflows, 'workflow')}:"
        " submitted, perhaps paid, not finished. Fetch them for free:",
    )
    render.show_command(console, command)


def show_file_plan(console: Console, plan: Plan, contacts: TableContacts, balance: float | None) -> None:
    """Show what enriching a file would take, with the first invalid rows."""
    requests = plan.requests, f"{render.plural(plan.chunks, 'submit')} and as many status requests"
    invalid = ((contacts.numbers[index], reason) for index, reason in plan.invalid_contacts)
    render.show_plan(console, plan, requests, invalid, balance=balance)


def plan_as_json(plan: Plan) -> dict[str, JSON]:
    """Return a plan for ``--json``."""
    # Without the lists of rows, which `validate --json` gives.
    kept = {name: value for name, value in asdict(plan).items() if not name.endswith("_contacts")}
    return {**kept, "requests": plan.requests, "credits_min": plan.credits_min}


def _stop_as_json(outcome: Outcome, signals: StopSignals) -> JSON:
    if error := outcome.stopped_by or outcome.file_error:
        return error_as_json(error)
    if signals.received:
        return {"type": signals.received.name, "message": f"stopped by {signals.name}", "request_id": None}
    return None
