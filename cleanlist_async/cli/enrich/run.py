"""The command ``enrich``, from beginning to end."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
from rich.console import Console

from cleanlist_async import facts
from cleanlist_async.checks import check_enrichment_type, check_webhook_url
from cleanlist_async.cli.enrich.contacts import choose, contacts_of, settled_in
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableContacts, TableOptions, check_output, check_space, opened
from cleanlist_async.cli.enrich.missing import MissingColumns
from cleanlist_async.cli.enrich.outcome import Outcome, exit_code, show_outcome, stop_as_json
from cleanlist_async.cli.enrich.plan import (
    offline_plan,
    plan_as_json,
    show_columns,
    show_file_plan,
    show_halves_known,
)
from cleanlist_async.cli.enrich.result_file import Job, run
from cleanlist_async.cli.store.location import StoreLocation, summary
from cleanlist_async.cli.terminal.asking import Consent, get_consent, read_balance
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.in_flight import in_flight
from cleanlist_async.cli.terminal.options import OutputOptions, RowChoice
from cleanlist_async.cli.terminal.progress import showing, warnings_shown
from cleanlist_async.cli.terminal.render import number, plural, print_json, say, show_command, show_notes
from cleanlist_async.cli.terminal.signals import STOPPING, StopSignals, Terminal
from cleanlist_async.cli.terminal.wording import as_typed, before_going_on, is_below
from cleanlist_async.enrich.plan import Plan
from cleanlist_async.errors import (
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    InsufficientCreditsError,
    PermissionDeniedError,
    RequestValidationError,
    StoreError,
)
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.storage.file_lock import FileLock, FileLockedError
from cleanlist_async.storage.store.records import REMEMBERED, StoreCounts
from cleanlist_async.storage.store.store import Store
from cleanlist_async.tables import OutputChoice, TableError
from cleanlist_async.tables.formats.location import STDOUT
from cleanlist_async.tables.input import is_stream
from cleanlist_async.tables.input_options import Suppression


@dataclass(frozen=True, slots=True)
class Enrichment:
    """The command ``enrich``, as it was typed."""

    source: str
    output: str
    table: TableOptions
    connection: Connection
    enrichment_type: EnrichmentType
    consent: Consent
    webhook_url: str | None
    overwrite: bool
    dry_run: bool
    as_json: bool
    store: StoreLocation
    fresh: bool
    choice: RowChoice
    written: OutputOptions
    suppress: Path | None

    def carry_out(self, console: Console) -> ExitCode:
        """Plan, ask, enrich, write, report."""
        check_enrichment_type(self.enrichment_type)
        check_webhook_url(self.webhook_url)
        written, suppression = self.written.choice(), Suppression.of(self.suppress)
        _refuse_loss(written, self.enrichment_type)
        has_key = self._has_key()
        # What happens to the file while it is enriched must not change what is bought, and for whom.
        options, given = opened(console, self.table, self.source, snapshot=True)
        if options is not self.table:
            # Anew, so that the commands which it tells to type name the encoding that was chosen.
            return replace(self, table=options).carry_out(console)
        enriched = EnrichedTable.within(given, self.table, is_bought_anew=self.fresh)
        table = given if enriched is None else enriched.table
        with Terminal(), warnings_shown(console), self._output_locked():
            # Before the input is read to its end, which takes a while for a large file.
            missing = MissingColumns.of(table, enriched, self.choice.only_missing or (), self.enrichment_type)
            earlier = None
            if Path(self.output).is_file():  # else it may be a pipe, which nobody writes into
                of_output = self.table.of_output(self.output)
                earlier = settled_in(
                    self.output, table, of_output, written, enriched=enriched, missing=missing
                )
            check_output(self.output, table, written, overwrite=self.overwrite or earlier is not None)
            whole = contacts_of(table, enriched, self.enrichment_type, missing, fresh=self.fresh)
            contacts = choose(whole, self.choice, missing, enriched)
            show_columns(console, table)
            show_notes(console, table.notes)
            store = self.store.open() if has_key else None
            plan, balance = anyio.run(self._prepare, console, contacts, store, suppression)
            if not self.overwrite and (earlier or 0) > plan.known + contacts.settled:
                raise TableError(
                    path=self.output,
                    problem="already exists, with results that the store does not have",
                    fix="name another file, or enrich this one, which keeps them",
                )
            self._show_plan(console, plan, contacts, balance)
            if self.dry_run or store is None:
                say(console, "Dry run: nothing was sent for enrichment, and nothing was spent.")
                limit = self.consent.max_credits
                if self.as_json:
                    planned = plan_as_json(plan, has_looked=store is not None)
                    print_json({"plan": planned, "balance": balance, "max_credits": limit})
                return ExitCode.DONE
            check_space(self.output, contacts)
            job = Job(
                contacts,
                self.output,
                self.enrichment_type,
                get_consent(plan, self.consent),
                self.webhook_url,
                self.overwrite or earlier is not None,
                self.fresh,
                written,
                suppression,
                is_in_store=self.enrichment_type in REMEMBERED,
                own_workflows=in_flight.accepted_from_now(),
            )
            with StopSignals(lambda: say(console, STOPPING)) as signals:
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

    async def _prepare(
        self, console: Console, contacts: TableContacts, store: Store | None, suppression: Suppression | None
    ) -> tuple[Plan, float | None]:
        """Ask for the balance, and make the plan, less what the store knows. Without a store, offline."""
        if store is None:
            limits = self.connection.limits
            return await offline_plan(contacts, self.enrichment_type, limits, suppression), None
        async with store, self.connection.open(store=store) as client:
            # A dry run is useful offline too; a real one would fail at its first submit.
            balance = await read_balance(client, console, must_connect=not self.dry_run)
            plan = await client.plan(
                contacts, enrichment_type=self.enrichment_type, fresh=self.fresh, suppress=suppression
            )
            return plan, balance

    def _show_plan(
        self, console: Console, plan: Plan, contacts: TableContacts, balance: float | None
    ) -> None:
        limit = self.consent.max_credits
        show_file_plan(console, plan, contacts, balance=balance, max_credits=limit)
        if plan.known:
            say(
                console,
                f"{plan.known:,} of {plural(plan.unique, 'contact')}"
                f" {'is' if plan.known == 1 else 'are'} known from earlier runs,"
                f" {plan.to_buy:,} to buy.",
            )
        show_halves_known(console, plan)
        if plan.doubtful:
            say(
                console,
                f"{plural(plan.doubtful, 'contact')} may have been bought by a submit of unknown"
                " outcome, and will not be sent. Decide:",
            )
            show_command(console, f"cleanlist-async store show{self.store.as_typed()}")

    # -- running -----------------------------------------------------------------------------------

    async def _run(
        self, console: Console, job: Job, store: Store, signals: StopSignals
    ) -> tuple[Outcome, StoreCounts | None]:
        window_s = self.connection.limits.window_s
        # The store outermost: it is counted once the client has written all to it.
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
        show_outcome(console, outcome, self.output, enrichment_type=self.enrichment_type)
        say(console, f"Store: {store}")
        if outcome.tally.pending:
            self._report_pending(console, job, outcome.tally.pending)
        if outcome.tally.statuses["unknown"]:
            say(console, "What is unknown may have been paid for, and is not sent again. Decide:")
            show_command(console, f"cleanlist-async store show{self.store.as_typed()}")
        code = exit_code(outcome, signals)
        is_cut_short = outcome.stopped_by or outcome.file_error or signals.received
        if code and (is_cut_short or outcome.tally.statuses["failed"]):
            self._report_how_to_go_on(console, outcome)
        if self.as_json:
            print_json(
                {
                    **outcome.tally.as_json(),
                    "kept": job.contacts.settled,
                    "workflows": outcome.summary.workflows,
                    "requests": outcome.summary.requests,
                    "elapsed_s": round(outcome.summary.elapsed_s, 3),
                    "file": self.output,
                    "stopped_by": stop_as_json(outcome, signals),
                }
            )
        return code

    def _report_pending(self, console: Console, job: Job, pending: Mapping[str, int]) -> None:
        read = self._options(self.table.of_output(self.output))
        command = f"cleanlist-async collect {shlex.quote(self.output)}{read}"
        if job.choice.is_collectable and self.output != STDOUT:
            how = "Fetch them"
        elif not job.is_in_store:
            how = "Pass the output to this command to fetch them"
        else:  # the output may be gone, or say nothing of it
            same = f"The same command{', with the same input,' if is_stream(self.source) else ''}"
            how, command = f"{same} fetches them", self._command()
        contacts = sum(pending.values())
        say(
            console,
            f"{plural(contacts, 'contact')} {'is' if contacts == 1 else 'are'} pending in"
            f" {plural(len(pending), 'workflow')}: submitted, perhaps paid, not finished. {how} for free:",
        )
        show_command(console, command)

    def _report_how_to_go_on(self, console: Console, outcome: Outcome) -> None:
        if isinstance(outcome.stopped_by, RequestValidationError):  # they would be refused again
            say(console, "What was bought is not bought again: correct the input, then enrich it.")
            return
        first, consent = _first_step(outcome.stopped_by, self.consent, self.enrichment_type)
        same = f"the same command{' without --fresh' if self.fresh else ''}"  # which would begin anew
        same += " and the same input" if is_stream(self.source) else ""
        say(console, f"{first} with {same}: what was bought is not bought again.")
        show_command(console, self._command(consent))

    def _command(self, consent: str | None = None) -> str:
        command = shlex.join(["cleanlist-async", "enrich", self.source, "-o", self.output])
        groups = "".join(group.as_typed() for group in (self.choice, self.written, self.store))
        bound = self.consent.as_typed() if consent is None else consent
        return f"{command}{self._options(self.table)}{bound}{groups}" + as_typed(
            {
                "--suppress": self.suppress,
                # An address with a query may hold a secret.
                "--webhook-url": None if "?" in (self.webhook_url or "") else self.webhook_url,
                "--overwrite": self.overwrite,
                "--json": self.as_json,
            }
        )

    def _options(self, table: TableOptions) -> str:
        # Only what differs from the defaults, so that a command stays short enough to copy.
        kind = f" --type {self.enrichment_type}" if self.enrichment_type != "partial" else ""
        return f"{table.as_typed()}{kind}{self.connection.as_typed()}"


def _refuse_loss(written: OutputChoice, enrichment_type: EnrichmentType) -> None:
    """Raise CommandError where nothing but the output would say what is pending, and it does not."""
    if enrichment_type not in REMEMBERED and not written.is_collectable:
        raise CommandError(
            f"no store keeps results of {enrichment_type}, so the output must say what is pending: write all"
            " rows and columns, with cleanlist_status and cleanlist_workflow_id.",
            ExitCode.USAGE,
        )


def _first_step(
    error: BaseException | None, consent: Consent, enrichment_type: EnrichmentType
) -> tuple[str, str]:
    """Return what to do first, and what the command that goes on says about spending."""
    price, limit = facts.WORST_CASE_CREDITS.get(enrichment_type), consent.max_credits
    same = consent.as_typed()
    if (change := before_going_on(error, price)) is not None:
        return f"{change}, then go on", same
    match error:
        case InsufficientCreditsError():
            return "Top up, then go on", same
        case AuthenticationError() | PermissionDeniedError():
            return "Set a key that may do this, then go on", same
        case BudgetExceededError() if is_below(limit, price):
            least = f"at least {number(price or 0)}, which one contact can cost"
            # No number: it would suggest that we know how much the user wants to spend.
            higher = f"{replace(consent, max_credits=None).as_typed()} --max-credits N"
            return f"Raise --max-credits to {least}, then go on", higher
        case BudgetExceededError() if limit is not None:
            return "The limit holds for one run. Go on", same
        case _:
            return "Go on", same
