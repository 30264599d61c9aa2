"""Reports what became of contacts that were bought: handed out with their credits, or left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from cleanlist_async.events.contact_kinds import ContactsUndelivered, ResultsSettled, RunKind
from cleanlist_async.events.delivery import Events
from cleanlist_async.events.kinds import identifier
from cleanlist_async.events.statistics import Counters
from cleanlist_async.results import EnrichmentResult


def report_settled(
    events: Events,
    counters: Counters,
    kind: RunKind,
    workflow_id: str | None,
    results: Iterable[EnrichmentResult],
) -> None:
    """Count the credits of the final results of a workflow, and report them."""
    contacts, found, credits_spent = 0, 0, 0.0
    for result in results:
        if result.status != "pending":
            contacts, found = contacts + 1, found + (result.status == "found")
            credits_spent += result.credits
            counters.count_credits(result.credits_charged, result.credits_estimated)
    if contacts:
        named = identifier(workflow_id) if workflow_id else None
        events.emit(ResultsSettled(kind, named, contacts, found, credits_spent))


def report_undelivered(events: Events, parts: Iterable[Counter[str]]) -> None:
    """Report contacts that were bought and not handed out, each part of them counted by workflow."""
    left = sum(parts, Counter[str]())
    if left:
        events.emit(ContactsUndelivered(left.total(), tuple(map(identifier, left))))
