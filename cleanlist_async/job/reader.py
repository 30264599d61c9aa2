"""Reading a journal without a client or a key, also while its job runs in another process."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich import row_results
from cleanlist_async.enrich.row_results import copy_for
from cleanlist_async.errors import JournalError, JournalLockedError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.lock import JournalLock, forget, was_sent
from cleanlist_async.job.journal.records import SETTLED, ChunkRow, ChunkState, Header
from cleanlist_async.job.planning import Walk
from cleanlist_async.job.source import Comparison, Source, mark
from cleanlist_async.job.status import (
    NEVER_SENT,
    JobStatus,
    Receipt,
    is_finished,
    left_without,
    receipts,
    status_of,
)
from cleanlist_async.job.unknown import UnknownChunk, unknown_chunks
from cleanlist_async.results import EnrichmentResult

_READ_AT_ONCE: Final = 500
"""Contacts: a read transaction over more of them would keep the job from writing."""
_HOT_JOURNAL: Final = "SQLITE_READONLY_ROLLBACK"  # SQLite's name for what a crash left to be undone


@dataclass(frozen=True, slots=True)
class RuleTotal:
    """How many results one rule of :class:`Receipt` stands for, and their credits."""

    rule: str
    results: int
    credits: float


class JournalReader:
    """Reads a journal in short queries, so as not to disturb the job that may be writing it."""

    def __init__(self, journal: Journal, header: Header) -> None:
        self._journal = journal
        self._lock = JournalLock(journal.path)
        self.header = header

    @property
    def is_running(self) -> bool:
        """Whether a process is running the job right now."""
        return self._lock.is_taken

    @property
    def was_sent(self) -> bool:
        """Whether anything was sent beyond a pilot."""
        return self._journal.was_sent(but_the_pilot=True)

    def status(self) -> JobStatus:
        """Return the state of the job."""
        return status_of(self._journal, self.header, running=self.is_running)

    def unknown(self) -> list[UnknownChunk]:
        """Return the chunks whose outcome is unknown."""
        return unknown_chunks(self._journal, self.header)

    def costs(self) -> list[RuleTotal]:
        """Return what was spent, by the rule of the receipts. Reads every result."""
        return [RuleTotal(*row) for row in self._journal.costs()]

    def contacts(self) -> Iterator[Prepared | Invalid]:
        """Yield the contacts of the job, as they were given; nobody for each that is not there."""
        return self._journal.kept(self.header.contacts)

    def compare(self, source: Source) -> Comparison:
        """Compare the contacts of the job with those of a source.

        Raises InputChangedError for a source that differs from that of a journal without a copy of it.
        """
        if source.is_of(self.header.source_digest):
            return Comparison.same(self.header.contacts)
        if self._journal.keeps_input:
            return Comparison.of([*map(mark, self.contacts())], [*map(mark, source.prepared())])
        for _ in Walk(self._journal, self.header, source):
            pass
        return Comparison.same(self.header.contacts)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do, and the results are there."""
        return is_finished(self._journal) and not self._journal.is_purged()

    def refuse_purged(self) -> None:
        """Raise JournalError when the results were purged."""
        if self._journal.is_purged():
            raise JournalError(f"The results were purged from {self._journal.path.name}.")

    def receipts(self) -> Iterator[Receipt]:
        """Yield a receipt for every contact of the job, in their order."""
        yield from receipts(self._journal, self.header, self.contacts())

    def results(self) -> Iterator[EnrichmentResult]:
        """Yield the result of every contact of the job, in their order, without `raw`.

        The memory this takes does not grow with the number of contacts.
        """
        contacts = self.contacts()
        reader = _ResultReader(self._journal, self.header)
        while some := list(islice(contacts, _READ_AT_ONCE)):
            yield from reader.of(some)


