"""What became of the contacts of a run: counts, and what is still to be fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cleanlist_async.errors import CleanlistError
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.types import JSON

UNFINISHED: Final = ("pending", "unknown", "failed")


@dataclass(slots=True)
class Tally:
    """Counts of results as they are written."""

    contacts: int = 0
    statuses: Counter[str] = field(default_factory=Counter[str])
    duplicates: int = 0
    credits: float = 0.0
    pending: Counter[str] = field(default_factory=Counter[str])
    """Pending contacts of each workflow."""
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    """Why the first contact of a status is not finished."""

    def count(self, result: EnrichmentResult) -> None:
        """Add one result."""
        self.contacts += 1
        self.statuses[result.status] += 1
        self.duplicates += result.duplicate_of is not None
        self.credits += result.credits
        if result.status == "pending" and result.workflow_id is not None:
            self.pending[result.workflow_id] += 1
        if result.status in UNFINISHED and result.error:
            self.reasons.setdefault(result.status, result.error)

    def count_unsent(self, count: int) -> None:
        """Add contacts that were never read, because the run was stopped."""
        self.contacts += count
        if count:
            self.statuses["failed"] += count

    @property
    def is_complete(self) -> bool:
        """Whether every contact has its final result."""
        return not any(self.statuses[status] for status in UNFINISHED)

    def as_json(self) -> dict[str, JSON]:
        """Return the counts for ``--json``."""
        return {
            "contacts": self.contacts,
            "statuses": dict(sorted(self.statuses.items())),
            "duplicates": self.duplicates,
            "credits": self.credits,
            "pending_workflows": list(self.pending),
        }


def error_as_json(error: BaseException | None) -> JSON:
    """Return an error for ``--json``."""
    if error is None:
        return None
    request_id = error.request_id if isinstance(error, CleanlistError) else None
    return {"type": type(error).__name__, "message": str(error), "request_id": request_id}


def enrichment_cells(result: EnrichmentResult, numbers: Sequence[int]) -> dict[str, str]:
    """Return the enrichment columns of a result; *numbers* gives the row number of an index."""
    first = result.duplicate_of
    has_price = result.status in {"found", "not_found"}
    return {
        "cleanlist_status": result.status,
        "cleanlist_email": result.email or "",
        "cleanlist_email_status": result.email_status or "",
        "cleanlist_phones": "; ".join(result.phones),
        "cleanlist_credits": f"{result.credits:.10g}" if has_price else "",
        "cleanlist_error": result.error or "",
        "cleanlist_workflow_id": result.workflow_id or "",
        "cleanlist_task_id": result.task_id or "",
        "cleanlist_duplicate_of": "" if first is None else str(numbers[first]),
    }
