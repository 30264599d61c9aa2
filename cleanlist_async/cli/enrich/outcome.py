"""What became of the contacts of a run: counts, cells of the output, and what is said once it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from rich.console import Console

from cleanlist_async import facts
from cleanlist_async.cli.terminal.exits import ExitCode, code_of_end, complain, error_as_json
from cleanlist_async.cli.terminal.render import (
    Figures,
    duration,
    number,
    plural,
    say,
    show_figures,
    show_notes,
)
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.cli.terminal.wording import at_the_command_line, in_words
from cleanlist_async.enrich.report import Summary
from cleanlist_async.events import identifier
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import REFUSED, EnrichmentResult, ResultStatus
from cleanlist_async.tables import TableError
from cleanlist_async.types import JSON

_STATUS_REMARKS: Final[Mapping[ResultStatus, str]] = {
    "found": "",
    "not_found": "",
    "invalid": "never sent",
    "pending": "submitted, not finished yet",
    "unknown": "look in the portal before sending them again",
    "failed": "not bought",
}
UNFINISHED: Final[tuple[ResultStatus, ...]] = ("pending", "unknown", "failed")
FINAL: Final = frozenset({"found", "not_found"})
"""Outcomes that no further question changes."""
RESULTS: Final = ("cleanlist_email", "cleanlist_phones")
"""Columns of what was looked for."""


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

    def count_rows(self, count: int, status: ResultStatus) -> None:
        """Add rows of the file that have no result to be counted."""
        self.contacts += count
        self.statuses[status] += count

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    tally: Tally
    summary: Summary
    stopped_by: BaseException | None
    file_error: TableError | None
    notes: list[str]


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


def beside(before: Mapping[str, str], now: dict[str, str]) -> dict[str, str]:
    """Return the enrichment of a row that was asked again: *now*, and of *before* what that does not have.

    An e-mail address that is there stays beside a phone number that was bought for it, and a row for which
    nothing was bought is as it was.
    """
    status = now["cleanlist_status"]
    if status in {"failed", "invalid"} and before.get("cleanlist_status") in FINAL:
        return dict(before)
    kept = {name: before[name] for name in RESULTS if before.get(name) and not now[name]}
    if "cleanlist_email" in kept:
        kept["cleanlist_email_status"] = before.get("cleanlist_email_status", "")
    if kept and status == "not_found":
        kept["cleanlist_status"] = "found"
    return now | kept


def status_figures(tally: Tally) -> Figures:
    """Return the contacts by status."""
    remarks = dict(_STATUS_REMARKS)
    if tally.refused:
        never_sent = tally.statuses["invalid"] - tally.refused
        others = f"; {never_sent:,} never sent" if never_sent else ""
        remarks["invalid"] = f"{tally.refused:,} refused by the server{others}"
    figures = [
        (status.replace("_", " "), f"{tally.statuses[status]:,}", remark)
        for status, remark in remarks.items()
        if tally.statuses[status] or status == "found"
    ]
    if tally.duplicates:
        figures.append(("duplicates", f"{tally.duplicates:,}", "included above, at no cost"))
    return figures


def exit_code(outcome: Outcome, signals: StopSignals) -> ExitCode:
    """Return what a run exits with."""
    is_complete = outcome.tally.is_complete
    return code_of_end(signals.exit_code, outcome.stopped_by, outcome.file_error, is_complete=is_complete)


def show_outcome(
    console: Console,
    outcome: Outcome,
    output: str,
    more: Figures = (),
    *,
    enrichment_type: EnrichmentType,
) -> None:
    """Show the closing table, then what went wrong."""
    tally, summary = outcome.tally, outcome.summary
    submits = f"{plural(summary.workflows, 'submit')} among them" if summary.workflows else ""
    figures = [
        *status_figures(tally),
        *_credit_figures(tally, enrichment_type),
        ("requests", f"{summary.requests:,}", submits),
        *more,
        ("time", duration(summary.elapsed_s), ""),
    ]
    show_figures(console, figures)
    show_notes(console, outcome.notes)
    if outcome.stopped_by is None:  # else the error below is the reason
        for status, reason in tally.reasons.items():
            say(console, f"{status}: {at_the_command_line(reason)}")
    if outcome.file_error is None:
        say(console, f"Written: {output}")
    for error in (outcome.stopped_by, outcome.file_error):
        if error is not None:
            complain(error)


def _credit_figures(tally: Tally, enrichment_type: EnrichmentType) -> Figures:
    """Return what this run has paid, what it may still have to pay, and what earlier ones paid."""
    figures = [("credits", number(tally.spent_credits), "as reported by the server, else by the price list")]
    price = facts.WORST_CASE_CREDITS.get(enrichment_type)
    if tally.unpriced and price != 0:
        most = "more" if price is None else f"up to {number(price * tally.unpriced)}"
        figures.append(("", most, "on top, for what is pending"))
    if tally.earlier_credits:
        figures.append(("earlier", number(tally.earlier_credits), "credits that earlier runs paid"))
    return figures


def stop_as_json(outcome: Outcome, signals: StopSignals) -> JSON:
    """Return what stopped a run, for ``--json``; None if nothing did."""
    if error := outcome.stopped_by or outcome.file_error:
        return error_as_json(error)
    if signals.received:
        return {"type": signals.received.name, "message": f"stopped by {signals.name}", "request_id": None}
    return None
