"""Webhooks over real sockets: what is taken, what is refused, and how much of it is read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from fastapi import FastAPI

from cleanlist_async import WebhookReceiver
from cleanlist_async.integrations.fastapi import webhook_router
from tests.support.backends import calling, served

pytestmark = [pytest.mark.sockets, pytest.mark.anyio]

PUBLIC_URL = "https://app.example/hooks/cleanlist"
EVENT = json.dumps({"workflow_id": "wf_1", "status": "completed", "results": []}).encode()
LIMIT = 100_000


@pytest.fixture
def receiver():
    return WebhookReceiver(PUBLIC_URL, max_body_bytes=LIMIT)


@pytest.fixture
def app(receiver) -> FastAPI:
    app = FastAPI()
    app.include_router(webhook_router(receiver))
    return app


@pytest.fixture
async def backend(app) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(app) as caller:
        yield caller


@pytest.fixture
async def real_backend(app) -> AsyncIterator[httpx.AsyncClient]:
    async with served(app) as address, httpx.AsyncClient(base_url=address, verify=False) as caller:
        yield caller


def token_in(receiver: WebhookReceiver) -> str:
    """The token of a new submission of ours."""
    _, submission = receiver.begin()
    return (submission.webhook_url or "").rpartition("/")[2]


def path_of(token: str) -> str:
    return f"/hooks/cleanlist/{token}"


async def test_an_event_of_ours_is_taken(backend, receiver):
    answer = await backend.post(path_of(token_in(receiver)), json=json.loads(EVENT))
    assert (answer.status_code, answer.content) == (204, b"")
    assert receiver.statistics().received == 1


async def test_in_pieces_it_is_taken_as_well(real_backend, receiver):
    async def pieces() -> AsyncIterator[bytes]:
        for byte in EVENT:
            yield bytes([byte])

    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = await real_backend.post(path_of(token_in(receiver)), content=pieces(), headers=headers)
    assert answer.status_code == 204


@pytest.mark.parametrize("token", ["0" * 64, "x", "%00", "..%2F..", "é" * 40])
async def test_a_token_that_is_not_ours_is_not_there(backend, receiver, token):
    answer = await backend.post(path_of(token), json=json.loads(EVENT))
    assert answer.status_code == 404
    assert receiver.statistics().received == 0


async def test_only_post_is_served(backend, receiver):
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert (await backend.request(method, path_of(token_in(receiver)))).status_code == 405


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", None])
async def test_anything_but_json_is_refused(backend, receiver, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await backend.post(path_of(token_in(receiver)), content=EVENT, headers=headers)
    assert answer.status_code == 415


@pytest.mark.parametrize("body", [b"", b"[]", b"nul", b'{"workflow_id": 7', b"{}", b"\xff\xfe"])
async def test_what_is_no_event_is_refused(backend, receiver, body):
    headers = {"Content-Type": "application/json"}
    answer = await backend.post(path_of(token_in(receiver)), content=body, headers=headers)
    assert answer.status_code == 400


async def test_a_body_is_read_no_further_than_the_limit(app, receiver):
    """Counted where the application reads, so that the buffers of sockets do not blur it."""
    pieces = [b" " * 10_000] * 1_000
    scope = {
        "type": "http",
        "method": "POST",
        "path": path_of(token_in(receiver)),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert (1_000 - len(pieces)) * 10_000 <= LIMIT + 10_000


async def test_a_large_body_is_refused_over_a_socket(real_backend, receiver):
    body, headers = b" " * (LIMIT + 1), {"Content-Type": "application/json"}
    answer = await real_backend.post(path_of(token_in(receiver)), content=body, headers=headers)
    assert (answer.status_code, answer.text) == (413, "too large")


async def test_who_hangs_up_in_the_middle_leaves_nothing_behind(real_backend, receiver):
    token, address = token_in(receiver), real_backend.base_url
    async with await anyio.connect_tcp(address.host, address.port) as stream:
        head = f"POST {path_of(token)} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        await stream.send(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
        await anyio.sleep(0.05)
    answer = await real_backend.post(path_of(token), json=json.loads(EVENT))
    assert answer.status_code == 204
    assert receiver.statistics().received == 1


async def test_the_prefix_is_the_path_of_the_public_address_or_yours(receiver):
    app = FastAPI()
    app.include_router(webhook_router(receiver, prefix="/behind-the-proxy"))
    async with calling(app) as caller:
        token = token_in(receiver)
        assert (await caller.post(path_of(token), json=json.loads(EVENT))).status_code == 404
        assert (await caller.post(f"/behind-the-proxy/{token}", json=json.loads(EVENT))).status_code == 204


def test_the_route_is_for_cleanlist_not_for_the_documentation(receiver):
    hidden, shown = FastAPI(), FastAPI()
    hidden.include_router(webhook_router(receiver))
    shown.include_router(webhook_router(receiver, include_in_schema=True))
    assert hidden.openapi()["paths"] == {}
    assert list(shown.openapi()["paths"]) == ["/hooks/cleanlist/{token}"]
