"""An httpx client of the caller's own: it serves reads, and is otherwise left alone."""

from __future__ import annotations

import asyncio

import httpx
import httpx2
import pytest

from cleanlist_async import ConfigurationError, errors
from tests.support.clients import (
    ACCEPTED,
    ADA,
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
def test_an_injected_client_serves_reads_only_and_is_never_closed(library):
    async def use(client):
        reads = [await CALLS[name](client) for name in ("credits_balance",) * 3]
        return reads, await client.public.submit_bulk([ADA])

    (reads, submit), transport, requests, _, closed = with_injected(
        library,
        lambda request: library.Response(200, json={"credits": 4}),
        use,
        auth=("user", "pass"),
        follow_redirects=True,
    )
    assert [read.credits for read in reads] == [4, 4, 4]
    assert submit.workflow_id == "wf_1"
    assert [request.method for request in transport.requests] == ["GET"] * 3
    assert [request.method for request in requests] == ["POST"]
    assert not closed
    assert transport.requests[0].headers["authorization"] == "Bearer " + KEY


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
