"""Lists and their leads over HTTP: names, pages, owners, patches, both ways to add."""

import pytest

from cleanlist_async.sandbox import Sandbox
from tests.support.cases import each_case
from tests.support.modern_caller import ModernCaller, code, locations

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

NOT_FOUND = (404, "list_not_found")


@pytest.mark.parametrize("prefix", ["/api/v2", "/api/v1/public"])
async def test_a_list_lives_under_both_prefixes(prefix):
    async with Sandbox() as sandbox, ModernCaller(sandbox, prefix=prefix) as http:
        created = await http.post("/lead-lists", json={"name": "Q3", "description": "d"})
        assert created.status_code == 201
        list_id = created.json()["list_id"]
        read = (await http.get(f"/lead-lists/{list_id}")).json()
        shown = [read[name] for name in ("name", "description", "lead_count", "enriched_count", "reused")]
        assert shown == ["Q3", "d", 0, 0, False]
        assert isinstance(read["timestamp_ms"], int)
        deleted = await http.delete(f"/lead-lists/{list_id}")
        assert deleted.json() | {"timestamp_ms": 0} == {
            "list_id": list_id,
            "deleted": True,
            "timestamp_ms": 0,
        }
        assert code(await http.delete(f"/lead-lists/{list_id}")) == NOT_FOUND
        assert code(await http.get(f"/lead-lists/{list_id}")) == NOT_FOUND


async def test_the_same_name_in_other_case_is_the_same_list_and_200(http):
    first = await http.post("/lead-lists", json={"name": "Outbound"})
    again = await http.post("/lead-lists", json={"name": "OUTBOUND", "description": "new"})
    other = await http.post("/lead-lists", json={"name": "Outbound "})
    assert [answer.status_code for answer in (first, again, other)] == [201, 200, 201]
    assert [answer.json()["reused"] for answer in (first, again, other)] == [False, True, False]
    assert again.json()["list_id"] == first.json()["list_id"] != other.json()["list_id"]
    assert (again.json()["name"], again.json()["description"]) == ("Outbound", None)


async def test_another_user_neither_reuses_nor_sees_a_private_list():
    async with (
        Sandbox(api_keys=("a", "b")) as sandbox,
        ModernCaller(sandbox, "a") as mine,
        ModernCaller(sandbox, "b") as theirs,
    ):
        list_id = await mine.made("Shared name")
        assert await theirs.made("shared NAME") != list_id
        path = f"/lead-lists/{list_id}"
        for answer in (
            await theirs.get(path),
            await theirs.patch(path, json={"name": "x"}),
            await theirs.delete(path),
            await theirs.get(path + "/leads"),
            await theirs.post(path + "/leads", json={"lead_ids": ["x"]}),
            await theirs.with_body("DELETE", path + "/leads", {"lead_ids": ["x"]}),
        ):
            assert code(answer) == NOT_FOUND
        assert [row["list_id"] for row in (await mine.get("/lead-lists")).json()["lists"]] == [list_id]


@each_case(
    ("body", "where"),
    [
        ({}, [("body", "name")]),
        ({"name": ""}, [("body", "name")]),
        ({"name": "x" * 201}, [("body", "name")]),
        ({"name": 7}, [("body", "name")]),
        ({"name": "x", "visibility": "shared", "owner": "me"}, [("body", "visibility"), ("body", "owner")]),
    ],
)
async def test_422_for_what_a_list_cannot_be(body, where):
    async with Sandbox() as sandbox, ModernCaller(sandbox) as http:
        assert locations(await http.post("/lead-lists", json=body)) == where
        assert (await http.get("/lead-lists")).json()["total"] == 0


async def test_patch_changes_what_it_names_and_null_clears(http):
    body = {"name": "L", "description": "d", "folder_id": "folder_inbound"}
    list_id = (await http.post("/lead-lists", json=body)).json()["list_id"]

    async def patched(**change):
        answer = await http.patch(f"/lead-lists/{list_id}", json=change)
        assert answer.status_code == 200
        return tuple(answer.json()[name] for name in ("name", "description", "folder_id"))

    assert await patched(name="M") == ("M", "d", "folder_inbound")
    assert await patched(name="M") == ("M", "d", "folder_inbound")
    assert await patched(description=None) == ("M", None, "folder_inbound")
    assert await patched(folder_id=None) == ("M", None, None)
    for refused, where in (({}, ("body",)), ({"name": None}, ("body", "name"))):
        assert locations(await http.patch(f"/lead-lists/{list_id}", json=refused)) == [where]
    assert await patched(description="e") == ("M", "e", None)


