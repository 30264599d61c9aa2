"""What the end of a submit means for its chunk. Pure; `retry.proof_of` has the answers that refuse.

======================================================================  ==========
what came of the attempt                                                 the chunk is
======================================================================  ==========
not a byte left                                                          PLANNED
2xx that names a workflow, however torn or odd                           ACCEPTED
a refusal by 429; of a quote that has gone stale                         PLANNED
any other refusal                                                        PLANNED or REFUSED
a quote that is used up, perhaps by an attempt of an earlier process     UNKNOWN
2xx without a workflow, 3xx, 5xx, any other answer, a broken one         UNKNOWN
======================================================================  ==========
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from cleanlist_async.api.quotes import STALE
from cleanlist_async.errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    CleanlistError,
    InsufficientCreditsError,
    PermissionDeniedError,
    QuoteAlreadyRedeemedError,
    RateLimitError,
    UnknownOutcomeError,
    VersionDeprecatedError,
)
from cleanlist_async.job.journal.states import ChunkState

_PAUSES: Final = (
    AuthenticationError,
    PermissionDeniedError,
    InsufficientCreditsError,
    VersionDeprecatedError,
)


class Next(Enum):
    """What the job does after a submit that was not accepted."""

    TRY_AGAIN = "try again"
    """When the limit allows, or the connection is back."""
    PAUSE = "pause the job"
    """The next chunk would end the same way: the key, the plan, the credits."""
    GO_ON = "go on with the next chunk"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a chunk goes, and the job."""

    state: ChunkState
    next: Next
    outcome: str


def classify(error: CleanlistError, *, intended: bool) -> Verdict:
    """Judge a submit that ended with *error*; *intended* says whether its first byte may have left."""
    if not intended:
        again = isinstance(error, APIConnectionError | RateLimitError)
        return Verdict(ChunkState.PLANNED, Next.TRY_AGAIN if again else Next.PAUSE, "not sent")
    if isinstance(error, UnknownOutcomeError | QuoteAlreadyRedeemedError):
        return Verdict(ChunkState.UNKNOWN, Next.GO_ON, "ambiguous")
    if isinstance(error, (APIConnectionError, RateLimitError, *STALE)):
        return Verdict(ChunkState.PLANNED, Next.TRY_AGAIN, "rejected")
    if isinstance(error, _PAUSES):
        return Verdict(ChunkState.PLANNED, Next.PAUSE, "rejected")
    if isinstance(error, APIError):
        return Verdict(ChunkState.REFUSED, Next.GO_ON, "rejected")
    return Verdict(ChunkState.UNKNOWN, Next.GO_ON, "ambiguous")
