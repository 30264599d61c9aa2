"""What became of the contacts of a run: counts, and what is still to be fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cleanlist_async.cli.terminal.wording import in_words
from cleanlist_async.enrich.report import Summary
from cleanlist_async.events import identifier
from cleanlist_async.results import REFUSED, EnrichmentResult, ResultStatus
from cleanlist_async.types import JSON

UNFINISHED: Final[tuple[ResultStatus, ...]] = ("pending", "unknown", "failed")


@dataclass(slots=True)
class Tally(Summary):
    """Counts of results as they are written, which may be more than the run itself has seen."""

    pending: Counter[str] = field(default_factory=Counter[str])
    """Pending contacts of each workflow."""
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    """Why the first contact of a status is not finished."""
    unpriced: int = 0
    """Pending contacts that may still cost something."""
    refused: int = 0
    """Invalid contacts that the server refused by name; the others were never sent."""
    own_workflows: Container[str] | None = None
    """Workflows that this run submitted; None: all of them."""

    def count(self, result: EnrichmentResult) -> None:
        """Add one result."""
        Summary.count(self, result)  # super() does not work in a dataclass with slots
        if result.status == "pending" and result.workflow_id is not None:
            self.pending[result.workflow_id] += 1
            self.unpriced += result.duplicate_of is None
        self.refused += result.status == "invalid" and (result.error or "").startswith(REFUSED)
        # With `bought_at`, Summary has counted it already.
        if result.credits and result.bought_at is None and not self._is_own(result):
            self.count_fetched(result.credits)
        if result.status in UNFINISHED and result.error:
            self.reasons.setdefault(result.status, result.error)

    def _is_own(self, result: EnrichmentResult) -> bool:
        workflow_id = result.workflow_id
        return (
            self.own_workflows is None or workflow_id is None or identifier(workflow_id) in self.own_workflows
        )

    def count_unsent(self, count: int) -> None:
        """Add contacts that were never sent, because the run was stopped."""
        # They have no result to be counted, but their rows are in the file.
        self.contacts += count
        if count:
            self.statuses["failed"] += count

    def count_undecided(self, count: int) -> None:
        """Add rows of an earlier run whose submit has an unknown outcome."""
        self.contacts += count
        if count:
            self.statuses["unknown"] += count

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
            "credits": self.spent_credits,
            "earlier_credits": self.earlier_credits,
            "pending_workflows": list(self.pending),
        }


def enrichment_cells(
    result: EnrichmentResult, numbers: Sequence[int], headers: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Return the enrichment columns of a result.

    *numbers* gives the row number of an index, *headers* the column of a field.
    """
    first = result.duplicate_of
    # Empty for the others: for a pending or an unknown contact a 0 would be a guess.
    has_price = result.status in {"found", "not_found"}
    # What a contact cost, whichever run it was bought in.
    price = result.credits if result.bought_for is None else result.bought_for
    return {
        "cleanlist_status": result.status,
        "cleanlist_email": result.email or "",
        "cleanlist_email_status": result.email_status or "",
        "cleanlist_phones": "; ".join(result.phones),
        "cleanlist_credits": f"{price:.10g}" if has_price else "",
        "cleanlist_error": in_words(result.error or "", headers),
        "cleanlist_workflow_id": result.workflow_id or "",
        "cleanlist_task_id": result.task_id or "",
        "cleanlist_duplicate_of": "" if first is None else str(numbers[first]),
    }
