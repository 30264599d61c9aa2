"""What an enrichment finds about a lead: the same invented people as in the Public API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cleanlist_async.sandbox.identity import identity_of
from cleanlist_async.sandbox.people import expected, throw

if TYPE_CHECKING:
    from cleanlist_async.sandbox.ledger import Contact
    from cleanlist_async.sandbox.options import Options
    from cleanlist_async.sandbox.people import Person

    from .store import Lead

PROVIDER: Final = "sandbox"
TITLES: Final = ("Analyst", "Chief Executive Officer", "Head of Data", "Software Engineer", "VP Sales")
MODERN_EMAIL_STATUS: Final = {"reliable": "valid"}
"""The modern surface's words, where they differ from the Public API's."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one lead."""

    lead: Lead
    person: Person
    successful: bool
    email: str | None
    email_status: str | None
    phone: str | None
    title: str
    credits: int
    hides_lead: bool
    """A miss that shows as an empty lead id instead of as an inner "failed"."""

    def write(self) -> None:
        """Write what was found into the lead; names, title and company only where it has none."""
        if not self.successful:
            return
        lead, person = self.lead, self.person
        lead.first_name = lead.first_name or person.first_name
        lead.last_name = lead.last_name or person.last_name
        lead.title = lead.title or self.title
        lead.company = lead.company or person.company_name
        lead.domain = lead.domain or person.company_domain
        lead.linkedin_url = lead.linkedin_url or person.linkedin_url
        # What is found replaces what was known, unlike names, title and company.
        lead.email = self.email or lead.email
        lead.phone = self.phone or lead.phone
        lead.provider = PROVIDER
        lead.enriched = True

    def result(self, enrichment_type: str) -> dict[str, object]:
        """Return the ``result`` of a single-person run; both forms of a miss are documented."""
        if not self.successful:
            if self.hides_lead:
                return {"lead_id": "", "status": "completed"}
            return {"lead_id": self.lead.lead_id, "status": "failed"}
        return {
            "lead_id": self.lead.lead_id,
            "status": "completed",
            "full_name": self.lead.full_name,
            "first_name": self.lead.first_name,
            "last_name": self.lead.last_name,
            "email": self.email,
            "email_status": self.email_status,
            "phone": self.phone,
            "linkedin_url": self.lead.linkedin_url,
            "title": self.lead.title,
            "company": self.lead.company,
            "enrichment_type": enrichment_type,
            "provider": PROVIDER,
        }


def find(lead: Lead, contact: Contact, enrichment_type: str, options: Options) -> Finding:
    """Return the finding about a lead; ``contact`` is its identity when it was first bought."""
    outcome = expected(
        contact,
        enrichment_type,
        seed=options.seed,
        hit_rate=options.hit_rate,
        half_full_price=options.half_full_price,
    )
    number = throw(identity_of(contact), options.seed).number
    status = outcome.email_status
    return Finding(
        lead=lead,
        person=outcome.person,
        successful=outcome.successful,
        email=outcome.email,
        email_status=MODERN_EMAIL_STATUS.get(status, status) if status else None,
        # One phone here, where the Public API has a list of them.
        phone=outcome.phones[0] if outcome.phones else None,
        title=TITLES[number % len(TITLES)],
        credits=int(outcome.credits),
        # Half of the misses in each of the two documented forms.
        hides_lead=not outcome.successful and number % 2 == 0,
    )
