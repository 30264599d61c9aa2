"""Webhooks, delivered to a small receiver on another socket."""

import asyncio
import json
from contextlib import asynccontextmanager

import anyio
import pytest

from cleanlist_async.sandbox import Sandbox, Shape

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


class Receiver:
    """Answers with the given statuses in turn, the last one for ever; None hangs up."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.payloads = []
        self.url = ""

    async def handle(self, stream):
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive()
            head, _, body = data.partition(b"\r\n\r\n")
            [length] = [
                int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line
            ]
            while len(body) < length:
                body += await stream.receive()
            self.payloads.append((head, json.loads(body)))
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            if status:
                await stream.send(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)


@asynccontextmanager
async def receiving(*statuses):
    receiver = Receiver(*statuses)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    receiver.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}/hook"
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, receiver.handle)
        yield receiver
        group.cancel_scope.cancel()


async def deliveries(http, workflow_id):
    body = (await http.get("/webhooks/deliveries", params={"workflow_id": workflow_id})).json()
    return [(row["attempt"], row["status"], row["response_code"]) for row in body["deliveries"]]


async def test_the_payload_is_the_documented_one(connect, people):
    contacts = people(3)
    async with receiving(204) as receiver, Sandbox(workflow_s=0.02) as sandbox, connect(sandbox) as http:
        submitted = (await http.submit(contacts, webhook_url=receiver.url)).json()
        await sandbox.settle()
        [(head, payload)] = receiver.payloads
        assert head.startswith(b"POST /hook ")
        assert b"content-type: application/json" in head.lower()
        assert await deliveries(http, submitted["workflow_id"]) == [(1, "delivered", 204)]
        status = (await http.status(workflow_id=submitted["workflow_id"])).json()
        assert payload["results"] == status["results"]
        assert payload["summary"] == status["summary"]
        emails = [sandbox.expected(contact, "partial").email for contact in contacts]
        assert [row["primary_email"] for row in payload["results"]] == emails
    assert payload["event"] == "enrichment.completed"
    assert (payload["status"], payload["enrichment_type"]) == ("completed", "partial")
    assert (payload["results_limit"], payload["results_truncated"]) == (250, 0)
    query = f"/api/v1/public/enrich/status?workflow_id={submitted['workflow_id']}"
    assert payload["results_endpoint"] == query
    assert payload["completed_at"].endswith("Z")
    assert payload["lead_list_id"]


async def test_truncated_and_failed_payloads(connect, people):
    async with receiving(200) as receiver:
        for shape in (Shape(page=1), Shape(failed_workflows=1.0)):
            async with Sandbox(workflow_s=0.0, shape=shape) as sandbox, connect(sandbox) as http:
                await http.submit(people(3), webhook_url=receiver.url)
                await sandbox.settle()
    truncated, failed = (payload for _, payload in receiver.payloads)
    assert (len(truncated["results"]), truncated["results_truncated"]) == (1, 2)
    assert (failed["event"], failed["status"], failed["results"]) == ("enrichment.completed", "failed", [])


async def test_repeated_until_acknowledged(connect, people):
    sandbox = Sandbox(workflow_s=0.0, webhook_backoff_s=(0.01,) * 5)
    async with receiving(500, None, 302, 200) as receiver, sandbox, connect(sandbox) as http:
        submitted = (await http.submit(people(1), webhook_url=receiver.url)).json()
        await sandbox.settle()
        assert await deliveries(http, submitted["workflow_id"]) == [
            (1, "failed", 500),
            (2, "failed", None),
            (3, "failed", 302),
            (4, "delivered", 200),
        ]
        assert [payload for _, payload in receiver.payloads] == [receiver.payloads[0][1]] * 4


async def test_given_up_after_five_attempts(connect, people):
    sandbox = Sandbox(workflow_s=0.0, webhook_backoff_s=(0.001,) * 5)
    async with sandbox, connect(sandbox) as http:
        submitted = (await http.submit(people(1), webhook_url="http://127.0.0.1:1/")).json()
        await sandbox.settle()
        tried = await deliveries(http, submitted["workflow_id"])
        assert tried == [(attempt, "failed", None) for attempt in range(1, 6)]
        assert sandbox.ledger.deliveries[0].error_message == "ConnectError"


async def test_delivered_by_the_injected_clock_and_never_before(connect, people):
    now = [0.0]
    async with receiving(200) as receiver, Sandbox(clock=lambda: now[0], workflow_s=60.0) as sandbox:
        async with connect(sandbox) as http:
            await http.submit(people(1), webhook_url=receiver.url)
            await http.submit(people(1))
        await anyio.sleep(0.1)
        assert receiver.payloads == []
        now[0] = 60.0
        await sandbox.settle()
        assert len(receiver.payloads) == 1


async def test_deliveries_needs_a_workflow(connect, people):
    async with Sandbox() as sandbox, connect(sandbox) as http:
        answer = await http.get("/webhooks/deliveries")
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "workflow_id"])
        submitted = (await http.submit(people(1))).json()
        assert await deliveries(http, submitted["workflow_id"]) == []


async def test_a_sandbox_that_stops_gives_up_its_deliveries(connect, people, until):
    sandbox = Sandbox(workflow_s=0.0, webhook_backoff_s=(3600, 3600))
    tasks = asyncio.all_tasks()
    with anyio.fail_after(60):
        async with sandbox, connect(sandbox) as http:
            await http.submit(people(1), webhook_url="http://127.0.0.1:1/")
            await until(lambda: sandbox.ledger.deliveries)
    assert [(one.attempt, one.delivered) for one in sandbox.ledger.deliveries] == [(1, False)]
    assert asyncio.all_tasks() == tasks