async def test_404_for_an_unknown_folder(http):
    created = await http.post("/lead-lists", json={"name": "L", "folder_id": "nowhere"})
    assert code(created) == (404, "folder_not_found")
    list_id = await http.made("L")
    changed = await http.patch(f"/lead-lists/{list_id}", json={"name": "M", "folder_id": "nowhere"})
    assert code(changed) == (404, "folder_not_found")
    assert (await http.get(f"/lead-lists/{list_id}")).json()["name"] == "L"


async def test_lists_come_in_pages_and_by_folder():
    async with Sandbox(limiter="off") as sandbox, ModernCaller(sandbox) as http:
        made = [await http.made(f"List {i}") for i in range(5)]
        filed = (await http.post("/lead-lists", json={"name": "F", "folder_id": "folder_outbound"})).json()
        ids, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await http.get("/lead-lists", params=query)).json()
            assert page["total"] == 6
            ids += [row["list_id"] for row in page["lists"]]
            cursor, pages = page["cursor"], pages + 1
        assert (ids, pages) == ([*made, filed["list_id"]], 3)
        of_folder = (await http.get("/lead-lists", params={"folder_id": "folder_outbound"})).json()
        assert [row["name"] for row in of_folder["lists"]] == ["F"]


@each_case("cursor", ["x", "-1", "1.5", "", "٣"])
async def test_a_malformed_cursor_is_400_everywhere(cursor):
    async with Sandbox() as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        for path, query in (
            ("/lead-lists", {}),
            (f"/lead-lists/{list_id}/leads", {}),
            ("/export/json", {"list_id": list_id}),
        ):
            answer = await http.get(path, params=query | {"cursor": cursor})
            assert code(answer) == (400, "invalid_cursor")


@pytest.mark.parametrize("limit", [0, 501, "many"])
async def test_422_for_a_limit_out_of_range(limit, http):
    list_id = await http.made()
    for path, query in (
        ("/lead-lists", {}),
        (f"/lead-lists/{list_id}/leads", {}),
        ("/export/json", {"list_id": list_id}),
        ("/smart-agents", {}),
    ):
        answer = await http.get(path, params=query | {"limit": limit})
        assert locations(answer) == [("query", "limit")]


async def test_leads_come_in_pages_with_a_cohort_each(http):
    list_id = await http.made(people=3)
    first = (await http.get(f"/lead-lists/{list_id}/leads", params={"limit": 2})).json()
    assert (len(first["leads"]), first["total"], first["cursor"]) == (2, 3, "2")
    last = (await http.get(f"/lead-lists/{list_id}/leads", params={"limit": 2, "cursor": "2"})).json()
    assert [row["first_name"] for row in first["leads"] + last["leads"]] == ["Ada0", "Ada1", "Ada2"]
    assert last["cursor"] is None
    assert first["task_id"].startswith("cl-task_")
    assert first["task_id"] != last["task_id"]
    other = await http.made("Other")
    added = await http.post(f"/lead-lists/{other}/leads", json={"task_id": first["task_id"]})
    assert added.json() == {
        "list_id": other,
        "added": 2,
        "skipped_duplicates": 0,
        "created": 0,
        "credits_charged": 0,
    }
    assert await http.leads(other) == first["leads"]


async def test_leads_are_added_once_and_outlive_their_list(http):
    old, new = await http.made("Old", people=3), await http.made("New")
    lead_ids = [row["lead_id"] for row in await http.leads(old)]
    await http.delete(f"/lead-lists/{old}")
    first = await http.post(f"/lead-lists/{new}/leads", json={"lead_ids": lead_ids[:2]})
    again = await http.post(f"/lead-lists/{new}/leads", json={"lead_ids": lead_ids})
    counts = [(a.json()["added"], a.json()["skipped_duplicates"]) for a in (first, again)]
    assert counts == [(2, 0), (1, 2)]
    assert (await http.get(f"/lead-lists/{new}")).json()["lead_count"] == 3
    unknown = await http.post(f"/lead-lists/{new}/leads", json={"lead_ids": ["nobody"]})
    assert code(unknown) == (404, "not_found")


