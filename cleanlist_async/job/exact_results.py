"""From the leads of a chunk's own list to a result for each of its contacts. Pure.

A lead carries no id of ours, so it is matched only by what it says of the person. It shows the e-mail
address and company it was imported with beside what was found, so only what is new is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cleanlist_async import facts
from cleanlist_async.api.models.enrichment import WorkflowStatus
from cleanlist_async.api.models.lead_lists import Lead
from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich import row_results
from cleanlist_async.enrich.matching import match_rows
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.redact import one_line
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.types import JSON


def _by_halves(row: EnrichmentRow) -> float:
    return facts.EMAIL_CREDITS * bool(row.email) + facts.PHONE_CREDITS * bool(row.phones)


_LEAD_FIELDS: Final = ("email", "phone", "linkedin_url", "first_name", "last_name", "full_name", "company")


@dataclass(frozen=True, slots=True)
class FinishedImport:
    """What the server holds of one import whose workflow is finished."""

    workflow_id: str
    status: WorkflowStatus
    leads: Sequence[Lead]
    enrichment_type: EnrichmentType

    def results(self, contacts: Sequence[Prepared]) -> list[EnrichmentResult]:
        """Return a result for each contact, in their order."""
        if self.status.ended_badly:
            return [self._failed(contact, len(contacts)) for contact in contacts]
        rows = [_as_row(lead) for lead in self.leads]
        matched = match_rows([contact.sent for contact in contacts], [None] * len(contacts), rows)
        findings = {
            position: _findings(row, contacts[position], self.enrichment_type)
            for position, row in matched.items()
        }
        # Leads have no price of their own: a reading of the price list is believed if all leads together come
        # to what was charged, those included that are matched to nobody.
        claimed = {id(row) for row in matched.values()}  # by id: rows that are equal are still several leads
        price = self._price([*findings.values(), *(row for row in rows if id(row) not in claimed)])
        paid: set[int] = set()
        results: list[EnrichmentResult] = []
        for position, contact in enumerate(contacts):
            row = findings.get(position)
            if row is None:
                results.append(self._pending(contact))
                continue
            result = row_results.found(contact, row, self.workflow_id, None, self.enrichment_type)
            result.credits_charged = price(row) if price else None
            if id(matched[position]) in paid:  # several share a lead, which was bought once
                result.credits_estimated = 0.0
                result.credits_charged = 0.0 if price else None
            paid.add(id(matched[position]))
            results.append(result)
        return results

    def _price(self, rows: Sequence[EnrichmentRow]) -> Callable[[EnrichmentRow], float] | None:
        """Return the reading of the price list that adds up to what the server charged; None if none does."""
        charged = self.status.credits_charged
        # The price of a `full` enrichment that found only one half is not documented: there are two readings.
        readings = (self._listed, _by_halves) if self.enrichment_type == "full" else (self._listed,)
        # Contacts that the server merged share a lead, which was charged once.
        distinct = list({id(row.raw): row for row in rows}.values())
        fitting = (price for price in readings if sum(map(price, distinct)) == charged)
        return next(fitting, None)

    def _listed(self, row: EnrichmentRow) -> float:
        return row_results.estimate(row, self.enrichment_type)

    def _failed(self, contact: Prepared, contacts: int) -> EnrichmentResult:
        """Make the result of a contact whose workflow failed. A refund, if any, is made by hand."""
        said = self.status.refund_message
        reason = f"the server ended the workflow as {one_line(self.status.status, 40)!r}"
        result = row_results.without_row(
            contact,
            "failed",
            f"{reason}: {one_line(said)}" if said else reason,
            workflow_id=self.workflow_id,
            enrichment_type=self.enrichment_type,
        )
        if self.status.credits_charged is not None:
            # One sum for the workflow: divided, so that the receipts add up to it.
            result.credits_charged = self.status.credits_charged / contacts
        return result

    def _pending(self, contact: Prepared) -> EnrichmentResult:
        return row_results.without_row(
            contact,
            "pending",
            "the list has no lead that is certainly this person",
            workflow_id=self.workflow_id,
            enrichment_type=self.enrichment_type,
        )


def _as_row(lead: Lead) -> EnrichmentRow:
    said: dict[str, JSON] = {name: getattr(lead, name) for name in _LEAD_FIELDS}
    return EnrichmentRow(said, lead.raw)


def _findings(row: EnrichmentRow, contact: Prepared, enrichment_type: EnrichmentType) -> EnrichmentRow:
    """Return a row without the address that it was imported with, unless the server confirmed it."""
    given = (contact.sent.email or "").strip().casefold()
    same = row.email is not None and row.email.casefold() == given
    # A provider shows that the address was looked for, and not only echoed from the import.
    confirmed = bool(row.raw.get("provider")) and enrichment_type == "partial"
    return row.but(email=None) if same and not confirmed else row


def leave_out_repeated(contacts: Sequence[Prepared]) -> list[Mapping[str, str]]:
    """Return the rows to import: each LinkedIn address once, since the server would skip the repeated ones.

    Of contacts that share an e-mail address only the first keeps it: the server would skip the others.
    """
    seen: set[tuple[str, str]] = set()
    rows: list[Mapping[str, str]] = []
    for contact in contacts:
        row = fields_of(contact)
        marks = {(name, row[name].casefold()) for name in ("email", "linkedin_url") if name in row}
        if any(mark in seen for mark in marks if mark[0] == "linkedin_url"):
            continue
        # Without the address it is still a person of its own, who must be bought.
        if any(mark in seen for mark in marks):
            del row["email"]
        seen |= marks
        rows.append(row)
    return rows


def fields_of(contact: Prepared) -> dict[str, str]:
    """Return what is sent of a contact."""
    given = ((name, getattr(contact.sent, name)) for name in API_FIELDS)
    return {name: value.strip() for name, value in given if value and value.strip()}
