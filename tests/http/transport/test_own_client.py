"""Our own httpx.AsyncClient: what wraps, watches or mocks that class sees all our requests."""

import asyncio

import httpx
import pytest

from cleanlist_async import errors
from tests.support.clients import (
    ADA,
    ANSWERS,
    CALLS,
    KEY,
    against,
    always,
    client_of,
    json_answer,
    outcome_of,
    respond,
    virtual_client,
    virtually,
)
from tests.support.faulty_server import redirect
from tests.surface.groups import PUBLIC

sockets = pytest.mark.sockets
SEND = httpx.AsyncClient.send
METHODS = [operation.method for name in CALLS for operation in PUBLIC if operation.name == name]


async def call_each(client):
    return {name: await outcome_of(CALLS[name](client)) for name in CALLS}


@pytest.mark.parametrize("opened", ["before", "after"])
async def test_a_wrapper_of_the_clients_send_sees_every_request(opened, monkeypatch):
    seen = []

    async def send(client, request, **options):
        response = await SEND(client, request, **options)
        seen.append((request.method, request.url.path, response.status_code))
        return response

    async with virtual_client(lambda request, number: respond({}, 404)) as client:
        if opened == "before":
            await call_each(client)
        monkeypatch.setattr(httpx.AsyncClient, "send", send)
        await call_each(client)

    assert [method for method, _, _ in seen] == METHODS
    assert {status for _, _, status in seen} == {404}


@sockets
@pytest.mark.anyio
async def test_a_wrapper_of_httpxs_transport_sees_every_request(monkeypatch):
    handle = httpx.AsyncHTTPTransport.handle_async_request
    seen = []

    async def handle_async_request(transport, request):
        seen.append(request.method)
        request.headers["traceparent"] = "00-1-1-01"
        return await handle(transport, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async_request)

    async with against(always(json_answer(ANSWERS["credits_balance"], 404))) as (client, server):
        await call_each(client)
        arrived = [request.headers.get("traceparent") for request in server.requests]
    assert arrived == ["00-1-1-01"] * len(METHODS)
    assert seen == METHODS


@pytest.mark.parametrize("reads", [False, True], ids=["looks at it", "reads the body"])
async def test_event_hooks_of_the_class_see_every_request_and_answer(reads, monkeypatch):
    seen = []
    make = httpx.AsyncClient.__init__

    async def on_request(request):
        seen.append(request.method)

    async def on_response(response):
        seen.append(response.status_code)
        if reads:
            await response.aread()

    def init(client, **options):
        make(client, **{**options, "event_hooks": {"request": [on_request], "response": [on_response]}})

    monkeypatch.setattr(httpx.AsyncClient, "__init__", init)
    async with virtual_client(lambda request, number: respond({"credits": number})) as client:
        credits_left = [(await client.public.credits_balance()).credits for _ in range(3)]

    assert credits_left == [0, 1, 2]
    assert seen == ["GET", 200] * 3


async def test_a_hook_that_raises_for_a_refusal_loses_no_status(monkeypatch):
    make = httpx.AsyncClient.__init__

    async def refuse(response):
        raise RuntimeError("the hook's own")

    def init(client, **options):
        make(client, **{**options, "event_hooks": {"response": [refuse]}})

    monkeypatch.setattr(httpx.AsyncClient, "__init__", init)
    async with virtual_client(lambda request, number: respond({}, 500)) as client:
        outcome = await outcome_of(client.with_options(max_retries=0).public.submit_bulk([ADA]))

    assert type(outcome) is errors.UnknownOutcomeError
    assert outcome.status == 500


MOCKS = {
    "an answer": (lambda: httpx.Response(200, json={"credits": 4}), None, 0),
    "a refusal": (lambda: httpx.Response(402, json={"detail": "x"}), errors.InsufficientCreditsError, 0),
    "no connection": (lambda: httpx.ConnectError("no"), errors.APIConnectionError, 0),
    "no answer": (lambda: httpx.ReadTimeout("late"), errors.APITimeoutError, 1),
}


