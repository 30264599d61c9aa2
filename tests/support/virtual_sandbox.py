"""The sandbox's real application behind the in-memory network: all shapes, most faults, virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from cleanlist_async import Contact, RateLimiter, RateLimits
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.sandbox import Sandbox
from cleanlist_async.sandbox.ledger import identity_of
from cleanlist_async.testing import MemoryNetwork, ServerRequest, ServerResponse, run
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from cleanlist_async.testing.virtual_sandbox import respond

KEY = "clapi_sandbox_0123456789abcdef"


async def _respond(sandbox: Sandbox, request: ServerRequest) -> ServerResponse:
    return await respond(sandbox.app, request)


@dataclass
class World:
    """A sandbox and a client of it."""

    sandbox: Sandbox
    client: VirtualCleanlist
    network: MemoryNetwork
    bodies: list[bytes] = field(default_factory=list)

    @property
    def ledger(self):
        return self.sandbox.ledger

    def submits(self) -> int:
        return len(self.ledger.requests_of("/enrich/bulk"))

    def status_requests(self) -> int:
        return len(self.ledger.requests_of("/enrich/status"))


@asynccontextmanager
async def open_world(
    *, latency=lambda: 0.05, store=None, client_options=None, limits=None, others=(), **options
) -> AsyncIterator[World]:
    """A sandbox whose clock is the virtual loop's, and a client with a limiter of its own.

    *others* are the options of other organizations on the same server.
    """
    client_options = {"store": store, **(client_options or {})}
    loop = asyncio.get_running_loop()
    given = {"clock": loop.time, "workflow_s": 5.0}
    organizations = [Sandbox(**given, **other) for other in others]
    sandbox = Sandbox(**{**given, "organizations": organizations, **options})
    limiter = RateLimiter(limits or RateLimits(), clock=loop.time, rng=Random(0))
    bodies: list[bytes] = []

    async def observed(request: ServerRequest) -> ServerResponse:
        if request.method == "POST":
            bodies.append(request.body)
        return await _respond(sandbox, request)

    async with MemoryNetwork(observed, latency=latency) as network:
        keys = list(sandbox.api_keys)
        async with VirtualCleanlist(network, keys, limiter=limiter, **client_options) as client:
            yield World(sandbox, client, network, bodies)


def in_world(main, **options):
    """Run ``main(world)`` in virtual time and return what it returns."""

    async def inside():
        async with open_world(**options) as world:
            return await main(world)

    return run(inside())


def people(count: int, start: int = 0, **more) -> list[Contact]:
    return [
        Contact(first_name=f"Ada{i}", last_name=f"Lovelace{i}", company_domain=f"c{i % 7}.example", **more)
        for i in range(start, start + count)
    ]


def check_one_result_each(results, given) -> None:
    """Exactly one result per input index, with the contact that was given."""
    assert sorted(result.index for result in results) == list(range(len(given)))
    for result in results:
        contact = given[result.index]
        assert result.contact == (contact if isinstance(contact, Contact) else Contact(**contact))


def check_against_ledger(world: World, results, enrichment_type="partial") -> None:
    """Compare contact by contact: nobody bought twice, each finding the server's for that very person."""
    accepted = world.ledger.times_accepted()
    assert not world.ledger.duplicates()
    for result in results:
        if result.status == "invalid":
            assert result.email is None
            continue
        contact = prepare(0, result.contact)
        cleaned = contact.sent if isinstance(contact, Prepared) else None
        sent = 0 if cleaned is None else accepted[identity_of(cleaned)]
        if result.status in {"found", "not_found"}:
            truth = world.sandbox.expected(cleaned or result.contact, enrichment_type)
            assert sent == 1
            assert (result.email, result.phones) == (truth.email, truth.phones), result
            assert result.status == ("found" if truth.successful else "not_found")
        else:
            assert result.email is None
            assert not result.phones
        if result.status == "pending":
            assert sent
            assert result.workflow_id
        if result.status == "failed" and result.workflow_id is None:
            assert not sent, result
