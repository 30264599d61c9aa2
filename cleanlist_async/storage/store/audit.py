"""The audit trail: one line for each thing that concerns money, without a word of a contact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One thing that happened to money.

    Attributes
    ----------
    number, at
        Its place in the trail, and when it was written, by the clock of the store.
    event
        ``submit``, ``accepted``, ``refused``, ``unknown``, ``lost``, ``settled`` or ``decided``.
    organization
        Whose credits it concerns.
    door, actor
        The call that spent (``enrich``, ``enrich_one``), and who made a decision.
    submission, workflow_id
        The submit it is about, by our name for it and by the server's.
    contacts, credits
        How many contacts, and what they cost in credits: as the server says, else by the price list.
    reason
        Why, where it is not plain.

    """

    number: int
    at: datetime
    event: str
    organization: str
    door: str | None
    actor: str | None
    submission: str | None
    workflow_id: str | None
    contacts: int | None
    credits: float | None
    reason: str | None

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> AuditLine:
        """Read a line from its row."""
        number, at, *rest = row
        return cls(number, datetime.fromtimestamp(at, UTC), *rest)
