"""What a bulk run gives back: one result for each contact that went in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.errors import Billed, CleanlistError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.types import JSON

ResultStatus: TypeAlias = Literal["found", "not_found", "invalid", "pending", "unknown", "failed"]


@dataclass(slots=True)
class EnrichmentResult:
    """What came of one contact.

    Attributes
    ----------
    index
        Its 0-based position in the input.
    status
        ``found``; ``not_found`` (the server is done and has nothing); ``invalid`` (kept back, reason in
        ``error``); ``pending`` (accepted, perhaps paid, not finished or not certainly this person's;
        fetched for free by ``client.collect``); ``unknown`` (nobody can say whether the submit was
        processed); ``failed`` (never accepted, or the server ended its workflow, which costs nothing).
    task_id, workflow_id
        The server's ids, as far as known.
    duplicate_of
        The index of the first contact with the same data, bought once for both.
    credits_charged, credits_estimated
        Credits as the server says, where it does; else by the price list. 0 for duplicates.
    raw
        The server's row, whole.

    """

    index: int
    contact: Contact
    status: ResultStatus
    key: str | None = None
    email: str | None = None
    email_status: str | None = None
    phones: tuple[str, ...] = ()
    task_id: str | None = None
    workflow_id: str | None = None
    duplicate_of: int | None = None
    error: str | None = None
    enrichment_type: EnrichmentType | None = None
    credits_charged: float | None = None
    credits_estimated: float = 0.0
    raw: Mapping[str, JSON] | None = field(default=None, repr=False)

    @property
    def credits(self) -> float:
        """Credits charged where the server says so, else estimated."""
        return self.credits_estimated if self.credits_charged is None else self.credits_charged

    @property
    def billed(self) -> Billed:
        """Whether this contact was paid for: ``"no"``, ``"yes"`` or ``"unknown"``.

        By the server's word where it gave one, else by the price list, on which nothing found costs nothing
        (docs.cleanlist.ai/api-reference/enrichment-types). So ``invalid``, ``failed`` and ``not_found`` are
        ``"no"``, as is a duplicate: its first has paid. ``unknown`` is ``"unknown"``, and so is ``pending``
        unless its type is ``none``, which is free. So is ``prospecting_only`` with nothing of the contact
        itself: it is billed by the contacts that it discovered, and their number is not told.
        """
        if self.status == "unknown":
            return "unknown"
        if self.credits > 0:
            return "yes"
        may_cost = self.status == "pending" and self.enrichment_type != "none"
        may_cost |= (
            self.status == "found"
            and self.enrichment_type == "prospecting_only"
            and self.duplicate_of is None
        )
        return "unknown" if may_cost and self.credits_charged is None else "no"


@dataclass(slots=True)
class Summary:
    """Counts of a run. Credits are the server's word where it gave one, else by the price list."""

    contacts: int = 0
    statuses: Counter[ResultStatus] = field(default_factory=Counter[ResultStatus])
    duplicates: int = 0
    workflows: int = 0
    requests: int = 0
    lookups: int = 0
    credits: float = 0.0
    elapsed_s: float = 0.0

    def count(self, result: EnrichmentResult) -> None:
        """Add one result."""
        self.contacts += 1
        self.statuses[result.status] += 1
        self.duplicates += result.duplicate_of is not None
        self.credits += result.credits

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {status}" for status, count in self.statuses.most_common())
        return f"{self.contacts:,} contacts: {counts or 'none'}; {self.credits:,.10g} credits"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. ``total`` and ``eta_s`` (seconds) are None where they cannot be known."""

    done: int
    total: int | None
    found: int
    credits: float
    requests: int
    open_workflows: int
    elapsed_s: float
    eta_s: float | None
    note: str | None = None


@dataclass(slots=True)
class EnrichmentReport:
    """The results of a finished or stopped run, one per input contact, in input order.

    ``stopped_by`` is the error that ended it early, or None.
    """

    results: Sequence[EnrichmentResult]
    summary: Summary
    stopped_by: CleanlistError | None = None

    @property
    def pending(self) -> list[EnrichmentResult]:
        """Accepted, but not here yet: give them to ``client.collect``, which costs no credits."""
        return [result for result in self.results if result.status == "pending"]

    @property
    def unknown(self) -> list[EnrichmentResult]:
        """Submitted, with an outcome nobody knows: look in the portal before you send them again."""
        return [result for result in self.results if result.status == "unknown"]

    def raise_for_error(self) -> None:
        """Raise the error that stopped the run, if one did."""
        if self.stopped_by is not None:
            raise self.stopped_by
