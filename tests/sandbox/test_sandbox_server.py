"""The server as such: starting, stopping, limits over real HTTP, and what the ledger keeps."""

import asyncio
import gc
import logging
import math
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest

import cleanlist_async
from cleanlist_async import ConfigurationError
from cleanlist_async.sandbox import Fault, Ledger, RequestRecord, Sandbox
from cleanlist_async.sandbox.ledger import key_id_of
from tests.support.cases import each_case

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


@pytest.fixture(autouse=True)
def nothing_logged(caplog):
    yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_starts_on_a_free_port_and_leaves_it(connect):
    async with Sandbox() as first, Sandbox() as second:
        assert first.base_url == f"http://127.0.0.1:{first.port}" != second.base_url
    async with Sandbox(port=first.port) as again, connect(again) as http:
        assert (await http.get("/credits/balance")).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_the_body_of_an_answer_is_sent_before_its_header_is_acknowledged(connect, host):
    async with Sandbox(host=host) as sandbox, connect(sandbox) as http:
        await http.get("/credits/balance")
        (connection,) = sandbox._state.connections
        server_side = connection.transport.get_extra_info("socket")
        assert server_side.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_taken_port_is_an_os_error():
    async with Sandbox() as first:
        with pytest.raises(OSError, match="in use"):
            await Sandbox(port=first.port).start()


async def test_the_body_of_the_with_block_raises_its_own_error():
    with pytest.raises(ZeroDivisionError):
        async with Sandbox():
            raise ZeroDivisionError


async def test_can_be_stopped_from_another_task_and_twice(connect):
    sandbox = Sandbox()
    await asyncio.create_task(sandbox.start())
    async with connect(sandbox) as http:
        await http.get("/credits/balance")
    await asyncio.create_task(sandbox.aclose())
    await sandbox.aclose()


async def test_stopping_drops_what_is_being_answered(connect, until):
    faults = [Fault(nth=1, delay_s=3600), Fault(nth=2, drip=(1, 3600)), Fault(nth=3, size=math.inf)]
    errors = []

    async def call(http):
        try:
            await http.get("/credits/balance", timeout=None)
        except httpx.TransportError as error:
            errors.append(error)

    before = asyncio.all_tasks()
    async with anyio.create_task_group() as group:
        sandbox = Sandbox(faults=faults)
        await sandbox.start()
        http = connect(sandbox)
        for _ in faults:
            group.start_soon(call, http)
        await until(lambda: len(sandbox.ledger.requests) == 3)
        await sandbox.aclose()
    await http.aclose()
    assert len(errors) == 3
    assert asyncio.all_tasks() == before


@each_case("turns", range(4))
async def test_stopping_closes_a_connection_that_was_just_accepted(turns):
    sandbox = Sandbox()
    await sandbox.start()
    with socket.create_connection(("127.0.0.1", sandbox.port)):
        for _ in range(turns):
            await asyncio.sleep(0)
        await sandbox.aclose()
    # By its type: `isinstance` would also ask objects that pretend to be of another class.
    transports = [one for one in gc.get_objects() if issubclass(type(one), asyncio.Transport)]
    assert [one for one in transports if not one.is_closing()] == []


async def test_serve_forever_until_cancelled(connect, until):
    addresses = []
    sandbox = Sandbox()
    async with anyio.create_task_group() as group:
        group.start_soon(sandbox.serve_forever, lambda started: addresses.append(started.base_url))
        await until(lambda: addresses)
        async with connect(sandbox) as http:
            assert (await http.get("/auth/validate-key")).status_code == 200
        group.cancel_scope.cancel()
    with pytest.raises(httpx.ConnectError):
        async with connect(sandbox) as http:
            await http.get("/auth/validate-key")


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(connect, until):
    async with Sandbox() as sandbox:
        async with await anyio.connect_tcp("127.0.0.1", sandbox.port) as stream:
            key = sandbox.api_key.encode()
            await stream.send(
                b"POST /api/v1/public/enrich/bulk HTTP/1.1\r\nhost: x\r\n"
                b"authorization: Bearer " + key + b"\r\ncontent-length: 100\r\n\r\n{"
            )
            await until(lambda: sandbox.ledger.requests)
        async with connect(sandbox) as http:
            assert (await http.get("/auth/validate-key")).status_code == 200
        assert sandbox.ledger.requests[0].status is None


