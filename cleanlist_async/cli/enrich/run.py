"""The commands that read a file of contacts, from beginning to end."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import anyio
from rich.console import Console

from cleanlist_async.checks import check_enrichment_type, check_webhook_url
from cleanlist_async.cli.enrich.collect import Collection
from cleanlist_async.cli.enrich.encodings import opened
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import (
    TableContacts,
    TableOptions,
    check_output,
    check_space,
    keys_given,
)
from cleanlist_async.cli.enrich.own_output import contacts_of, settled_in
from cleanlist_async.cli.enrich.result_file import Job, Outcome, run
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.store.show import summary
from cleanlist_async.cli.terminal import render
from cleanlist_async.cli.terminal.asking import Consent, get_consent, read_balance
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import ExitCode, code_for, complain, error_as_json
from cleanlist_async.cli.terminal.hang_up import Terminal
from cleanlist_async.cli.terminal.output import print_grid, print_json, print_line
from cleanlist_async.cli.terminal.progress import showing, warnings_shown
from cleanlist_async.cli.terminal.stopping import STOPPING, StopSignals
from cleanlist_async.cli.terminal.wording import at_the_command_line
from cleanlist_async.enrich.plan import Plan, make_plan
from cleanlist_async.errors import (
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    InsufficientCreditsError,
    PermissionDeniedError,
    StoreError,
)
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.storage.file_lock import FileLock, FileLockedError
from cleanlist_async.storage.store.records import REMEMBERED, StoreCounts
from cleanlist_async.storage.store.store import Store
from cleanlist_async.tables import ContactTable, TableError
from cleanlist_async.tables.input import is_stream
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
    store: StoreLocation = field(default_factory=StoreLocation)
    fresh: bool = False

    def carry_out(self, console: Console) -> ExitCode:
        """Plan, ask, enrich, write, report."""
        check_enrichment_type(self.enrichment_type)
        check_webhook_url(self.webhook_url)
        has_key = self._has_key()
        # What happens to the file while it is enriched must not change what is bought, and for whom.
        options, given = opened(console, self.table, self.source, snapshot=True)
        if options is not self.table:
            return replace(self, table=options).carry_out(console)
        enriched = EnrichedTable.within(given, self.table)
        table = given if enriched is None else enriched.table
        with Terminal(), warnings_shown(console), self._output_locked():
            # Before the input is read to its end, which takes a while for a large file.
            earlier = self._earlier_outcomes(table)
            check_output(self.output, table, overwrite=self.overwrite or earlier is not None)
            contacts = contacts_of(table, None if self.fresh else enriched, self.enrichment_type)
            render.show_columns(console, table)
            store = self.store.open() if has_key else None
            plan, balance = anyio.run(self._prepare, console, contacts, store)
            if not self.overwrite and (earlier or 0) > plan.known + contacts.settled:
                raise TableError(
                    path=self.output,
                    problem="already exists, with results that the store does not have",
                    fix="name another file, or enrich this one, which keeps them",
                )
            self._show_plan(console, plan, contacts, balance)
            if self.dry_run or store is None:
                render.say(console, "Dry run: nothing was sent for enrichment, and nothing was spent.")
                return self._print({"plan": plan_as_json(plan), "balance": balance}, ExitCode.DONE)
            check_space(self.output, contacts)
            job = Job(
                contacts,
                self.output,
                self.enrichment_type,
                get_consent(plan, self.consent),
                self.webhook_url,
                self.overwrite or earlier is not None,
                self.fresh,
                is_in_store=self.enrichment_type in REMEMBERED,
            )
            with StopSignals(lambda: render.say(console, STOPPING)) as signals:
                outcome, counts = anyio.run(self._run, console, job, store, signals)
            return self._report(console, job, outcome, signals, summary(self.store.shown(store), counts))

    # -- before anything is spent ------------------------------------------------------------------

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

    @contextmanager
    def _output_locked(self) -> Generator[None]:
        """Keep other runs from this output. Raises TableError if one is at it."""
        lock = FileLock(Path(self.output), is_removed=True)
        # The check of the output reports what is no file, or has no folder.
        if self.dry_run or not lock.path.parent.is_dir() or is_stream(self.output):
            yield
            return
        try:
            lock.take()
        except FileLockedError as locked:
            by = f" (process {locked.holder})" if locked.holder else ""
            raise TableError(
                path=self.output,
                problem=f"is being written by another run{by}",
                fix="wait for it, or name another file",
            ) from None
        except OSError as error:
            raise TableError(
                path=self.output,
                problem=f"cannot be written ({error.strerror or error})",
                fix="check the folder, its permissions and free space",
            ) from error
        try:
            yield
        finally:
            lock.give_back()

    def _earlier_outcomes(self, table: ContactTable) -> int | None:
        """Return how many outcomes of this very input the output has; None if it is no such file."""
        return settled_in(self.output, table, self.table) if Path(self.output).is_file() else None

    async def _prepare(
        self, console: Console, contacts: TableContacts, store: Store | None
    ) -> tuple[Plan, float | None]:
        """Ask for the balance, and make the plan, less what the store knows. Without a store, offline."""
        if store is None:
            return await make_plan(contacts, self.enrichment_type, self.connection.limits, keys_given()), None
        async with store, self.connection.open(store=store) as client:
            # A dry run is useful offline too; a real one would fail at its first submit.
            balance = await read_balance(client, console, must_connect=not self.dry_run)
            return await client.plan(
                contacts, enrichment_type=self.enrichment_type, fresh=self.fresh
            ), balance

    def _show_plan(
        self, console: Console, plan: Plan, contacts: TableContacts, balance: float | None
    ) -> None:
        show_file_plan(console, plan, contacts, balance)
        if plan.known:
            render.say(
                console,
                f"{plan.known:,} of {render.plural(plan.unique, 'contact')} are known from earlier runs,"
                f" {plan.to_buy:,} to buy.",
            )
        if plan.doubtful:
            render.say(
                console,
                f"{render.plural(plan.doubtful, 'contact')} may have been bought by a submit of unknown"
                " outcome, and will not be sent. Decide:",
            )
            render.show_command(console, f"cleanlist-async store show{self.store.as_typed()}")

    # -- running -----------------------------------------------------------------------------------

    async def _run(
        self, console: Console, job: Job, store: Store, signals: StopSignals
    ) -> tuple[Outcome, StoreCounts | None]:
        window_s = self.connection.limits.window_s
        async with store:
            async with self.connection.open(store=store) as client:
                with showing(console, len(job.contacts), window_s) as display:
                    outcome = await run(client, job, display, signals)
            try:
                return outcome, await store.counts()
            except StoreError:  # what stopped the run says why
                return outcome, None

    def _report(
        self, console: Console, job: Job, outcome: Outcome, signals: StopSignals, store: str
    ) -> ExitCode:
        show_outcome(console, outcome, self.output)
        render.say(console, f"Store: {store}")
        if outcome.tally.pending:
            report_pending(console, outcome.tally.pending, self._collect_command())
        if outcome.tally.statuses["unknown"]:
            render.say(console, "What is unknown may have been paid for, and is not sent again. Decide:")
            render.show_command(console, f"cleanlist-async store show{self.store.as_typed()}")
        code = exit_code(outcome, signals)
        is_cut_short = outcome.stopped_by or outcome.file_error or signals.received
        if code and (is_cut_short or outcome.tally.statuses["failed"]):
            self._report_how_to_go_on(console, outcome)
        answer: dict[str, JSON] = {
            **outcome.tally.as_json(),
            "kept": job.contacts.settled,
            "workflows": outcome.summary.workflows,
            "requests": outcome.summary.requests,
            "elapsed_s": round(outcome.summary.elapsed_s, 3),
            "file": self.output,
            "stopped_by": _stop_as_json(outcome, signals),
        }
        return self._print(answer, code)

    def _report_how_to_go_on(self, console: Console, outcome: Outcome) -> None:
        match outcome.stopped_by:
            case InsufficientCreditsError():
                first = "Top up, then go on"
            case AuthenticationError() | PermissionDeniedError():
                first = "Set a key that may do this, then go on"
            case BudgetExceededError():
                first = "Go on with a --max-credits that suffices,"
            case _:
                first = "Go on"
        render.say(console, f"{first} with the same command: what was bought is not bought again.")
        render.show_command(console, self._command())

    def _command(self) -> str:
        parts = ["cleanlist-async", "enrich", self.source, "-o", self.output]
        parts += ["--fresh"] if self.fresh else []
        parts += ["--overwrite"] if self.overwrite else []
        return shlex.join(parts) + self._options() + self.store.as_typed()

    def _collect_command(self) -> str:
        return f"cleanlist-async collect {shlex.quote(self.output)}{self._options()}"

    def _options(self) -> str:
        # Only what differs from the defaults, so that a command stays short enough to copy.
        kind = f" --type {self.enrichment_type}" if self.enrichment_type != "partial" else ""
        return f"{self.table.as_typed()}{kind}{self.connection.as_typed()}"

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

    stopping = StopSignals(lambda: render.say(console, "Stopping."))
    with Terminal(), warnings_shown(console), stopping as signals:
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
            render.say(console, f"{status}: {at_the_command_line(reason)}")
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
    """Show what enriching a file would take, with the first invalid rows, and what an earlier run left."""
    render.show_plan(console, plan, _requests(plan), _invalid_rows(plan, contacts), balance=balance)
    if contacts.settled:
        render.say(
            console,
            f"{render.plural(contacts.settled, 'row')} of an earlier run have an outcome and keep it"
            " (--fresh buys anew).",
        )


def print_file_plan(plan: Plan, contacts: TableContacts) -> None:
    """Print what enriching a file would take on standard output."""
    print_grid(render.figures_grid(render.plan_figures(plan, _requests(plan))))
    for line in render.first_invalid(plan, _invalid_rows(plan, contacts)):
        print_line(line)


def _requests(plan: Plan) -> tuple[int, str]:
    return plan.requests, f"{render.plural(plan.chunks, 'submit')} and as many status requests"


def _invalid_rows(plan: Plan, contacts: TableContacts) -> Iterator[tuple[int, str]]:
    return ((contacts.numbers[index], reason) for index, reason in plan.invalid_contacts)


def plan_as_json(plan: Plan) -> dict[str, JSON]:
    """Return a plan for ``--json``."""
    # Without the lists of rows, which `validate --json` gives.
    left_out = ("_contacts", "_per_chunk")
    kept = {name: value for name, value in asdict(plan).items() if not name.endswith(left_out)}
    return {**kept, "requests": plan.requests, "credits_min": plan.credits_min}


def _stop_as_json(outcome: Outcome, signals: StopSignals) -> JSON:
    if error := outcome.stopped_by or outcome.file_error:
        return error_as_json(error)
    if signals.received:
        return {"type": signals.received.name, "message": f"stopped by {signals.name}", "request_id": None}
    return None
