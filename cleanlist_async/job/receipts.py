"""A receipt for every contact of a job, in the order of the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.row_results import estimate_rule
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Header
from cleanlist_async.job.journal.states import SETTLED
from cleanlist_async.job.status import Receipt


def receipts(journal: Journal, header: Header, contacts: Iterable[Prepared | Invalid]) -> Iterator[Receipt]:
    """Yield the receipts of a job, whose contacts are read beside its results."""
    firsts, skipped = dict(journal.duplicates()), dict(journal.invalid())
    for contact in contacts:
        place, key = contact.index, contact.contact.key
        if place in skipped:
            yield Receipt(place, key, "invalid", 0.0, "none", None, None)
            continue
        first = firsts.get(place, place)
        receipt = journal.receipt_at(first)
        if receipt is None:
            state = journal.state_at(first)
            # A settled chunk has a result for each contact: one that is missing is damage, not "no cost".
            if state in SETTLED:
                raise journal.lost_result(first)
            yield Receipt(place, key, state, 0.0, "none", None, None)
            continue
        status, charged, estimated, workflow_id, request_id, cached = receipt
        # The credits are on the receipt of the first, so that the sum is what was charged.
        if first != place:
            yield Receipt(place, key, status, 0.0, "duplicate", workflow_id, request_id)
        elif cached:
            yield Receipt(place, key, status, 0.0, "cache", workflow_id, request_id)
        elif charged is not None:
            yield Receipt(place, key, status, charged, "charged", workflow_id, request_id)
        else:
            rule = estimate_rule(estimated, header.enrichment_type)
            yield Receipt(place, key, status, estimated, rule, workflow_id, request_id)
