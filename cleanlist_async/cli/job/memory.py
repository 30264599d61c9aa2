"""Where a job is kept, as the commands see it: a journal file, or a name in a store. No key, nothing sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeAlias, TypeVar

from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.journal.lock import Fence
from cleanlist_async.job.journal.records import Decision, HalfFullPrice, SubmitMode
from cleanlist_async.job.reader import RuleTotal, deciding, discard_unsent, header_of, reading
from cleanlist_async.job.source import Comparison, Source
from cleanlist_async.job.status import JobStatus, Receipt, keeps_both
from cleanlist_async.job.stored.reader import StoredJobReader
from cleanlist_async.job.stored.snapshot import compare
from cleanlist_async.job.unknown import UnknownChunk, decide
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import OrphanedSubmit
from cleanlist_async.storage.store.store import Store
from cleanlist_async.tables import ContactTable

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class JournalMemory:
    """A job in a journal, which is opened for each question. Raises JournalError if it cannot be read.

    ``adopt``: whether to take one that is outdated or a copy. ``location``: of the store, for its budget and
    what it knows of earlier purchases.
    """

    verb: ClassVar = "resume"
    """The command that goes on with the job."""
    target: Path
    adopt: bool = False
    location: StoreLocation = field(default_factory=StoreLocation)

    @property
    def typed(self) -> list[str]:
        """How a command names the job."""
        return [str(self.target), *self.location.typed]

    @property
    def files(self) -> list[Path]:
        """Files that no output may overwrite."""
        return [self.target]

    def begun(self) -> Begun | None:
        """Return what it was begun with; None for none, also for one whose plan is not complete."""
        # A journal that was here and is gone may have submits that nothing else remembers.
        Fence(self.target, adopt=self.adopt).check_place()
        if not self.target.exists() or not self.target.stat().st_size:
            return None
        if (header := header_of(self.target)) is None:
            return None
        with reading(self.target) as reader:
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
        """Remove a job of which nothing was ever sent; return False for any other."""
        return self.target.exists() and discard_unsent(self.target)

    def status(self) -> tuple[JobStatus, bool]:
        """Return its state, and whether a process runs it."""
        with reading(self.target) as reader:
            return reader.status(), reader.is_running

    def unknown(self) -> list[UnknownChunk]:
        """Return its chunks of unknown outcome."""
        with reading(self.target) as reader:
            return reader.unknown()

    def held_by(self) -> list[OrphanedSubmit]:
        """Return none: what others hold has an outcome of its own in a journal."""
        return []

    def costs(self) -> list[RuleTotal]:
        """Return what was spent, by the rule of the receipts."""
        with reading(self.target) as reader:
            return reader.costs()

    def decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        """Record a decision about an unknown chunk, while no process runs the job."""
        with deciding(self.target) as (journal, header):
            decide(journal, header, chunk, decision, actor=actor, workflow_id=workflow_id)

    def purge(self, *, keep_results: bool) -> None:
        """Remove all contact data."""
        if keep_results:
            raise keeps_both()
        with deciding(self.target) as (journal, _):
            journal.purge()

    def contacts(self, put: Callable[[int, Contact], object]) -> None:
        """Put the place of each contact, and the contact as far as it is known."""
        with reading(self.target) as reader:
            reader.refuse_purged()
            for contact in reader.contacts():
                put(contact.index, contact.contact)

    def each_result(self, table: ContactTable | None, put: Callable[[EnrichmentResult], None]) -> list[str]:
        """Put the result of each contact of the input that is still the job's, in its order; None for all.

        Returns notes about what was left out.
        """
        with reading(self.target) as reader:
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
            return _left_out(comparison, source)

    def each_receipt(self, table: ContactTable | None, put: Callable[[Receipt], None]) -> None:
        """Put a receipt for each contact of the input, in its order; None for all."""
        with reading(self.target) as reader:
            comparison = None if table is None else reader.compare(Source(table))
            for receipt in reader.receipts():
                if (here := comparison.receipt(receipt) if comparison else receipt) is not None:
                    put(here)


@dataclass(frozen=True, slots=True)
class StoreMemory:
    """A job in a store, with the methods of a journal. Raises StoreError if it cannot be read."""

    verb: ClassVar = "run"
    target: str
    location: StoreLocation

    @property
    def typed(self) -> list[str]:
        """How a command names the job."""
        return [self.target, *self.location.typed]

    @property
    def files(self) -> list[Path]:
        """The file of the store, if it is one."""
        address = str(self.location.address)
        return [] if "://" in address else [Path(address)]

    def begun(self) -> Begun | None:
        """Return what it was begun with."""
        if not self.location.exists:
            return None
        # Without a key the organization is not known: the oldest job of the name counts, whosever it is.
        job = next((job for job in self._run(lambda store: store.jobs()) if job.name == self.target), None)
        if job is None:
            return None
        is_finished = job.state == "finished"
        return Begun(job.enrichment_type, job.source, job.max_credits, is_finished=is_finished)

    def discard_unsent(self) -> bool:
        """Remove a job of which nothing was ever sent."""
        return self._ask(lambda reader: reader.discard_unsent())

    def status(self) -> tuple[JobStatus, bool]:
        """Return its state, and whether a process runs it."""

        async def ask(reader: StoredJobReader) -> tuple[JobStatus, bool]:
            return await reader.status(), reader.job.is_running

        return self._ask(ask)

    def unknown(self) -> list[UnknownChunk]:
        """Return its chunks of unknown outcome."""
        return self._ask(lambda reader: reader.unknown())

    def held_by(self) -> list[OrphanedSubmit]:
        """Return submits of unknown outcome, made by other calls, that hold contacts of it."""
        return self._ask(lambda reader: reader.held_by())

    def costs(self) -> list[RuleTotal]:
        """Return what was spent."""
        return [RuleTotal(*row) for row in self._ask(lambda reader: reader.costs())]

    def decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        """Record a decision."""
        self._ask(lambda reader: reader.decide(chunk, decision, actor, workflow_id))

    def purge(self, *, keep_results: bool) -> None:
        """Remove all contact data, or only the job's copy of its input."""
        self._ask(lambda reader: reader.purge(keep_results=keep_results))

    def contacts(self, put: Callable[[int, Contact], object]) -> None:
        """Put each contact as it was given."""

        async def read(reader: StoredJobReader) -> None:
            async for page in reader.rows():
                for row in page:
                    put(row.place, row.contact)

        self._ask(read)

    def each_result(self, table: ContactTable | None, put: Callable[[EnrichmentResult], None]) -> list[str]:
        """Put the result of each row that is a contact of the job."""

        async def read(reader: StoredJobReader) -> list[str]:
            comparison, notes = await _compared(reader, table)
            async for result in reader.results():
                if (here := comparison.result(result)) is not None:
                    put(here)
            return notes

        return self._ask(read)

    def each_receipt(self, table: ContactTable | None, put: Callable[[Receipt], None]) -> None:
        """Put the receipt of each row that is a contact of the job."""

        async def read(reader: StoredJobReader) -> None:
            comparison, _ = await _compared(reader, table)
            async for receipt in reader.receipts():
                if (here := comparison.receipt(receipt)) is not None:
                    put(here)

        self._ask(read)

    def _ask(self, question: Callable[[StoredJobReader], Awaitable[T]]) -> T:
        async def ask(store: Store) -> T:
            return await question(await StoredJobReader.find(store, self.target))

        return self._run(ask)

    def _run(self, work: Callable[[Store], Awaitable[T]]) -> T:
        missing = f"there is no job {self.target}: no store at {self.location.address}."
        return self.location.ask(work, missing)


JobMemory: TypeAlias = JournalMemory | StoreMemory


async def _compared(reader: StoredJobReader, table: ContactTable | None) -> tuple[Comparison, list[str]]:
    """Return where the contacts of a job are in a table, and notes on what of it is not as it was."""
    if table is None:
        return Comparison.same(reader.job.contacts), []
    source = Source(table)
    if source.digest == reader.job.source_digest:
        return Comparison.same(reader.job.contacts), []
    comparison = await compare(reader.store, reader.job, source)
    return comparison, _left_out(comparison, source)


def _left_out(comparison: Comparison, source: Source) -> list[str]:
    """Return a note on what of an input is not as the job began with, if anything."""
    told = comparison.told(source)
    return [f"{told}; what is not as the job began with is left without a result"] if told else []
