"""``client.search`` against the sandbox."""

from __future__ import annotations

import pytest

from cleanlist_async import RequestValidationError
from tests.support.modern_world import both_versions, last_body, modern


@both_versions
@pytest.mark.operation("people")
def test_people_are_searched(version):
    async def main(here):
        page = await here.client.search.people(titles=["VP"], location_country=["Germany"], limit=5)
        assert last_body(here) == {"filters": {"titles": ["VP"], "location_country": ["Germany"]}, "limit": 5}
        assert page.task_id.startswith("cl-task_")
        found = [person async for person in here.client.search.people(titles=["VP"], limit=50)]
        assert len({person.lead_id for person in found}) == len(found) > 50
        assert all("VP" in person.model_extra["title"] for person in found)

    modern(main, version)


@both_versions
@pytest.mark.operation("companies")
def test_companies_are_searched(version):
    async def main(here):
        found = [
            company
            async for company in here.client.search.companies(employee_count_ranges=["51-200"], limit=5)
        ]
        assert found
        assert {company.employee_count_range for company in found} == {"51-200"}

    modern(main, version)


def test_limits_of_searches():
    async def main(here):
        search = here.client.search
        for wrong, field in (
            ({}, "filters"),
            ({"titles": []}, "filters.titles"),
            ({"titles": "CTO"}, "filters.titles"),
            ({"titles": ["CTO"], "limit": 501}, "limit"),
            ({"titles": ["CTO"], "limit": 0}, "limit"),
        ):
            with pytest.raises(RequestValidationError, match=f"^{field}:"):
                search.people(**wrong)
        assert not here.ledger.requests

    modern(main)
