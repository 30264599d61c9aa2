"""The contact a caller wants enriched, and the one rule that makes it acceptable to the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

API_FIELDS: Final = (
    "linkedin_url",
    "first_name",
    "last_name",
    "company_name",
    "company_domain",
    "email",
)
"""Fields that are sent, in this order (docs.cleanlist.ai/api-reference/enrichment)."""

CONTACT_FIELDS: Final = (*API_FIELDS, "key")
"""Every field of a :class:`Contact`; ``key`` stays with us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One person to enrich.

    The API accepts ``linkedin_url`` alone (best match rate), or ``first_name`` and ``last_name``
    together with ``company_domain`` or ``company_name``. An e-mail address helps but is not enough
    (documented 422 of the Public API, "Errors & Rate Limits").

    ``key`` is your own id: it is never sent and comes back in the result.
    """

    linkedin_url: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    company_domain: str | None = None
    email: str | None = None
    key: str | None = None
