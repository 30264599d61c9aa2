"""Smart agents over HTTP: quotes, growing results, three ids, columns in the export."""

import pytest

from cleanlist_async.sandbox import Sandbox, Shape
from tests.support.cases import each_case
from tests.support.modern_caller import ModernCaller, code, locations, table

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


async def run(http, list_id, **more):
    agent_type = more.get("agent_type", "custom_ai")
    body = {"list_id": list_id, "column_name": "Note", "prompt": "Say hello.", **more}
    if "quote_id" not in body:
        body["quote_id"] = await http.quoted("run_smart_agent", list_id=list_id, agent_type=agent_type)
    return await http.post("/smart-agents/run", json=body)


async def results(http, run_id):
    return (await http.get(f"/smart-agents/{run_id}")).json()


async def test_results_grow_until_they_are_complete_and_charged():
    now = [0.0]
    async with (
        Sandbox(clock=lambda: now[0], workflow_s=10.0) as sandbox,
        ModernCaller(sandbox) as http,
    ):
        list_id = await http.made(people=10)
        started = (await run(http, list_id)).json()
        run_id = started["smart_agent_task_id"]
        assert (started["status"], started["column_name"], started["estimated_cost"]) == (
            "pending",
            "Note",
            10,
        )
        seen = []
        for now[0] in (0.0, 5.0, 10.0):
            answer = await results(http, run_id)
            seen.append((answer["status"], answer["progress"], len(answer["results"]), answer["succeeded"]))
        assert seen == [("pending", 0, 0, 0), ("processing", 50, 5, 5), ("completed", 100, 10, 10)]
        assert answer["total"] == 10
        assert answer["results"][0]["value"] == "Say hello. [Ada0 Lovelace]"
        assert sandbox.ledger.credits_charged == 10


async def test_the_three_ids_are_three_things():
    async with Sandbox(workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=1)
        started = (await run(http, list_id)).json()
        run_id = started["smart_agent_task_id"]
        assert started["smart_agent_task_ids"] == {"custom_ai": run_id}
        assert started["task_id"] not in {run_id, None}
        assert (await results(http, run_id))["status"] == "completed"
        assert code(await http.get(f"/smart-agents/{started['task_id']}")) == (404, "task_not_found")
        rows = (await http.get("/smart-agents")).json()["runs"]
        assert [row["task_id"] for row in rows] == [run_id]


async def test_only_what_was_written_is_charged():
    async with Sandbox(workflow_s=0.0) as sandbox, ModernCaller(sandbox) as http:
        text = "First,Last,Email,Profile,Domain,Title\nAda,L,,,a.example,\nAlan,T,,,b.example,VP Sales\n"
        list_id = await http.made()
        await http.take_in(list_id, text)
        started = (await run(http, list_id, agent_type="cold_intro_email")).json()
        assert started["estimated_cost"] == 6
        started = (await run(http, list_id, agent_type="title_normalizer", column_name="Title")).json()
        answer = await results(http, started["smart_agent_task_id"])
        assert [(row["value"], row["error"]) for row in answer["results"]] == [
            (None, "The lead has no title."),
            ("Vice President Sales", None),
        ]
        assert (answer["total"], answer["succeeded"], answer["failed"]) == (2, 1, 1)
        assert sandbox.ledger.credits_charged == 6 + 1


async def test_columns_are_added_to_unless_overwritten_and_are_exported():
    async with Sandbox(workflow_s=0.0, limiter="off") as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=5)

        async def rows_of(**more):
            started = (await run(http, list_id, **more)).json()
            return (await results(http, started["smart_agent_task_id"]))["total"]

        assert await rows_of(max_rows=2) == 2
        assert await rows_of(max_rows=2) == 2
        assert await rows_of() == 1
        assert await rows_of() == 0
        assert await rows_of(prompt="Again.", overwrite=True, max_rows=1) == 1
        await rows_of(agent_type="company_intel", column_name="Intel", max_rows=1)
        exported = (await http.get("/export/json", params={"list_id": list_id})).json()["leads"]
        assert [row["Note"].partition(" [")[0] for row in exported] == ["Again.", *["Say hello."] * 4]
        assert exported[0]["Intel"]["domain"] == "analytical.example"
        assert exported[1]["Intel"] is None
        assert sandbox.ledger.credits_charged == 7


