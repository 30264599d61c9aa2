"""``client.smart_agents`` against the sandbox."""

import pytest

from cleanlist_async import (
    ApprovalRequiredError,
    RequestValidationError,
)
from tests.support.cases import each_case
from tests.support.modern_world import both_versions, error_of, last_body, list_of, modern_world


@both_versions
@pytest.mark.operation("run_smart_agent", "get_smart_agent_results", "list_smart_agents")
async def test_an_agent_is_run(world):
    agents = world.client.smart_agents
    list_id = await list_of(world, 6)
    run = await world.client.smart_agents.run_smart_agent(
        list_id, column_name="Line", prompt="Hello", max_rows=4, max_credits=6
    )
    assert set(last_body(world)) == {
        "list_id",
        "agent_type",
        "prompt",
        "column_name",
        "lead_scope",
        "max_rows",
        "quote_id",
        "overwrite",
    }
    assert (run.status, run.column_name, run.estimated_cost) == ("pending", "Line", 4)
    results = await world.client.smart_agents.get_smart_agent_results(run.smart_agent_task_id)
    assert not results.is_final
    done = await agents.wait(run.smart_agent_task_id)
    assert (done.status, done.total, done.succeeded, len(done.results)) == ("completed", 4, 4, 4)
    assert all(result.value.startswith("Hello") for result in done.results)
    (listed,) = (await world.client.smart_agents.list_smart_agents(list_id=list_id)).runs
    assert (listed.task_id, listed.status) == (run.smart_agent_task_id, "completed")
    assert world.ledger.credits_charged == 4


async def test_approval_cannot_be_given(world):
    list_id = await list_of(world, 501)
    call = world.client.smart_agents.run_smart_agent(
        list_id, column_name="C", agent_type="company_intel", lead_scope="all", max_credits=1_000
    )
    assert isinstance(await error_of(call), ApprovalRequiredError)
    assert not world.ledger.credits_charged


GOOD = {"column_name": "C", "prompt": "p", "max_credits": 1}
WRONG = {
    "prompt": ({"prompt": None}, None),
    "prompt-empty": ({"prompt": ""}, "prompt"),
    "column-empty": ({"column_name": ""}, "column_name"),
    "column-101": ({"column_name": "x" * 101}, "column_name"),
    "rows-0": ({"max_rows": 0}, "max_rows"),
    "rows-10001": ({"max_rows": 10_001}, "max_rows"),
    "agent": ({"agent_type": "poet"}, "agent_type"),
    "scope": ({"lead_scope": "some"}, "lead_scope"),
}


@each_case("case", WRONG)
async def test_what_the_server_would_refuse_is_not_sent(case):
    change, field = WRONG[case]
    async with modern_world() as world:
        error = await error_of(world.client.smart_agents.run_smart_agent("l", **{**GOOD, **change}))
        assert isinstance(error, RequestValidationError)
        if field:
            assert error.field_errors[0].loc[1] == field
        for limit in (0, 101):
            error = await error_of(world.client.smart_agents.list_smart_agents(limit=limit))
            assert error.field_errors[0].loc == ("query", "limit")
        assert not world.ledger.requests


async def test_the_total_of_runs_is_that_of_the_page(world):
    list_id = await list_of(world, 1)
    for n in range(3):
        await world.client.smart_agents.run_smart_agent(
            list_id, column_name=f"c{n}", prompt="p", max_credits=1
        )
    runs = await world.client.smart_agents.list_smart_agents(limit=2)
    assert (runs.total, len(runs.runs)) == (2, 2)
