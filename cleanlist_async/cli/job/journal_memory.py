"""A job in a journal file, as the commands see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cleanlist_async.cli.job.memory import Begun
from cleanlist_async.job.journal.known_journals import Fence
from cleanlist_async.job.journal.records import Decision
from cleanlist_async.job.reader import RuleTotal, deciding, discard_unsent, header_of, reading
from cleanlist_async.job.source import Source
from cleanlist_async.job.status import JobStatus, Receipt
from cleanlist_async.job.unknown import UnknownChunk, decide
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.store import Store
from cleanlist_async.tables import ContactTable


@dataclass(frozen=True, slots=True)
class JournalMemory:
    """Opens the journal for each question. ``adopt``: whether to take one that is outdated or a copy."""

    path: Path
    adopt: bool = False

    @property
    def target(self) -> Path:
        """The path."""
        return self.path

    @property
    def typed(self) -> list[str]:
        """The path."""
        return [str(self.path)]

    @property
    def files(self) -> list[Path]:
        """The journal."""
        return [self.path]

    def open_store(self) -> Store | None:
        """Return None: a journal needs no store."""
        return None

    def begun(self) -> Begun | None:
        """Return what it was begun with; None also for one whose plan is not complete."""
        # A journal that was here and is gone may have submits that nothing else remembers.
        Fence(self.path, adopt=self.adopt).check_place()
        if not self.path.exists() or not self.path.stat().st_size:
            return None
        if (header := header_of(self.path)) is None:
            return None
        return Begun(
            header.enrichment_type,
            header.source_name,
            header.max_credits,
            header.submit_mode,
            header.half_full_price,
            header.webhook,
        )

    def discard_unsent(self) -> bool:
        """Remove a journal of which nothing was ever sent."""
        return self.path.exists() and discard_unsent(self.path)

    def status(self) -> tuple[JobStatus, bool]:
        """Return its state, and whether its lock is taken."""
        with reading(self.path) as reader:
            return reader.status(), reader.is_running

    def unknown(self) -> list[UnknownChunk]:
        """Return its chunks of unknown outcome."""
        with reading(self.path) as reader:
            return reader.unknown()

    def costs(self) -> list[RuleTotal]:
        """Return what was spent."""
        with reading(self.path) as reader:
            return reader.costs()

    def decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        """Record a decision while no process runs the job."""
        with deciding(self.path) as (journal, header):
            decide(journal, header, chunk, decision, actor=actor, workflow_id=workflow_id)

    def purge(self) -> None:
        """Remove all contact data."""
        with deciding(self.path) as (journal, _):
            journal.purge()

    def each_result(self, table: ContactTable, put: Callable[[EnrichmentResult], None]) -> list[str]:
        """Put each result. Raises InputChangedError for another input than the job's."""
        with reading(self.path) as reader:
            source = Source(table)
            reader.check(source, sum(1 for _ in table.rows()))
            reader.refuse_purged()
            for result in reader.results(source):
                put(result)
        return []

    def each_receipt(self, table: ContactTable, put: Callable[[Receipt], None]) -> None:
        """Put each receipt. Raises InputChangedError for another input than the job's."""
        with reading(self.path) as reader:
            source = Source(table)
            reader.check(source, sum(1 for _ in table.rows()))
            for receipt in reader.receipts(source):
                put(receipt)
