"""The states of a chunk, and the permitted transitions. Pure.

::

    PLANNED --> SENDING --> ACCEPTED --> FETCHING --> DONE | PARTIAL | REMOTE_FAILED
       ^           |            |
       |           |            '--> REMOTE_EXPIRED
       |           |--> PLANNED    the server did not accept: sent again
       |           |--> REFUSED    it never will, as it stands
       |           '--> UNKNOWN    it may have accepted
       '-------------- UNKNOWN --> ACCEPTED by evidence | PLANNED by proof or decision | ABANDONED by decision

    PLANNED --> ACCEPTED: the evidence came after the decision to send it again, and before it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ChunkState(StrEnum):
    """Where a chunk is."""

    PLANNED = "planned"
    """Nothing of it was sent, or the server certainly did not accept it."""
    SENDING = "sending"
    """The intent is on disk. Until the answer is too, only the server knows the outcome."""
    UNKNOWN = "unknown"
    """It may have been accepted. Never sent again without evidence or a decision."""
    ACCEPTED = "accepted"
    """The server has it, and its workflow id is on disk."""
    FETCHING = "fetching"
    """The workflow is finished; its results are being read."""
    DONE = "done"
    """Every contact has its result on disk."""
    PARTIAL = "partial"
    """The workflow is finished, but not every contact has a row that is certainly its own. Read again."""
    REMOTE_FAILED = "remote_failed"
    """The server ended the workflow before it was finished, which costs nothing."""
    REMOTE_EXPIRED = "remote_expired"
    """The server no longer knows the workflow. Asked again on resume."""
    REFUSED = "refused"
    """The server refuses it as it stands. Tried once more on resume."""
    ABANDONED = "abandoned"
    """Given up by decision; its outcome or its results stay unknown."""


# No arrow leads from ACCEPTED or anything after it back to PLANNED: what was bought is never sent again.
_ARROWS: Final[Mapping[ChunkState, tuple[ChunkState, ...]]] = {
    ChunkState.PLANNED: (ChunkState.SENDING, ChunkState.ACCEPTED, ChunkState.DONE),  # DONE: from the cache
    ChunkState.SENDING: (
        ChunkState.PLANNED,
        ChunkState.ACCEPTED,
        ChunkState.UNKNOWN,
        ChunkState.REFUSED,
    ),
    # Back to PLANNED only with a decision or proof of absence, which a trigger checks: see schema.py.
    ChunkState.UNKNOWN: (ChunkState.ACCEPTED, ChunkState.PLANNED, ChunkState.ABANDONED),
    ChunkState.ACCEPTED: (ChunkState.FETCHING, ChunkState.REMOTE_EXPIRED),
    ChunkState.FETCHING: (
        ChunkState.ACCEPTED,  # after a crash: the server still has the rows
        ChunkState.DONE,
        ChunkState.PARTIAL,
        ChunkState.REMOTE_FAILED,
        ChunkState.REMOTE_EXPIRED,
    ),
    ChunkState.PARTIAL: (ChunkState.FETCHING, ChunkState.REMOTE_EXPIRED),
    # The 404 may be that of a wrong key or a mistyped id, so it is not the end.
    ChunkState.REMOTE_EXPIRED: (ChunkState.ACCEPTED, ChunkState.ABANDONED),
    ChunkState.REFUSED: (ChunkState.PLANNED,),
    ChunkState.DONE: (),
    ChunkState.REMOTE_FAILED: (),
    ChunkState.ABANDONED: (),
}
SETTLED: Final = frozenset({ChunkState.DONE, ChunkState.REMOTE_FAILED})
"""Where every contact has its result on disk."""
ARROWS: Final = tuple((old, new) for old, after in _ARROWS.items() for new in after)
"""Every permitted transition. PLANNED to DONE: all its contacts had results already."""
