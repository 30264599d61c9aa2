"""Clients for tests: no limit in the way, no waiting between attempts."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

from cleanlist_async import AsyncCleanlist, RateLimiter, RateLimits
from cleanlist_async.testing import MemoryNetwork, ServerRequest, ServerResponse, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.faulty_server import Answer, FaultyServer, Script, answer

KEY = 'canary-5f3c9a-Zq/\\"x'
"""A key of no known form, with what JSON escapes in it."""
WIDE = RateLimits(org=10**6, key=10**6)

ADA = {"first_name": "Ada", "last_name": "Lovelace", "company_domain": "analytical.example"}
GRACE = {"first_name": "Grace", "last_name": "Hopper", "company_domain": "cobol.example"}

ACCEPTED = {"workflow_id": "wf_1", "status": "processing", "task_ids": ["t_1"], "total_contacts": 1}

CALLS: dict[str, Callable[[AsyncCleanlist], Awaitable[object]]] = {
    "validate_key": lambda client: client.public.validate_key(),
    "credits_balance": lambda client: client.public.credits_balance(),
    "submit_bulk": lambda client: client.public.submit_bulk([ADA]),
    "bulk_status": lambda client: client.public.bulk_status(workflow_id="wf_1"),
    "webhook_deliveries": lambda client: client.public.webhook_deliveries("wf_1"),
}

ANSWERS: dict[str, object] = {
    "validate_key": {"valid": True, "organization_id": "org"},
    "credits_balance": {"credits": 7.5},
    "submit_bulk": ACCEPTED,
    "bulk_status": {"workflow_id": "wf_1", "status": "completed", "results": []},
    "webhook_deliveries": {"deliveries": []},
}


class NoPatience(Random):
    """Backs off for no time at all."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


def always(one: Answer) -> Script:
    return lambda request, number: one


def json_answer(content: object, status: int = 200, **headers: str) -> Answer:
    return answer(status, json.dumps(content).encode(), headers)


def client_of(base_url: str, **options: object) -> AsyncCleanlist:
    # A clock of its own: other limiters for its key, one after the other, are no mistake here.
    limiter = RateLimiter(WIDE, rng=NoPatience(), clock=lambda: time.monotonic())  # noqa: PLW0108
    return AsyncCleanlist(**{"api_key": KEY, "base_url": base_url, "limiter": limiter, **options})


@asynccontextmanager
async def against(script: Script, **options: object) -> AsyncIterator[tuple[AsyncCleanlist, FaultyServer]]:
    """A client and the misbehaving server it talks to, on real sockets."""
    async with (
        FaultyServer(script, max_requests=10**6, max_connection_s=60) as server,
        client_of(server.base_url, **options) as client,
    ):
        yield client, server


Handler = Callable[[ServerRequest, int], "ServerResponse | Awaitable[ServerResponse]"]


class Served:
    """A handler for a MemoryNetwork that counts, from a function of the request and its number."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.requests: list[ServerRequest] = []

    @property
    def times(self) -> list[float]:
        return [request.arrived_at for request in self.requests]

    async def __call__(self, request: ServerRequest) -> ServerResponse:
        self.requests.append(request)
        given = self._handler(request, len(self.requests) - 1)
        return given if isinstance(given, ServerResponse) else await given


def respond(content: object = None, status: int = 200, **headers: str) -> ServerResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return ServerResponse(
        status, body, tuple((name.replace("_", "-"), text) for name, text in headers.items())
    )


@asynccontextmanager
async def virtual_client(handler: Handler | Served, **options: object) -> AsyncIterator[VirtualCleanlist]:
    """A client on a network in memory whose server is *handler*; in virtual time."""
    server = handler if isinstance(handler, Served) else Served(handler)
    network_options = {name: options.pop(name) for name in ("latency", "on_connect") if name in options}
    async with (
        MemoryNetwork(server, **network_options) as network,
        VirtualCleanlist(network, **{"rate_limits": WIDE, **options}) as client,
    ):
        yield client


def virtually(
    main: Callable[[VirtualCleanlist], Awaitable[object]],
    handler: Handler | Served,
    **options: object,
) -> object:
    """Run ``main(client)`` in virtual time, with a :func:`virtual_client`."""

    async def whole() -> object:
        async with virtual_client(handler, **options) as client:
            return await main(client)

    return run(whole())


async def outcome_of(call: Awaitable[object]) -> object:
    """The answer of a call, or the exception it raised."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001  # a test asks what it was
        return error