async def test_an_idempotency_key_replays_what_adding_answered(http):
    old, new, third = await http.made("Old", people=2), await http.made("New"), await http.made("Third")
    lead_ids = [row["lead_id"] for row in await http.leads(old)]
    body = {"lead_ids": lead_ids, "idempotency_key": "k"}
    first = (await http.post(f"/lead-lists/{new}/leads", json=body)).json()
    again = (await http.post(f"/lead-lists/{new}/leads", json=body)).json()
    elsewhere = (await http.post(f"/lead-lists/{third}/leads", json=body)).json()
    assert first == again
    assert (first["added"], elsewhere["added"], elsewhere["list_id"]) == (2, 2, third)


@each_case(
    "body",
    [
        {},
        {"lead_ids": ["a"], "task_id": "cl-task_x"},
        {"lead_ids": []},
        {"lead_ids": ["a"] * 1001},
        {"lead_ids": ["a"], "entity_ids": ["a"]},
        {"lead_ids": ["a"], "idempotency_key": "k" * 129},
        {"task_id": "cl-task_x", "entity_ids": ["1"] * 2001},
        {"lead_ids": ["a"], "extra": 1},
    ],
)
async def test_422_for_neither_or_both_ways_to_add(body):
    async with Sandbox() as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made()
        assert locations(await http.post(f"/lead-lists/{list_id}/leads", json=body))


async def test_a_part_of_a_cohort_of_the_search_becomes_leads(http):
    found = (await http.post("/search/people", json={"filters": {}, "limit": 5})).json()
    ids = [row["lead_id"] for row in found["results"]]
    list_id = await http.made()
    path = f"/lead-lists/{list_id}/leads"
    part = await http.post(path, json={"task_id": found["task_id"], "entity_ids": ids[:2]})
    whole = await http.post(path, json={"task_id": found["task_id"]})
    assert [(a.json()["added"], a.json()["created"]) for a in (part, whole)] == [(2, 2), (3, 3)]
    assert whole.json()["skipped_duplicates"] == 2
    leads = await http.leads(list_id)
    assert [lead["full_name"] for lead in leads] == [row["full_name"] for row in found["results"]]
    assert not {lead["lead_id"] for lead in leads} & set(ids)
    stranger = await http.post(path, json={"task_id": found["task_id"], "entity_ids": ["1"]})
    assert code(stranger) == (400, "validation_error")


async def test_a_cohort_of_companies_or_one_that_expired_cannot_be_added():
    now = [0.0]
    async with Sandbox(clock=lambda: now[0]) as sandbox, ModernCaller(sandbox) as http:
        companies = (await http.post("/search/companies", json={"filters": {}})).json()
        people = (await http.post("/search/people", json={"filters": {}})).json()
        path = f"/lead-lists/{await http.made()}/leads"
        assert code(await http.post(path, json={"task_id": companies["task_id"]})) == (
            400,
            "validation_error",
        )
        now[0] = 3600.0
        assert code(await http.post(path, json={"task_id": people["task_id"]})) == (404, "task_not_found")


async def test_leads_are_removed_with_a_body_and_strangers_ignored(http):
    list_id = await http.made(people=3)
    first = (await http.leads(list_id))[0]["lead_id"]
    path = f"/lead-lists/{list_id}/leads"
    removed = await http.with_body("DELETE", path, {"lead_ids": [first, first, "nobody"]})
    assert removed.json() == {"list_id": list_id, "removed": 1}
    assert [row["first_name"] for row in await http.leads(list_id)] == ["Ada1", "Ada2"]
    for bad in ({"lead_ids": []}, {"lead_ids": ["x"] * 101}):
        assert locations(await http.with_body("DELETE", path, bad)) == [("body", "lead_ids")]
    assert locations(await http.delete(path)) == [("body",)]