async def test_a_quote_is_needed_and_bound_and_used_up():
    async with Sandbox(workflow_s=0.0, limiter="off") as sandbox, ModernCaller(sandbox) as http:
        list_id, other = await http.made("One", people=2), await http.made("Two", people=1)
        quote_id = await http.quoted("run_smart_agent", list_id=list_id, agent_type="custom_ai")
        for change, refusal in (
            ({"list_id": other}, "quote_mismatch"),
            ({"agent_type": "company_intel"}, "quote_mismatch"),
            ({"quote_id": "qte_v1_1_00"}, "quote_invalid"),
            ({"quote_id": ""}, "quote_required"),
        ):
            answer = await run(http, **{"list_id": list_id, "quote_id": quote_id} | change)
            assert code(answer) == (400, refusal)
        assert (await run(http, list_id, quote_id=quote_id)).status_code == 200
        assert code(await run(http, list_id, quote_id=quote_id)) == (400, "quote_already_redeemed")
        quote_id = await http.quoted("run_smart_agent", list_id=other, agent_type="custom_ai")
        await http.take_in(other, table(3))
        assert code(await run(http, other, quote_id=quote_id)) == (400, "spend_cap_exceeded")
        assert (await run(http, other, quote_id=quote_id, max_rows=1)).status_code == 200
        assert sandbox.ledger.credits_charged == 3


async def test_approval_is_required_for_all_of_more_than_500_leads():
    async with Sandbox(workflow_s=0.0, limiter="off") as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=501)
        assert code(await run(http, list_id, lead_scope="all")) == (400, "approval_required")
        assert (await run(http, list_id, max_rows=10_000)).json()["estimated_cost"] == 501
        last = (await http.leads(list_id, limit=500, cursor="500"))[0]["lead_id"]
        await http.with_body("DELETE", f"/lead-lists/{list_id}/leads", {"lead_ids": [last]})
        assert (await run(http, list_id, lead_scope="all", overwrite=True)).json()["estimated_cost"] == 500


@each_case(
    ("change", "where"),
    [
        ({"column_name": ""}, "column_name"),
        ({"column_name": "x" * 101}, "column_name"),
        ({"agent_type": "poet"}, "agent_type"),
        ({"lead_scope": "some"}, "lead_scope"),
        ({"max_rows": 0}, "max_rows"),
        ({"max_rows": 10_001}, "max_rows"),
        ({"quote_id": None}, "quote_id"),
        ({"approved": True}, "approved"),
    ],
)
async def test_422_for_a_run_that_cannot_be(change, where):
    async with Sandbox() as sandbox, ModernCaller(sandbox) as http:
        list_id = await http.made(people=1)
        answer = await run(http, **{"list_id": list_id, "quote_id": "q"} | change)
        assert locations(answer) == [("body", where)]


@pytest.mark.parametrize("prompt", [None, "", "  "])
async def test_only_a_custom_agent_needs_a_prompt(prompt, http):
    list_id = await http.made(people=1)
    assert code(await run(http, list_id, prompt=prompt)) == (400, "validation_error")
    answer = await run(http, list_id, prompt=prompt, agent_type="company_intel")
    assert answer.status_code == 200


async def test_runs_are_listed_newest_first_by_list_and_by_user():
    async with (
        Sandbox(api_keys=("a", "b"), workflow_s=0.0, limiter="off") as sandbox,
        ModernCaller(sandbox, "a") as mine,
        ModernCaller(sandbox, "b") as theirs,
    ):
        one, two = await mine.made("One", people=2), await mine.made("Two", people=1)
        first, second, third = [
            (await run(mine, list_id, column_name=name)).json()["smart_agent_task_id"]
            for list_id, name in ((one, "A"), (two, "B"), (one, "C"))
        ]

        async def listed(http, **query):
            body = (await http.get("/smart-agents", params=query)).json()
            assert body["total"] == len(body["runs"])
            return [row["task_id"] for row in body["runs"]]

        assert await listed(mine) == [third, second, first]
        assert await listed(mine, limit=2) == [third, second]
        assert await listed(mine, list_id=one) == [third, first]
        assert await listed(theirs) == []
        assert code(await theirs.get("/smart-agents", params={"list_id": one})) == (404, "list_not_found")
        assert code(await theirs.get(f"/smart-agents/{first}")) == (404, "task_not_found")


async def test_a_failed_run_writes_nothing_and_costs_nothing():
    async with (
        Sandbox(workflow_s=0.0, shape=Shape(failed_workflows=1.0)) as sandbox,
        ModernCaller(sandbox) as http,
    ):
        list_id = await http.made(people=2)
        started = (await run(http, list_id)).json()
        answer = await results(http, started["smart_agent_task_id"])
        assert (answer["status"], answer["failed"], answer["results"]) == ("failed", 2, [])
        exported = (await http.get("/export/json", params={"list_id": list_id})).json()["leads"]
        assert "Note" not in exported[0]
        assert (sandbox.ledger.credits_charged, sandbox.balance) == (0, 1_000_000)
