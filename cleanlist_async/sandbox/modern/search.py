"""Search for people and companies.

Not in the published specification: the filters and fields are those that users of the API report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias, TypeVar

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from .database import Company, Found, search_database
from .operations import Group, RequestModel, operation, page, read_body
from .store import EntityKind

T = TypeVar("T")
Name = TypeVar("Name", bound=str)

PersonFilter: TypeAlias = Literal[
    "titles",
    "seniority",
    "management_levels",
    "departments",
    "location_city",
    "location_state",
    "location_country",
    "locations",
    "company_names",
    "company_domains",
    "company_headcount",
    "company_industries",
]
CompanyFilter: TypeAlias = Literal["industries", "employee_count_ranges", "locations", "names", "domains"]

_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]+")

PART_IS_ENOUGH: Final = frozenset({"titles", "locations", "company_names", "names"})
"""Filters whose values need not be the whole text."""
PERSON_FILTERS: Final[dict[PersonFilter, Callable[[Found], str]]] = {
    "titles": lambda found: found.post.title,
    "seniority": lambda found: found.post.seniority,
    "management_levels": lambda found: found.post.management_level,
    "departments": lambda found: found.post.department,
    "location_city": lambda found: found.place[0],
    "location_state": lambda found: found.place[1],
    "location_country": lambda found: found.place[2],
    "locations": lambda found: " ".join(found.place),
    "company_names": lambda found: found.company.name,
    "company_domains": lambda found: found.company.domain,
    "company_headcount": lambda found: found.company.employee_count_range,
    "company_industries": lambda found: found.company.industry,
}
COMPANY_FILTERS: Final[dict[CompanyFilter, Callable[[Company], str]]] = {
    "industries": lambda company: company.industry,
    "employee_count_ranges": lambda company: company.employee_count_range,
    "locations": lambda company: company.location,
    "names": lambda company: company.name,
    "domains": lambda company: company.domain,
}


def matching(
    entities: Iterable[T],
    filters: Mapping[Name, Callable[[T], str]],
    wanted: Mapping[Name, Sequence[str]],
) -> list[T]:
    """Return the entities that fit every filter with values; case and punctuation do not matter."""
    given = [(name, filters[name], [_plain(value) for value in values]) for name, values in wanted.items()]
    return [
        entity
        for entity in entities
        if all(_fits(name, _plain(text_of(entity)), values) for name, text_of, values in given if values)
    ]


def _fits(name: str, text: str, values: Iterable[str]) -> bool:
    return any(value in text for value in values) if name in PART_IS_ENOUGH else text in values


def _plain(text: str) -> str:
    return _NOT_PLAIN.sub(" ", text.casefold()).strip()


class Search(RequestModel):
    """What both searches have."""

    limit: int = Field(25, ge=1, le=500)
    cursor: str | None = None


class SearchPeople(Search):
    """Body of ``POST /search/people``."""

    filters: dict[PersonFilter, list[str]]


class SearchCompanies(Search):
    """Body of ``POST /search/companies``."""

    filters: dict[CompanyFilter, list[str]]


class SearchOperations(Group):
    """The two searches; free."""

    @operation("POST", "/search/people", "people:read")
    async def search_people(self, request: Request) -> Response:
        """Return a page of people, and the handle of a cohort with the same people."""
        asked = await read_body(request, SearchPeople)
        people = search_database(self._services.options.seed).people.values()
        found = matching(people, PERSON_FILTERS, asked.filters)
        return self._found("person", [_person_row(person) for person in found], asked)

    @operation("POST", "/search/companies", "companies:read")
    async def search_companies(self, request: Request) -> Response:
        """Return a page of companies, and the handle of a cohort with the same companies."""
        asked = await read_body(request, SearchCompanies)
        companies = search_database(self._services.options.seed).companies.values()
        found = matching(companies, COMPANY_FILTERS, asked.filters)
        return self._found("company", [company.record() for company in found], asked)

    def _found(self, kind: EntityKind, found: Sequence[Mapping[str, object]], asked: Search) -> Response:
        rows, cursor = page(found, asked.cursor, asked.limit)
        id_name = "lead_id" if kind == "person" else "company_id"
        # The cohort holds this page only, which the warning says.
        cohort = self._services.cohorts.new(kind, [str(row[id_name]) for row in rows])
        warning = f"The task holds {len(rows)} of {len(found)} results." if len(rows) < len(found) else None
        body = {"results": rows, "total": len(found), "cursor": cursor}
        body |= {"truncation_warning": warning, "credits_charged": 0}
        return self._answer(body, cohort.task_id)


def _person_row(person: Found) -> dict[str, object]:
    return {
        "lead_id": person.entity_id,
        "full_name": person.full_name,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "title": person.post.title,
        "company": person.company.name,
        "domain": person.company.domain,
        "location": ", ".join(person.place),
        "linkedin_url": person.linkedin_url,
    }
