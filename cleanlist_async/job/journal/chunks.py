"""The chunks of a journal, and how they move from one state to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from cleanlist_async.errors import JournalError
from cleanlist_async.job.journal.records import NOTHING_TO_SEND, ChunkRow, now
from cleanlist_async.job.journal.states import ChunkState
from cleanlist_async.job.journal.written_plan import JournalPlan

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

    def set_list(self, chunk: int, list_id: str, key_name: str | None) -> ChunkRow:
        """Record the list that was made for a chunk, and the key it was made with."""
        self._db.execute(
            "UPDATE chunks SET list_id = ?, key_name = ? WHERE number = ?", (list_id, key_name, chunk)
        )
        return self.chunk(chunk)

    def fetching(self, chunk: int) -> None:
        """Record that a workflow is finished, and that its results are being read."""
        if self.chunk(chunk).state is ChunkState.FETCHING:
            return  # reading its rows ended in a 404, and begins again
        self._move(chunk, (ChunkState.ACCEPTED, ChunkState.PARTIAL), ChunkState.FETCHING)

    def nothing_to_send(self, chunk: int) -> ChunkRow:
        """Record that all contacts of a planned chunk already have their results."""
        return self._move(chunk, (ChunkState.PLANNED,), ChunkState.DONE, reason=NOTHING_TO_SEND)

    def expired(self, chunk: int, reason: str) -> ChunkRow:
        """Record that the server no longer knows a workflow."""
        known = (ChunkState.ACCEPTED, ChunkState.FETCHING, ChunkState.PARTIAL)
        return self._move(chunk, known, ChunkState.REMOTE_EXPIRED, reason=reason)

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
