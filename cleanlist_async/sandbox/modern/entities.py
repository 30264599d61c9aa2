"""Who the ids of a cohort stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .database import search_database

if TYPE_CHECKING:
    from .companies import Company
    from .store import Lead, LeadLists


def person_of(entity_id: str, lists: LeadLists, seed: int) -> Lead | None:
    """Return the lead of a lead id, or of a person of the search database, who becomes one; else None."""
    known = lists.lead(entity_id)
    if known is not None:
        return known
    found = search_database(seed).people.get(entity_id)
    # Kept, so that a person who is found twice stays one lead.
    return lists.keep(found.lead()) if found else None


def company_of(entity_id: str, seed: int) -> Company | None:
    """Return a company of the search database; None for an unknown id."""
    return search_database(seed).companies.get(entity_id)
