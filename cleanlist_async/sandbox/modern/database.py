"""The people and companies that can be found: invented, the same ones for the same seed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from cleanlist_async.sandbox.options import Options, seeded, seeded_uuid
from cleanlist_async.sandbox.people import FIRST_NAMES, LAST_NAMES

from .store import Lead, LeadLists

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

COMPANIES: Final = 100
PEOPLE: Final = 1_000
FIRST_COMPANY_ID: Final = 500_001
FIRST_PERSON_ID: Final = 1_000_001
COMPANY_WORDS: Final = (
    ("Amber", "Basalt", "Cedar", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper"),
    ("Analytics", "Cloud", "Dynamics", "Foods", "Health", "Labs", "Logistics", "Mobility", "Pay", "Works"),
)
UNKNOWN_TLD: Final = ".invalid"
"""Nobody has a domain that ends so (RFC 2606)."""

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
    company_id = company_id or str(random.randrange(100_000, 1_000_000))
    size = random.randrange(len(HEADCOUNTS))
    return Company(
        company_id=company_id,
        name=name or domain.partition(".")[0].capitalize(),
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


class Post(NamedTuple):
    """A job that people have."""

    title: str
    seniority: str
    management_level: str
    department: str


POSTS: Final = (
    Post("Chief Executive Officer", "c_suite", "C-Level", "Executive"),
    Post("Chief Technology Officer", "c_suite", "C-Level", "Engineering"),
    Post("VP Sales", "vp", "VP-Level", "Sales"),
    Post("VP Marketing", "vp", "VP-Level", "Marketing"),
    Post("Head of Finance", "head", "Director-Level", "Finance"),
    Post("Director of Engineering", "director", "Director-Level", "Engineering"),
    Post("Sales Manager", "manager", "Manager-Level", "Sales"),
    Post("Marketing Manager", "manager", "Manager-Level", "Marketing"),
    Post("Software Engineer", "senior", "Non-Manager", "Engineering"),
    Post("Account Executive", "entry", "Non-Manager", "Sales"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A person of the search database."""

    entity_id: str
    """An integer as text, not a lead id."""
    lead_id: str
    """The lead that is made of it when it is added to a list."""
    first_name: str
    last_name: str
    post: Post
    place: tuple[str, str, str]
    """City, state, country."""
    company: Company

    @property
    def full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    @property
    def linkedin_url(self) -> str:
        """The profile's address."""
        slug = self.full_name.lower().replace(" ", "-")
        return f"https://www.linkedin.com/in/{slug}-{self.entity_id}"

    def lead(self) -> Lead:
        """Return it as a lead without e-mail and phone."""
        return Lead(
            self.lead_id,
            first_name=self.first_name,
            last_name=self.last_name,
            title=self.post.title,
            company=self.company.name,
            domain=self.company.domain,
            location=", ".join(self.place),
            linkedin_url=self.linkedin_url,
        )


class SearchDatabase(NamedTuple):
    """Everybody who can be found, by id."""

    people: dict[str, Found]
    companies: dict[str, Company]


# A test run starts hundreds of sandboxes, nearly all with the same seed.
@lru_cache(maxsize=8)
def search_database(seed: int) -> SearchDatabase:
    """Return the database of a seed."""
    companies = [_company(seed, number) for number in range(COMPANIES)]
    people = [_person(seed, number, companies) for number in range(PEOPLE)]
    return SearchDatabase(
        {person.entity_id: person for person in people},
        {company.company_id: company for company in companies},
    )


def _company(seed: int, number: int) -> Company:
    first, second = COMPANY_WORDS
    # Every pair of words once, so no two companies share a name.
    name = f"{first[number // len(second)]} {second[number % len(second)]}"
    return invented_company(seed, name=name, company_id=str(FIRST_COMPANY_ID + number))


def _person(seed: int, number: int, companies: list[Company]) -> Found:
    random = seeded(seed, ("person", number))
    return Found(
        entity_id=str(FIRST_PERSON_ID + number),
        lead_id=seeded_uuid(seed, "found", number),
        first_name=random.choice(FIRST_NAMES),
        last_name=random.choice(LAST_NAMES),
        post=random.choice(POSTS),
        place=random.choice(PLACES),
        company=random.choice(companies),
    )


def person_of(entity_id: str, lists: LeadLists, seed: int) -> Lead | None:
    """Return the lead of a lead id, or of a person of the search database, who becomes one; else None."""
    known = lists.lead(entity_id)
    if known is not None:
        return known
    found = search_database(seed).people.get(entity_id)
    # Kept, so that a person who is found twice stays one lead.
    return lists.keep(found.lead()) if found else None


def look_up(seed: int, *, domain: str | None, company_id: str | None, name: str | None) -> Company | None:
    """Find a company by its domain, else its id, else its name; None for an ``.invalid`` domain."""
    if domain is not None and domain.strip().lower().endswith(UNKNOWN_TLD):
        return None
    known = search_database(seed).companies.get(company_id) if company_id and not domain else None
    return known or invented_company(seed, domain=domain, name=name, company_id=company_id)


def enrich_member(options: Options, company_id: str) -> Company | None:
    """Find a company of a cohort; None for a miss."""
    # By the id, so that asking again gives the same answer.
    if seeded(options.seed, ("company of a cohort", company_id)).random() >= options.hit_rate:
        return None
    return search_database(options.seed).companies.get(company_id)
