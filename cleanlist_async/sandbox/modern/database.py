"""The database behind search: invented people at invented companies, the same ones for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Final, NamedTuple

from cleanlist_async.sandbox.identity import seeded_uuid
from cleanlist_async.sandbox.options import seeded
from cleanlist_async.sandbox.people import FIRST_NAMES, LAST_NAMES

from .companies import PLACES, Company, invented_company
from .store import Lead

COMPANIES: Final = 100
PEOPLE: Final = 1_000
FIRST_COMPANY_ID: Final = 500_001
FIRST_PERSON_ID: Final = 1_000_001
COMPANY_WORDS: Final = (
    ("Amber", "Basalt", "Cedar", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper"),
    ("Analytics", "Cloud", "Dynamics", "Foods", "Health", "Labs", "Logistics", "Mobility", "Pay", "Works"),
)


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
    random: Random = seeded(seed, ("person", number))
    return Found(
        entity_id=str(FIRST_PERSON_ID + number),
        lead_id=seeded_uuid(seed, "found", number),
        first_name=random.choice(FIRST_NAMES),
        last_name=random.choice(LAST_NAMES),
        post=random.choice(POSTS),
        place=random.choice(PLACES),
        company=random.choice(companies),
    )
