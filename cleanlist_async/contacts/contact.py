"""The contact a caller wants enriched, and the one rule that makes it acceptable to the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

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
    """The address of the profile on LinkedIn."""
    first_name: str | None = None
    """The first name."""
    last_name: str | None = None
    """The last name."""
    company_name: str | None = None
    """The name of the employer."""
    company_domain: str | None = None
    """The domain of the employer's web site."""
    email: str | None = None
    """A known e-mail address, which helps to find the person."""
    key: str | None = None
    """Your own id, which is never sent and comes back in the result."""


class ContactDict(TypedDict, total=False):
    """A contact as a dictionary: the fields of a `Contact`, any of which may be missing."""

    linkedin_url: str | None
    """The address of the profile on LinkedIn."""
    first_name: str | None
    """The first name."""
    last_name: str | None
    """The last name."""
    company_name: str | None
    """The name of the employer."""
    company_domain: str | None
    """The domain of the employer's web site."""
    email: str | None
    """A known e-mail address, which helps to find the person."""
    key: str | None
    """Your own id, which is never sent and comes back in the result."""
