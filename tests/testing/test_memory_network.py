from __future__ import annotations

import asyncio
import random

import anyio
import httpx
import pytest

from cleanlist_async.testing import MemoryNetwork, ServerRequest, ServerResponse, memory_transport, run
from cleanlist_async.testing.memory_network import ConnectOutcome, Pipe

URL = "http://server.test/path"


def now() -> float:
    return asyncio.get_running_loop().time()


async def echo(request: ServerRequest) -> ServerResponse:
    return ServerResponse(200, request.body, (("x-arrived", repr(request.arrived_at)),))


def client(
    network: MemoryNetwork, *, keepalive: bool = True, timeout: float | None = None
) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=memory_transport(network, keepalive=keepalive), timeout=timeout)


async def test_the_handler_sees_the_whole_request():
    seen: list[ServerRequest] = []

    async def handler(request: ServerRequest) -> ServerResponse:
        seen.append(request)
        return ServerResponse(201, b'{"ok":true}', (("content-type", "application/json"),))

    async with MemoryNetwork(handler, latency=lambda: 0.5) as network, client(network) as http:
        headers = {"X-Name": "caf\u00e9".encode("latin-1")}
        response = await http.post(URL + "/a%20b?x=1&y=", content=b"body", headers=headers)
        assert (response.status_code, response.json()) == (201, {"ok": True})
    (request,) = seen
    assert (request.method, request.path, request.query) == ("POST", "/path/a b", {"x": "1", "y": ""})
    assert (request.body, request.headers["x-name"], request.arrived_at) == (b"body", "caf\u00e9", 1.5)


