"""``client.search``: people and companies. Provisional: no published specification has these operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cleanlist_async import facts
from cleanlist_async.api.models.enrichment import CompaniesPage, Company, PeoplePage, PersonFound
from cleanlist_async.api.modern import ModernGroup, modern
from cleanlist_async.api.pagination import Pages
from cleanlist_async.api.request_models import Search

SEARCH_PEOPLE: Final = modern(
    "people", "POST", "/search/people", PeoplePage, max_answer_bytes=facts.MAX_ANSWER_BYTES
)
SEARCH_COMPANIES: Final = modern(
    "companies", "POST", "/search/companies", CompaniesPage, max_answer_bytes=facts.MAX_ANSWER_BYTES
)


class SearchAPI(ModernGroup):
    """Searches of Cleanlist's database. Provisional, and free as far as is known.

    Await for one page, iterate for every result. A page's ``task_id`` is a cohort of its results, for
    `client.enrichment.enrich_by_task` and `client.lead_lists.add_leads_to_list`.
    """

    def people(
        self,
        *,
        titles: Iterable[str] | None = None,
        seniority: Iterable[str] | None = None,
        management_levels: Iterable[str] | None = None,
        departments: Iterable[str] | None = None,
        locations: Iterable[str] | None = None,
        location_city: Iterable[str] | None = None,
        location_state: Iterable[str] | None = None,
        location_country: Iterable[str] | None = None,
        company_names: Iterable[str] | None = None,
        company_domains: Iterable[str] | None = None,
        company_headcount: Iterable[str] | None = None,
        company_industries: Iterable[str] | None = None,
        limit: int = facts.SEARCH_RESULTS_PER_PAGE,
        cursor: str | None = None,
    ) -> Pages[PeoplePage, PersonFound]:
        """Search people by at least one filter, each a list of texts; `limit` is 1 to 500 per page.

        Provisional: the filters are those that other programs are seen to use. Needs the scope
        ``people:read``.
        """
        filters = {
            "titles": titles,
            "seniority": seniority,
            "management_levels": management_levels,
            "departments": departments,
            "locations": locations,
            "location_city": location_city,
            "location_state": location_state,
            "location_country": location_country,
            "company_names": company_names,
            "company_domains": company_domains,
            "company_headcount": company_headcount,
            "company_industries": company_industries,
        }
        return self._pages(
            SEARCH_PEOPLE,
            _request(filters, limit, cursor),
            cursor,
            items=lambda page: page.results,
            identity=lambda person: person.lead_id,
        )

    def companies(
        self,
        *,
        industries: Iterable[str] | None = None,
        employee_count_ranges: Iterable[str] | None = None,
        locations: Iterable[str] | None = None,
        names: Iterable[str] | None = None,
        domains: Iterable[str] | None = None,
        limit: int = facts.SEARCH_RESULTS_PER_PAGE,
        cursor: str | None = None,
    ) -> Pages[CompaniesPage, Company]:
        """Search companies by at least one filter, each a list of texts (``"51-200"`` employees).

        Provisional: the filters are those that other programs are seen to use. `limit` is 1 to 500 per page.
        Needs the scope ``companies:read``.
        """
        filters = {
            "industries": industries,
            "employee_count_ranges": employee_count_ranges,
            "locations": locations,
            "names": names,
            "domains": domains,
        }
        return self._pages(
            SEARCH_COMPANIES,
            _request(filters, limit, cursor),
            cursor,
            items=lambda page: page.results,
            identity=lambda found: found.company_id or found.domain,
        )


def _request(
    filters: Mapping[str, Iterable[str] | None], limit: int, cursor: str | None
) -> Callable[[str | None], Search]:
    """Return the request for each page. Raises RequestValidationError for invalid filters."""
    # Read here once: each page sends the filters again, and an iterator can only be read once.
    given = {name: texts for name, texts in filters.items() if texts is not None}
    read = Search.checked(filters=given, limit=limit, cursor=cursor).filters
    return lambda cursor: Search.checked(filters=read, limit=limit, cursor=cursor)
