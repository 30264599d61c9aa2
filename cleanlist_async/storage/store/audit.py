"""The audit trail: one line for each thing that concerns money, without a word of a contact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cleanlist_async.storage.store import statements as sql
from cleanlist_async.storage.store.reading import reading
from cleanlist_async.storage.store.statements import Operation, Statement, deferred


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One thing that happened to money.

    Attributes
    ----------
    number, at
        Its place in the trail, and when it was written, by the clock of the store.
    event
        Of a call that spends: ``reserved``, ``submit``, ``accepted``, ``refused``, ``unknown``, ``lost`` and
        ``settled``. Of people: ``decided``, ``budget``, ``paused``, ``resumed``, ``forgotten``, and
        ``adopted`` of a job.
    organization
        Whose credits it concerns.
    door, actor
        The call that spends (``enrich``, ``enrich_one``, ``enrich_list``), and who made a decision.
    submission, workflow_id
        The submit it is about, by our name for it and by the server's.
    contacts, credits
        How many contacts, and what they cost in credits: as the server says, else by the price list.
    reserved
        The credits that they can cost at most, where these were ``reserved``.
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
    reserved: float | None
    reason: str | None

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> AuditLine:
        """Read a line from its row."""
        number, at, *rest = row
        return cls(number, datetime.fromtimestamp(at, UTC), *rest)


def note(
    event: str,
    organization: str,
    *,
    submission: str | None = None,
    workflow_id: str | None = None,
    door: str | None = None,
    actor: str | None = None,
    contacts: int | None = None,
    credits_: float | None = None,
    reserved: float | None = None,
    reason: str | None = None,
) -> Statement:
    """Return the statement that writes a line."""
    return deferred(
        sql.NOTE,
        {
            "event": event,
            "organization": organization,
            "door": door,
            "actor": actor,
            "submission": submission,
            "workflow_id": workflow_id,
            "contacts": contacts,
            "credits": credits_,
            "reserved": reserved,
            "reason": reason,
        },
    )


@reading
def lines(since: float, after: int) -> Operation[list[AuditLine]]:
    """Return up to 1,000 lines, from a time on and after a number."""
    answer = yield Statement(sql.AUDIT, {"since": since, "after": after})
    return [AuditLine.of(row) for row in answer.rows]
