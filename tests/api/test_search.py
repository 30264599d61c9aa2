"""``client.search`` against the sandbox."""

import pytest

from cleanlist_async import RequestValidationError
from tests.support.modern_world import both_versions, last_body


@both_versions
@pytest.mark.operation("people")
async def test_people_are_searched(world):
    page = await world.client.search.people(titles=["VP"], location_country=["Germany"], limit=5)
    assert last_body(world) == {"filters": {"titles": ["VP"], "location_country": ["Germany"]}, "limit": 5}
    assert page.task_id.startswith("cl-task_")
    found = [person async for person in world.client.search.people(titles=["VP"], limit=50)]
    assert len({person.lead_id for person in found}) == len(found) > 50
    assert all("VP" in person.model_extra["title"] for person in found)


@both_versions
@pytest.mark.operation("companies")
async def test_companies_are_searched(world):
    found = [
        company async for company in world.client.search.companies(employee_count_ranges=["51-200"], limit=5)
    ]
    assert found
    assert {company.employee_count_range for company in found} == {"51-200"}


async def test_limits_of_searches(world):
    search = world.client.search
    for wrong, field in (
        ({}, "filters"),
        ({"titles": []}, "filters.titles"),
        ({"titles": "CTO"}, "filters.titles"),
        ({"titles": ["CTO"], "limit": 501}, "limit"),
        ({"titles": ["CTO"], "limit": 0}, "limit"),
    ):
        with pytest.raises(RequestValidationError, match=f"^{field}:"):
            search.people(**wrong)
    assert not world.ledger.requests
