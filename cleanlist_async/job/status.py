"""What a job is doing, what it cost, and a receipt for every contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from cleanlist_async import facts
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Header, SubmitMode
from cleanlist_async.job.journal.states import ChunkState
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.results import ResultStatus

JobState: TypeAlias = Literal["planned", "running", "paused", "complete", "complete_with_unknown"]

Rule: TypeAlias = Literal["charged", "price list", "price of a half", "cache", "duplicate", "none"]

_UNFINISHED = frozenset({ChunkState.PLANNED, ChunkState.SENDING, ChunkState.ACCEPTED, ChunkState.FETCHING})
_IN_DOUBT = frozenset({ChunkState.UNKNOWN, ChunkState.PARTIAL, ChunkState.REMOTE_EXPIRED})

WITHOUT_RESULT: Final[Mapping[ChunkState, ResultStatus]] = {
    ChunkState.ACCEPTED: "pending",
    ChunkState.FETCHING: "pending",
    ChunkState.PARTIAL: "pending",
    ChunkState.REMOTE_EXPIRED: "pending",
    ChunkState.SENDING: "unknown",
    ChunkState.UNKNOWN: "unknown",
    ChunkState.ABANDONED: "unknown",
    ChunkState.REFUSED: "failed",
}
"""What the contacts of a chunk are as long as they have no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """Where a job stands. Credits are the server's word where it gave one, else by the price list.

    Attributes
    ----------
    state
        ``"planned"``: nothing was sent yet. ``"running"``: something is left to do, and nothing stops it.
        ``"paused"``: `paused_by` says why; resume it with the same call. ``"complete_with_unknown"``: nothing
        is left to do, but some contacts may have been bought without their results being here.
    contacts, invalid, duplicates
        Contacts of the input; those skipped; those bought with an earlier one.
    chunks
        Number of chunks in each state.
    results
        Number of results of each status, without those of duplicates and invalid contacts.
    credits_spent, credits_held, credits_at_risk
        Spent; at most to be spent on what was sent and is not settled; and of those, on what is unknown.
    shortfall_credits
        What the server said is missing, when the job is paused for want of credits.

    """

    name: str
    state: JobState
    enrichment_type: EnrichmentType
    submit_mode: SubmitMode
    contacts: int
    invalid: int
    duplicates: int
    chunks: Mapping[ChunkState, int]
    results: Mapping[ResultStatus, int]
    credits_spent: float
    credits_held: float
    credits_at_risk: float
    max_credits: float | None
    paused_by: str | None = None
    shortfall_credits: float | None = None

    @property
    def settled(self) -> int:
        """Contacts of which nothing more is to come: with a result, or skipped; without duplicates."""
        return sum(count for status, count in self.results.items() if status != "pending") + self.invalid


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one contact cost, and why. ``place`` is its place in the input, from 0.

    ``rule`` is ``"charged"`` where the server says what it charged, ``"price list"`` where that is estimated
    (``"price of a half"`` for a ``full`` enrichment with one half found, priced so),
    ``"cache"`` and ``"duplicate"`` where nothing was bought, else ``"none"``.
    """

    place: int
    key: str | None
    status: str
    credits: float
    rule: Rule
    workflow_id: str | None
    request_id: str | None


@dataclass(slots=True)
class JobReport:
    """The end of a run: where the job stands, what is unknown, and the error that stopped it, if one did."""

    status: JobStatus
    unknown: list[UnknownChunk] = field(default_factory=list[UnknownChunk])
    stopped_by: Exception | None = None

    def raise_for_error(self) -> None:
        """Raise the error that stopped the run, if one did."""
        if self.stopped_by is not None:
            raise self.stopped_by


def status_of(journal: Journal, header: Header, *, running: bool) -> JobStatus:
    """Read where a job stands."""
    latest = journal.header or header
    counts = {state: chunks for state, (chunks, _) in journal.counts().items()}
    per_contact = facts.WORST_CASE_CREDITS.get(header.enrichment_type) or 0
    spent, held = journal.committed()
    doubtful = sum(
        chunk.held + chunk.doubtful for chunk in journal.chunks("WHERE state = 'unknown' OR doubtful > 0")
    )
    invalid, duplicates = journal.set_aside()
    return JobStatus(
        name=header.name,
        state=_state(counts, latest, running=running),
        enrichment_type=header.enrichment_type,
        submit_mode=header.submit_mode,
        contacts=header.contacts,
        invalid=invalid,
        duplicates=duplicates,
        chunks=counts,
        results=journal.statuses(),
        credits_spent=spent,
        credits_held=held * per_contact,
        credits_at_risk=doubtful * per_contact,
        max_credits=latest.max_credits,
        paused_by=latest.paused_by,
        shortfall_credits=latest.shortfall,
    )


def _state(counts: dict[ChunkState, int], header: Header, *, running: bool) -> JobState:
    if counts.keys() & _UNFINISHED:
        if header.paused_by is not None and not running:
            return "paused"
        return "planned" if counts.keys() <= {ChunkState.PLANNED} and not running else "running"
    return "complete_with_unknown" if counts.keys() & _IN_DOUBT else "complete"
