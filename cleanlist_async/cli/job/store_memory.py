"""A job in a store, as the commands see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio

from cleanlist_async.cli.job.memory import Begun
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.contacts.contact import API_FIELDS, Contact
from cleanlist_async.job.journal.records import Decision
from cleanlist_async.job.reader import RuleTotal
from cleanlist_async.job.status import JobStatus, Receipt
from cleanlist_async.job.stored.reader import StoredJobReader, receipt_of
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.job_records import JobRow
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

    def open_store(self) -> Store | None:
        """Return the store."""
        return self.location.open()

    def begun(self) -> Begun | None:
        """Return what it was begun with."""
        if not self.location.exists:
            return None
        job = next((job for job in self._run(lambda store: store.jobs()) if job.name == self.name), None)
        return None if job is None else Begun(job.enrichment_type, job.source, job.max_credits)

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

    def costs(self) -> list[RuleTotal]:
        """Return what was spent."""
        return [RuleTotal(*row) for row in self._ask(lambda reader: reader.costs())]

    def decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        """Record a decision."""
        self._ask(lambda reader: reader.decide(chunk, decision, actor, workflow_id))

    def purge(self) -> None:
        """Remove the contacts and what was found for them."""
        self._ask(lambda reader: reader.purge())

    def each_result(self, table: ContactTable, put: Callable[[EnrichmentResult], None]) -> list[str]:
        """Put the result of each row that is the contact that was looked for."""
        return self._each(table, lambda _, result: put(result))

    def each_receipt(self, table: ContactTable, put: Callable[[Receipt], None]) -> None:
        """Put the receipt of each row that is the contact that was looked for."""
        self._each(table, lambda row, result: put(receipt_of(row, result)))

    def _each(self, table: ContactTable, put: Callable[[JobRow, EnrichmentResult], None]) -> list[str]:
        async def read(reader: StoredJobReader) -> list[str]:
            contacts, others = iter(table.contacts()), 0
            async for page in reader.pages():
                for row, result in page:
                    given = next(contacts, None)
                    if given is not None and _is_same(given, row.contact):
                        put(row, result)
                    else:
                        others += 1
            others += sum(1 for _ in contacts)
            are = "contact is" if others == 1 else "contacts are"
            return (
                [f"{others:,} {are} not as the job began with, and left without a result"] if others else []
            )

        return self._ask(read)

    def contacts(self, put: Callable[[JobRow], object]) -> None:
        """Put each contact as it was given."""

        async def read(reader: StoredJobReader) -> None:
            async for page in reader.rows():
                for row in page:
                    put(row)

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


def _is_same(given: Contact, kept: Contact) -> bool:
    """Whether the server would be sent the same."""
    return all(_text(getattr(given, name)) == _text(getattr(kept, name)) for name in API_FIELDS)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
