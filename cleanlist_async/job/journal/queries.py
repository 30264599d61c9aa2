"""Queries of a journal. They change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from hashlib import sha256
from typing import Any, Final

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.errors import JournalError
from cleanlist_async.facts import MAX_WAITING_EVENTS
from cleanlist_async.job.journal.database import Database, Row
from cleanlist_async.job.journal.records import PURGED, Attempt, ChunkRow, Header, from_row
from cleanlist_async.job.journal.schema import CHECKED, SMALL
from cleanlist_async.job.journal.states import SETTLED, ChunkState
from cleanlist_async.results import EnrichmentResult, ResultStatus

_CHUNK: Final = ", ".join(field.name for field in fields(ChunkRow))
_ATTEMPT: Final = ", ".join(field.name for field in fields(Attempt))
HEADER: Final = ", ".join(field.name for field in fields(Header))
RESULT: Final = (
    "place, status, email, email_status, phones, task_id, workflow_id, error, credits_charged,"
    " credits_estimated, request_id, cached, raw"
)
_WITH_REASON: Final = "JOIN reasons ON id = why"
_TYPE: Final = "(SELECT enrichment_type FROM job)"
_WHOLE_RESULT: Final = f"{RESULT}, {_TYPE}"
# Without `raw`, which is most of a result: a report of a million contacts reads none of it.
_LEAN_RESULT: Final = f"{RESULT.removesuffix('raw')} NULL, {_TYPE}"


class JournalQueries:
    """The queries of a journal."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.path = database.path

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def id(self) -> str:
        """An id that all copies of a planned journal share, and no other journal has."""
        # A digest: the salt, which keys the fingerprints of contacts, stays in the journal.
        row = self._db.checked_row("salt", "job")
        return sha256(b"cleanlist_async journal" + row[0]).hexdigest()[:32] if row else ""

    @property
    def generation(self) -> int:
        """The number of runs and submits of this copy of the journal."""
        row = self._db.row("SELECT generation FROM job")
        return int(row[0]) if row else 0

    def check(self) -> None:
        """Raise JournalError when what decides about the job is not as it was written; no result is read."""
        # Results are checked when they are read: a million of them would hold up every start.
        for table in SMALL:
            if self._db.unsound_rows(table):
                raise self._db.damaged(f"a row of its {table}")
        # Checksums find changed rows. Lost rows are found by the sums, here and below.
        if self._db.row(
            "SELECT 1 FROM chunks WHERE state IN ('done', 'remote_failed')"
            " AND contacts IS NOT (SELECT sum(results) FROM tallies WHERE chunk = number) LIMIT 1"
        ):
            raise self._db.damaged("the number of its results")
        missing = self._db.row(
            "SELECT contacts - (SELECT coalesce(sum(contacts), 0) FROM chunks)"
            " - (SELECT count(*) FROM invalid) - (SELECT count(*) FROM duplicates) FROM job"
        )
        if missing is not None and missing[0]:
            raise self._db.damaged("the list of its contacts")

    def unsound_tables(self) -> list[str]:
        """Return the tables with rows that are not as they were written. Reads everything."""
        return [table for table in CHECKED if self._db.unsound_rows(table)]

    @property
    def header(self) -> Header | None:
        """What the job is; None until its plan is complete."""
        row = self._db.checked_row(HEADER, "job")
        return Header(**dict(zip((f.name for f in fields(Header)), row, strict=True))) if row else None

    def first_of(self, place: int) -> int:
        """Return the place of the first contact with the same data as the duplicate at *place*."""
        row = self._db.checked_row("first", "duplicates", "WHERE place = ?", (place,))
        return int(row[0]) if row else place

    def chunks(
        self, condition: str = "ORDER BY first", values: tuple[str | int, ...] = ()
    ) -> Iterator[ChunkRow]:
        """Yield chunks, by default in the order of their contacts."""
        for row in self._db.checked_rows(_CHUNK, "chunks", condition, values):
            named: dict[str, Any] = dict(zip((f.name for f in fields(ChunkRow)), row, strict=True))
            try:
                named["state"] = ChunkState(named["state"])
                named["task_ids"] = tuple(json.loads(named["task_ids"] or "[]"))
            except ValueError:  # in a journal of version 1, which has no checksums
                raise self._db.damaged(f"chunk {named['number']}") from None
            named["is_pilot"] = bool(named["is_pilot"])
            yield ChunkRow(**named)

    def numbers(self) -> list[int]:
        """Return the numbers of all chunks but the pilot, in the order of their contacts."""
        rows = self._db.rows("SELECT number FROM chunks WHERE NOT is_pilot ORDER BY first")
        return [row[0] for row in rows]

    def chunk(self, number: int) -> ChunkRow:
        """Return one chunk. Raises JournalError if there is none of this number."""
        found = next(self.chunks("WHERE number = ?", (number,)), None)
        if found is None:
            raise JournalError(f"The journal has no chunk {number}.")
        return found

    def of_workflow(self, workflow_id: str) -> ChunkRow | None:
        """Return the chunk of a workflow."""
        return next(self.chunks("WHERE workflow_id = ?", (workflow_id,)), None)

    def is_of_another(self, workflow_id: str, chunk: int) -> bool:
        """Whether a workflow belongs to another chunk."""
        owner = self.of_workflow(workflow_id)
        return owner is not None and owner.number != chunk

    def of_token(self, token: str) -> ChunkRow | None:
        """Return the chunk that was submitted with a token."""
        row = self._db.row("SELECT chunk FROM attempts WHERE token = ?", (token,))
        return self.chunk(row[0]) if row else None

    def takes_word_of_webhook(self, chunk: int, workflow_id: str) -> bool:
        """Whether a webhook of a chunk names a known workflow, or one of the first few for each attempt."""
        # Whoever knows a token can name any number of workflows, and each would be a row.
        row = self._db.row(
            "SELECT count(DISTINCT workflow_id) < ?1 * (SELECT count(*) FROM attempts WHERE chunk = ?2)"
            " OR total(workflow_id = ?3) FROM evidence WHERE chunk = ?2 AND source = 'webhook'",
            (MAX_WAITING_EVENTS, chunk, workflow_id),
        )
        return bool(row and row[0])

    def open_tokens(self) -> list[str]:
        """Return the tokens of the submits whose webhooks may still bring evidence or results."""
        # PLANNED by decision counts too: until it is sent again, evidence prevents that.
        rows = self._db.rows(
            "SELECT token FROM attempts JOIN chunks ON number = chunk WHERE token IS NOT NULL"
            " AND (state IN ('sending', 'unknown', 'accepted', 'fetching', 'partial')"
            " OR state = 'planned' AND EXISTS (SELECT 1 FROM decisions WHERE decisions.chunk = number))"
        )
        return [row[0] for row in rows]

    def counts(self) -> Mapping[ChunkState, tuple[int, int]]:
        """Return the number of chunks and of contacts in each state."""
        rows = list(self._db.rows("SELECT state, count(*), sum(contacts) FROM chunks GROUP BY state"))
        try:
            return {ChunkState(state): (chunks, contacts) for state, chunks, contacts in rows}
        except ValueError:  # in a journal of version 1, which has no checksums
            raise self._db.damaged("the state of a chunk") from None

    def attempts(self, chunk: int) -> list[Attempt]:
        """Return the attempts to submit a chunk, the latest last."""
        rows = self._db.checked_rows(_ATTEMPT, "attempts", "WHERE chunk = ? ORDER BY rowid", (chunk,))
        names = [field.name for field in fields(Attempt)]
        return [Attempt(**dict(zip(names, row, strict=True))) for row in rows]

    def resubmitted_credits(self) -> float:
        """Return the credits that decisions to send again have put at risk so far, over all runs."""
        row = self._db.one("SELECT sum(credits_at_risk) FROM decisions WHERE decision = 'resubmit'")
        return float(row[0] or 0)

    def results_of(self, chunk: ChunkRow, contacts: Mapping[int, Contact]) -> list[EnrichmentResult]:
        """Return the results of a chunk that are on disk, with their contacts."""
        rows = self._rows_of(chunk.number, _WHOLE_RESULT)
        # Checksums find a changed row, and this a lost one.
        if chunk.state in SETTLED and len(rows) != chunk.contacts:
            raise self._db.damaged(f"the number of results of chunk {chunk.number}")
        found = (from_row(row, contacts) for row in rows)
        return [result for result in found if result is not None]

    def _rows_of(self, chunk: int, columns: str) -> list[Row]:
        """Return the results of a chunk. Raises JournalError when they are not as many as were written."""
        self.check_count(chunk)
        return list(self._db.checked_rows(columns, "results", "WHERE chunk = ? ORDER BY place", (chunk,)))

    def lost_result(self, place: int) -> JournalError:
        """Return the error for a contact that should have a result and has none."""
        return self._db.damaged(f"the result of contact #{place + 1:,}")

    def check_count(self, chunk: int) -> None:
        """Raise JournalError when results of a chunk are lost."""
        lost = self._db.row(
            "SELECT (SELECT count(*) FROM results WHERE chunk = ?)"
            " IS NOT (SELECT coalesce(sum(results), 0) FROM tallies WHERE chunk = ?)",
            (chunk, chunk),
        )
        if lost != (0,):
            raise self._db.damaged(f"the number of results of chunk {chunk}")

    def result_at(self, place: int, contact: Contact) -> EnrichmentResult | None:
        """Return the result at one place of the input."""
        row = self._db.checked_row(_WHOLE_RESULT, "results", "WHERE place = ?", (place,))
        return from_row(row, {place: contact}) if row else None

    def has_result(self, chunk: int) -> set[int]:
        """Return the places of a chunk that have a final result."""
        return {place for place, status in self._rows_of(chunk, "place, status") if status != "pending"}

    def not_sent(self, chunk: int) -> set[int]:
        """Return the places of a chunk that were left out of its submit: cached, or refused by name."""
        rows = self._rows_of(chunk, "place, status, cached")
        return {place for place, status, cached in rows if cached or status == "invalid"}

    def duplicates(self) -> Iterator[tuple[int, int]]:
        """Yield (place, place of the first) of every duplicate, in their order."""
        yield from self._db.checked_rows("place, first", "duplicates", "ORDER BY place")

    def invalid(self) -> Iterator[tuple[int, str]]:
        """Yield (place, reason) of every skipped contact, in their order."""
        yield from self._db.checked_rows("place, reason", "invalid", f"{_WITH_REASON} ORDER BY place")

    def picked(self) -> dict[int, int]:
        """Return the chunk of each contact that a pilot took."""
        return dict(self._db.checked_rows("place, chunk", "picked"))

    def statuses(self) -> dict[ResultStatus, int]:
        """Return how many results there are of each status, without counting millions of them."""
        return dict(self._db.rows("SELECT status, sum(results) FROM tallies GROUP BY status"))

    def miscounted(self) -> set[int]:
        """Return the chunks whose tallies are not what their results are. Reads every result."""
        counted = "SELECT chunk, status, count(*) FROM results GROUP BY chunk, status"
        kept = "SELECT chunk, status, results FROM tallies"
        differences = self._db.rows(
            f"SELECT chunk FROM ({counted} EXCEPT {kept}) UNION SELECT chunk FROM ({kept} EXCEPT {counted})"
        )
        return {row[0] for row in differences}

    def committed(self) -> tuple[float, int]:
        """Return the credits spent, and the contacts whose worst case may still be charged."""
        # Sums over chunks, not results: it is asked before every submit.
        row = self._db.one("SELECT sum(spent), sum(held + doubtful) FROM chunks")
        return float(row[0] or 0), int(row[1] or 0)

    def set_aside(self) -> tuple[int, int]:
        """Return how many contacts are invalid, and how many duplicates."""
        row = self._db.one("SELECT (SELECT count(*) FROM invalid), (SELECT count(*) FROM duplicates)")
        return int(row[0]), int(row[1])

    def acceptances(self, chunk: int) -> tuple[int, int]:
        """Return how often a chunk was accepted, and how many decisions or proofs let it be sent again."""
        row = self._db.one(
            "SELECT (SELECT count(*) FROM attempts WHERE chunk = ? AND outcome = 'accepted'),"
            " (SELECT count(*) FROM decisions WHERE chunk = ? AND decision IN ('absent', 'resubmit'))",
            (chunk, chunk),
        )
        return int(row[0]), int(row[1])

    def receipt_at(self, place: int) -> Row | None:
        """Return (status, charged, estimated, workflow id, request id, cached) of one contact."""
        columns = "place, status, credits_charged, credits_estimated, workflow_id, request_id, cached"
        row = self._db.checked_row(columns, "results", "WHERE place = ?", (place,))
        return row[1:] if row else None

    def chunk_at(self, place: int) -> ChunkRow | None:
        """Return the chunk that a contact is in, if it is neither invalid nor a duplicate."""
        # The pilot first: its contacts lie within the spans of other chunks.
        row = self._db.row("SELECT chunk FROM picked WHERE place = ?", (place,)) or self._db.row(
            "SELECT number FROM chunks WHERE first <= ? AND NOT is_pilot ORDER BY first DESC LIMIT 1",
            (place,),
        )
        return self.chunk(row[0]) if row else None

    def state_at(self, place: int) -> ChunkState:
        """Return the state of the chunk that a contact is in."""
        chunk = self.chunk_at(place)
        return chunk.state if chunk else ChunkState.PLANNED

    def results_at(self, contacts: Mapping[int, Contact]) -> dict[int, EnrichmentResult]:
        """Return the results, without the server's rows, of contacts that follow one another."""
        span = (min(contacts), max(contacts))
        rows = self._db.checked_rows(_LEAN_RESULT, "results", "WHERE place BETWEEN ? AND ?", span)
        found = (from_row(row, contacts) for row in rows)
        return {result.index: result for result in found if result is not None}

    def set_aside_between(self, first: int, last: int) -> tuple[dict[int, int], dict[int, str]]:
        """Return the first of each duplicate in a span, and the reason for each invalid contact in it."""
        span, places = "WHERE place BETWEEN ? AND ?", (first, last)
        duplicates = self._db.checked_rows("place, first", "duplicates", span, places)
        invalid = self._db.checked_rows("place, reason", "invalid", f"{_WITH_REASON} {span}", places)
        return dict(duplicates), dict(invalid)

    def costs(self) -> list[tuple[str, int, float]]:
        """Return the number of results and the credits of each rule of a receipt. Reads every result."""
        # Checked beforehand, since a sum shows no row that could be checked.
        if self._db.unsound_rows("results"):
            raise self._db.damaged("a result")
        rows = self._db.rows(
            "SELECT CASE WHEN cached THEN 'cache' WHEN credits_charged IS NOT NULL THEN 'charged'"
            " WHEN credits_estimated > 0 THEN 'price list' ELSE 'none' END AS rule, count(*),"
            " sum(CASE WHEN cached THEN 0 ELSE coalesce(credits_charged, credits_estimated) END)"
            " FROM results GROUP BY rule ORDER BY rule"
        )
        return [(rule, results, float(credits_)) for rule, results, credits_ in rows]

    def was_sent(self, *, but_the_pilot: bool = False) -> bool:
        """Whether anything of the job was sent, or found without being sent."""
        beyond = "WHERE NOT chunks.is_pilot" if but_the_pilot else ""
        tables = ("attempts", "results")
        queries = (f"SELECT 1 FROM {t} JOIN chunks ON number = chunk {beyond} LIMIT 1" for t in tables)
        return any(self._db.row(query) for query in queries)

    def is_purged(self) -> bool:
        """Whether the results that were found are all purged."""
        purged = "SELECT 1 FROM results WHERE status = 'found' AND error IS ? LIMIT 1"
        left = "SELECT 1 FROM results WHERE status = 'found' AND error IS NOT ? LIMIT 1"
        return self._db.row(purged, (PURGED,)) is not None and self._db.row(left, (PURGED,)) is None

    def is_sound(self) -> bool:
        """Whether SQLite finds nothing wrong with the file."""
        return self._db.is_sound()
