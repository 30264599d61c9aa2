"""Search over HTTP: documented filters, pages, cohorts."""

import pytest

from cleanlist_async.sandbox import Sandbox
from cleanlist_async.sandbox.modern.search import COMPANY_FILTERS, PERSON_FILTERS
from tests.support.modern_caller import ModernCaller, locations

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

PERSON_NAMES = {
    *("titles", "seniority", "management_levels", "departments", "locations"),
    *("location_city", "location_state", "location_country"),
    *("company_names", "company_domains", "company_headcount", "company_industries"),
}


async def search(http, kind, limit=25, **filters):
    answer = await http.post(f"/search/{kind}", json={"filters": filters, "limit": limit})
    assert answer.status_code == 200
    return answer.json()


async def test_filters_narrow_and_their_values_widen(http):
    sales = await search(http, "people", titles=["sales"], limit=500)
    assert {row["title"] for row in sales["results"]} == {"VP Sales", "Sales Manager"}
    both = await search(http, "people", titles=["sales", "Account Exec"], limit=500)
    in_france = await search(
        http, "people", titles=["sales"], location_country=["france"], seniority=["VP"], limit=500
    )
    assert both["total"] > sales["total"] > in_france["total"] > 0
    assert {(row["title"], row["location"]) for row in in_france["results"]} == {
        ("VP Sales", "Paris, Ile-de-France, France")
    }
    assert (await search(http, "people", titles=["Astronaut"]))["results"] == []


async def test_companies_are_found_by_size_and_industry(http):
    found = await search(
        http, "companies", limit=500, employee_count_ranges=["51-200"], industries=["SOFTWARE", "Retail"]
    )
    assert found["total"] == len(found["results"]) > 0
    for company in found["results"]:
        assert 51 <= company["employee_count"] <= 200
        assert company["industry"] in {"Software", "Retail"}


@pytest.mark.parametrize("kind", ["people", "companies"])
async def test_every_documented_filter_is_known_and_no_other(kind):
    names = (
        PERSON_NAMES
        if kind == "people"
        else {
            "industries",
            "employee_count_ranges",
            "locations",
            "names",
            "domains",
        }
    )
    assert set(PERSON_FILTERS if kind == "people" else COMPANY_FILTERS) == names
    async with Sandbox(limiter="off") as sandbox, ModernCaller(sandbox) as http:
        for name in names:
            assert (await search(http, kind, **{name: ["no such thing"]}))["total"] == 0
        unknown = {"filters": {"technologies": ["AWS"]}}
        assert locations(await http.post(f"/search/{kind}", json=unknown)) == [
            ("body", "filters", "technologies", "[key]")
        ]
        for bad, where in (
            ({"filters": {}, "limit": 501}, ("body", "limit")),
            ({}, ("body", "filters")),
            ({"filters": {"locations": "Paris"}}, ("body", "filters", "locations")),
        ):
            assert locations(await http.post(f"/search/{kind}", json=bad)) == [where]


@pytest.mark.parametrize(("kind", "id_name"), [("people", "lead_id"), ("companies", "company_id")])
async def test_pages_join_without_gap_and_say_what_their_task_lacks(kind, id_name, http):
    whole = await search(http, kind, limit=50, locations=["germany", "sweden"])
    ids = [row[id_name] for row in whole["results"]]
    first = await search(http, kind, limit=5, locations=["germany", "sweden"])
    assert (first["cursor"], first["credits_charged"]) == ("5", 0)
    assert first["truncation_warning"] == f"The task holds 5 of {first['total']} results."
    body = {"filters": {"locations": ["germany", "sweden"]}, "limit": 5, "cursor": "5"}
    second = (await http.post(f"/search/{kind}", json=body)).json()
    assert [row[id_name] for row in first["results"] + second["results"]] == ids[:10]
    assert first["task_id"] != second["task_id"]
    assert all(identifier.isdigit() for identifier in ids)
    assert len(set(ids)) == len(ids)


async def test_the_same_seed_finds_the_same_people():
    async def first_of(seed):
        async with Sandbox(seed=seed) as sandbox, ModernCaller(sandbox) as http:
            return (await search(http, "people", limit=20))["results"]

    assert await first_of(1) == await first_of(1) != await first_of(2)
