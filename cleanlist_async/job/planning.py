"""The plan of a job on disk: which contacts go into which chunk. Nothing is sent."""

from __future__ import annotations

import hmac
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

import anyio.lowlevel

from cleanlist_async import facts
from cleanlist_async.contacts.chunking import Chunker
from cleanlist_async.contacts.contact import Contact
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.people import LookAlikes
from cleanlist_async.enrich.source import FirstSeen
from cleanlist_async.errors import InputChangedError, JournalError
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import ChunkRow, Header, SubmitMode
from cleanlist_async.job.source import STEPS_AT_ONCE, Source

_CHUNK_CONTACTS: Final = facts.MAX_CONTACTS_PER_REQUEST
_WRITTEN_AT_ONCE: Final = 5_000
"""Duplicates and invalid contacts that wait in memory: a file may consist of nothing else."""


def fingerprint(salt: bytes, contacts: Sequence[Prepared]) -> bytes:
    """Return a digest of contacts and their keys, in their order; useless to anyone without the journal."""
    # Keyed, since names and addresses can be guessed from a plain digest.
    digest = hmac.new(salt, digestmod=sha256)
    for contact in contacts:
        _add_to(digest, contact)
    return digest.digest()[:16]


def _add_to(digest: hmac.HMAC, contact: Prepared) -> None:
    given: object = contact.contact.key  # text by its type, and often enough a number in a mapping
    # Keys are part of it: a result with the key of another contact is a wrong result.
    # With their lengths, so that no other row of keys gives the same bytes.
    key = b"" if given is None else str(given).encode("utf-8", "surrogatepass")
    digest.update(contact.payload_digest + len(key).to_bytes(4, "big") + key)


async def write_plan(
    journal: Journal,
    contacts: Iterable[Prepared | Invalid],
    salt: bytes,
    mode: SubmitMode,
    picked: Container[int] = (),
) -> tuple[int, bytes]:
    """Read the contacts once and record their chunks, duplicates and invalid contacts.

    Chunks are as large as the submit mode allows. Contacts at *picked* places go into one of their own, the
    pilot, which is sent first. Returns the number of contacts, and a digest of the duplicates among them. To
    be called within a transaction, on a journal without chunks.
    """
    # Measured as JSON in every mode: as a row of CSV a contact takes no more bytes.
    max_bytes = facts.MAX_IMPORT_BYTES if mode == "exact" else facts.MAX_REQUEST_BYTES
    # In order: a chunk is known by its first and last contact.
    chunker = Chunker(_CHUNK_CONTACTS, max_bytes, apart=LookAlikes(), in_order=True)
    planner = _Planner(journal, salt, chunker, picked)
    for contact in contacts:
        planner.add(contact)
        if contact.index % STEPS_AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
    return planner.finish()


class _Planner:
    def __init__(self, journal: Journal, salt: bytes, chunker: Chunker, picked: Container[int]) -> None:
        self._journal = journal
        self._salt = salt
        self._picked = picked
        self._pilot: list[Prepared] = []
        self._chunker = chunker
        self._seen = FirstSeen()
        self._duplicates: list[tuple[int, int]] = []
        self._invalid: list[tuple[int, str]] = []
        self._count = 0
        self._digest = hmac.new(salt, digestmod=sha256)

    def add(self, contact: Prepared | Invalid) -> None:
        self._count += 1
        place = contact.index
        if not isinstance(contact, Prepared):
            self._invalid.append((place, contact.reason))
        elif (first := self._seen.setdefault(contact.identity, place)) != place:
            self._duplicates.append((place, first))
            _add_to(self._digest, contact)
        elif place in self._picked:
            self._pilot.append(contact)
        elif chunk := self._chunker.add(contact):
            self._write_chunk(chunk)
        if len(self._duplicates) + len(self._invalid) >= _WRITTEN_AT_ONCE:
            self._write_rest()

    def finish(self) -> tuple[int, bytes]:
        if chunk := self._chunker.flush():
            self._write_chunk(chunk)
        self._write_rest()
        # Known only now, since its contacts lie anywhere in the source.
        if self._pilot:
            number = self._write_chunk(self._pilot, is_pilot=True)
            self._journal.plan_picked((contact.index, number) for contact in self._pilot)
        return self._count, self._digest.digest()[:16]

    def _write_chunk(self, chunk: Sequence[Prepared], *, is_pilot: bool = False) -> int:
        return self._journal.plan_chunk(
            chunk[0].index, chunk[-1].index, len(chunk), fingerprint(self._salt, chunk), is_pilot=is_pilot
        )

    def _write_rest(self) -> None:
        self._journal.plan_duplicates(self._duplicates)
        self._journal.plan_invalid(self._invalid)
        self._duplicates.clear()
        self._invalid.clear()


