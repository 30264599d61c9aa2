"""An httpx client of the caller's own: it carries every request, and is otherwise left alone."""

import asyncio
import sqlite3
from contextlib import closing

import httpx
import httpx2
import pytest

from cleanlist_async import ConfigurationError, errors
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

sockets = pytest.mark.sockets


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request):
    return request.param


class _Untraced:
    """A transport in memory; it shows no trace events."""

    def __init__(self, respond):
        self.requests = []
        self.closed = False
        self._respond = respond

    async def handle_async_request(self, request):
        self.requests.append(request)
        given = self._respond(request)
        if isinstance(given, Exception):
            raise given
        return given

    async def aclose(self):
        self.closed = True


def with_injected(library, respond, use, **options):
    class Untraced(_Untraced, library.AsyncBaseTransport):
        pass

    async def main():
        transport = Untraced(respond)
        http = library.AsyncClient(transport=transport, **options)
        async with against(always(json_answer(ACCEPTED)), http_client=http) as (client, server):
            outcome = await use(client)
            buckets = client.statistics().buckets
        closed = http.is_closed
        await http.aclose()
        return outcome, transport, server.requests, buckets, closed

    return asyncio.run(main())


@sockets
def test_an_injected_client_carries_everything_and_is_never_closed(library):
    async def use(client):
        reads = [await CALLS[name](client) for name in ("credits_balance",) * 3]
        return reads, await client.public.submit_bulk([ADA])

    (reads, submit), transport, requests, _, closed = with_injected(
        library,
        lambda request: library.Response(200, json={"credits": 4} if request.method == "GET" else ACCEPTED),
        use,
        auth=("user", "pass"),
        follow_redirects=True,
    )
    assert [read.credits for read in reads] == [4, 4, 4]
    assert submit.workflow_id == "wf_1"
    assert [request.method for request in transport.requests] == [*["GET"] * 3, "POST"]
    assert requests == []
    assert not closed
    assert {request.headers["authorization"] for request in transport.requests} == {"Bearer " + KEY}


@sockets
@pytest.mark.parametrize(
    "problem_of",
    [
        lambda library: library.ConnectError("no"),
        lambda _: RuntimeError("odd"),
        lambda _: ValueError("bad"),
        lambda _: OSError(5, "io"),
    ],
)
def test_whatever_an_injected_client_raises_is_a_typed_error_and_counts_as_sent(library, problem_of):
    async def use(client):
        return await outcome_of(client.with_options(max_retries=0).public.credits_balance())

    error, _, _, buckets, _ = with_injected(library, lambda request: problem_of(library), use)
    assert type(error) is errors.APIConnectionError
    assert all(bucket.available == bucket.limit - 1 for bucket in buckets), (
        "a token that may have been used is held"
    )


@sockets
def test_an_injected_client_that_raises_for_statuses_loses_no_status(library):
    async def use(client):
        return await outcome_of(client.with_options(max_retries=0).public.credits_balance())

    async def raise_for(response):
        response.raise_for_status()

    error, _, _, _, _ = with_injected(
        library,
        lambda request: library.Response(402, json={"detail": "x"}),
        use,
        event_hooks={"response": [raise_for]},
    )
    assert type(error) is errors.InsufficientCreditsError


def test_something_else_than_an_async_client_is_refused():
    for wrong in (httpx.Client(), httpx2.Client(), "http", object()):
        with pytest.raises(ConfigurationError, match=r"httpx\.AsyncClient"):
            client_of("https://api.cleanlist.ai", http_client=wrong)


