"""What a store holds, as the program sees it, and the rules of what may be reused. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias, cast

from pydantic_core import from_json, to_json

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.types import JSON

SubmitState: TypeAlias = Literal["sending", "accepted", "unknown", "refused", "lost"]
"""Where a submit is: on its way, accepted, perhaps accepted, certainly not, or forgotten by the server."""

REMEMBERED: Final[frozenset[EnrichmentType]] = frozenset({"partial", "phone_only", "full"})
"""Types whose results are reused. ``none`` is free, and ``prospecting_only`` discovers others each time."""
_SERVED_BY: Final[Mapping[EnrichmentType, tuple[EnrichmentType, ...]]] = {
    "partial": ("partial", "full"),
    "phone_only": ("phone_only", "full"),
    "full": ("full",),
}
"""For each type, those whose results answer it: ``full`` looks for the e-mail address and the phone."""
_MAX_RAW_BYTES: Final = 256_000
"""Bytes of a row stored with its result: more would block the event loop. A documented row takes 500."""
_KEPT: Final = ("status", "email", "email_status", "phones", "task_id", "workflow_id", "error")


def serving(enrichment_type: EnrichmentType) -> tuple[EnrichmentType, ...]:
    """Return the types whose results answer *enrichment_type*, itself first."""
    return _SERVED_BY[enrichment_type]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a result may be to be reused, in seconds; None: as old as it is."""

    found_s: float | None = None
    not_found_s: float | None = facts.NOT_FOUND_TTL_S
    buy_anew: bool = False
    """Whether a result that is there is not reused. One that is on its way is: it is as new as any."""

    @classmethod
    def of(cls, max_age_s: float | None, *, fresh: bool) -> Freshness:
        """Return the rule of a call: *max_age_s* bounds both, and the defaults hold without it."""
        if max_age_s is None:
            return cls(buy_anew=fresh)
        return cls(max_age_s, min(max_age_s, facts.NOT_FOUND_TTL_S), buy_anew=fresh)

    def after(self, waited_s: float) -> Freshness:
        """Return the rule of a call that has waited so long: what came meanwhile is as new as any."""
        if self.buy_anew:
            return Freshness(waited_s, waited_s)
        found_s = None if self.found_s is None else max(self.found_s, waited_s)
        not_found_s = None if self.not_found_s is None else max(self.not_found_s, waited_s)
        return Freshness(found_s, not_found_s)

    def since(self, age_s: float) -> Freshness:
        """Return the rule of a call that began so long ago: what was new enough then is so now."""
        if not age_s:
            return self
        if self.buy_anew:
            return Freshness(age_s, age_s)
        found_s = None if self.found_s is None else self.found_s + age_s
        return Freshness(found_s, None if self.not_found_s is None else self.not_found_s + age_s)

    def allows(self, status: str, age_s: float) -> bool:
        """Whether a result of this status and age may be reused."""
        if self.buy_anew:
            return False
        limit_s = self.found_s if status == "found" else self.not_found_s
        return limit_s is None or age_s < limit_s


@dataclass(frozen=True, slots=True)
class PurchaseRow:
    """One contact and type, as the store has it at the time `now` of its own clock.

    Attributes
    ----------
    digest, enrichment_type
        What was bought, of whom.
    owner, owner_lives
        The client that buys it now, None for nobody; whether its lease has not run out.
    submission, state, workflow_id, task_id, key_name, job
        The submit that it is in, as far as that got, the name of the key it was made with, and the id of the
        job that it was made for, if any.
    result, settled_at
        The latest result, and when it came.

    """

    digest: str
    enrichment_type: EnrichmentType
    owner: str | None
    owner_lives: bool
    submission: str | None
    state: SubmitState | None
    workflow_id: str | None
    task_id: str | None
    key_name: str | None
    job: str | None
    result: str | None
    settled_at: float | None
    now: float


