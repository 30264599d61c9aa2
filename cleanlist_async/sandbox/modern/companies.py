"""Invented companies: decided by their domain and the seed alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Final

from cleanlist_async.sandbox.options import seeded

PLACES: Final = (
    ("Berlin", "Berlin", "Germany"),
    ("London", "England", "United Kingdom"),
    ("New York", "New York", "United States"),
    ("Paris", "Ile-de-France", "France"),
    ("San Francisco", "California", "United States"),
    ("Stockholm", "Stockholm", "Sweden"),
)
"""City, state, country."""
INDUSTRIES: Final = ("Financial Services", "Healthcare", "Manufacturing", "Retail", "Software", "Logistics")
HEADCOUNTS: Final = ((1, 10), (11, 50), (51, 200), (201, 500), (501, 1000), (1001, 5000))
REVENUES: Final = ("$0-1M", "$1M-10M", "$10M-50M", "$50M-100M", "$100M-250M", "$250M-1B")
STAGES: Final = ("Seed", "Series A", "Series B", "Series C", "Bootstrapped")
TECHNOLOGIES: Final = ("AWS", "HubSpot", "PostgreSQL", "React", "Salesforce", "Segment", "Stripe")

_NOT_IN_LABEL: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Company:
    """A company with everything there is to know about it."""

    company_id: str
    name: str
    domain: str
    industry: str
    employee_count: int
    headcount: tuple[int, int]
    """The range that ``employee_count`` is in."""
    revenue_range: str
    place: tuple[str, str, str]
    """City, state, country."""
    funding_stage: str
    total_funding_usd: int
    tech_stack: tuple[str, ...]

    @property
    def employee_count_range(self) -> str:
        """The range of its headcount, as in ``51-200``."""
        return f"{self.headcount[0]}-{self.headcount[1]}"

    @property
    def location(self) -> str:
        """Where its headquarters are."""
        return ", ".join(self.place)

    def record(self) -> dict[str, object]:
        """Return it as the ``CompanyRecord`` of the wire."""
        return {
            "company_id": self.company_id,
            "name": self.name,
            "domain": self.domain,
            "industry": self.industry,
            "industries": [self.industry],
            "employee_count": self.employee_count,
            "employee_count_range": self.employee_count_range,
            "revenue_range": self.revenue_range,
            "hq_location": self.location,
            "funding_stage": self.funding_stage,
            "total_funding_usd": self.total_funding_usd,
            "tech_stack": list(self.tech_stack),
            "linkedin_url": f"https://www.linkedin.com/company/{self.domain.partition('.')[0]}",
        }


def invented_company(
    seed: int, *, domain: str | None = None, name: str | None = None, company_id: str | None = None
) -> Company:
    """Return the company of a domain, or of a name if there is no domain."""
    domain = _domain(domain or name or company_id or "company")
    # By the domain alone: however a company is looked up, it is the same one.
    random = seeded(seed, ("company", domain))
    return _company(
        random,
        company_id or str(random.randrange(100_000, 1_000_000)),
        name or domain.partition(".")[0].capitalize(),
        domain,
    )


def _company(random: Random, company_id: str, name: str, domain: str) -> Company:
    size = random.randrange(len(HEADCOUNTS))
    return Company(
        company_id=company_id,
        name=name,
        domain=domain,
        industry=random.choice(INDUSTRIES),
        employee_count=random.randint(*HEADCOUNTS[size]),
        headcount=HEADCOUNTS[size],
        revenue_range=REVENUES[size],
        place=random.choice(PLACES),
        funding_stage=random.choice(STAGES),
        total_funding_usd=random.randrange(100) * 1_000_000,
        tech_stack=tuple(sorted(random.sample(TECHNOLOGIES, 3))),
    )


def _domain(given: str) -> str:
    lower = given.strip().lower()
    # A name becomes a domain below .example, which nobody owns (RFC 2606).
    return lower if "." in lower and " " not in lower else (_NOT_IN_LABEL.sub("", lower) or "x") + ".example"
