"""What a journal holds: its records, and how they are stored in rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, cast

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.errors import APIError, CleanlistError, JournalError, UnknownOutcomeError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.journal.states import ChunkState
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.storage.store.records import kept_raw
from cleanlist_async.types import JSON

SubmitMode: TypeAlias = Literal["plain", "tracked", "exact"]
HalfFullPrice: TypeAlias = Literal["full", "each"]
"""The price of a ``full`` enrichment that found one half: 11 credits, or that of the half. Not documented."""
Decision: TypeAlias = Literal["accepted", "absent", "resubmit", "abandon"]

NOTHING_TO_SEND: Final = "nothing to send"
PURGED: Final = "its result was purged"


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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
