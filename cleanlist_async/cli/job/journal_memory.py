"""A job in a journal file, as the commands see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cleanlist_async.cli.job.memory import Begun, left_out
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.job.journal.lock import Fence
from cleanlist_async.job.journal.records import Decision
from cleanlist_async.job.reader import RuleTotal, deciding, discard_unsent, header_of, reading
from cleanlist_async.job.source import Source
from cleanlist_async.job.status import JobStatus, Receipt, keeps_both
from cleanlist_async.job.unknown import UnknownChunk, decide
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import OrphanedSubmit
from cleanlist_async.storage.store.store import Store
from cleanlist_async.tables import ContactTable


@dataclass(frozen=True, slots=True)
class JournalMemory:
    """Opens the journal for each question.

    ``adopt``: whether to take one that is outdated or a copy. ``location``: of the store, for its budget and
    what it knows of earlier purchases.
    """

    path: Path
    adopt: bool = False
    location: StoreLocation = field(default_factory=StoreLocation)

    @property
    def target(self) -> Path:
        """The path."""
        return self.path

    @property
    def typed(self) -> list[str]:
        """The path, and the store if one was named."""
        return [str(self.path), *self.location.typed]

    @property
    def files(self) -> list[Path]:
        """The journal."""
        return [self.path]

    def open_store(self) -> Store:
        """Return the store."""
        return self.location.open()

    def begun(self) -> Begun | None:
        """Return what it was begun with; None also for one whose plan is not complete."""
        # A journal that was here and is gone may have submits that nothing else remembers.
        Fence(self.path, adopt=self.adopt).check_place()
        if not self.path.exists() or not self.path.stat().st_size:
            return None
        if (header := header_of(self.path)) is None:
            return None
        with reading(self.path) as reader:
            is_finished = reader.is_finished
        return Begun(
            header.enrichment_type,
            header.source_name,
            header.max_credits,
            header.submit_mode,
            header.half_full_price,
            header.webhook,
            is_finished,
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

    def held_by(self) -> list[OrphanedSubmit]:
        """Return none: what others hold has an outcome of its own in a journal."""
        return []

    def costs(self) -> list[RuleTotal]:
        """Return what was spent."""
        with reading(self.path) as reader:
            return reader.costs()

    def decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        """Record a decision while no process runs the job."""
        with deciding(self.path) as (journal, header):
            decide(journal, header, chunk, decision, actor=actor, workflow_id=workflow_id)

    def purge(self, *, keep_results: bool) -> None:
        """Remove all contact data."""
        if keep_results:
            raise keeps_both()
        with deciding(self.path) as (journal, _):
            journal.purge()

    def contacts(self, put: Callable[[int, Contact], object]) -> None:
        """Put each contact as it was given."""
        with reading(self.path) as reader:
            reader.refuse_purged()
            for contact in reader.contacts():
                put(contact.index, contact.contact)

    def each_result(self, table: ContactTable | None, put: Callable[[EnrichmentResult], None]) -> list[str]:
        """Put the result of each contact that is in the table."""
        with reading(self.path) as reader:
            reader.refuse_purged()
            if table is None:
                for result in reader.results():
                    put(result)
                return []
            source = Source(table)
            comparison = reader.compare(source)
            for result in reader.results():
                if (here := comparison.result(result)) is not None:
                    put(here)
            return left_out(comparison, source)

    def each_receipt(self, table: ContactTable | None, put: Callable[[Receipt], None]) -> None:
        """Put the receipt of each contact that is in the table."""
        with reading(self.path) as reader:
            if table is None:
                for receipt in reader.receipts():
                    put(receipt)
                return
            comparison = reader.compare(Source(table))
            for receipt in reader.receipts():
                if (here := comparison.receipt(receipt)) is not None:
                    put(here)
