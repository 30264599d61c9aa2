"""What a journal holds: the states of a chunk, its records, and how they are stored in rows.

A chunk goes from state to state only along these arrows::

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

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal, TypeAlias, cast

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.errors import APIError, CleanlistError, JournalError, UnknownOutcomeError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.storage.store.records import kept_raw
from cleanlist_async.types import JSON


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


SubmitMode: TypeAlias = Literal["plain", "tracked", "exact"]
HalfFullPrice: TypeAlias = Literal["full", "each"]
"""The price of a ``full`` enrichment that found one half: 11 credits, or that of the half. Not documented."""
Decision: TypeAlias = Literal["accepted", "absent", "resubmit", "abandon"]

NOTHING_TO_SEND: Final = "nothing to send"
PURGED: Final = "its result was purged"


@dataclass(frozen=True, slots=True)
class Header:
    """What a job was started with."""

    name: str
    created_at: str
    origin: str
    enrichment_type: EnrichmentType
    submit_mode: SubmitMode
    half_full_price: HalfFullPrice
    webhook: str | None
    max_credits: float | None
    source_name: str
    source_digest: str
    salt: bytes
    contacts: int
    duplicates_digest: bytes
    paused_by: str | None = None
    shortfall: float | None = None


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """One chunk in the journal: the contacts from place `first` to `last` that are to be sent."""

    number: int
    first: int
    last: int
    contacts: int
    fingerprint: bytes
    is_pilot: bool
    state: ChunkState
    workflow_id: str | None
    list_id: str | None
    key_name: str | None
    task_ids: tuple[str, ...]
    request_id: str | None
    reason: str | None
    since: str | None
    held: int
    """Contacts whose worst case may still be charged."""
    doubtful: int
    """Contacts of earlier submits that may have been accepted, and were sent again by decision."""
    spent: float
    """Credits that its results cost."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submit, with everything that can identify it later. Made before it is sent."""

    submission: str
    chunk: int
    token: str | None = None
    idempotency_key: str | None = None
    quote_id: str | None = None
    started_at: str = ""
    """When it was recorded, by the system clock; empty before."""
    outcome: str | None = None
    """How it ended; None until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    """How an attempt ended, without any contact data."""

    outcome: str
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    body: str | None = None

    @classmethod
    def of(cls, error: CleanlistError, outcome: Literal["ambiguous", "rejected"]) -> AttemptOutcome:
        """Describe an attempt that was not accepted."""
        said = error if isinstance(error, APIError | UnknownOutcomeError) else None
        return cls(
            outcome=outcome,
            status=said.status if said else getattr(error, "status", None),
            code=said.code if said else None,
            request_id=error.request_id,
        )


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the server said when it accepted a chunk."""

    workflow_id: str
    task_ids: tuple[str, ...] = ()
    key_name: str | None = None
    request_id: str | None = None
    body: str | None = None
    attempt: Attempt | None = None
    """The attempt that was answered, if it is a repeated import."""


def now() -> str:
    """Return the time by the system clock, as the journal stores it."""
    # With microseconds always, so that times compare as texts.
    return datetime.now(UTC).isoformat(timespec="microseconds")


def as_row(result: EnrichmentResult, request_id: str | None, *, cached: bool) -> tuple[object, ...]:
    """Return a result as a row of the table."""
    return (
        result.index,
        result.status,
        result.email,
        result.email_status,
        json.dumps(result.phones) if result.phones else None,
        result.task_id,
        result.workflow_id,
        result.error,
        result.credits_charged,
        result.credits_estimated,
        request_id,
        int(cached),
        kept_raw(result.raw),
    )


def from_row(row: tuple[object, ...], contacts: Mapping[int, Contact]) -> EnrichmentResult | None:
    """Return the result in a row; None if its contact is not among *contacts*."""
    # In the order of RESULT, which `as_row` writes in.
    place, status, email, email_status, phones, task_id, workflow_id, error, charged, estimated, *rest = row
    *_, raw, enrichment_type = rest
    contact = contacts.get(cast("int", place))
    if contact is None:
        return None
    try:
        found_phones = tuple(json.loads(cast("str", phones))) if phones else ()
        found_row = json.loads(cast("str", raw)) if raw else None
    except ValueError:  # in a journal of version 1, which has no checksums
        raise JournalError(f"The result of contact #{cast('int', place) + 1:,} is damaged.") from None
    return EnrichmentResult(
        index=cast("int", place),
        contact=contact,
        key=contact.key,
        status=cast("ResultStatus", status),
        email=cast("str | None", email),
        email_status=cast("str | None", email_status),
        phones=found_phones,
        task_id=cast("str | None", task_id),
        workflow_id=cast("str | None", workflow_id),
        error=cast("str | None", error),
        enrichment_type=cast("EnrichmentType", enrichment_type),
        credits_charged=cast("float | None", charged),
        credits_estimated=cast("float", estimated),
        raw=cast("dict[str, JSON] | None", found_row),
    )
