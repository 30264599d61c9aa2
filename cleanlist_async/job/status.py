"""The state of a job, its cost, and a receipt for every contact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.row_results import Rule, estimate_rule, without_row
from cleanlist_async.enrich.submit_outcome import reason_of
from cleanlist_async.errors import CleanlistError, ConfigurationError, InsufficientCreditsError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import SETTLED, ChunkRow, ChunkState, Header, SubmitMode
from cleanlist_async.job.unknown import UnknownChunk
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.storage.store.records import OrphanedSubmit

JobState: TypeAlias = Literal["planned", "running", "paused", "complete", "complete_with_unknown", "purged"]
WaitsFor: TypeAlias = Literal["workflows", "credits", "connection", "evidence"]
"""Why nothing is sent right now: the limit of open workflows is reached; reserved credits may come back; the
last attempt failed; only chunks with an unknown outcome are left."""

NEVER_SENT: Final = "never sent: the job has not reached it"
"""The error of a contact that is still to be sent."""
_UNFINISHED = frozenset({ChunkState.PLANNED, ChunkState.SENDING, ChunkState.ACCEPTED, ChunkState.FETCHING})
_LEFT: Final = frozenset[ResultStatus]({"pending", "unknown"})
_IN_DOUBT = frozenset({ChunkState.UNKNOWN, ChunkState.PARTIAL, ChunkState.REMOTE_EXPIRED})

_UNDER_WAY = frozenset({ChunkState.ACCEPTED, ChunkState.FETCHING, ChunkState.ABANDONED} | _IN_DOUBT)

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


def left_without(contact: Prepared, chunk: ChunkRow, enrichment_type: EnrichmentType) -> EnrichmentResult:
    """Return the result of a contact that has none on disk, by the state of its chunk."""
    return without_row(
        contact,
        WITHOUT_RESULT[chunk.state],
        chunk.reason,
        workflow_id=chunk.workflow_id,
        enrichment_type=enrichment_type,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """The state of a job. Credits are as the server charged them where it says so, else by the price list.

    Attributes
    ----------
    state
        ``"planned"``: nothing was sent yet. ``"running"``: something is left to do, and nothing stops it.
        ``"paused"``: `paused_by` says why; resume it with the same call. ``"complete"``: nothing is left to
        do. ``"complete_with_unknown"``: the same, but contacts may have been bought without results.
        ``"purged"``, of a job in a store: its contacts were removed.
    contacts, invalid, duplicates
        Contacts of the input; those that are not sent; those that repeat an earlier one.
    chunks
        Number of chunks in each state.
    results
        Number of results of each status, without those of duplicates and invalid contacts. Contacts that a
        workflow or a submit of unknown outcome holds, in a store whichever call made it, are among them as
        ``pending`` and ``unknown``: with `invalid` and `duplicates` these are all `contacts`, less those that
        are still to be sent.
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
    """The name of the job, or that of its journal."""
    state: JobState
    enrichment_type: EnrichmentType
    """What is looked for."""
    submit_mode: SubmitMode
    """How a submit whose answer was lost is found again."""
    contacts: int
    invalid: int
    duplicates: int
    chunks: Mapping[ChunkState, int]
    results: Mapping[ResultStatus, int]
    credits_spent: float
    credits_held: float
    credits_at_risk: float
    max_credits: float | None
    """The budget in credits over all runs; None for none."""
    paused_by: str | None = None
    """What stopped the latest run, for you and not your callers: the name of the error, ``": "``, and then
    the status and the code of the server's answer, or our own words, which may hold amounts of credits and
    names from your configuration. After `Store.stop`, its *reason*. It never holds a contact or a key."""
    shortfall_credits: float | None = None
    was_sent: bool = False
    credits_to_go: float | None = None

    @property
    def settled(self) -> int:
        """Contacts that are finished: with a result, or not sent because invalid; without duplicates."""
        return sum(count for status, count in self.results.items() if status not in _LEFT) + self.invalid


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one contact cost, and why. ``place`` is its place in the input, from 0.

    ``rule`` is ``"charged"`` where the server says what it charged, ``"price list"`` where that is estimated,
    ``"price of a half"`` where a ``full`` enrichment found one half and is estimated at the price of that,
    ``"cache"`` and ``"duplicate"`` where nothing was bought, else ``"none"``.
    """

    place: int
    key: str | None
    """The contact's own `key`."""
    status: str
    """The status of its result."""
    credits: float
    """What it cost, in credits."""
    rule: Rule
    workflow_id: str | None
    """The workflow that it was bought in; None if it was not."""
    request_id: str | None
    """The server's id of the submit, for its support."""


