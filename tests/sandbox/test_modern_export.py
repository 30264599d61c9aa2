"""Exports over HTTP: signed files that want no key, and rows in pages."""

import csv
import io
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from cleanlist_async.sandbox import Sandbox
from tests.support.modern_caller import ModernCaller, code, locations

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

COLUMNS = [
    *("lead_id", "first_name", "last_name", "email", "title"),
    *("company", "domain", "linkedin_url", "phone", "location"),
]


async def signed(http, list_id, **more):
    return await http.post("/export/csv/signed-url", json={"list_id": list_id, **more})


async def fetch(url, headers=None):
    async with httpx.AsyncClient(trust_env=False) as stranger:
        return await stranger.get(url, headers=headers)


async def test_the_file_is_fetched_without_a_key_outside_the_api(sandbox, http):
    list_id = await http.made(people=3)
    answer = (await signed(http, list_id)).json()
    assert answer["download_url"].startswith(sandbox.base_url)
    assert "/api/" not in answer["download_url"]
    ends = datetime.fromisoformat(answer["expires_at"])
    assert timedelta(hours=23, minutes=59) < ends - datetime.now(UTC) <= timedelta(hours=24)
    file = await fetch(answer["download_url"])
    assert (file.status_code, file.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert len(file.content) == answer["file_size_bytes"]
    rows = list(csv.reader(io.StringIO(file.text, newline="")))
    assert rows[0] == COLUMNS
    assert len(rows) - 1 == answer["row_count"] == 3
    assert rows[1][1:3] == ["Ada0", "Lovelace"]


async def test_the_file_is_the_list_at_that_moment(http):
    list_id = await http.made(people=1)
    url = (await signed(http, list_id)).json()["download_url"]
    await http.delete(f"/lead-lists/{list_id}")
    assert len((await fetch(url)).text.splitlines()) == 2


async def test_400_if_a_key_comes_with_it(sandbox, http):
    url = (await signed(http, await http.made())).json()["download_url"]
    answer = await fetch(url, {"Authorization": f"Bearer {sandbox.api_key}"})
    assert answer.status_code == 400
    assert sandbox.api_key not in answer.text


async def test_403_for_a_signature_that_is_not_ours(http):
    list_id = await http.made()
    one, two = [httpx.URL((await signed(http, list_id)).json()["download_url"]) for _ in range(2)]
    for url in (
        one.copy_with(path=two.path),
        one.copy_set_param("se", "99999999999"),
        one.copy_set_param("sig", "0" * 64),
        one.copy_set_param("sig", "é"),
        one.copy_with(query=None),
    ):
        assert (await fetch(url)).status_code == 403


async def test_403_after_24_hours():
    now = [0.0]
    async with Sandbox(clock=lambda: now[0]) as sandbox, ModernCaller(sandbox) as http:
        url = (await signed(http, await http.made())).json()["download_url"]
        now[0] = 86_390.0
        assert (await fetch(url)).status_code == 200
        now[0] = 86_401.0
        assert (await fetch(url)).status_code == 403


async def test_columns_are_chosen_and_written_as_they_are():
    async with Sandbox(workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=1)
        quote_id = await http.quoted("run_smart_agent", list_id=list_id, agent_type="company_intel")
        body = {"list_id": list_id, "agent_type": "company_intel", "column_name": "Intel"}
        await http.post("/smart-agents/run", json=body | {"quote_id": quote_id})

        async def header_of(**more):
            answer = (await signed(http, list_id, **more)).json()
            return (await fetch(answer["download_url"])).text.splitlines()[0].split(",")

        assert await header_of() == [*COLUMNS, "Intel"]
        assert await header_of(include_smart_agents=False) == COLUMNS
        assert await header_of(columns=["email", "full_name"]) == ["email", "full_name", "Intel"]
        url = (await signed(http, list_id, columns=["Intel", "unheard_of"])).json()["download_url"]
        (row,) = csv.DictReader(io.StringIO((await fetch(url)).text, newline=""))
        assert row["Intel"].startswith('{"company":')
        assert row["unheard_of"] == ""


async def test_json_comes_in_pages_of_the_columns_asked_for(http):
    list_id = await http.made(people=3)
    query = {"list_id": list_id, "columns": ["first_name", "full_name"], "limit": 2}
    first = (await http.get("/export/json", params=query)).json()
    last = (await http.get("/export/json", params=query | {"cursor": first["cursor"]})).json()
    assert (first["list_id"], first["total"], first["cursor"], last["cursor"]) == (list_id, 3, "2", None)
    assert [list(row.items()) for row in last["leads"]] == [
        [("first_name", "Ada2"), ("full_name", "Ada2 Lovelace")]
    ]
    assert list((await http.get("/export/json", params={"list_id": list_id})).json()["leads"][0]) == COLUMNS


async def test_an_unknown_or_missing_list_is_refused(http):
    assert code(await signed(http, "nowhere")) == (404, "list_not_found")
    assert code(await http.get("/export/json", params={"list_id": "nowhere"})) == (404, "list_not_found")
    assert locations(await http.get("/export/json")) == [("query", "list_id")]
