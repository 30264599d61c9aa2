"""Where a file may be fetched from: an answer cannot send this machine to servers that only it can reach."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest

from cleanlist_async import APIConnectionError, APITimeoutError, MalformedResponseError
from tests.support import forbidden_addresses as addresses
from tests.support.cases import each_case
from tests.support.clients import always, client_of, json_answer, outcome_of
from tests.support.faulty_server import FaultyServer, answer
from tests.support.tcp_server import tcp_server

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

FILE = b"lead_id,email\r\n1,a@b.example\r\n"
GOOD = answer(200, FILE, {"content-type": "text/csv"})


@asynccontextmanager
async def api_that_says(*download_urls, base_url="https://api.cleanlist.ai", **options):
    """A client of an API somewhere else that names the addresses of files, one with each answer."""
    answers = iter([json.dumps({"list_id": "l", "download_url": url}) for url in download_urls])

    async def say(request, key, timeout_s, exchange, may_leave):
        exchange.sent, exchange.status, exchange.body = True, 200, next(answers).encode()

    async with client_of(base_url, **{"max_retries": 0, "request_timeout_s": 2, **options}) as client:
        client._runtime.shared.transport.send = say
        yield client


async def download(target, download_url, base_url="https://api.cleanlist.ai", **options):
    (outcome,) = await downloads(target, download_url, base_url=base_url, **options)
    return outcome


async def downloads(target, *download_urls, **options):
    """The outcomes of one download after the other, by one client."""
    async with api_that_says(*download_urls, **options) as client:
        return [await outcome_of(client.export.download_csv("l", target)) for _ in download_urls]


@pytest.fixture
def names(monkeypatch):
    """Names and the addresses they lead to, one after the other; the last one stays. No other is found."""
    known = {}
    real = socket.getaddrinfo

    def look_up(host, *args, **options):
        host = host.decode() if isinstance(host, bytes) else host
        if host in known:
            led_to = known[host]
            host = led_to.pop(0) if len(led_to) > 1 else led_to[0]
        elif host and not host[0].isdigit() and ":" not in host:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@each_case("scheme", ["http", "https"])
async def test_no_file_is_fetched_from_a_network_that_only_this_machine_is_in(tmp_path, names, scheme):
    names["api.cleanlist.ai"] = ["93.184.215.14"]

    async with FaultyServer(always(GOOD)) as server:
        port = server.base_url.rpartition(":")[2]
        urls = [f"{scheme}://{host}:{port}/secrets" for host in addresses.ALL]
        outcomes, connections = await downloads(tmp_path / "x.csv", *urls), server.connections
    assert connections == 0
    for host, error in zip(addresses.ALL, outcomes, strict=True):
        assert type(error) is MalformedResponseError, host
        assert not error.retryable, host
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("led_to", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "0.0.0.0"])
async def test_no_file_is_fetched_under_a_name_that_leads_into_such_a_network(tmp_path, names, led_to):
    names |= {"api.cleanlist.ai": ["93.184.215.14"], "files.example": [led_to]}

    async with FaultyServer(always(GOOD)) as server:
        port = server.base_url.rpartition(":")[2]
        error = await download(tmp_path / "x.csv", f"https://files.example:{port}/secrets")
        connections = server.connections
    assert type(error) is MalformedResponseError
    assert connections == 0


async def test_no_file_is_fetched_under_a_name_that_leads_into_such_a_network_only_on_connecting(
    tmp_path, names
):
    names |= {"api.cleanlist.ai": ["93.184.215.14"], "files.example": ["93.184.215.14", "127.0.0.1"]}
    received = []

    async def listen(reader, _writer):
        received.append(await reader.read())

    async with tcp_server(listen) as port:
        error = await download(tmp_path / "x.csv", f"https://files.example:{port}/x")
    assert type(error) is MalformedResponseError
    assert not error.retryable
    assert b"".join(received) == b""


def test_an_api_on_loopback_opens_no_other_network(tmp_path):
    hosts = [*addresses.PRIVATE, *addresses.LINK_LOCAL, *addresses.NOBODYS]
    urls = [f"https://{host}/x" for host in hosts]
    outcomes = asyncio.run(downloads(tmp_path / "x.csv", *urls, base_url="http://127.0.0.1:9"))
    assert [
        host for host, error in zip(hosts, outcomes, strict=True) if type(error) is not MalformedResponseError
    ] == []


@pytest.mark.slow
async def test_files_may_be_where_the_api_is(tmp_path, names):
    """A connection is made; no TLS answers there."""
    names |= {"api.internal": ["::1", "127.0.0.1"], "name.example": ["127.0.0.1"], "localhost": ["127.0.0.1"]}

    async def connections_to(base_url, host):
        async with FaultyServer(always(GOOD)) as server:
            port = server.base_url.rpartition(":")[2]
            url = f"https://{host}:{port}/x"
            options = {"request_timeout_s": 0.3, "api_key": base_url + host}
            error = await download(tmp_path / "x.csv", url, base_url, **options)
            assert isinstance(error, APIConnectionError | APITimeoutError), host
            return server.connections

    assert (
        await asyncio.gather(
            connections_to("https://127.0.0.1:9", "localhost"),
            connections_to("https://localhost:9", "127.0.0.1"),
            connections_to("https://127.0.0.1:9", "name.example"),
            connections_to("https://api.internal", "[::1]"),
        )
    ) == [1, 1, 1, 0]


async def test_a_proxy_is_not_asked_for_a_private_address(tmp_path):
    hosts = [*addresses.LOOPBACK, *addresses.PRIVATE, *addresses.LINK_LOCAL]

    async with FaultyServer(always(answer(403))) as proxy:
        urls = [f"https://{host}/x" for host in hosts]
        outcomes = await downloads(tmp_path / "x.csv", *urls, proxy=proxy.base_url)
        connections = proxy.connections
    assert connections == 0
    assert [
        host for host, error in zip(hosts, outcomes, strict=True) if type(error) is not MalformedResponseError
    ] == []


async def test_a_proxy_is_asked_for_a_public_name(tmp_path):
    async with FaultyServer(always(answer(403))) as proxy:
        error = await download(tmp_path / "x.csv", "https://files.example/x", proxy=proxy.base_url)
        methods = [request.method for request in proxy.requests]
    assert type(error) is APIConnectionError
    assert methods == ["CONNECT"]


@pytest.mark.parametrize("host", addresses.PUBLIC)
def test_public_addresses_are_connected_to(tmp_path, names, monkeypatch, host):
    names |= {"api.cleanlist.ai": ["93.184.215.14"], "files.example": ["93.184.215.14"]}
    tried = []

    async def connect(loop, *args, **options):
        tried.append(args)
        raise OSError("no network here")

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", connect)
    error = asyncio.run(download(tmp_path / "x.csv", f"https://{host}/x"))
    assert type(error) is APIConnectionError
    assert tried


# -- size --------------------------------------------------------------------------------------------


CHUNK = FILE * 1_000


@pytest.mark.parametrize(
    "endless",
    [
        answer(200, CHUNK * 50, {"content-type": "text/csv"}, content_length=10**12),
        answer(200, b"", {"transfer-encoding": "chunked"}),
        answer(200, b""),
    ],
    ids=["length", "chunked", "no length"],
)
async def test_a_file_whose_size_nobody_said_is_cut_off_at_max_bytes(tmp_path, endless):
    head, _, _ = endless.raw.partition(b"\r\n\r\n")
    if b"chunked" in head:
        head = head.replace(b"content-length: 0\r\n", b"")
        body = b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK) * 50
    elif b"length: 0" in head:
        head, body = (
            head.replace(b"content-length: 0\r\n", b"").replace(b"content-length: 0", b"x: y"),
            CHUNK * 50,
        )
    else:
        body = CHUNK * 50

    async with FaultyServer(always(type(endless)((head + b"\r\n\r\n" + body,), "hang"))) as files:
        made = {"list_id": "l", "download_url": files.base_url + "/x"}
        async with FaultyServer(always(json_answer(made))) as api, client_of(api.base_url) as client:
            error = await outcome_of(
                client.export.download_csv("l", tmp_path / "x.csv", max_bytes=10 * len(CHUNK))
            )
            requests = len(files.requests)
    assert type(error) is MalformedResponseError
    assert "larger than" in str(error)
    assert (error.retryable, requests) == (False, 1)
    assert not list(tmp_path.iterdir())


async def test_a_file_that_is_announced_as_too_large_is_not_asked_for(tmp_path):
    async with FaultyServer(always(GOOD)) as files:
        made = {"list_id": "l", "download_url": files.base_url + "/x", "file_size_bytes": 10**15}
        async with FaultyServer(always(json_answer(made))) as api, client_of(api.base_url) as client:
            error = await outcome_of(client.export.download_csv("l", tmp_path / "x.csv"))
            connections = files.connections
    assert "max_bytes" in str(error)
    assert connections == 0


def test_a_download_that_hangs_keeps_no_token_once_it_is_answered(tmp_path):
    """At the API's own address it counts as a request, which for the limits ends as its answer begins."""
    began = asyncio.Event()

    async def main():
        def script(request, number):
            if request.method == "GET":
                began.set()
                return GOOD.cut(-5, "hang")
            return json_answer({"list_id": "l", "download_url": f"{server.base_url}/exports/x"})

        async with FaultyServer(script) as server, client_of(server.base_url, request_timeout_s=30) as client:
            task = asyncio.create_task(client.export.download_csv("l", tmp_path / "x.csv"))
            await began.wait()
            while not list(tmp_path.iterdir()):  # noqa: ASYNC110  # nothing else tells of a file
                await asyncio.sleep(0.005)
            in_flight = [bucket.in_flight for bucket in client.statistics().buckets]
            task.cancel()
            await asyncio.wait([task])
            return in_flight

    assert asyncio.run(main()) == [0, 0]
