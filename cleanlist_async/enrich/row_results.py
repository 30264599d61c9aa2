"""From a server's row to a result, what it cost, and the results of contacts that share a purchase. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from cleanlist_async import facts
from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.errors import CleanlistError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.tables.input_options import Prepare

Rule: TypeAlias = Literal["charged", "price list", "price of a half", "cache", "duplicate", "none"]
"""By which rule a contact was priced; see `Receipt`."""
_HALVES: Final = (facts.EMAIL_CREDITS, facts.PHONE_CREDITS)

Dedupe: TypeAlias = Literal["all", "window", "off"]

WINDOW: Final = 50_000
"""Identities remembered of a source that cannot be read twice."""


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


class Duplicates:
    """Links each contact to the first one of the same identity.

    *mode* ``"all"`` links across the whole input, ``"window"`` across its last 50,000 identities (whose
    ``raw`` is not kept for later duplicates), ``"off"`` not. *repeated* are the identities that occur more
    than once, where that is known: only their results need to be remembered.
    """

    def __init__(self, mode: Dedupe, repeated: Collection[bytes] | None = None) -> None:
        self._mode = mode
        self._repeated = repeated
        self._followers: dict[bytes, list[Prepared]] = {}
        self._results: OrderedDict[bytes, EnrichmentResult] = OrderedDict()
        self.waiting = 0
        """Contacts whose result is still to come with that of another."""

    def follow(self, contact: Prepared) -> EnrichmentResult | bool:
        """Return False for the first of its identity, the result if it is there, or True: it will come."""
        identity = contact.identity
        if self._mode == "off" or (self._repeated is not None and identity not in self._repeated):
            return False
        if (result := self._results.get(identity)) is not None:
            return copy_for(contact, result)
        if (followers := self._followers.get(identity)) is None:
            self._followers[identity] = []
            return False
        followers.append(contact)
        self.waiting += 1
        return True

    def settle(self, identity: bytes, result: EnrichmentResult) -> Sequence[EnrichmentResult]:
        """Take the result of a first, and return those of its followers."""
        followers = self._followers.pop(identity, None)
        if followers is None:
            return ()
        self.waiting -= len(followers)
        # `raw` is most of a result, and 50,000 of them would not be a flat memory.
        self._results[identity] = replace(result, raw=None) if self._mode == "window" else result
        if self._mode == "window" and len(self._results) > WINDOW:
            self._results.popitem(last=False)
        return [copy_for(follower, result) for follower in followers]


def copy_for(contact: Prepared, result: EnrichmentResult) -> EnrichmentResult:
    """Return the result of the first contact as that of its duplicate, which cost nothing."""
    return replace(
        result,
        index=contact.index,
        contact=contact.contact,
        key=contact.contact.key,
        duplicate_of=result.index,
        credits_charged=None if result.credits_charged is None else 0.0,  # None: the server named no price
        credits_estimated=0.0,
        bought_for=None if result.bought_for is None else 0.0,
    )
