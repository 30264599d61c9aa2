"""Results of contacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from cleanlist_async.contacts.contact import Contact
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.types import JSON, Billed

ResultStatus: TypeAlias = Literal["found", "not_found", "invalid", "pending", "unknown", "failed"]


@dataclass(slots=True)
class EnrichmentResult:
    """The result of one contact.

    Attributes
    ----------
    index
        Its 0-based position in the input.
    status
        ``found``; ``not_found`` (the server is done and has nothing); ``invalid`` (not sent, or refused by
        the server, with the reason in ``error``); ``pending`` (accepted, perhaps paid, but not finished or
        not certainly this person's; fetched for free by ``client.collect``); ``unknown`` (the submit may or
        may not have been processed); ``failed`` (never accepted, or the server ended its workflow, which
        costs nothing).
    task_id, workflow_id
        The server's ids, as far as known.
    duplicate_of
        The index of the first contact with the same data, bought once for both.
    credits_charged, credits_estimated
        Credits as the server reports them, None where it does not; and by the price list. 0 for duplicates.
    raw
        The server's row, whole.
    bought_at
        When it was bought, for a result of the client's store, which cost nothing now; else None.
    bought_for
        What it cost then, in credits; None for a result that is not of the store.

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
    bought_at: datetime | None = None
    bought_for: float | None = None

    @property
    def credits(self) -> float:
        """Credits charged where the server reports them, else estimated."""
        # Not `or`: 0 credits charged is a statement of the server.
        return self.credits_estimated if self.credits_charged is None else self.credits_charged

    @property
    def billed(self) -> Billed:
        """Whether this contact was paid for: ``"no"``, ``"yes"`` or ``"unknown"``.

        By the server's word where it gave one, else by the price list, in which a contact without findings
        costs nothing (docs.cleanlist.ai/api-reference/enrichment-types). So ``invalid``, ``failed`` and
        ``not_found`` are ``"no"``, as is a duplicate: the first of them was paid for. ``unknown`` is
        ``"unknown"``, and so is ``pending``, unless its type is ``none``, which is free. ``prospecting_only``
        without findings about the contact itself is ``"unknown"`` too: it is billed by the contacts that it
        discovered, and the API does not say how many.
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
