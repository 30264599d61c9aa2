"""The chunks of a journal, how they move from one state to the next, and their results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.database import Row
from cleanlist_async.job.journal.plan import JournalPlan
from cleanlist_async.job.journal.records import (
    NOTHING_TO_SEND,
    PURGED,
    SETTLED,
    ChunkRow,
    ChunkState,
    as_row,
    from_row,
    now,
)
from cleanlist_async.results import EnrichmentResult, ResultStatus

_CHUNK: Final = ", ".join(field.name for field in fields(ChunkRow))


class JournalChunks(JournalPlan):
    """The chunks."""

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

    def counts(self) -> Mapping[ChunkState, tuple[int, int]]:
        """Return the number of chunks and of contacts in each state."""
        rows = list(self._db.rows("SELECT state, count(*), sum(contacts) FROM chunks GROUP BY state"))
        try:
            return {ChunkState(state): (chunks, contacts) for state, chunks, contacts in rows}
        except ValueError:  # in a journal of version 1, which has no checksums
            raise self._db.damaged("the state of a chunk") from None

    def without_result(self) -> dict[str, int]:
        """Return the number of contacts without a result, by the state of their chunk."""
        counted = "SELECT chunk, sum(results) AS results FROM tallies GROUP BY chunk"
        return dict(
            self._db.rows(
                "SELECT state, sum(contacts - coalesce(counted.results, 0)) FROM chunks"
                f" LEFT JOIN ({counted}) AS counted ON counted.chunk = chunks.number GROUP BY state"
            )
        )

    def committed(self) -> tuple[float, int]:
        """Return the credits spent, and the contacts whose worst case may still be charged."""
        # Sums over chunks, not results: it is asked before every submit.
        row = self._db.one("SELECT sum(spent), sum(held + doubtful) FROM chunks")
        return float(row[0] or 0), int(row[1] or 0)

    def was_sent(self, *, but_the_pilot: bool = False) -> bool:
        """Whether anything of the job was sent, or found without being sent."""
        beyond = "WHERE NOT chunks.is_pilot" if but_the_pilot else ""
        tables = ("attempts", "results")
        queries = (f"SELECT 1 FROM {t} JOIN chunks ON number = chunk {beyond} LIMIT 1" for t in tables)
        return any(self._db.row(query) for query in queries)

    def set_list(self, chunk: int, list_id: str, key_name: str | None) -> None:
        """Record the list that was made for a chunk, and the key it was made with."""
        self._db.execute(
            "UPDATE chunks SET list_id = ?, key_name = ? WHERE number = ?", (list_id, key_name, chunk)
        )

    def fetching(self, chunk: int) -> None:
        """Record that a workflow is finished, and that its results are being read."""
        if self.chunk(chunk).state is ChunkState.FETCHING:
            return  # reading its rows ended in a 404, and begins again
        self._move(chunk, (ChunkState.ACCEPTED, ChunkState.PARTIAL), ChunkState.FETCHING)

    def nothing_to_send(self, chunk: int) -> ChunkRow:
        """Record that all contacts of a planned chunk already have their results."""
        return self._move(chunk, (ChunkState.PLANNED,), ChunkState.DONE, reason=NOTHING_TO_SEND)

    def expired(self, chunk: int, reason: str) -> None:
        """Record that the server no longer knows a workflow."""
        known = (ChunkState.ACCEPTED, ChunkState.FETCHING, ChunkState.PARTIAL)
        self._move(chunk, known, ChunkState.REMOTE_EXPIRED, reason=reason)

    def try_again(self) -> None:
        """Reopen what failed in an earlier run: refused chunks, and workflows that were not found."""
        # Once in each run: the cause may be gone, such as a bad key or a replica that lagged.
        with self._db.transaction():
            self._move_all(
                {
                    ChunkState.REFUSED: ChunkState.PLANNED,
                    ChunkState.REMOTE_EXPIRED: ChunkState.ACCEPTED,
                },
                None,
            )

    def _move(self, number: int, old: Sequence[ChunkState], new: ChunkState, **columns: object) -> ChunkRow:
        """Move a chunk to a new state, and return it. Raises JournalError unless it is in an *old* one."""
        # By the system clock, the only one that a later process shares.
        columns |= {"state": new.value, "since": now()}
        sets = ", ".join(f"{name} = ?" for name in columns)
        marks = ", ".join("?" * len(old))
        # Compare and set: a webhook or a decision may have moved the chunk since the caller read it.
        changed = self._db.execute(
            f"UPDATE chunks SET {sets} WHERE number = ? AND state IN ({marks})",
            (*columns.values(), number, *(state.value for state in old)),
        )
        if changed != 1:
            raise JournalError(f"Chunk {number} is not {' or '.join(old)}, so it cannot be {new}.")
        return self.chunk(number)

    def _move_all(self, arrows: Mapping[ChunkState, ChunkState], reason: str | None) -> None:
        for old, new in arrows.items():
            # A list, since the rows must not be moved while they are being read.
            for chunk in list(self.chunks("WHERE state = ?", (old.value,))):
                self._move(chunk.number, (old,), new, reason=reason)


RESULT: Final = (
    "place, status, email, email_status, phones, task_id, workflow_id, error, credits_charged,"
    " credits_estimated, request_id, cached, raw"
)
_TYPE: Final = "(SELECT enrichment_type FROM job)"
_WHOLE_RESULT: Final = f"{RESULT}, {_TYPE}"
# Without `raw`, which is most of a result: a report of a million contacts reads none of it.
_LEAN_RESULT: Final = f"{RESULT.removesuffix('raw')} NULL, {_TYPE}"


class JournalResults(JournalChunks):
    """The results, each on disk before anyone sees it."""

    def results_of(self, chunk: ChunkRow, contacts: Mapping[int, Contact]) -> list[EnrichmentResult]:
        """Return the results of a chunk that are on disk, with their contacts."""
        rows = self._rows_of(chunk.number, _WHOLE_RESULT)
        # Checksums find a changed row, and this a lost one.
        if chunk.state in SETTLED and len(rows) != chunk.contacts:
            raise self._db.damaged(f"the number of results of chunk {chunk.number}")
        found = (from_row(row, contacts) for row in rows)
        return [result for result in found if result is not None]

    def results_at(self, contacts: Mapping[int, Contact]) -> dict[int, EnrichmentResult]:
        """Return the results, without the server's rows, of contacts that follow one another."""
        span = (min(contacts), max(contacts))
        rows = self._db.checked_rows(_LEAN_RESULT, "results", "WHERE place BETWEEN ? AND ?", span)
        found = (from_row(row, contacts) for row in rows)
        return {result.index: result for result in found if result is not None}

    def result_at(self, place: int, contact: Contact) -> EnrichmentResult | None:
        """Return the result at one place of the input."""
        row = self._db.checked_row(_WHOLE_RESULT, "results", "WHERE place = ?", (place,))
        return from_row(row, {place: contact}) if row else None

    def receipt_at(self, place: int) -> Row | None:
        """Return (status, charged, estimated, workflow id, request id, cached) of one contact."""
        columns = "place, status, credits_charged, credits_estimated, workflow_id, request_id, cached"
        row = self._db.checked_row(columns, "results", "WHERE place = ?", (place,))
        return row[1:] if row else None

    def has_result(self, chunk: int) -> set[int]:
        """Return the places of a chunk that have a final result."""
        return {place for place, status in self._rows_of(chunk, "place, status") if status != "pending"}

    def not_sent(self, chunk: int) -> set[int]:
        """Return the places of a chunk that were left out of its submit: cached, or refused by name."""
        rows = self._rows_of(chunk, "place, status, cached")
        return {place for place, status, cached in rows if cached or status == "invalid"}

    def statuses(self) -> dict[ResultStatus, int]:
        """Return how many results there are of each status, without counting millions of them."""
        return dict(self._db.rows("SELECT status, sum(results) FROM tallies GROUP BY status"))

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

    def is_purged(self) -> bool:
        """Whether the results that were found are all purged."""
        purged = "SELECT 1 FROM results WHERE status = 'found' AND error IS ? LIMIT 1"
        left = "SELECT 1 FROM results WHERE status = 'found' AND error IS NOT ? LIMIT 1"
        return self._db.row(purged, (PURGED,)) is not None and self._db.row(left, (PURGED,)) is None

    def miscounted(self) -> set[int]:
        """Return the chunks whose tallies are not what their results are. Reads every result."""
        counted = "SELECT chunk, status, count(*) FROM results GROUP BY chunk, status"
        kept = "SELECT chunk, status, results FROM tallies"
        differences = self._db.rows(
            f"SELECT chunk FROM ({counted} EXCEPT {kept}) UNION SELECT chunk FROM ({kept} EXCEPT {counted})"
        )
        return {row[0] for row in differences}

    def check_count(self, chunk: int) -> None:
        """Raise JournalError when results of a chunk are lost."""
        lost = self._db.row(
            "SELECT (SELECT count(*) FROM results WHERE chunk = ?)"
            " IS NOT (SELECT coalesce(sum(results), 0) FROM tallies WHERE chunk = ?)",
            (chunk, chunk),
        )
        if lost != (0,):
            raise self._db.damaged(f"the number of results of chunk {chunk}")

    def lost_result(self, place: int) -> JournalError:
        """Return the error for a contact that should have a result and has none."""
        return self._db.damaged(f"the result of contact #{place + 1:,}")

    def _rows_of(self, chunk: int, columns: str) -> list[Row]:
        """Return the results of a chunk. Raises JournalError when they are not as many as were written."""
        self.check_count(chunk)
        return list(self._db.checked_rows(columns, "results", "WHERE chunk = ? ORDER BY place", (chunk,)))

    # -- as they are written -------------------------------------------------------------------

    def settled(self, chunk: int, results: Sequence[EnrichmentResult], request_id: str | None) -> ChunkRow:
        """Record the results of a finished workflow, and with them that the chunk is done."""
        # In one transaction: a chunk that is DONE without its results would never be fetched again.
        with self._db.transaction():
            self._put(chunk, results, request_id=request_id)
            # Of all its results: where only late rows failed, what was found before decides.
            pending, not_failed, spent = self._db.one(
                "SELECT count(*) FILTER (WHERE status = 'pending'),"
                " count(*) FILTER (WHERE status NOT IN ('failed', 'invalid') AND NOT cached),"
                " sum(coalesce(credits_charged, credits_estimated)) FILTER (WHERE status != 'pending')"
                " FROM results WHERE chunk = ?",
                (chunk,),
            )
            state = ChunkState.PARTIAL if pending else ChunkState.DONE
            if results and not not_failed:
                state = ChunkState.REMOTE_FAILED
            # Ids are long, and needed only as long as rows are pending.
            ids = {} if pending else {"task_ids": None}
            return self._move(chunk, (ChunkState.FETCHING,), state, held=pending, spent=spent or 0.0, **ids)

    def known_already(self, chunk: int, results: Sequence[EnrichmentResult], *, cached: bool) -> None:
        """Record results that need no submit: bought before, or refused by name."""
        with self._db.transaction():
            self._put(chunk, results, cached=cached)

    def split(self, chunk: ChunkRow, halves: Sequence[tuple[int, int, int, bytes]]) -> ChunkRow:
        """Replace a planned chunk by two, each (first, last, contacts, fingerprint); return the lower one."""
        (first, last, contacts, fingerprint), rest = halves
        with self._db.transaction():
            changed = self._db.execute(
                "UPDATE chunks SET first = ?, last = ?, contacts = ?, fingerprint = ?"
                " WHERE number = ? AND state = 'planned' AND NOT is_pilot",
                (first, last, contacts, fingerprint, chunk.number),
            )
            if changed != 1:
                raise JournalError("Only a planned chunk can be split.")
            # The lower half keeps the number, which its attempts refer to.
            other = self.plan_chunk(*rest)
            # Contacts of the upper half may have results already, from the cache or refused by name.
            self._db.execute(
                "UPDATE results SET chunk = ? WHERE chunk = ? AND place > ?", (other, chunk.number, last)
            )
            for number in (chunk.number, other):
                self._tally(number)
        return self.chunk(chunk.number)

    def purge(self) -> None:
        """Remove all contact data: input, results, and what the server answered. The counts stay."""
        # Rows stay, emptied: receipts and the budget need them, and a lost row is taken for damage.
        with self._db.transaction():
            self._db.execute(
                "UPDATE results SET email = NULL, phones = NULL, raw = NULL,"
                " error = CASE status WHEN 'found' THEN ? END",
                (PURGED,),
            )
            self._db.execute("UPDATE attempts SET body = NULL")
            self._db.execute("DELETE FROM input")
        # Else free pages still hold what was removed. SQLite refuses it within a transaction.
        self._db.execute("VACUUM")

    def _put(
        self,
        chunk: int,
        results: Sequence[EnrichmentResult],
        *,
        request_id: str | None = None,
        cached: bool = False,
    ) -> None:
        marks = ", ".join("?" * 14)
        self._db.execute_many(
            # A pending result is replaced when its row is found.
            f"INSERT OR REPLACE INTO results (chunk, {RESULT}) VALUES ({marks})",
            ((chunk, *as_row(result, request_id, cached=cached)) for result in results),
        )
        self._tally(chunk)

    def _tally(self, chunk: int) -> None:
        # Kept beside the results, so that a status counts chunks and not millions of contacts.
        self._db.execute("DELETE FROM tallies WHERE chunk = ?", (chunk,))
        self._db.execute(
            "INSERT INTO tallies (chunk, status, results)"
            " SELECT chunk, status, count(*) FROM results WHERE chunk = ? GROUP BY status",
            (chunk,),
        )
