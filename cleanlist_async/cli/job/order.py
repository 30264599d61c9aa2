"""The options of a job, as they were typed."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, cast

from cleanlist_async.checks import check_enrichment_type, check_webhook_url
from cleanlist_async.cli.enrich.inputs import TableOptions, check_output
from cleanlist_async.cli.job.listening import parse_address
from cleanlist_async.cli.job.memory import Begun, JobMemory
from cleanlist_async.cli.job.options import RunOptions
from cleanlist_async.cli.terminal.asking import Consent
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.options import OutputOptions
from cleanlist_async.cli.terminal.wording import as_typed
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import InputChangedError
from cleanlist_async.facts import MAX_CONTACTS_PER_REQUEST, EnrichmentType
from cleanlist_async.job.job import Job
from cleanlist_async.job.journal.records import HalfFullPrice
from cleanlist_async.job.spec import ChosenMode
from cleanlist_async.tables import ContactTable
from cleanlist_async.tables.input import is_stream
from cleanlist_async.webhooks.receiver import WebhookReceiver

_LOOK_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class JobOrder:
    """A job, its input, and what it may do."""

    memory: JobMemory
    source: str | None
    table: TableOptions
    consent: Consent
    pilot: int | None
    options: RunOptions
    enrichment_type: EnrichmentType | None = None
    webhook: str | None = None
    submit_mode: ChosenMode = "auto"
    half_full_price: HalfFullPrice = "full"
    wait: bool = False

    def check_options(self) -> None:
        """Refuse options that cannot work."""
        if self.enrichment_type is not None:
            check_enrichment_type(self.enrichment_type)
        check_webhook_url(self.webhook)
        options = self.options
        if options.output is None and options.written != OutputOptions():
            raise CommandError(
                "--columns, --input-columns, --rename and --only say what -o writes; name a file.",
                ExitCode.USAGE,
            )
        options.written.choice()
        if self.webhook is not None and options.listen is None:
            raise CommandError(
                "--webhook needs --listen HOST:PORT, which receives its posts.", ExitCode.USAGE
            )
        if options.listen is not None:
            parse_address(options.listen)
        if self.pilot is not None and not 1 <= self.pilot <= MAX_CONTACTS_PER_REQUEST:
            raise CommandError(
                f"--pilot takes 1 to {MAX_CONTACTS_PER_REQUEST} contacts, not {self.pilot}.", ExitCode.USAGE
            )
        if self.source is not None and is_stream(self.source):
            raise CommandError(
                f"a job reads its input again when it is resumed; name a file instead of {self.source}.",
                ExitCode.USAGE,
            )

    def check(self) -> ContactTable | None:
        """Open the input, if there is one, and refuse what cannot work. Nothing is sent or written."""
        self.check_options()
        self.options.connection.open()  # a missing key is reported before the input is read
        return self.open_input()

    def open_input(self) -> ContactTable | None:
        """Open the input, if there is one, and refuse an output that would harm something."""
        table = None if self.source is None else self.table.open(self.source)
        options = self.options
        if options.output is not None and table is not None:
            # --overwrite must not be able to destroy the record of what was paid for.
            kept = [*self.memory.files, *([Path(options.cache)] if options.cache else [])]
            choice = options.written.choice()
            check_output(options.output, table, choice, overwrite=options.overwrite, kept=kept)
        return table

    def adds_nothing_to(self, begun: Begun) -> bool:
        """Whether the job is finished, whatever the input is by now.

        Another type is refused as ever, and a job that another process has open.
        """
        is_same = self.enrichment_type in {None, begun.enrichment_type}
        is_free = begun.is_finished and not self.memory.status()[1]
        return is_free and is_same and self.pilot is None

    def as_begun(self, begun: Begun) -> JobOrder:
        """Return the order with the options that the job was started with."""
        # What was submitted depends on the others, so only the limit may change.
        limit = begun.max_credits if self.consent.max_credits is None else self.consent.max_credits
        return replace(
            self,
            enrichment_type=self.enrichment_type or begun.enrichment_type,
            submit_mode=begun.submit_mode,
            half_full_price=begun.half_full_price,
            webhook=begun.webhook,
            consent=replace(self.consent, max_credits=limit),
        )

    def receiver(self) -> WebhookReceiver | None:
        """Return the receiver of the webhooks that arrive at ``--listen``, if there are any."""
        return WebhookReceiver(self.webhook) if self.webhook and self.options.listen else None

    def wait_for_end(self) -> None:
        """Return once no other process runs the job."""
        while self.memory.status()[1]:
            time.sleep(_LOOK_EVERY_S)

    async def open(self, client: AsyncCleanlist, table: ContactTable | None) -> Job:
        """Start the job, or resume it. Sends nothing. An InputChangedError has the commands that go on."""
        try:
            return await client.job(
                self.memory.target,
                table,
                enrichment_type=self.enrichment_type,
                max_credits=self.consent.max_credits,
                webhook_url=self.webhook,
                submit_mode=self.submit_mode,
                on_unknown=cast('Literal["hold", "resubmit"]', self.options.on_unknown),
                max_duplicate_credits=self.options.max_duplicate_credits,
                cache=self.options.cache,
                half_full_price=self.half_full_price,
                adopt=self.options.adopt,
                suppress=self.options.suppress,
            )
        except InputChangedError as error:
            if error.is_about_contacts:
                error.fix = self._ways_to_go_on()
            raise

    def _ways_to_go_on(self) -> str:
        options = replace(self.options, output=None, written=OutputOptions())
        as_they_were = replace(self, source=None, table=TableOptions(), options=options)
        kind = as_typed({"--type": None if self.enrichment_type == "partial" else self.enrichment_type})
        enrich = f"cleanlist-async enrich OUT.csv -o ALL.csv{kind}"
        return (
            f"Nothing was sent. Finish it with the contacts as they were: {as_they_were.resume_command()};"
            f" then write the results beside the rows that are still there: {self.export_command()};"
            f" then buy the rows left without one: {enrich}{self.table.as_typed()}."
        )

    def resume_command(self, *, is_written: bool = False) -> str:
        """Return the command that resumes the job."""
        own = as_typed(
            {
                "--listen": self.options.listen,
                "--cache": self.options.cache,
                "--suppress": self.options.suppress,
                "-o": self.options.output,
                # The output of this run is there by then, and would be refused.
                "--overwrite": self.options.output and (is_written or self.options.overwrite),
            }
        )
        groups = (self.options.written, self.table, self.options.connection)
        return self._command(self.memory.verb) + own + "".join(group.as_typed() for group in groups)

    def export_command(self) -> str:
        """Return the command that writes the results."""
        return f"{self._command('export')} -o OUT.csv{self.table.as_typed()}"

    def _command(self, verb: str) -> str:
        job, *store = self.memory.typed
        source = [] if self.source is None else [self.source]
        return shlex.join(["cleanlist-async", "job", verb, job, *source, *store])
