"""A bulk enrichment as :class:`StrictServer` runs it: results follow from each contact's own fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

_FIELDS: Final = ("linkedin_url", "first_name", "last_name", "company_name", "company_domain", "email")

CREDITS: Final = {"none": 0, "partial": 1, "phone_only": 10, "full": 11, "prospecting_only": 1}
"""Credits of one found contact (docs.cleanlist.ai, enrichment types)."""

Contact = dict[str, object]
Row = dict[str, object]


@dataclass(slots=True)
class Workflow:
    """An accepted submit. Times are in loop seconds."""

    workflow_id: str
    contacts: list[Contact] = field(repr=False)
    task_ids: list[str] = field(repr=False)
    enrichment_type: str
    hit_rate: float
    submitted_at: float
    finishes_at: float

    def status(self, now: float) -> str:
        """Return ``processing`` until ``finishes_at``, then ``completed``."""
        return "completed" if now >= self.finishes_at else "processing"

    def cost(self) -> int:
        """Credits: only what was found costs."""
        return CREDITS[self.enrichment_type] * sum(map(self._is_found, self.contacts))

    def report(self, now: float, *, rows: bool) -> dict[str, object]:
        """Answer of the status operation by ``workflow_id``; the results only once all are there."""
        report: dict[str, object] = {
            "workflow_id": self.workflow_id,
            "status": self.status(now),
            "enrichment_type": self.enrichment_type,
            "total_contacts": len(self.contacts),
        }
        if rows and now >= self.finishes_at:
            results = [self._row(index) for index in range(len(self.contacts))]
            report["summary"] = _summary(results)
            report["results"] = results
            report["results_limit"] = 250
            report["results_truncated"] = 0
        return report

    def task_report(self, index: int, now: float) -> Row:
        """Answer of the status operation by ``task_id``: the contact's own result."""
        if now < self.finishes_at:
            return {"task_id": self.task_ids[index], "status": "processing"}
        return self._row(index)

    def _row(self, index: int) -> Row:
        """One contact's result, in the flat shape of docs.cleanlist.ai/api-reference/webhooks."""
        contact = self.contacts[index]
        found = self._is_found(contact)
        first_name, last_name = _names(contact)
        has_email = found and self.enrichment_type in {"partial", "full", "prospecting_only"}
        has_phone = found and self.enrichment_type in {"phone_only", "full"}
        return {
            "task_id": self.task_ids[index],
            "status": "completed" if found else "failed",
            "primary_email": _email(contact) if has_email else None,
            "primary_email_status": "reliable" if has_email else None,
            "personal_phone_numbers": [f"+1{_fingerprint(contact):010d}"] if has_phone else [],
            "prospect": {
                "first_name": first_name,
                "last_name": last_name,
                "full_name": f"{first_name} {last_name}",
                "linkedin_url": contact.get("linkedin_url"),
            },
            "company": {"name": contact.get("company_name"), "domain": contact.get("company_domain")},
        }

    def _is_found(self, contact: Contact) -> bool:
        return self.enrichment_type == "none" or _fingerprint(contact) < self.hit_rate * 2**32


def _fingerprint(contact: Contact) -> int:
    """Return a number below 2**32, the same for equal contacts in every process."""
    return crc32(repr([contact.get(name) for name in _FIELDS]).encode())


def _summary(rows: list[Row]) -> dict[str, int]:
    successful = sum(row["status"] == "completed" for row in rows)
    return {
        "total": len(rows),
        "successful": successful,
        "failed": len(rows) - successful,
        "emails_found": sum(row["primary_email"] is not None for row in rows),
        "phones_found": sum(bool(row["personal_phone_numbers"]) for row in rows),
    }


def _email(contact: Contact) -> str:
    first_name, last_name = _names(contact)
    domain = contact.get("company_domain") or "example.com"
    return f"{first_name}.{last_name}.{_fingerprint(contact):08x}@{domain}".lower()


def _names(contact: Contact) -> tuple[object, object]:
    """Given names, else what the LinkedIn address suggests: ``/in/ada-lovelace`` is Ada Lovelace."""
    slug = str(contact.get("linkedin_url") or "").rstrip("/").rpartition("/")[2]
    first, _, last = slug.partition("-")
    return (
        contact.get("first_name") or first.title() or "Ada",
        contact.get("last_name") or last.title() or "Lovelace",
    )


def is_identified(contact: Contact) -> bool:
    """Whether the API would take this contact (docs.cleanlist.ai/api-reference/errors, 422)."""
    if contact.get("linkedin_url"):
        return True
    named = contact.get("first_name") and contact.get("last_name")
    return bool(named and (contact.get("company_domain") or contact.get("company_name")))