@dataclass(frozen=True, slots=True)
class OrphanedSubmit:
    """A submit whose results nobody waits for any more.

    Attributes
    ----------
    submission
        Our name for it, by which it is decided.
    organization, enrichment_type, door
        Whose credits it may cost, what it asked for, and by which call.
    state
        ``accepted``: the results are fetched for free when a contact of it is asked for again. ``sending``
        or ``unknown``: it may have been processed. ``lost``: the server no longer knows its workflow.
    contacts
        Contacts in it without a result.
    workflow_id, reason
        The server's name for it, and what went wrong.
    at
        When it was sent, in seconds since the epoch.
    job
        The name of the job that it was made for; None for none.

    """

    submission: str
    organization: str
    enrichment_type: EnrichmentType
    door: str
    state: SubmitState
    contacts: int
    workflow_id: str | None
    reason: str | None
    at: float
    job: str | None = None


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """How much a store holds.

    Attributes
    ----------
    results
        Contacts with a result, one for each enrichment type.
    under_way
        Contacts in a submit that is not settled.
    audit_lines
        Lines of the audit trail.
    size_bytes
        What it takes on the disk, in bytes.

    """

    results: int
    under_way: int
    audit_lines: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Known:
    """It was bought, and this is its result, which costs nothing now."""

    result: EnrichmentResult
    row: PurchaseRow


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Somebody else buys it now: wait for that."""

    workflow_id: str | None = None


@dataclass(frozen=True, slots=True)
class Orphan:
    """It was bought in a workflow that nobody waits for any more: its result can be fetched for free."""

    submission: str
    workflow_id: str
    task_id: str | None
    key_name: str | None
    enrichment_type: EnrichmentType
    job: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """It may have been paid for: its submit has an unknown outcome, or the server forgot the workflow."""

    submission: str
    workflow_id: str | None = None


@dataclass(frozen=True, slots=True)
class Mine:
    """Nobody has it: the claim is ours, and it may be bought.

    `halves` are those of ``full`` that the store has: it would pay them again.
    """

    halves: tuple[EnrichmentType, ...] = ()


Claim: TypeAlias = Known | Elsewhere | Orphan | Doubtful | Mine


def judge(
    rows: Sequence[PurchaseRow], contact: Prepared, enrichment_type: EnrichmentType, freshness: Freshness
) -> Claim:
    """Say what is to be done for a contact, by those of its rows whose types answer *enrichment_type*.

    A purchase under way comes before a result, and is as new as any. A doubtful one comes after a result that
    may be reused, and is bought anew by ``fresh``, knowingly.
    """
    doubt: Doubtful | None = None
    answering = [row for row in rows if row.enrichment_type in serving(enrichment_type)]
    for row in answering:
        under_way = _under_way(row)
        if isinstance(under_way, Doubtful):
            doubt = doubt or under_way
        elif under_way is not None:
            return under_way
    for row in sorted(answering, key=lambda row: row.enrichment_type != enrichment_type):
        if (result := _reusable(row, contact, enrichment_type, freshness)) is not None:
            return Known(result, row)
    if doubt is not None and not freshness.buy_anew:
        return doubt
    return Mine(_halves(rows, contact, freshness) if enrichment_type == "full" else ())


def _reusable(
    row: PurchaseRow, contact: Prepared, enrichment_type: EnrichmentType, freshness: Freshness
) -> EnrichmentResult | None:
    if row.result is None or row.settled_at is None:
        return None
    result = restored(row, contact, enrichment_type)
    return result if freshness.allows(result.status, row.now - row.settled_at) else None


def _halves(
    rows: Sequence[PurchaseRow], contact: Prepared, freshness: Freshness
) -> tuple[EnrichmentType, ...]:
    """Return the halves of ``full`` that were found, and may be reused."""
    kinds: set[EnrichmentType] = {
        row.enrichment_type
        for row in rows
        if row.enrichment_type != "full"
        and (result := _reusable(row, contact, row.enrichment_type, freshness)) is not None
        and result.status == "found"
    }
    return tuple(sorted(kinds))


def _under_way(row: PurchaseRow) -> Claim | None:
    if row.submission is None or row.state == "refused":
        return Elsewhere() if row.owner is not None and row.owner_lives else None
    if row.state == "accepted" and row.workflow_id is not None:
        if row.owner_lives:
            return Elsewhere(row.workflow_id)
        kind = row.enrichment_type
        return Orphan(row.submission, row.workflow_id, row.task_id, row.key_name, kind, row.job, row.digest)
    if row.state == "sending" and row.owner_lives:
        return Elsewhere()
    # Also one that was on its way when its client died: the server may have taken it.
    return Doubtful(row.submission, row.workflow_id)


# -- results as they lie in a row ----------------------------------------------------------------------


def as_text(result: EnrichmentResult) -> str:
    """Lay a result into a row: what the server found, not what the caller had given."""
    kept = {name: value for name in _KEPT if (value := getattr(result, name))}
    kept["credits"] = result.credits
    text, raw = to_json(kept).decode(), kept_raw(result.raw)
    # Put in as text: to measure it, it was encoded already.
    return text if raw is None else f'{text[:-1]},"raw":{raw}}}'


def kept_raw(raw: Mapping[str, JSON] | None) -> str | None:
    """Return a row of the server as it is stored; None for one that is too large to describe a person."""
    # Each text is measured first: encoding a huge one is what would block the loop.
    if not raw or any(isinstance(value, str) and len(value) > _MAX_RAW_BYTES for value in raw.values()):
        return None
    kept = to_json(raw)
    return kept.decode() if len(kept) <= _MAX_RAW_BYTES else None


def restored(row: PurchaseRow, contact: Prepared, enrichment_type: EnrichmentType) -> EnrichmentResult:
    """Read the result of a row as that of *contact*, which costs nothing now."""
    kept = cast("dict[str, Any]", from_json(row.result or "{}"))
    bought_for = float(kept.pop("credits", 0.0))
    raw = cast("dict[str, JSON] | None", kept.pop("raw", None))
    phones = tuple(str(phone) for phone in kept.pop("phones", ()))
    result = EnrichmentResult(
        index=contact.index,
        contact=contact.contact,
        key=contact.contact.key,
        enrichment_type=row.enrichment_type,
        phones=phones,
        credits_charged=0.0,
        raw=raw,
        bought_at=None if row.settled_at is None else datetime.fromtimestamp(row.settled_at, UTC),
        bought_for=bought_for,
        **{name: value for name, value in kept.items() if name in _KEPT},
    )
    return restored_as(result, enrichment_type)


def restored_as(result: EnrichmentResult, wanted: EnrichmentType) -> EnrichmentResult:
    """Return a result as one of type *wanted*: of ``full``, the half that was asked for."""
    if result.enrichment_type == wanted or result.status not in {"found", "not_found"}:
        return result
    result = replace(result, enrichment_type=wanted)
    if wanted == "partial":
        return replace(result, phones=(), status="found" if result.email else "not_found")
    return replace(result, email=None, email_status=None, status="found" if result.phones else "not_found")


def cost_of(text: str) -> float:
    """Return the credits that a result cost when it was bought."""
    return float(cast("dict[str, Any]", from_json(text)).get("credits", 0.0))