async def read_through(steps: Iterable[Step]) -> None:
    """Take all steps, with checkpoints in between, and leave them."""
    for count, step in enumerate(steps):
        if isinstance(step, PlannedChunk) or count % STEPS_AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()


_SEND, _DUPLICATE, _INVALID, _PICKED = range(4)


@dataclass(slots=True)
class PlannedChunk:
    """A chunk: its row in the journal, as it was last read or written, and its contacts."""

    row: ChunkRow
    contacts: list[Prepared]

    def by_place(self) -> dict[int, Contact]:
        """Return its contacts by their place in the input."""
        return {contact.index: contact.contact for contact in self.contacts}


Step: TypeAlias = PlannedChunk | Prepared | Invalid
"""A chunk, a duplicate, or an invalid contact."""


class Walk:
    """One reading of the source, cut into the chunks that the journal has."""

    def __init__(self, journal: Journal, header: Header, source: Source) -> None:
        self._header = header
        self._source = source
        self._kinds = bytearray(header.contacts)  # a byte for each: flat, however large the input
        try:
            for place, _ in journal.duplicates():
                self._kinds[place] = _DUPLICATE
            for place, _ in journal.invalid():
                self._kinds[place] = _INVALID
            for place in journal.picked():
                self._kinds[place] = _PICKED
        except IndexError:
            raise JournalError("The journal is damaged: it names more contacts than there are.") from None
        self._pilot = next((PlannedChunk(chunk, []) for chunk in journal.chunks("WHERE is_pilot")), None)
        # Each is read when its turn comes: with their ids, all of them take much memory. Not the numbers: a
        # chunk that is split off later is met in the next pass.
        self._upcoming = (PlannedChunk(journal.chunk(number), []) for number in journal.numbers())
        self._current = next(self._upcoming, None)

    def __iter__(self) -> Iterator[Step]:
        """Yield each chunk once its last contact was read, and in between the contacts that are not sent.

        Raises InputChangedError at the first difference from the source that the job was planned with.
        """
        count, digest = 0, hmac.new(self._header.salt, digestmod=sha256)
        for contact in self._source.prepared():
            place = contact.index
            if place >= len(self._kinds):
                raise self._input_changed(place, "there are more contacts now")
            count += 1
            # The contact was edited, or another version of this package checks it by other rules.
            if isinstance(contact, Invalid) != (self._kinds[place] == _INVALID):
                raise self._input_changed(place, "a contact has become valid, or invalid")
            if isinstance(contact, Invalid):
                yield contact
            elif self._kinds[place] == _DUPLICATE:
                _add_to(digest, contact)
                yield contact
            elif (chunk := self._add(contact)) is not None:
                yield self._checked(chunk)
        if count < len(self._kinds):
            raise self._input_changed(count, "there are fewer contacts now")
        # Duplicates are in no chunk, so no fingerprint covers their keys, which come back with results.
        if digest.digest()[:16] != self._header.duplicates_digest:
            raise self._input_changed(0, "one of the duplicates differs")

    def _add(self, contact: Prepared) -> PlannedChunk | None:
        """Put a contact into its chunk; return the chunk, now its reader's, once it is complete."""
        is_picked = self._kinds[contact.index] == _PICKED
        chunk = self._pilot if is_picked else self._current
        if chunk is None:
            raise self._input_changed(contact.index, "there is no chunk for it")
        chunk.contacts.append(contact)
        if contact.index != chunk.row.last:
            return None
        if not is_picked:  # the pilot is filled beside the chunk that is open
            self._current = next(self._upcoming, None)
        return chunk

    def _checked(self, chunk: PlannedChunk) -> PlannedChunk:
        # In every pass, also right before it is sent: the source may change while the job runs.
        if fingerprint(self._header.salt, chunk.contacts) != chunk.row.fingerprint:
            last = f"one of the contacts up to #{chunk.row.last + 1:,} differs"
            raise self._input_changed(chunk.row.first, last)
        return chunk

    def _input_changed(self, place: int, what: str) -> InputChangedError:
        return InputChangedError(
            f"{self._source.name} is not what the job was started with: from contact #{place + 1:,} on,"
            f" {what}.",
            fix="Restore the old input, or the version of this package that the job was begun with:"
            " `cleanlist-async job export` without the input gives what was found.",
        )
