"""A job in a store, as the commands see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio

from cleanlist_async.cli.job.memory import Begun, left_out
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.job.journal.records import Decision
from cleanlist_async.job.reader import RuleTotal
from cleanlist_async.job.source import Comparison, Source
from cleanlist_async.job.status import JobStatus, Receipt
from cleanlist_async.job.stored.reader import StoredJobReader, receipt_of
from cleanlist_async.job.stored.snapshot import compare
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.job_records import JobRow
from cleanlist_async.storage.store.records import OrphanedSubmit
from cleanlist_async.storage.store.store import Store
from cleanlist_async.tables import ContactTable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreMemory:
    """Opens the store for each question."""

    name: str
    location: StoreLocation

    @property
    def target(self) -> str:
        """The name."""
        return self.name

    @property
    def typed(self) -> list[str]:
        """The name, and the store if one was named."""
        return [self.name, *self.location.typed]

    @property
    def files(self) -> list[Path]:
        """The file of the store, if it is one."""
        address = str(self.location.address)
        return [] if "://" in address else [Path(address)]

    def open_store(self) -> Store:
        """Return the store."""
        return self.location.open()

    def begun(self) -> Begun | None:
        """Return what it was begun with."""
        if not self.location.exists:
            return None
        # Without a key the organization is not known: the oldest job of the name counts, whosever it is.
        job = next((job for job in self._run(lambda store: store.jobs()) if job.name == self.name), None)
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
        """Remove the contacts and what was found for them."""
        self._ask(lambda reader: reader.purge(keep_results=keep_results))

    def each_result(self, table: ContactTable | None, put: Callable[[EnrichmentResult], None]) -> list[str]:
        """Put the result of each row that is a contact of the job."""

        def put_at(comparison: Comparison, _: JobRow, result: EnrichmentResult) -> None:
            if (here := comparison.result(result)) is not None:
                put(here)

        return self._each(table, put_at)

    def each_receipt(self, table: ContactTable | None, put: Callable[[Receipt], None]) -> None:
        """Put the receipt of each row that is a contact of the job."""

        def put_at(comparison: Comparison, row: JobRow, result: EnrichmentResult) -> None:
            if (here := comparison.receipt(receipt_of(row, result))) is not None:
                put(here)

        self._each(table, put_at)

    def _each(
        self, table: ContactTable | None, put: Callable[[Comparison, JobRow, EnrichmentResult], None]
    ) -> list[str]:
        source = None if table is None else Source(table)

        async def read(reader: StoredJobReader) -> list[str]:
            job = reader.job
            if source is None or source.digest == job.source_digest:
                comparison = Comparison.same(job.contacts)
            else:
                comparison = await compare(reader.store, job, source)
            async for page in reader.pages():
                for row, result in page:
                    put(comparison, row, result)
            return [] if source is None else left_out(comparison, source)

        return self._ask(read)

    def contacts(self, put: Callable[[int, Contact], object]) -> None:
        """Put each contact as it was given."""

        async def read(reader: StoredJobReader) -> None:
            async for page in reader.rows():
                for row in page:
                    put(row.place, row.contact)

        self._ask(read)

    def _ask(self, question: Callable[[StoredJobReader], Awaitable[T]]) -> T:
        async def ask(store: Store) -> T:
            return await question(await StoredJobReader.find(store, self.name))

        return self._run(ask)

    def _run(self, work: Callable[[Store], Awaitable[T]]) -> T:
        if not self.location.exists:  # opening it would make an empty one
            raise CommandError(
                f"there is no job {self.name}: no store at {self.location.address}.", ExitCode.REFUSED
            )

        async def run() -> T:
            async with self.location.open() as store:
                return await work(store)

        return anyio.run(run)
