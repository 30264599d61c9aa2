"""From a server's row to a result, and what it cost. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from cleanlist_async import facts
from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.enrich.dedupe import copy_for
from cleanlist_async.errors import CleanlistError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.tables.input_options import Prepare

Rule: TypeAlias = Literal["charged", "price list", "price of a half", "cache", "duplicate", "none"]
"""By which rule a contact was priced; see `Receipt`."""
_HALVES: Final = (facts.EMAIL_CREDITS, facts.PHONE_CREDITS)


def found(
    contact: Prepared,
    row: EnrichmentRow,
    workflow_id: str,
    task_id: str | None,
    enrichment_type: EnrichmentType,
) -> EnrichmentResult:
    """Make the result of a contact whose row this certainly is."""
    email, phones = row.email, row.phones
    return EnrichmentResult(
        index=contact.index,
        contact=contact.contact,
        key=contact.contact.key,
        status="found" if email or phones else _status_without_findings(row, enrichment_type),
        email=email,
        email_status=row.email_status,
        phones=phones,
        task_id=row.task_id or task_id,
        workflow_id=workflow_id,
        error=row.error,
        enrichment_type=enrichment_type,
        credits_charged=row.credits_charged,
        credits_estimated=estimate(row, enrichment_type),
        raw=row.raw,
    )


def without_row(
    contact: Prepared | Invalid,
    status: ResultStatus,
    error: str | None,
    *,
    workflow_id: str | None = None,
    task_id: str | None = None,
    row: EnrichmentRow | None = None,
    enrichment_type: EnrichmentType | None = None,
) -> EnrichmentResult:
    """Make the result of a contact without a row that is certainly its own."""
    return EnrichmentResult(
        index=contact.index,
        contact=contact.contact,
        key=contact.contact.key,
        status=status,
        task_id=task_id,
        workflow_id=workflow_id,
        error=error,
        enrichment_type=enrichment_type,
        raw=row.raw if row else None,
    )


def skipped(contact: Invalid) -> EnrichmentResult:
    """Make the result of a contact that was never sent."""
    return without_row(contact, "invalid", contact.reason)


def never_read(
    given: Sequence[ContactLike],
    results: Mapping[int, EnrichmentResult],
    stopped_by: CleanlistError | None,
    *,
    follow: bool,
    prepare: Prepare = prepare,
) -> Iterator[EnrichmentResult]:
    """Make the results of contacts that a stopped run did not reach.

    *follow*: a duplicate of a contact that it did reach gets the result of that; it is bought already.
    """
    firsts: dict[bytes, EnrichmentResult] = {}
    for index, contact in enumerate(given):
        if follow and (result := results.get(index)) and result.status != "invalid":
            checked = prepare(index, contact)
            if isinstance(checked, Prepared):  # the index order makes the first one win
                firsts.setdefault(checked.identity, result)
    for index, contact in enumerate(given):
        if index in results:
            continue
        checked = prepare(index, contact)
        if isinstance(checked, Invalid):
            yield skipped(checked)
        elif first := firsts.get(checked.identity):
            yield copy_for(checked, first)
        else:
            yield without_row(checked, "failed", f"never sent: {stopped_by}")


def rule_of(result: EnrichmentResult) -> Rule:
    """Return by which rule a result was priced when it was bought."""
    if result.credits_charged is not None:
        return "charged"
    return estimate_rule(result.credits_estimated, result.enrichment_type)


def estimate_rule(credits_: float, enrichment_type: EnrichmentType | None) -> Rule:
    """Return the rule of a price that the server did not tell."""
    # In `full` only a half-found contact can be estimated at the price of one half.
    if enrichment_type == "full" and credits_ in _HALVES:
        return "price of a half"
    return "price list" if credits_ else "none"


def estimate(row: EnrichmentRow, enrichment_type: EnrichmentType) -> float:
    """Return what a row costs by the price list (docs.cleanlist.ai/api-reference/enrichment-types).

    A ``full`` enrichment that found only one half has no documented price; 11 credits are held for it.
    """
    email, phones = row.email, row.phones
    match enrichment_type:
        case "partial":
            return facts.EMAIL_CREDITS if email else 0
        case "phone_only":
            return facts.PHONE_CREDITS if phones else 0
        case "full":
            return facts.FULL_CREDITS if email or phones else 0
        case "prospecting_only":
            return 1 if email or phones else 0
        case _:
            return 0


def priced_by_halves(result: EnrichmentResult) -> EnrichmentResult:
    """Return a result of ``full`` that found one half at the price of that half, if the server says none.

    The documentation gives no price for it: 11 credits, or 1 for an e-mail and 10 for a phone.
    """
    found_one = bool(result.email) != bool(result.phones)
    if result.enrichment_type != "full" or result.credits_charged is not None or not found_one:
        return result
    price = facts.EMAIL_CREDITS if result.email else facts.PHONE_CREDITS
    return replace(result, credits_estimated=price if result.credits_estimated else 0.0)


def _status_without_findings(row: EnrichmentRow, enrichment_type: EnrichmentType) -> ResultStatus:
    looked_for_nothing = enrichment_type in {"none", "prospecting_only"}
    return "found" if looked_for_nothing and not row.failed else "not_found"
