"""The sandbox posts its webhooks to a small application over real sockets."""

import socket
from contextlib import asynccontextmanager, contextmanager

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from uvicorn import Config, Server

from cleanlist_async import AsyncCleanlist, FileMailbox, RateLimiter, RateLimits, WebhookReceiver
from cleanlist_async.sandbox import Fault, Sandbox, Shape
from tests.support.virtual_sandbox import check_one_result_each, people

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


class QuietServer(Server):
    @contextmanager
    def capture_signals(self):
        yield


@asynccontextmanager
async def an_application(**options):
    """An application that receives below its own address. Yields its receiver."""
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = WebhookReceiver(f"http://127.0.0.1:{listener.getsockname()[1]}/hooks", **options)

    async def receive(request):
        token, kind = request.path_params["token"], request.headers.get("content-type")
        return Response(status_code=(await receiver.receive(token, kind, request.stream())).status)

    app = Starlette(routes=[Route("/hooks/{token}", receive, methods=["POST"])])
    server = QuietServer(Config(app, log_config=None, access_log=False, lifespan="off"))
    with listener:
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listener])
            yield receiver
            server.should_exit = True


def client_of(sandbox, receiver, limits=None):
    """A client with its own limiter: a sandbox may get the port, and so the limiter, of an earlier one."""
    limiter = RateLimiter(limits or RateLimits())
    return AsyncCleanlist(sandbox.api_key, base_url=sandbox.base_url, limiter=limiter, webhooks=receiver)


@pytest.mark.slow
@pytest.mark.parametrize("row", ["flat", "nested"])
async def test_results_are_pushed_and_nothing_is_asked(row):
    contacts = people(520)
    async with an_application() as receiver, Sandbox(workflow_s=0.3, shape=Shape(row=row)) as sandbox:
        client = client_of(sandbox, receiver)
        async with client:
            report = await client.enrich(contacts)
        await sandbox.settle()
        assert report.stopped_by is None
        check_one_result_each(report.results, contacts)
        for result in report.results:
            truth = sandbox.expected(result.contact, "partial")
            assert (result.email, result.phones) == (truth.email, truth.phones)
        assert not sandbox.ledger.duplicates()
        assert sandbox.ledger.requests_of("/enrich/status") == []
        assert receiver.statistics().believed == len(sandbox.ledger.requests_of("/enrich/bulk")) == 3
        assert {delivery.attempt for delivery in sandbox.ledger.deliveries} == {1}


@pytest.mark.slow
async def test_a_job_is_pushed_too(tmp_path):
    async with an_application() as receiver, Sandbox(workflow_s=0.3) as sandbox:
        client = client_of(sandbox, receiver)
        async with client, await client.job(tmp_path / "run.journal", people(300)) as job:
            report = await job.run()
            assert job.submit_mode == "tracked"
            assert await job.verify() == []
        assert report.status.state == "complete"
        assert sandbox.ledger.requests_of("/enrich/status") == []
        assert not sandbox.ledger.duplicates()


@pytest.mark.slow
async def test_an_event_that_reaches_another_worker_finds_the_one_that_waits(tmp_path):
    contacts, secret = people(520), "a-secret-of-all-workers"
    async with (
        an_application(secret=secret, mailbox=FileMailbox(tmp_path / "limits.db")) as other,
        Sandbox(workflow_s=0.3) as sandbox,
    ):
        mine = WebhookReceiver(other.public_url, secret=secret, mailbox=FileMailbox(tmp_path / "limits.db"))
        client = client_of(sandbox, mine)
        async with client:
            report = await client.enrich(contacts[:500])
            person = await client.enrich_one(contacts[-1])
        assert report.stopped_by is None
        assert person.status in {"found", "not_found"}
        await sandbox.settle()
        check_one_result_each(report.results, contacts[:500])
        assert sandbox.ledger.requests_of("/enrich/status") == []
        assert mine.statistics().believed == 3
        assert other.statistics().passed_on >= 3  # an event may be delivered more than once
        assert not sandbox.ledger.duplicates()


@pytest.mark.slow
async def test_an_event_of_a_job_that_reaches_another_worker_finds_the_job(tmp_path):
    secret = "a-secret-of-all-workers"
    async with (
        an_application(secret=secret, mailbox=FileMailbox(tmp_path / "limits.db")) as other,
        Sandbox(workflow_s=1.0) as sandbox,
    ):
        sandbox.add_fault(Fault("/enrich/bulk", when="after", reset=True))
        mine = WebhookReceiver(other.public_url, secret=secret, mailbox=FileMailbox(tmp_path / "limits.db"))
        client = client_of(sandbox, mine)
        async with client, await client.job(tmp_path / "run.journal", people(520)) as job:
            report = await job.run()
            assert await job.verify() == []
        assert report.status.state == "complete"
        await sandbox.settle()
        assert len(sandbox.ledger.requests_of("/enrich/bulk")) == 3
        assert other.statistics().passed_on >= 3  # an event may be delivered more than once
        assert not sandbox.ledger.duplicates()


@pytest.mark.slow
async def test_without_a_store_the_worker_that_waits_asks():
    contacts, secret = people(20), "a-secret-of-all-workers"
    async with an_application(secret=secret) as other, Sandbox(workflow_s=0.3, window_s=1.0) as sandbox:
        mine = WebhookReceiver(other.public_url, secret=secret)
        async with client_of(sandbox, mine, RateLimits(window_s=1.0)) as client:
            report = await client.enrich(contacts)
        await sandbox.settle()
        check_one_result_each(report.results, contacts)
        assert not report.pending
        assert other.statistics().dropped == 1
        assert {delivery.attempt for delivery in sandbox.ledger.deliveries} == {1}