@dataclass(slots=True)
class JobReport:
    """The end of a run: the state of the job, what is unknown, and the error that stopped it, if any."""

    status: JobStatus
    """The state of the job."""
    unknown: list[UnknownChunk] = field(default_factory=list[UnknownChunk], repr=False)
    """Submits of the job that may have been processed; decide them with `Job.resolve`."""
    stopped_by: CleanlistError | None = None
    """The error that ended the run early, or None."""
    held_by: list[OrphanedSubmit] = field(default_factory=list[OrphanedSubmit])
    """Submits of other calls that may have been processed, and hold contacts of this job: decide them with
    `Store.resolve`, and it goes on. Only of a job in a store."""

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
        results=_results(journal),
        credits_spent=spent,
        credits_held=held * per_contact,
        credits_at_risk=doubtful * per_contact,
        max_credits=latest.max_credits,
        paused_by=latest.paused_by,
        shortfall_credits=latest.shortfall,
        was_sent=journal.was_sent(but_the_pilot=True),
        credits_to_go=None if worst_case is None else float(worst_case * to_send),
    )


def pause_note(error: CleanlistError) -> tuple[str, float | None]:
    """Return what is recorded of the error that stopped a run: why, and the credits that are missing."""
    shortfall = error.shortfall_credits if isinstance(error, InsufficientCreditsError) else None
    return reason_of(error), shortfall


def job_is_closed() -> ConfigurationError:
    """Return the error for what needs an open job."""
    return ConfigurationError("This job is closed; open it again with the same call.")


def job_is_running() -> ConfigurationError:
    """Return the error for a second run at a time."""
    return ConfigurationError("This job is running already.")


def keeps_both() -> ConfigurationError:
    """Return the error for a journal that is to lose its contacts and keep its results."""
    return ConfigurationError(
        "keep_results is for jobs in a store: a journal has results only beside their contacts.",
        fix="Leave it out, or keep the journal.",
    )


def is_finished(journal: Journal) -> bool:
    """Whether nothing of a job is sent or asked for any more, whatever it is opened with."""
    return journal.counts().keys() <= SETTLED | {ChunkState.ABANDONED}


def _results(journal: Journal) -> dict[ResultStatus, int]:
    """Count what there is, and what is on its way or in doubt: not what is sent, or sent again, on resume."""
    results = Counter[ResultStatus](journal.statuses())
    for state, contacts in journal.without_result().items():
        if state in _UNDER_WAY and contacts:
            results[WITHOUT_RESULT[ChunkState(state)]] += contacts
    return dict(results)


def _state(counts: dict[ChunkState, int], header: Header, *, running: bool) -> JobState:
    # Abandoned chunks are in neither set: somebody has decided about them.
    if counts.keys() & _UNFINISHED:
        if header.paused_by is not None and not running:
            return "paused"
        return "planned" if counts.keys() <= {ChunkState.PLANNED} and not running else "running"
    return "complete_with_unknown" if counts.keys() & _IN_DOUBT else "complete"


def receipts(journal: Journal, header: Header, contacts: Iterable[Prepared | Invalid]) -> Iterator[Receipt]:
    """Yield the receipts of a job, whose contacts are read beside its results."""
    firsts, skipped = dict(journal.duplicates()), dict(journal.invalid())
    for contact in contacts:
        place, key = contact.index, contact.contact.key
        if place in skipped:
            yield Receipt(place, key, "invalid", 0.0, "none", None, None)
            continue
        first = firsts.get(place, place)
        receipt = journal.receipt_at(first)
        if receipt is None:
            state = journal.state_at(first)
            # A settled chunk has a result for each contact: one that is missing is damage, not "no cost".
            if state in SETTLED:
                raise journal.lost_result(first)
            yield Receipt(place, key, state, 0.0, "none", None, None)
            continue
        status, charged, estimated, workflow_id, request_id, cached = receipt
        # The credits are on the receipt of the first, so that the sum is what was charged.
        if first != place:
            yield Receipt(place, key, status, 0.0, "duplicate", workflow_id, request_id)
        elif cached:
            yield Receipt(place, key, status, 0.0, "cache", workflow_id, request_id)
        elif charged is not None:
            yield Receipt(place, key, status, charged, "charged", workflow_id, request_id)
        else:
            rule = estimate_rule(estimated, header.enrichment_type)
            yield Receipt(place, key, status, estimated, rule, workflow_id, request_id)