class _ResultReader:
    """Reads the results of some contacts at a time."""

    def __init__(self, journal: Journal, header: Header) -> None:
        self._journal = journal
        self._enrichment_type: EnrichmentType = header.enrichment_type
        self._picked = journal.picked()
        self._chunk: ChunkRow | None = None

    def of(self, contacts: list[Prepared | Invalid]) -> Iterator[EnrichmentResult]:
        given = {contact.index: contact.contact for contact in contacts}
        found = self._journal.results_at(given)
        duplicates, invalid = self._journal.set_aside_between(contacts[0].index, contacts[-1].index)
        for contact in contacts:
            place = contact.index
            if place in found:
                yield replace(found[place], enrichment_type=self._enrichment_type)
            # Both: another version of this package may check contacts by other rules than the plan did.
            elif isinstance(contact, Invalid) or place in invalid:
                yield row_results.skipped(Invalid(place, contact.contact, invalid.get(place, "")))
            elif place in duplicates:
                first = replace(contact, index=duplicates[place])
                stored = found.get(first.index) or self._journal.result_at(first.index, contact.contact)
                yield copy_for(contact, stored or self._without(first))
            else:
                yield self._without(contact)

    def _without(self, contact: Prepared) -> EnrichmentResult:
        """Return the result of a contact that has none on disk."""
        chunk = self._chunk_of(contact.index)
        if chunk is not None and chunk.state in SETTLED:  # it was settled since its results were read
            stored = self._journal.result_at(contact.index, contact.contact)
            if stored is None:
                raise self._journal.lost_result(contact.index)
            return replace(stored, enrichment_type=self._enrichment_type, raw=None)
        if chunk is None or chunk.state is ChunkState.PLANNED:
            return row_results.without_row(
                contact, "failed", NEVER_SENT, enrichment_type=self._enrichment_type
            )
        return left_without(contact, chunk, self._enrichment_type)

    def _chunk_of(self, place: int) -> ChunkRow | None:
        if place in self._picked:
            return self._journal.chunk(self._picked[place])
        if self._chunk is None or not self._chunk.first <= place <= self._chunk.last:
            self._chunk = self._journal.chunk_at(place)
            if self._chunk is not None:  # once for each chunk: a lost row must not read as never sent
                self._journal.check_count(self._chunk.number)
        return self._chunk


@contextmanager
def reading(path: Path) -> Generator[JournalReader]:
    """Open a journal for reading. Raises JournalError for another file, or for an incomplete plan."""
    journal = _open(path)
    try:
        yield JournalReader(journal, _planned(journal))
    finally:
        journal.close()


def header_of(path: Path) -> Header | None:
    """Return what a job was begun with; None while its plan is not complete."""
    with closing(_open(path)) as journal:
        return journal.header


@contextmanager
def deciding(path: Path) -> Generator[tuple[Journal, Header]]:
    """Open a journal for a decision on it. Raises JournalLockedError while its job runs."""
    _check_exists(path)
    # While the job runs, `Job.resolve` is the way: a second writer would act behind its back.
    with JournalLock(path):
        journal = Journal.open(path)
        try:
            header = _planned(journal)
            journal.recover()  # a chunk that a crash left as being sent can be decided about
            yield journal, header
        finally:
            journal.close()


def discard_unsent(path: Path) -> bool:
    """Remove a journal of which nothing was ever sent. Return False for any other, which stays.

    Raises JournalError when it is no journal, JournalLockedError while its job runs.
    """
    with JournalLock(path):
        with closing(Journal.open(path)) as journal:
            journal_id = journal.id
            # The record as well: this may be a backup of a job that has sent since.
            if journal.was_sent() or was_sent(journal_id):
                return False
        path.unlink()
        forget(journal_id)
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)  # SQLite's own, empty by now
        return True


def _open(path: Path) -> Journal:
    _check_exists(path)
    try:
        return _read_only(path)
    except JournalError as error:
        name = getattr(error.__cause__, "sqlite_errorname", "")
        if name == "SQLITE_BUSY":
            raise JournalLockedError(
                f"{path.name} is being written.", fix="Look again when its job is planned."
            ) from error
        if name != _HOT_JOURNAL:
            raise
    with JournalLock(path):  # the process died while it wrote: only a writer can undo what it left behind
        Journal.open(path).close()
    return _read_only(path)


def _read_only(path: Path) -> Journal:
    journal = Journal.open(path, read_only=True)
    try:
        _ = journal.header  # which shows whether it can be read
    except BaseException:
        journal.close()
        raise
    return journal


def _planned(journal: Journal) -> Header:
    header = journal.header
    if header is None:
        raise JournalError(f"The plan of {journal.path.name} is not complete.", fix="Start the job again.")
    return header


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise JournalError(f"There is no journal {path}.")
