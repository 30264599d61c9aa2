"""``client.export`` and ``client.search`` against the sandbox, and the escape hatch."""

from __future__ import annotations

import pytest

from cleanlist_async import ConfigurationError, InvalidCursorError, NotFoundError, RequestValidationError
from tests.support.cases import each_case
from tests.support.modern_world import PREFIXES, both_versions, error_of, last_body, list_of, modern


@both_versions
@pytest.mark.operation("export_csv")
def test_a_csv_file_is_made(version):
    async def main(here):
        list_id = await list_of(here, 4)
        made = await here.client.export.export_csv(list_id, columns=("email",))
        assert last_body(here) == {"list_id": list_id, "columns": ["email"], "include_smart_agents": True}
        assert (made.list_id, made.row_count) == (list_id, 4)
        assert made.file_size_bytes > 4 * len("ada0@example.com")
        assert made.expires_at.tzinfo is not None
        assert "sig=" in made.download_url
        assert "sig=" not in repr(made)

    modern(main, version)


@both_versions
@pytest.mark.operation("export_json")
def test_all_leads_as_json(version):
    async def main(here):
        list_id = await list_of(here, 25)
        rows = [
            row
            async for row in here.client.export.export_json(
                list_id, limit=10, columns=(name for name in ("lead_id", "email"))
            )
        ]
        assert len(rows) == 25
        assert all(set(row) == {"lead_id", "email"} for row in rows)
        assert here.ledger.requests[-1].query.count("columns=") == 2
        emails = [row["email"] async for row in here.client.export.export_json(list_id, columns="email")]
        assert len(set(emails)) == 25
        error = await error_of(anext(aiter(here.client.export.export_json(list_id, cursor="no"))))
        assert isinstance(error, InvalidCursorError)

    modern(main, version)


def test_limits_of_exports():
    async def main(here):
        with pytest.raises(RequestValidationError, match="limit"):
            here.client.export.export_json("l", limit=501)
        with pytest.raises(RequestValidationError, match="list_id"):
            here.client.export.export_json("")
        assert str(await error_of(here.client.export.export_csv("l", columns=[]))).startswith("columns")
        assert isinstance(await error_of(here.client.export.export_csv("nobody")), NotFoundError)
        assert len(here.ledger.requests) == 1

    modern(main)


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


@both_versions
def test_any_operation_can_be_called_by_its_path(version):
    async def main(here):
        request = here.client.request
        made = await request("post", PREFIXES[version] + "/lead-lists", json={"name": "Raw"})
        answer = await request("GET", PREFIXES[version] + "/lead-lists", params={"limit": "5"})
        assert made["list_id"] in {one["list_id"] for one in answer["lists"]}
        assert isinstance(await error_of(request("GET", "/api/v2/nothing")), NotFoundError)

    modern(main, version)


@each_case(
    "path",
    [
        "",
        "api/v2",
        "//evil.example/x",
        "https://evil.example",
        "/api/../x",
        "/api/%2e%2e/x",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/a\nb",
        "/./a",
        "/a\\b",
        "/ü",
        "/@evil.example:80//",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_not_sent(path):
    async def main(here):
        assert type(await error_of(here.client.request("GET", path))) is ConfigurationError
        assert not here.ledger.requests

    modern(main)


def test_odd_methods_and_bodies_are_not_sent():
    async def main(here):
        loop = []
        loop.append(loop)
        for method, body in (
            ("CONNECT", None),
            ("G E T", None),
            ("POST", object()),
            ("POST", float("nan")),
            ("POST", loop),
        ):
            assert (
                type(await error_of(here.client.request(method, "/api/v2/x", json=body)))
                is ConfigurationError
            )
        assert not here.ledger.requests

    modern(main)
