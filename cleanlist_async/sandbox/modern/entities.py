"""Who the ids of a cohort stand for, and look-ups of companies.

A company that is looked up by name is always found, of a cohort's only the share ``hit_rate``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cleanlist_async.sandbox.options import seeded

from .companies import invented_company
from .database import search_database

if TYPE_CHECKING:
    from cleanlist_async.sandbox.options import Options

    from .companies import Company
    from .store import Lead, LeadLists

UNKNOWN_TLD: Final = ".invalid"
"""Nobody has a domain that ends so (RFC 2606)."""


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


def look_up(seed: int, *, domain: str | None, company_id: str | None, name: str | None) -> Company | None:
    """Find a company by its domain, else its id, else its name; None for an ``.invalid`` domain."""
    if domain is not None and domain.strip().lower().endswith(UNKNOWN_TLD):
        return None
    known = company_of(company_id, seed) if company_id and not domain else None
    return known or invented_company(seed, domain=domain, name=name, company_id=company_id)


def enrich_member(options: Options, company_id: str) -> Company | None:
    """Find a company of a cohort; None for a miss."""
    # By the id, so that asking again gives the same answer.
    if seeded(options.seed, ("company of a cohort", company_id)).random() >= options.hit_rate:
        return None
    return company_of(company_id, options.seed)
