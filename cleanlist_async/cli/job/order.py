"""The options of a job, as they were typed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from cleanlist_async.checks import check_enrichment_type, check_webhook_url
from cleanlist_async.cli.enrich.inputs import TableOptions, check_output
from cleanlist_async.cli.job.journal_memory import JournalMemory
from cleanlist_async.cli.job.listening import parse_address
from cleanlist_async.cli.job.memory import Begun, JobMemory
from cleanlist_async.cli.terminal.asking import Consent
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.facts import MAX_CONTACTS_PER_REQUEST, EnrichmentType
from cleanlist_async.job.job import Job
from cleanlist_async.job.journal.records import HalfFullPrice
from cleanlist_async.job.spec import ChosenMode
from cleanlist_async.tables import ContactTable
from cleanlist_async.tables.input import is_stream
from cleanlist_async.webhooks.receiver import WebhookReceiver


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """A job, its input, and what it may do."""

    memory: JobMemory
    source: str | None
    table: TableOptions
    connection: Connection
    enrichment_type: EnrichmentType | None = None
    consent: Consent = field(default_factory=Consent)
    webhook: str | None = None
    listen: str | None = None
    submit_mode: ChosenMode = "auto"
    half_full_price: HalfFullPrice = "full"
    on_unknown: Literal["hold", "resubmit"] = "hold"
    max_duplicate_credits: float | None = None
    cache: str | None = None
    pilot: int | None = None
    output: str | None = None
    overwrite: bool = False
    as_json: bool = False
    adopt: bool = False

    def check(self) -> ContactTable | None:
        """Open the input, if there is one, and refuse what cannot work. Nothing is sent or written."""
        if self.enrichment_type is not None:
            check_enrichment_type(self.enrichment_type)
        check_webhook_url(self.webhook)
        if self.webhook is not None and self.listen is None:
            raise CommandError(
                "--webhook needs --listen HOST:PORT, which receives its posts.",
                ExitCode.USAGE,
            )
        if self.listen is not None:
            parse_address(self.listen)
        if self.pilot is not None and not 1 <= self.pilot <= MAX_CONTACTS_PER_REQUEST:
            raise CommandError(
                f"--pilot takes 1 to {MAX_CONTACTS_PER_REQUEST} contacts, not {self.pilot}.", ExitCode.USAGE
            )
        if self.source is not None and is_stream(self.source):
            raise CommandError(
                f"a job reads its input again when it is resumed; name a file instead of {self.source}.",
                ExitCode.USAGE,
            )
        self.connection.open()  # a missing key is reported before the input is read
        table = None if self.source is None else self.table.open(self.source)
        if self.output is not None and table is not None:
            # --overwrite must not be able to destroy the record of what was paid for.
            kept = [*self.memory.files, *([Path(self.cache)] if self.cache else [])]
            check_output(self.output, table, overwrite=self.overwrite, kept=kept)
        return table

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
        return WebhookReceiver(self.webhook) if self.webhook and self.listen else None

    async def open(self, client: AsyncCleanlist, table: ContactTable | None) -> Job:
        """Start the job, or resume it. Sends nothing."""
        return await client.job(
            self.memory.target,
            table,
            enrichment_type=self.enrichment_type,
            max_credits=self.consent.max_credits,
            webhook=self.webhook,
            submit_mode=self.submit_mode,
            on_unknown=self.on_unknown,
            max_duplicate_credits=self.max_duplicate_credits,
            cache=self.cache,
            half_full_price=self.half_full_price,
            adopt=self.adopt,
        )

    def resume_command(self, *, is_written: bool = False) -> str:
        """Return the command that resumes the job."""
        parts = ["cleanlist-async", "job", *self._resume()]
        parts += ["--listen", self.listen] if self.listen else []
        parts += ["--cache", self.cache] if self.cache else []
        parts += ["-o", self.output] if self.output else []
        # The output of this run is there by then, and would be refused.
        parts += ["--overwrite"] if self.output and (is_written or self.overwrite) else []
        return shlex.join(parts) + self.table.as_typed() + self.connection.as_typed()

    def export_command(self) -> str:
        """Return the command that writes the results."""
        job, *store = self.memory.typed
        parts = ["cleanlist-async", "job", "export", job, *self._source(), *store, "-o", "OUT.csv"]
        return shlex.join(parts) + self.table.as_typed()

    def _resume(self) -> list[str]:
        if isinstance(self.memory, JournalMemory):
            return ["resume", *self.memory.typed, *self._source()]
        job, *store = self.memory.typed
        return ["run", job, *self._source(), *store]

    def _source(self) -> list[str]:
        return [] if self.source is None else [self.source]