def mocked(monkeypatch, make):
    async def send(client, request, **options):
        if isinstance(given := make(), Exception):
            raise given
        return given

    monkeypatch.setattr(httpx.AsyncClient, "send", send)


@pytest.mark.parametrize("form", MOCKS)
@pytest.mark.anyio
async def test_a_read_takes_what_a_mock_of_send_answers(form, monkeypatch):
    make, error, _ = MOCKS[form]
    mocked(monkeypatch, make)

    async with client_of("https://api.invalid", max_retries=0) as client:
        outcome = await outcome_of(client.public.credits_balance())

    if error is None:
        assert outcome.credits == 4
    else:
        assert type(outcome) is error


@pytest.mark.anyio
async def test_a_429_of_a_mock_pauses_the_bucket(monkeypatch):
    mocked(monkeypatch, lambda: httpx.Response(429, headers={"retry-after": "500"}, json={"detail": "slow"}))

    async with client_of("https://api.invalid", max_retries=0) as client:
        outcome = await outcome_of(client.public.credits_balance())
        paused = [bucket.paused_for_s > 400 for bucket in client.statistics().buckets]

    assert type(outcome) is errors.RateLimitError
    assert any(paused)


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (httpx.ReadTimeout("late"), errors.UnknownOutcomeError),
        (httpx.ReadError("torn"), errors.UnknownOutcomeError),
        (RuntimeError("odd"), errors.UnknownOutcomeError),
        (httpx.ConnectError("no"), errors.APIConnectionError),
    ],
    ids=lambda given: getattr(given, "__name__", type(given).__name__),
)
@pytest.mark.anyio
async def test_what_a_mock_raises_for_a_submit_is_sent_again_only_if_it_comes_before_sending(
    problem, kind, monkeypatch
):
    asked = []
    mocked(monkeypatch, lambda: asked.append(1) or problem)

    async with client_of("https://api.invalid", max_retries=1) as client:
        outcome = await outcome_of(client.public.submit_bulk([ADA]))
    assert type(outcome) is kind
    assert len(asked) == (1 if kind is errors.UnknownOutcomeError else 2)


async def test_no_cookie_of_an_answer_is_kept_or_sent(monkeypatch):
    headers, clients = [], set()

    async def send(client, request, **options):
        clients.add(client)
        return await SEND(client, request, **options)

    def answer(request, number):
        headers.append(dict(request.headers))
        return respond({"credits": 1}, set_cookie="session=secret; Path=/")

    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    async with virtual_client(answer) as client:
        for _ in range(2):
            await call_each(client)

    assert len(headers) >= 10
    assert all("cookie" not in sent for sent in headers)
    assert clients
    assert not any(list(client.cookies.jar) for client in clients)


def test_a_request_has_no_headers_but_ours():
    sent = []

    def answer(request, number):
        sent.append(dict(request.headers))
        return respond({"credits": 1})

    virtually(lambda client: client.public.credits_balance(), answer)

    assert sorted(sent[0]) == ["accept", "accept-encoding", "authorization", "host", "user-agent"]
    assert sent[0]["user-agent"].startswith("cleanlist-async/")


@sockets
@pytest.mark.parametrize("location", ["http://[", "nonsense://x", "http://127.0.0.1:9/", "/a b\x7f"])
@pytest.mark.parametrize("name", ["credits_balance", "submit_bulk"])
@pytest.mark.anyio
async def test_a_redirect_to_anywhere_is_the_answer_it_is(name, location):
    async with against(always(redirect(location))) as (client, server):
        outcome, requests = await outcome_of(CALLS[name](client)), len(server.requests)

    assert isinstance(outcome, errors.CleanlistError)
    assert outcome.status == 302
    assert requests == 1


@sockets
def test_the_key_is_in_no_line_that_httpx_logs(caplog):
    async def main():
        async with against(always(json_answer({"credits": 4}))) as (client, _):
            await client.public.credits_balance()

    with caplog.at_level("DEBUG"):
        asyncio.run(main())

    assert KEY not in caplog.text