@sockets
@pytest.mark.anyio
async def test_a_refused_connection_of_an_injected_client_was_not_sent_on(library):
    """Its trace events are seen: a connection that is refused was not sent on."""
    async with (
        library.AsyncClient() as http,
        against(always(json_answer({"credits": 4})), http_client=http) as (client, server),
    ):
        read = await client.public.credits_balance()
        in_window = [bucket.limit - bucket.available for bucket in client.statistics().buckets]
    assert (read.credits, len(server.requests), in_window) == (4, 1, [1, 1])

    async with library.AsyncClient() as http, client_of("http://127.0.0.1:9", http_client=http) as client:
        error = await outcome_of(client.with_options(max_retries=0).public.credits_balance())
        in_window = [bucket.limit - bucket.available for bucket in client.statistics().buckets]
    assert type(error) is errors.APIConnectionError
    assert in_window == [0, 0]


# -- the proof of what left --------------------------------------------------------------------------


def submits_over(transport, **options):
    """How a submit ends through a client of the caller's with this transport."""

    async def main():
        async with (
            httpx.AsyncClient(transport=transport) as http,
            client_of("https://api.invalid", http_client=http, max_retries=2, **options) as client,
        ):
            return await outcome_of(client.public.submit_bulk([ADA]))

    return asyncio.run(main())


class Wrapper(httpx.AsyncBaseTransport):
    """Passes requests on, as transports do that log, cache or retry."""

    def __init__(self, inner, *, hides):
        self.inner, self.hides, self.requests = inner, hides, 0

    async def handle_async_request(self, request):
        self.requests += 1
        if self.hides:
            request.extensions = {}
        return await self.inner.handle_async_request(request)


@sockets
@pytest.mark.parametrize("hides", [False, True])
def test_a_connection_that_fails_below_a_wrapper_is_proof_only_where_the_wrapper_shows_it(hides):
    wrapper = Wrapper(httpx.AsyncHTTPTransport(proxy="http://127.0.0.1:9"), hides=hides)
    outcome = submits_over(wrapper)
    assert type(outcome) is (errors.UnknownOutcomeError if hides else errors.APIConnectionError)
    assert wrapper.requests == (1 if hides else 3)


def answering(answer):
    """A server whose submits end in *answer*, which may be an exception; it counts them."""

    def handle(request):
        if request.method == "GET":
            return httpx.Response(200, json=ANSWERS["validate_key"])
        handle.submits += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    handle.submits = 0
    return handle


@pytest.mark.parametrize(
    ("answer", "kind", "requests"),
    [
        (lambda: httpx.Response(200, json=ACCEPTED), None, 1),
        (lambda: httpx.Response(402, json={"detail": "x"}), errors.InsufficientCreditsError, 1),
        (lambda: httpx.Response(500, json={"detail": "x"}), errors.UnknownOutcomeError, 1),
        (lambda: httpx.ReadTimeout("late"), errors.UnknownOutcomeError, 1),
        (lambda: httpx.ConnectError("no"), errors.APIConnectionError, 3),
    ],
    ids=["accepted", "402", "500", "no answer", "no connection"],
)
@pytest.mark.parametrize("stored", [False, True], ids=["plain", "with a store"])
def test_a_mock_transport_answers_submits_as_the_server_would(answer, kind, requests, stored, tmp_path):
    handle = answering(answer())
    options = {"store": str(tmp_path / "purchases.db")} if stored else {}
    outcome = submits_over(httpx.MockTransport(handle), **options)
    assert type(outcome) is kind if kind else outcome.workflow_id == "wf_1"
    assert handle.submits == requests


def test_a_store_knows_of_a_submit_before_a_transport_that_shows_nothing_has_it(tmp_path):
    path = tmp_path / "purchases.db"
    states = []

    def handle(request):
        if request.method == "POST":
            with closing(sqlite3.connect(path)) as rows:
                states.extend(rows.execute("SELECT state FROM cleanlist_submits").fetchall())
        return httpx.Response(200, json=ANSWERS["validate_key" if request.method == "GET" else "submit_bulk"])

    outcome = submits_over(Wrapper(httpx.MockTransport(handle), hides=True), store=str(path))
    assert outcome.workflow_id == "wf_1"
    assert states == [("sending",)]
