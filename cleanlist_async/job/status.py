"""The state of a job, its cost, and a receipt for every contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from cleanlist_async import facts
from cleanlist_async.enrich.row_results import Rule
from cleanlist_async.errors import CleanlistError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Header, SubmitMode
from cleanlist_async.job.journal.states import ChunkState
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.results import ResultStatus

JobState: TypeAlias = Literal["planned", "running", "paused", "complete", "complete_with_unknown"]

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
"""The status of a contact without a result, by the state of its chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """The state of a job. Credits are as the server charged them where it says so, else by the price list.

    Attributes
    ----------
    state
        ``"planned"``: nothing was sent yet. ``"running"``: something is left to do, and nothing stops it.
        ``"paused"``: `paused_by` says why; resume it with the same call. ``"complete"``: nothing is left to
        do. ``"complete_with_unknown"``: the same, but contacts may have been bought without results.
    contacts, invalid, duplicates
        Contacts of the input; those that are not sent; those that repeat an earlier one.
    chunks
        Number of chunks in each state.
    results
        Number of results of each status, without those of duplicates and invalid contacts.
    credits_spent, credits_held, credits_at_risk
        Credits spent; the most that unsettled submits can still cost; and the unknown ones among them.
    shortfall_credits
        Credits that are missing, as the server says, when the job is paused for lack of credits.
    was_sent
        Whether anything was sent beyond a pilot, in any run.
    credits_to_go
        Most credits that the contacts still to be sent can cost; None where nothing bounds it.

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
    was_sent: bool = False
    credits_to_go: float | None = None

    @property
    def settled(self) -> int:
        """Contacts that are finished: with a result, or not sent because invalid; without duplicates."""
        return sum(count for status, count in self.results.items() if status != "pending") + self.invalid


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one contact cost, and why. ``place`` is its place in the input, from 0.

    ``rule`` is ``"charged"`` where the server says what it charged, ``"price list"`` where that is estimated,
    ``"price of a half"`` where a ``full`` enrichment found one half and is estimated at the price of that,
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
    """The end of a run: the state of the job, what is unknown, and the error that stopped it, if any."""

    status: JobStatus
    unknown: list[UnknownChunk] = field(default_factory=list[UnknownChunk])
    stopped_by: CleanlistError | None = None

    def raise_for_error(self) -> None:
        """Raise the error that stopped the run, if one did."""
        if self.stopped_by is not None:
            raise self.stopped_by


def status_of(journal: Journal, header: Header, *, running: bool) -> JobStatus:
    """Read the state of a job."""
    latest = journal.header or header  # the budget and what paused it may have changed since it was opened
    by_state = journal.counts()
    counts = {state: chunks for state, (chunks, _) in by_state.items()}
    worst_case = facts.WORST_CASE_CREDITS.get(header.enrichment_type)
    per_contact = worst_case or 0
    _, to_send = by_state.get(ChunkState.PLANNED, (0, 0))
    spent, held = journal.committed()
    # Unknown now, and sent again by decision before: each of these may have been bought.
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
        was_sent=journal.was_sent(but_the_pilot=True),
        credits_to_go=None if worst_case is None else float(worst_case * to_send),
    )


def _state(counts: dict[ChunkState, int], header: Header, *, running: bool) -> JobState:
    # Abandoned chunks are in neither set: somebody has decided about them.
    if counts.keys() & _UNFINISHED:
        if header.paused_by is not None and not running:
            return "paused"
        return "planned" if counts.keys() <= {ChunkState.PLANNED} and not running else "running"
    return "complete_with_unknown" if counts.keys() & _IN_DOUBT else "complete"
