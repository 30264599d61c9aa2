"""An answer that comes twice on the wire is never taken for the answer to another request."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import httpx
import httpx2
import pytest

from cleanlist_async import errors
from tests.support.clients import against, client_of, json_answer, outcome_of
from tests.support.faulty_server import Answer
from tests.support.tcp_server import tcp_server
from tests.support.tls_server import needs_openssl, over_tls

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

PAUSE_S = 0.03
WAYS = {
    "at once": lambda last, now: (now + now,),
    "a little later": lambda last, now: (now, PAUSE_S, now),
    "with the next answer": lambda last, now: (last + now,),
    "in part at once": lambda last, now: (now + now[:25],),
    "in part with the next answer": lambda last, now: (last + now[:-3], PAUSE_S, now[-3:]),
    "in two pieces": lambda last, now: (now, now),
    "just before the next answer": lambda last, now: (last, PAUSE_S, now),
}
SEEN_BY_ITS_BYTES = [way for way in WAYS if way not in {"a little later", "just before the next answer"}]
"""One that comes alone between the next request and its answer is told apart by its connection only."""


def status_of(name: str) -> dict[str, object]:
    """A status with all that is documented of it: nothing in it says whose it is."""
    return {"status": "completed", "results": [{"task_id": f"t{name}", "email": f"{name}@x.example"}]}


def doubling(way, answer_of):
    """A script that sends each answer twice, the second time on the same connection in one of the `WAYS`."""
    last = {}

    def script(request, number):
        now = answer_of(request).raw
        before, last[request.connection] = last.get(request.connection, b""), now
        return Answer(WAYS[way](before, now))

    return script


def asked_for(request):
    return request.target[-1]


async def rows_of(client, name):
    status = await client.public.bulk_status(workflow_id=f"wf_{name}")
    return [row.email for row in status.rows]


@pytest.mark.parametrize("way", WAYS)
async def test_no_workflow_gets_the_rows_of_another(way):
    script = doubling(way, lambda request: json_answer(status_of(asked_for(request))))
    async with against(script) as (client, _):
        for name in "ABABCA":
            assert await rows_of(client, name) == [f"{name}@x.example"]


@pytest.mark.parametrize("way", SEEN_BY_ITS_BYTES)
@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_no_workflow_gets_the_rows_of_another_over_an_injected_client(library, way):
    script = doubling(way, lambda request: json_answer(status_of(asked_for(request))))
    async with library.AsyncClient() as http, against(script, http_client=http) as (client, _):
        for name in "ABABCA":
            assert await rows_of(client, name) == [f"{name}@x.example"]


@pytest.mark.parametrize("way", ["with the next answer", "in part with the next answer"])
async def test_no_paid_call_over_an_injected_client_gets_the_answer_of_the_one_before(way):
    numbers = iter(range(100))
    script = doubling(way, lambda request: json_answer({"number": next(numbers)}))
    async with httpx.AsyncClient() as http, against(script, http_client=http) as (client, _):
        outcomes = [await outcome_of(client.request("POST", "/api/v2/folders")) for _ in range(4)]

    for number, outcome in enumerate(outcomes):
        assert outcome == {"number": number} or type(outcome) is errors.UnknownOutcomeError
    assert outcomes[0] == {"number": 0}


@pytest.mark.parametrize("way", SEEN_BY_ITS_BYTES)
async def test_reads_that_share_a_connection_get_their_own_answers(way):
    numbers = iter(range(100))
    script = doubling(way, lambda request: json_answer({"credits": next(numbers)}))
    async with against(script) as (client, _):
        balances = [(await client.public.credits_balance()).credits for _ in range(6)]
    assert balances == sorted(set(balances)), "one was there twice"


async def test_an_answer_that_comes_again_on_an_idle_connection_is_not_the_next_one():
    came, comes_again = asyncio.Event(), asyncio.Event()
    connections = 0

    async def converse(reader, writer):
        nonlocal connections
        connections += 1
        now = json_answer({"credits": connections}).raw
        await reader.readuntil(b"\r\n\r\n")
        writer.write(now)
        await comes_again.wait()
        writer.write(now)
        came.set()
        await reader.read()

    async with tcp_server(converse) as port, client_of(f"http://127.0.0.1:{port}") as client:
        first = await client.public.credits_balance()
        comes_again.set()
        await came.wait()
        second = await client.public.credits_balance()
    assert (first.credits, second.credits, client.statistics().retries) == (1, 2, 0)


@pytest.mark.slow
def test_a_refusal_that_comes_twice_refuses_nothing_else():
    async def main(status):
        def script(request, number):
            balance = json_answer({"credits": 5})
            if number:
                return balance if request.connection else Answer((refusal.raw + balance.raw,))
            return refusal

        refusal = json_answer({"detail": "no"}, status)
        async with against(script, max_retries=1) as (client, _):
            refused = await outcome_of(client.with_options(max_retries=0).public.validate_key())
            assert refused.status == status
            assert (await client.public.credits_balance()).credits == 5

    async def all_at_once():
        await asyncio.gather(*map(main, [401, 402, 404, 429, 500]))

    asyncio.run(all_at_once())


async def test_a_read_that_is_repeated_takes_a_token_of_its_own():
    def script(request, number):
        balance = json_answer({"credits": number})
        return balance.twice() if number == 1 else balance

    async with against(script) as (client, server):
        balances = [(await client.public.credits_balance()).credits for _ in range(2)]
        buckets = client.statistics().buckets
    assert (balances, len(server.requests)) == ([0, 2], 3)
    assert [bucket.limit - bucket.available for bucket in buckets] == [3, 3]


async def test_a_read_that_may_not_be_repeated_is_an_error():
    script = doubling("with the next answer", lambda request: json_answer({"credits": 1}))
    async with against(script, max_retries=0) as (client, _):
        await client.public.credits_balance()
        error = await outcome_of(client.public.credits_balance())
    assert type(error) is errors.APIConnectionError
    assert (error.billed, error.safe_to_retry) == ("no", True)


async def test_a_server_that_doubles_everything_is_believed_when_it_says_the_same_again():
    script = lambda request, number: json_answer(status_of(asked_for(request))).twice()  # noqa: E731
    async with against(script) as (client, server):
        assert await rows_of(client, "A") == ["A@x.example"]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, errors.MalformedResponseError), (401, errors.AuthenticationError), (422, errors.BadRequestError)],
)
async def test_the_rest_of_an_answer_that_is_too_large_is_not_taken_for_a_second_one(status, kind):
    large = json_answer({"detail": "no", "more": "x" * 20_000_000}, status)
    async with against(lambda request, number: large) as (client, server):
        error = await outcome_of(client.public.bulk_status(workflow_id="wf_A"))
        requests = len(server.requests)
    assert isinstance(error, kind)
    assert (error.status, requests) == (status, 1)


# -- under TLS, whose records wait in a buffer of their own ------------------------------------------


@needs_openssl
@pytest.mark.parametrize("ahead", [False, True])
async def test_a_record_of_tls_that_waits_behind_an_answer_is_seen(tmp_path, ahead):
    """The second answer is a record of its own, behind the first one or ahead of the next."""
    last = {}

    def answer_of(target, connection):
        now = json_answer({"credits": len(last), "of": urlsplit(target).path}).raw
        before, last[connection] = last.get(connection, b""), now
        return (before, now) if ahead else (now, now)

    async with over_tls(tmp_path, answer_of) as (port, certificate):
        base_url = f"https://localhost:{port}"
        async with client_of(base_url, verify=certificate, request_timeout_s=5) as client:
            first = await client.request("GET", "/api/v2/first")
            second = await client.request("GET", "/api/v2/second")
    assert first["of"] == "/api/v2/first"
    assert second["of"] == "/api/v2/second"
