"""Search for people and companies.

Not in the published specification: the filters and fields are those that users of the API report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from .bodies import RequestModel, page, read_body
from .database import search_database
from .group import Group, ModernOperation
from .search_filters import COMPANY_FILTERS, PERSON_FILTERS, CompanyFilter, PersonFilter, matching

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from .cohorts import EntityKind
    from .database import Found


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

    def operations(self) -> list[ModernOperation]:
        """Return the two operations."""
        return [
            ModernOperation("search_people", "POST", "/search/people", self.search_people),
            ModernOperation("search_companies", "POST", "/search/companies", self.search_companies),
        ]

    async def search_people(self, request: Request) -> Response:
        """Return a page of people, and the handle of a cohort with the same people."""
        body = await read_body(request, SearchPeople)
        people = list(search_database(self._services.options.seed).people.values())
        found = matching(people, PERSON_FILTERS, body.filters)
        shown, cursor = page(found, body.cursor, body.limit)
        return self._found("person", [_person_row(person) for person in shown], len(found), cursor)

    async def search_companies(self, request: Request) -> Response:
        """Return a page of companies, and the handle of a cohort with the same companies."""
        body = await read_body(request, SearchCompanies)
        companies = list(search_database(self._services.options.seed).companies.values())
        found = matching(companies, COMPANY_FILTERS, body.filters)
        shown, cursor = page(found, body.cursor, body.limit)
        return self._found("company", [company.record() for company in shown], len(found), cursor)

    def _found(
        self, kind: EntityKind, rows: Sequence[Mapping[str, object]], total: int, cursor: str | None
    ) -> Response:
        id_name = "lead_id" if kind == "person" else "company_id"
        # The cohort holds this page only, which the warning says.
        task_id = self._services.cohorts.new(kind, [str(row[id_name]) for row in rows])
        warning = f"The task holds {len(rows)} of {total} results." if len(rows) < total else None
        body = {"results": rows, "total": total, "cursor": cursor}
        body |= {"truncation_warning": warning, "credits_charged": 0}
        return self._answer(body, task_id)


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
