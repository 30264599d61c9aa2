"""Where a job is kept, as the commands see it: a journal file, or a name in a store. No key, nothing sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.journal.records import Decision, HalfFullPrice, SubmitMode
from cleanlist_async.job.reader import RuleTotal
from cleanlist_async.job.source import Comparison, Source
from cleanlist_async.job.status import JobStatus, Receipt
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import OrphanedSubmit
from cleanlist_async.storage.store.store import Store
from cleanlist_async.tables import ContactTable


@dataclass(frozen=True, slots=True)
class Begun:
    """What a job was begun with. ``max_credits`` in credits."""

    enrichment_type: EnrichmentType
    source_name: str
    max_credits: float | None
    submit_mode: SubmitMode = "plain"
    half_full_price: HalfFullPrice = "full"
    webhook: str | None = None
    is_finished: bool = False
    """Whether nothing is left to do. False once it is purged: then its results are missed."""


def left_out(comparison: Comparison, source: Source) -> list[str]:
    """Return a note on what of an input is not as the job began with, if anything."""
    told = comparison.told(source)
    return [f"{told}; what is not as the job began with is left without a result"] if told else []


class JobMemory(Protocol):
    """Reads and decides about one job. Raises JournalError or StoreError for one that cannot be read."""

    @property
    def target(self) -> Path | str:
        """What `client.job` is given: a path, or a name."""
        ...

    @property
    def typed(self) -> list[str]:
        """How a command names it."""
        ...

    @property
    def files(self) -> list[Path]:
        """Files that no output may overwrite."""
        ...

    def open_store(self) -> Store:
        """Return the store whose budget bounds it, and which remembers what it buys."""
        ...

    def begun(self) -> Begun | None:
        """Return what it was begun with; None for a job that is not there yet."""
        ...

    def discard_unsent(self) -> bool:
        """Remove a job of which nothing was ever sent; return False for any other."""
        ...

    def status(self) -> tuple[JobStatus, bool]:
        """Return its state, and whether a process runs it."""
        ...

    def unknown(self) -> list[UnknownChunk]:
        """Return its chunks of unknown outcome."""
        ...

    def held_by(self) -> list[OrphanedSubmit]:
        """Return submits of unknown outcome, made by other calls, that hold contacts of it."""
        ...

    def costs(self) -> list[RuleTotal]:
        """Return what was spent, by the rule of the receipts."""
        ...

    def decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        """Record a decision about an unknown chunk."""
        ...

    def purge(self, *, keep_results: bool) -> None:
        """Remove all contact data, or only the job's copy of its input."""
        ...

    def contacts(self, put: Callable[[int, Contact], object]) -> None:
        """Put the place of each contact, and the contact as far as it is known."""
        ...

    def each_result(self, table: ContactTable | None, put: Callable[[EnrichmentResult], None]) -> list[str]:
        """Put the result of each contact of the input that is still the job's, in its order; None for all.

        Returns notes about what was left out.
        """
        ...

    def each_receipt(self, table: ContactTable | None, put: Callable[[Receipt], None]) -> None:
        """Put a receipt for each contact of the input, in its order; None for all."""
        ...