async def test_latency_adds_up_exactly():
    draws = iter([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
    async with MemoryNetwork(echo, latency=lambda: next(draws)) as network:
        http = client(network)
        first = await http.post(URL, content=b"x" * 100_000)
        assert float(first.headers["x-arrived"]) == 0.25 + 0.5 + 1.0  # handshake, then one way
        assert now() == 0.25 + 0.5 + 1.0 + 2.0
        second = await http.get(URL)
        assert float(second.headers["x-arrived"]) == 3.75 + 4.0  # no handshake on a kept connection
        assert now() == 3.75 + 4.0 + 8.0


async def test_a_faster_message_waits_for_the_slower_one_before_it():
    draws = iter([5.0, 1.0, 3.0])
    pipe = Pipe(lambda: next(draws))
    for message in (b"slow", b"fast"):
        pipe.begin_message()
        pipe.send(message)
    received = [(await pipe.receive(4), now()), (await pipe.receive(4), now())]
    pipe.begin_message()
    pipe.send(b"late")

    assert [*received, (await pipe.receive(4), now())] == [(b"slow", 5.0), (b"fast", 5.0), (b"late", 8.0)]


async def test_a_long_answer_arrives_whole():
    async with MemoryNetwork(echo) as network, client(network) as http:
        body = random.Random(1).randbytes(300_000)
        assert (await http.post(URL, content=body)).content == body


async def test_connections_are_reused():
    async with MemoryNetwork(echo) as network, client(network) as http:
        for _ in range(5):
            await http.get(URL)
        assert (network.connections, network.requests) == (1, 5)


async def test_without_keepalive_each_request_has_its_own_connection():
    async with MemoryNetwork(echo) as network, client(network, keepalive=False) as http:
        for _ in range(5):
            await http.get(URL)
        assert (network.connections, network.requests) == (5, 5)


async def test_a_connection_the_client_asked_to_close_is_not_reused():
    async with MemoryNetwork(echo) as network, client(network) as http:
        for _ in range(2):
            await http.get(URL, headers={"connection": "close"})
        assert network.connections == 2


async def test_requests_at_the_same_time_use_connections_of_their_own():
    async with MemoryNetwork(echo, latency=lambda: 1.0) as network, client(network) as http:
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(http.get, URL)
        assert (network.connections, now()) == (50, 4.0)


async def test_a_read_timeout_is_honoured_and_the_request_still_carried_out():
    done: list[float] = []

    async def slow(request: ServerRequest) -> ServerResponse:
        await anyio.sleep(10)
        done.append(now())
        return ServerResponse(200)

    async with MemoryNetwork(slow) as network, client(network, timeout=3.0) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(URL)
        assert now() == 3.0
        await anyio.sleep(20)
    assert done == [10.0]


async def test_a_server_may_never_answer():
    async def silent(request: ServerRequest) -> ServerResponse:
        await anyio.sleep_forever()
        raise AssertionError

    async with MemoryNetwork(silent) as network, client(network, timeout=60.0) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(URL)

    assert now() == 60.0


@pytest.mark.parametrize(
    ("outcome", "error", "at"),
    [("refuse", httpx.ConnectError, 0.5), ("ignore", httpx.ConnectTimeout, 5.0)],
)
async def test_a_failed_connect_is_the_error_of_a_real_one(
    outcome: ConnectOutcome, error: type[Exception], at: float
):
    network = MemoryNetwork(echo, latency=lambda: 0.25, on_connect=lambda n: "accept" if n else outcome)
    async with network, client(network, timeout=5.0) as http:
        with pytest.raises(error):
            await http.get(URL)
        assert now() == at
        assert (await http.get(URL)).status_code == 200
        assert (network.connect_attempts, network.connections) == (2, 1)


async def test_a_slow_handshake_times_out():
    async with MemoryNetwork(echo, latency=lambda: 4.0) as network, client(network, timeout=5.0) as http:
        with pytest.raises(httpx.ConnectTimeout):
            await http.get(URL)
        assert (now(), network.connections) == (5.0, 0)


@pytest.mark.parametrize("after", [0, 10, 60])
async def test_a_reset_in_the_middle_of_an_answer(after: int):
    async def resetting(request: ServerRequest) -> ServerResponse:
        return ServerResponse(200, b"x" * 100, reset_after=after)

    async with MemoryNetwork(resetting) as network, client(network) as http:
        with pytest.raises(httpx.ReadError):
            await http.get(URL)
        with pytest.raises(httpx.ReadError):
            await http.get(URL)
        assert network.connections == 2


async def test_a_connection_closed_by_the_server_while_idle_is_replaced():
    async def closing(request: ServerRequest) -> ServerResponse:
        return ServerResponse(200, b"", (("connection", "close"),))

    async with MemoryNetwork(closing) as network:
        stream = await network.connect_tcp("server.test", 80)
        await stream.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"200 OK" in await stream.read(1_000)
        assert stream.get_extra_info("is_readable") is True
        assert await stream.read(1_000) == b""


async def test_trace_events_are_those_of_httpcore():
    events: list[tuple[str, float]] = []

    async def trace(name: str, info: object) -> None:
        events.append((name, now()))

    async with MemoryNetwork(echo, latency=lambda: 1.0) as network, client(network) as http:
        await http.post(URL, content=b"x", extensions={"trace": trace})

    events = dict(events)
    assert events["connection.connect_tcp.complete"] == 2.0
    assert events["http11.send_request_body.complete"] == 2.0
    assert events["http11.receive_response_headers.complete"] == 4.0


async def test_a_refused_connect_shows_no_sent_request():
    names: list[str] = []

    async def trace(name: str, info: object) -> None:
        names.append(name)

    async with MemoryNetwork(echo, on_connect=lambda n: "refuse") as network, client(network) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(URL, extensions={"trace": trace})

    assert names == ["connection.connect_tcp.started", "connection.connect_tcp.failed"]


async def test_a_client_that_hangs_up_in_the_middle_of_a_request_harms_nobody():
    async with MemoryNetwork(echo) as network:
        stream = await network.connect_tcp("server.test", 80)
        await stream.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf")
        await stream.aclose()
        await anyio.sleep(1)
        assert network.requests == 0
        assert (await client(network).get(URL)).status_code == 200


async def test_https_is_refused():
    async with MemoryNetwork(echo) as network, client(network) as http:
        with pytest.raises(httpx.UnsupportedProtocol, match="http://"):
            await http.get("https://server.test/")


def test_a_mistake_in_the_handler_ends_the_network_loudly():
    async def broken(request: ServerRequest) -> ServerResponse:
        raise LookupError("a mistake")

    async def main() -> None:
        async with MemoryNetwork(broken) as network, client(network) as http:
            await http.get(URL)

    with pytest.raises(ExceptionGroup) as caught:
        run(main())
    assert caught.group_contains(LookupError, match="a mistake")


def test_the_network_must_be_entered():
    async def main() -> None:
        await client(MemoryNetwork(echo)).get(URL)

    with pytest.raises(RuntimeError, match="context manager"):
        run(main())


def test_the_same_seed_gives_the_same_run():
    async def main(seed: int) -> list[str]:
        rng = random.Random(seed)
        arrivals: list[str] = []

        async def one(http: httpx.AsyncClient) -> None:
            arrivals.append((await http.get(URL)).headers["x-arrived"])

        async with (
            MemoryNetwork(echo, latency=lambda: rng.uniform(0.02, 0.4)) as network,
            client(network) as http,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(20):
                tasks.start_soon(one, http)
        return arrivals

    assert run(main(7)) == run(main(7)) != run(main(8))
