"""Two submits that are answered with one workflow id: the second is unknown, and joined to nothing."""

from __future__ import annotations

import json

import pytest

from cleanlist_async.errors import UnknownOutcomeError
from tests.support.clients import against, json_answer
from tests.support.virtual_sandbox import people

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


class OneWorkflow:
    """Answers every submit with the workflow of the first; from the second on with *status*."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.submits: list[list[dict[str, str]]] = []

    def __call__(self, request, _number):
        if request.method == "POST":
            contacts = json.loads(request.body)["contacts"]
            self.submits.append(contacts)
            ids = [f"t_{n}" for n in range(len(contacts))]
            said = {"workflow_id": "wf_1", "task_ids": ids, "total_contacts": len(contacts)}
            return json_answer(said, 200 if len(self.submits) == 1 else self.status)
        rows = [
            {"task_id": f"t_{n}", "status": "completed", "email": f"{n}@first.example", "input": contact}
            for n, contact in enumerate(self.submits[0])
        ]
        return json_answer({"workflow_id": "wf_1", "status": "completed", "results": rows})


def is_unknown_and_alone(result) -> bool:
    return (result.status, result.workflow_id, result.email, result.billed) == (
        "unknown",
        None,
        None,
        "unknown",
    )


@pytest.mark.parametrize("status", [200, pytest.param(500, marks=pytest.mark.slow)])
async def test_a_run_never_joins_a_second_chunk_to_the_workflow_of_the_first(status):
    server = OneWorkflow(status)
    async with against(server) as (client, _):
        report = await client.enrich(people(500))
        again = await client.collect(report.results)
    assert [len(contacts) for contacts in server.submits] == [250, 250]
    for results in (report.results, again.results):
        assert all(result.status == "found" for result in results[:250])
        assert all(is_unknown_and_alone(result) for result in results[250:])


async def test_another_run_of_the_client_is_never_joined_to_the_workflow_of_the_first():
    server = OneWorkflow()
    async with against(server) as (client, _):
        await client.public.submit_bulk(people(1))
        async with client.stream(people(3, start=10)) as stream:
            results = [result async for result in stream]
    assert len(server.submits) == 2
    assert all(is_unknown_and_alone(result) for result in results)


@pytest.mark.slow
async def test_a_batch_of_single_calls_is_never_joined_to_the_workflow_of_a_run():
    server = OneWorkflow()
    first, second = people(2)
    async with against(server) as (client, _):
        assert (await client.enrich_one(first)).email == "0@first.example"
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.enrich_one(second)
    assert (caught.value.billed, caught.value.workflow_id) == ("unknown", None)
    assert len(server.submits) == 2
