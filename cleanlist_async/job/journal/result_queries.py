"""The results in a journal, as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.chunks import JournalChunks
from cleanlist_async.job.journal.database import Row
from cleanlist_async.job.journal.records import PURGED, ChunkRow, from_row
from cleanlist_async.job.journal.states import SETTLED
from cleanlist_async.results import EnrichmentResult, ResultStatus

RESULT: Final = (
    "place, status, email, email_status, phones, task_id, workflow_id, error, credits_charged,"
    " credits_estimated, request_id, cached, raw"
)
_TYPE: Final = "(SELECT enrichment_type FROM job)"
_WHOLE_RESULT: Final = f"{RESULT}, {_TYPE}"
# Without `raw`, which is most of a result: a report of a million contacts reads none of it.
_LEAN_RESULT: Final = f"{RESULT.removesuffix('raw')} NULL, {_TYPE}"


class ResultQueries(JournalChunks):
    """The results that were written."""

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
