"""What the wire may do to us, and where a key may go."""

from __future__ import annotations

import asyncio
import gc
import gzip
import tracemalloc

import anyio
import anyio.abc
import httpx
import httpx2
import pytest

from cleanlist_async import AsyncCleanlist, ConfigurationError, errors, facts
from cleanlist_async.http.transport import check_base_url
from tests.support.cases import each_case
from tests.support.clients import (
    ACCEPTED,
    ADA,
    ANSWERS,
    CALLS,
    KEY,
    against,
    always,
    client_of,
    json_answer,
    outcome_of,
)
from tests.support.faulty_server import (
    FIN,
    NEVER,
    RESET,
    Answer,
    FaultyServer,
    after_informational,
    answer,
    garbage,
    gzip_bomb,
    huge_header,
    redirect,
)

pytestmark = pytest.mark.anyio

sockets = pytest.mark.sockets
BALANCE = json_answer(ANSWERS["credits_balance"])
BROKEN = {
    "refused": None,
    "fin": FIN,
    "reset": RESET,
    "never": NEVER,
    "garbage": garbage(),
    "huge header": huge_header(300_000),
    "1xx only": Answer((b"HTTP/1.1 103 Early Hints\r\n\r\n",), "fin"),
    "torn": BALANCE.cut(-1),
    "torn by reset": BALANCE.cut(-1, "reset"),
    "torn head": BALANCE.cut(20),
    "no content": answer(204, b""),
    "switching": Answer(
        (b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",), "fin"
    ),
    "negative length": answer(200, b"{}", {"content-length": "-5"}),
    "two lengths": answer(200, b"{}", {"content-length": "2", "Content-Length": "3"}),
    "double gzip": gzip_bomb(1000, layers=2),
    "brotli": answer(200, b"{}", {"content-encoding": "br"}),
    "no gzip": answer(200, b"{}", {"content-encoding": "gzip"}),
}


def run_call(name, script, timeout_s=10.0):
    async def main():
        async with against(script, request_timeout_s=timeout_s, max_retries=0) as (client, server):
            outcome = await outcome_of(CALLS[name](client))
            return outcome, server.requests, server.connections

    return asyncio.run(main())


@pytest.mark.slow
@sockets
@each_case("form", [form for form in BROKEN if form != "refused"])
def test_a_broken_answer_is_a_typed_error(form):
    timeout_s = 0.5 if form == "never" else 10.0
    read, requests, _ = run_call("credits_balance", always(BROKEN[form]), timeout_s)
    assert isinstance(read, errors.APIConnectionError | errors.MalformedResponseError | errors.APIError), read
    assert (read.billed, read.safe_to_retry, len(requests)) == ("no", True, 1)
    submit, requests, _ = run_call("submit_bulk", always(BROKEN[form]), timeout_s)
    assert type(submit) is errors.UnknownOutcomeError
    assert len(requests) == 1
    assert type(submit.answer) is type(read)


@sockets
async def test_a_refused_connection_is_a_connection_error():
    async with FaultyServer(always(FIN)) as server:
        url = server.base_url
    client = client_of(url, max_retries=2)
    async with client:
        error, statistics = await outcome_of(client.public.submit_bulk([ADA])), client.statistics()
    assert type(error) is errors.APIConnectionError
    assert (error.billed, error.safe_to_retry, statistics.requests) == ("no", True, 3)


@sockets
def test_informational_answers_are_passed_over():
    for name in CALLS:
        outcome, _, _ = run_call(name, always(after_informational(json_answer(ANSWERS[name]), 100, 103)))
        assert not isinstance(outcome, Exception), name


@pytest.mark.slow
@sockets
def test_a_slow_drip_is_ended_by_the_timeout_of_the_whole_attempt():
    outcome, _, _ = run_call("credits_balance", always(BALANCE.drip(4, 0.03)), timeout_s=0.5)
    assert type(outcome) is errors.APITimeoutError


@pytest.mark.slow
@sockets
def test_an_accepted_answer_torn_after_its_id_is_accepted():
    whole = json_answer(ACCEPTED)
    for ending in ("fin", "reset", "hang"):
        outcome, requests, _ = run_call("submit_bulk", always(whole.cut(-20, ending)), timeout_s=3.0)
        assert (outcome.workflow_id, len(requests)) == ("wf_1", 1)


# -- connections -----------------------------------------------------------------------------------


@sockets
async def test_reads_share_a_connection_and_each_submit_has_its_own():
    script = lambda request, number: json_answer(ACCEPTED) if request.method == "POST" else BALANCE  # noqa: E731
    async with against(script) as (client, server):
        for _ in range(3):
            await client.public.credits_balance()
            await client.public.submit_bulk([ADA])
        used = [(request.method, request.connection) for request in server.requests]
    assert len({connection for method, connection in used if method == "GET"}) == 1
    assert len({connection for method, connection in used if method == "POST"}) == 3


@sockets
@pytest.mark.parametrize("ending", ["fin_on_next", "reset_on_next"])
async def test_a_connection_closed_as_we_use_it_costs_a_read_one_attempt_and_a_submit_none(ending):
    script = lambda request, number: (  # noqa: E731
        json_answer(ACCEPTED) if request.method == "POST" else BALANCE
    ).ending(ending if number < 4 else "keep")
    async with against(script) as (client, _):
        for _ in range(3):
            await client.public.submit_bulk([ADA])
        for _ in range(3):
            await client.public.credits_balance()


@sockets
async def test_an_answer_sent_twice_is_never_taken_for_the_next_one():
    script = lambda request, number: json_answer({"credits": number}).twice()  # noqa: E731
    async with against(script) as (client, _):
        balances = [(await client.public.credits_balance()).credits for _ in range(6)]
    assert (balances, client.statistics().retries) == ([0, 1, 2, 3, 4, 5], 0)


@sockets
async def test_a_timeout_leaves_a_client_that_works():
    answers = [NEVER]  # on a busy machine some of the forty time out before they are sent
    script = lambda request, number: answers[-1]  # noqa: E731
    async with against(script, request_timeout_s=0.05, max_retries=0) as (client, _):
        outcomes = await asyncio.gather(*(outcome_of(client.public.credits_balance()) for _ in range(40)))
        answers.append(BALANCE)
        balances = [
            (await client.with_options(request_timeout_s=5).public.credits_balance()).credits
            for _ in range(20)
        ]
    assert {type(outcome) for outcome in outcomes} == {errors.APITimeoutError}
    assert balances == [7.5] * 20


# -- size ------------------------------------------------------------------------------------------

MIB = 1024 * 1024
CAP = facts.MAX_SUBMIT_ANSWER_BYTES


def endless(size: int, prefix: bytes = b"", **headers: str) -> Answer:
    head = answer(200, prefix, {"content-length": str(len(prefix) + size), **headers}).raw
    return Answer((head, *([b"\0" * MIB] * (size // MIB))))


OVERSIZED = {
    "gzip bomb": gzip_bomb(64 * MIB),
    "endless": endless(64 * MIB),
    "bytes after the gzip": endless(64 * MIB, gzip.compress(b"{}"), **{"content-encoding": "gzip"}),
    "error page": Answer(
        (endless(64 * MIB).pieces[0].replace(b"200", b"500"), *endless(64 * MIB).pieces[1:])
    ),
}


@sockets
@pytest.mark.parametrize("form", OVERSIZED)
def test_an_oversized_answer_is_a_typed_error_in_bounded_memory(form):
    async def main():
        async with against(always(OVERSIZED[form]), request_timeout_s=20) as (client, server):
            tracemalloc.start()
            try:
                outcome = await outcome_of(client.public.submit_bulk([ADA]))
                return outcome, tracemalloc.get_traced_memory()[1], len(server.requests)
            finally:
                tracemalloc.stop()

    outcome, peak, requests = asyncio.run(main())
    assert type(outcome) is errors.UnknownOutcomeError
    assert requests == 1
    assert peak < 4 * CAP
    if form != "error page":
        assert "larger than" in str(outcome.answer)
        assert outcome.answer.retryable is False


@sockets
async def test_an_answer_does_not_wait_for_the_garbage_collector():
    answers = always(json_answer({"credits": 5, "padding": "x" * 100_000}))
    async with against(answers) as (client, _):
        await client.public.credits_balance()
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(10):
                await client.public.credits_balance()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
    assert held < 500_000


@sockets
def test_a_compressed_answer_of_honest_size_is_read():
    packed = answer(200, gzip.compress(b'{"credits": 3}'), {"content-encoding": "gzip"})
    outcome, _, _ = run_call("credits_balance", always(packed))
    assert outcome.credits == 3


# -- where the key goes ----------------------------------------------------------------------------


@each_case(
    ("given", "normal"),
    [
        ("https://api.cleanlist.ai", "https://api.cleanlist.ai"),
        (" HTTPS://API.Cleanlist.ai:443/ ", "https://api.cleanlist.ai"),
        ("https://gateway.example/cleanlist/", "https://gateway.example/cleanlist"),
        ("http://localhost:8787", "http://localhost:8787"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1"),
        ("http://127.8.8.8", "http://127.8.8.8"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://api.cleanlist.ai?", "https://api.cleanlist.ai"),
    ],
)
def test_base_urls_have_one_normal_form(given, normal):
    assert check_base_url(given) == normal


@each_case(
    "given",
    [
        "http://api.cleanlist.ai",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "http://[::2]",
        "http://[::1",
        "ftp://localhost",
        "//localhost",
        "localhost",
        "https://",
        "https://user:pass@x.example",
        "https://x.example/?a=1",
        "https://x.example/#a",
        "https://x.example:99999",
        "https://ex ample.com",
        "https://x.example\n.evil",
        "http://evil.example\\@localhost",
        "https://xn--/",
        "x" * 70_000,
        5,
        b"https://x.example",
        "http://localhost@evil.example",
        "javascript:alert(1)",
        "https://[",
        "https://a%2eb",
        "http:///path",
        "file:///etc",
    ],
)
def test_other_base_urls_are_refused(given):
    with pytest.raises(ConfigurationError) as caught:
        AsyncCleanlist(KEY, base_url=given)
    assert len(str(caught.value)) < 300
    assert "pass" not in str(caught.value).replace("can be read", "")


@sockets
@each_case("status", [301, 302, 303, 307, 308])
@each_case("name", CALLS)
async def test_redirects_are_never_followed(name, status):
    async with FaultyServer(always(json_answer(ANSWERS[name]))) as elsewhere:
        there = redirect(elsewhere.base_url + "/api/v1/public/x", status)
        async with against(always(there)) as (client, server):
            outcome = await outcome_of(CALLS[name](client))
            requests, followed = len(server.requests), elsewhere.connections
    assert isinstance(outcome, errors.CleanlistError)
    assert outcome.status == status
    assert (requests, followed) == (1, 0)


@sockets
def test_neither_proxies_nor_certificates_nor_passwords_of_the_environment_are_for_loopback(
    monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    for name in CALLS:
        outcome, requests, _ = run_call(name, always(json_answer(ANSWERS[name])))
        assert not isinstance(outcome, Exception)
        assert requests[0].headers["authorization"] == "Bearer " + KEY


@sockets
async def test_a_proxy_that_is_asked_for_is_used():
    """It refuses the tunnel, and nothing of ours has left."""
    async with FaultyServer(always(answer(403))) as proxy:
        async with client_of("https://api.invalid", proxy=proxy.base_url, max_retries=1) as client:
            refused = await outcome_of(client.public.submit_bulk([ADA]))
        requests = proxy.requests
    assert type(refused) is errors.APIConnectionError
    assert (refused.billed, refused.safe_to_retry) == ("no", True)
    # It would say the same again.
    assert [request.method for request in requests] == ["CONNECT"]
    assert all(KEY not in str(request.headers) for request in requests)


@pytest.mark.parametrize(
    "proxy", ["http://proxy.example:3128", "https://127.0.0.1:3128", "http://u:p@localhost:1"]
)
@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"])
def test_no_proxy_is_given_a_key_in_clear(base_url, proxy):
    with pytest.raises(ConfigurationError, match="proxy"):
        client_of(base_url, proxy=proxy)


@sockets
@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("way", ["proxy", "mounts", "environment"])
async def test_no_proxy_of_an_injected_client_is_given_a_key_in_clear(library, way, monkeypatch):
    tunnel_refused = lambda request, number: answer(403) if request.method == "CONNECT" else BALANCE  # noqa: E731

    async with FaultyServer(tunnel_refused) as proxy:
        if way == "environment":
            monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
            monkeypatch.delenv("NO_PROXY", raising=False)
        mounts = {"http://": library.AsyncHTTPTransport(proxy=proxy.base_url)}
        options = {"proxy": {"proxy": proxy.base_url}, "mounts": {"mounts": mounts}}.get(way, {})
        async with library.AsyncClient(**options) as http:
            with pytest.raises(ConfigurationError, match="proxy"):
                client_of("http://127.0.0.1:9", http_client=http)
            async with client_of("https://api.invalid", http_client=http, max_retries=0) as client:
                await outcome_of(client.public.credits_balance())
        shows_key = [KEY in str(request.headers) for request in proxy.requests]
    assert True not in shows_key


@sockets
async def test_a_request_that_is_given_up_cannot_arrive_later():
    """The connection is reset: closed in the usual way, the system would go on sending what is buffered."""
    endings = []

    async def stand_still(stream):
        async with stream:
            await stream.receive()  # the request, to which nothing is said
            try:
                endings.append(await stream.receive())
            except anyio.BrokenResourceError as error:
                endings.append(type(error.__cause__))

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, stand_still)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with client_of(f"http://127.0.0.1:{port}", request_timeout_s=0.2, max_retries=0) as client:
            assert type(await outcome_of(client.public.validate_key())) is errors.APITimeoutError
            while not endings:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert endings == [ConnectionResetError]