async def test_the_limit_is_exact_over_http(connect):
    now = [0.0]
    sandbox = Sandbox(api_keys=("a", "b", "c"), clock=lambda: now[0])
    async with sandbox, connect(sandbox, "a") as a, connect(sandbox, "b") as b, connect(sandbox, "c") as c:

        async def answered(http, count):
            answers = [await http.get("/credits/balance") for _ in range(count)]
            return [answer.status_code for answer in answers]

        assert await answered(a, 31) == [200] * 30 + [429]
        assert await answered(b, 30) == [200] * 30
        assert await answered(c, 1) == [429]
        now[0] = 59.999
        assert await answered(c, 1) == [429]
        now[0] = 60.0
        assert await answered(c, 31) == [200] * 30 + [429]
        ledger = sandbox.ledger
        assert ledger.count(429) == 4
        assert ledger.status_counts() == {200: 90, 429: 4}
        assert ledger.busiest_window(60.0, "a") == 31
        assert ledger.busiest_window(60.0, key_id_of("b")) == 30
        assert ledger.busiest_window(60.0) == 63


async def test_a_small_window_in_real_time(connect):
    async with Sandbox(window_s=0.3, org_limit=5, key_limit=5) as sandbox, connect(sandbox) as http:
        statuses = []
        with anyio.fail_after(60):
            while 429 not in statuses or statuses[-1] == 429:  # refused once, and let in again
                statuses.append((await http.get("/credits/balance")).status_code)
        assert statuses.index(429) >= 5
        assert sandbox.ledger.busiest_window(0.3) > 5


async def test_arrival_is_what_counts_not_the_answer(connect, until):
    """A slow operation does not shift the window."""
    now = [0.0]
    fault = Fault(delay_s=0.05, when="after")
    sandbox = Sandbox(org_limit=1, clock=lambda: now[0], faults=[fault], latency_s=0.01)
    async with sandbox, connect(sandbox) as http:
        async with anyio.create_task_group() as group:
            group.start_soon(http.get, "/credits/balance")
            await until(lambda: sandbox.ledger.requests)
            now[0] = 30.0
        now[0] = 60.0
        assert (await http.get("/credits/balance")).status_code == 200
        assert [request.at for request in sandbox.ledger.requests] == [0.0, 60.0]


async def test_the_ledger_knows_requests_but_no_keys(connect, people):
    async with Sandbox() as sandbox, connect(sandbox) as http:
        await http.submit(people(1))
        await http.status(workflow_id="x")
        first, second = sandbox.ledger.requests
        assert (first.method, first.path, first.status) == ("POST", "/api/v1/public/enrich/bulk", 200)
        assert (second.query, second.status) == ("workflow_id=x", 404)
        assert sandbox.ledger.requests_of("/enrich/status") == [second]
        assert sandbox.ledger.requests_of("/api/v1/public/enrich/bulk") == [first]
        assert first.key_id == key_id_of(sandbox.api_key)
        assert sandbox.api_key not in repr(sandbox.ledger)
        assert sandbox.api_key not in repr(sandbox)
        assert sandbox.api_key not in str((await http.get("/auth/validate-key")).json())


async def test_the_ledger_keeps_contacts_as_they_were_sent(connect):
    contact = {"linkedin_url": " x ", "first_name": None, "unknown": [1]}
    async with Sandbox(workflow_s=0.0, hit_rate=1.0) as sandbox, connect(sandbox) as http:
        submitted, _ = await http.run([contact], "full")
        [accepted] = sandbox.ledger.accepted_contacts()
    assert accepted.contact == contact
    assert (accepted.workflow_id, accepted.index) == (submitted["workflow_id"], 0)
    assert (accepted.task_id, accepted.credits) == (submitted["task_ids"][0], 11)
    assert sandbox.ledger.times_accepted() == {("x", "", "", "", "", ""): 1}


def test_busiest_window_leaves_out_its_far_end():
    ledger = Ledger([RequestRecord(at, "GET", "/", "", key_id="k") for at in (0.0, 1.0, 2.0, 60.0, 60.5)])
    assert ledger.busiest_window(60.0) == 4  # 1.0 .. 60.5: the request at 0.0 is a whole window before 60.0
    assert ledger.busiest_window(2.0) == 2
    assert Ledger().busiest_window(60.0) == 0


@pytest.mark.slow
def test_without_its_packages_the_sandbox_says_what_to_install():
    code = "import sys; sys.modules['uvicorn'] = None; from cleanlist_async.sandbox import Sandbox"
    root = Path(cleanlist_async.__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert "install cleanlist-async with the extra [sandbox]." in ended.stderr


@each_case(
    "options",
    [
        {"api_keys": ()},
        {"api_keys": "clapi_1"},
        {"org_limit": 0},
        {"key_limit": 0},
        {"window_s": 0},
        {"limiter": "leaky"},
    ],
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Sandbox(**options)
