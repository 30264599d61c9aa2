"""Checks that a journal keeps its own rules. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import NOTHING_TO_SEND, Header
from cleanlist_async.job.journal.states import SETTLED, ChunkState

_WITH_WORKFLOW = frozenset(
    {
        ChunkState.ACCEPTED,
        ChunkState.FETCHING,
        ChunkState.DONE,
        ChunkState.PARTIAL,
        ChunkState.REMOTE_FAILED,
        ChunkState.REMOTE_EXPIRED,
    }
)


def problems_of(journal: Journal, header: Header) -> list[str]:
    """Return what is wrong with a journal, in sentences."""
    return list(_problems(journal, header))


def _problems(journal: Journal, header: Header) -> Iterator[str]:
    try:
        yield from _broken_rules(journal, header)
    except JournalError as error:  # the rest of a damaged journal cannot be read
        yield error.problem


def _broken_rules(journal: Journal, header: Header) -> Iterator[str]:
    if not journal.is_sound():
        yield "SQLite finds the file damaged."
    for table in journal.unsound_tables():
        yield f"Rows of the table {table} are not as they were written."
    for number in sorted(journal.miscounted()):
        yield f"Chunk {number} has other results than it counts."
    invalid, duplicates = journal.set_aside()
    sent = 0
    for chunk in journal.chunks():
        sent += chunk.contacts
        name = f"Chunk {chunk.number}"
        if chunk.state in _WITH_WORKFLOW and not chunk.workflow_id and chunk.reason != NOTHING_TO_SEND:
            yield f"{name} is {chunk.state} but has no workflow."
        accepted, decisions = journal.acceptances(chunk.number)
        # Each decision to send it again allows one more acceptance: any other is a purchase made twice.
        if accepted > 1 + decisions:
            yield f"{name} was accepted {accepted} times with {decisions} decisions to send it again."
        places = journal.has_result(chunk.number)
        if any(not chunk.first <= place <= chunk.last for place in places):
            yield f"{name} has results of contacts that are not its own."
        if chunk.state in SETTLED and len(places) != chunk.contacts:
            yield f"{name} is {chunk.state} with {len(places)} of {chunk.contacts} results."
    # Every contact of the input in exactly one place: none is lost, and none planned twice.
    if sent + invalid + duplicates != header.contacts:
        yield (
            f"{header.contacts} contacts were planned, but {sent} are in chunks, {invalid} are invalid and"
            f" {duplicates} are duplicates."
        )
