"""Hundreds of callers over real sockets: each gets its own answer, and nothing is bought twice."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import anyio
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from cleanlist_async import AsyncCleanlist, Contact, RateLimits
from cleanlist_async.integrations.fastapi import (
    CleanlistDep,
    cleanlist_lifespan,
    health_router,
    install_error_handlers,
    unless_disconnected,
)
from cleanlist_async.sandbox import Sandbox
from tests.support.backends import served

pytestmark = [pytest.mark.sockets, pytest.mark.anyio]


class Found(BaseModel):
    status: str
    email: str | None


@dataclass
class World:
    """A sandbox, a backend before it, and the client that the backend opened."""

    sandbox: Sandbox
    address: str = ""
    clients: list[AsyncCleanlist] = field(default_factory=list)

    @property
    def client(self) -> AsyncCleanlist:
        return self.clients[-1]

    def backend(self, limits: RateLimits) -> FastAPI:
        def opened() -> AsyncCleanlist:
            client = AsyncCleanlist(self.sandbox.api_key, base_url=self.sandbox.base_url, rate_limits=limits)
            self.clients.append(client)
            return client

        app = FastAPI(lifespan=cleanlist_lifespan(opened))
        install_error_handlers(app)
        app.include_router(health_router())

        @app.post("/enrich")
        async def enrich(contact: Contact, request: Request, client: CleanlistDep) -> Found:
            result = await unless_disconnected(request, client.enrich_one(contact))
            return Found(status=result.status, email=result.email)

        return app

    async def call(self, contact: dict[str, str], *, hangs_up_after_s: float | None = None):
        """Post a contact over a connection of its own, and return the answer; None for who hung up."""
        host, _, port = self.address.rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = json.dumps(contact).encode()
        head = "POST /enrich HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
        try:
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            with anyio.move_on_after(float("inf") if hangs_up_after_s is None else hangs_up_after_s):
                raw = await reader.read()
                status = int(raw.split(b" ", 2)[1])
                return status, json.loads(raw.partition(b"\r\n\r\n")[2])
            return None
        finally:
            writer.transport.abort()

    def right(self, contact: dict[str, str]):
        truth = self.sandbox.expected(contact, "partial")
        return 200, {"status": "found" if truth.email else "not_found", "email": truth.email}

    @property
    def submits(self) -> int:
        return len(self.sandbox.ledger.requests_of("/enrich/bulk"))


@asynccontextmanager
async def world(*, window_s: float = 2.0, key_limit: int = 30):
    limits = RateLimits(window_s=window_s, key=key_limit)
    before = asyncio.all_tasks()
    async with Sandbox(window_s=window_s, key_limit=key_limit, workflow_s=0.2) as sandbox:
        made = World(sandbox)
        async with served(made.backend(limits)) as made.address:
            yield made
        assert made.client.statistics().waiting == 0
        assert [bucket.in_flight for bucket in made.client.statistics().buckets] == [0, 0]
        assert sandbox.ledger.count(429) == 0
        assert sandbox.ledger.duplicates() == {}
    assert asyncio.all_tasks() == before


def person(number: int) -> dict[str, str]:
    return {"first_name": f"Ada{number}", "last_name": "Lovelace", "company_domain": "analytical.example"}


@pytest.mark.slow
async def test_five_hundred_callers_share_a_few_requests():
    people = [person(number) for number in range(500)]
    async with world() as made:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(made.call(one)) for one in people]
        for one, call in zip(people, calls, strict=True):
            assert call.result() == made.right(one)
        assert made.submits <= 500 / 250 + 6
        assert len(made.sandbox.ledger.contacts) == 500


@pytest.mark.slow
async def test_callers_with_the_same_contact_share_one_purchase():
    async with world() as made:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(made.call(person(0))) for _ in range(50)]
        assert all(call.result() == made.right(person(0)) for call in calls)
        assert len(made.sandbox.ledger.contacts) == 1


@pytest.mark.slow
async def test_a_thousand_callers_of_whom_many_hang_up():
    random = Random(5)
    people = [person(number) for number in range(1_000)]
    patience = [random.uniform(0, 1.5) if random.random() < 0.5 else None for _ in people]
    async with world() as made:
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(made.call(one, hangs_up_after_s=after))
                for one, after in zip(people, patience, strict=True)
            ]
        for one, after, call in zip(people, patience, calls, strict=True):
            if after is None or call.result() is not None:
                assert call.result() == made.right(one)
        assert sum(call.result() is None for call in calls) > 100
        assert made.submits <= 1_000 / 250 + 8


@pytest.mark.slow
async def test_who_hangs_up_before_the_submit_is_bought_nothing():
    async with world(window_s=1.0, key_limit=1) as made:
        async with asyncio.TaskGroup() as group:
            group.create_task(made.call(person(1)))
            await until(lambda: made.submits == 1)  # the one request of this window
            gone = group.create_task(made.call(person(2), hangs_up_after_s=0.3))
            stays = group.create_task(made.call(person(3)))
        assert gone.result() is None
        assert stays.result() == made.right(person(3))
        names = {accepted.contact["first_name"] for accepted in made.sandbox.ledger.contacts}
        assert names == {"Ada1", "Ada3"}


@pytest.mark.slow
async def test_closing_waits_for_the_answers_that_tasks_still_wait_for():
    async with Sandbox(window_s=2.0, workflow_s=0.5) as sandbox:
        made = World(sandbox)
        app = made.backend(RateLimits(window_s=2.0))
        async with asyncio.TaskGroup() as group, app.router.lifespan_context(app):
            waits = group.create_task(made.client.enrich_one(person(1)))
            await until(lambda: made.submits == 1)
        assert waits.result().email == sandbox.expected(person(1), "partial").email


async def test_errors_of_the_client_reach_the_caller_as_problems():
    async with world() as made:
        made.sandbox.set_credits(0)
        status, problem = await made.call(person(1))
        assert (status, problem["code"], problem["billed"]) == (402, "insufficient_credits", "no")
        made.sandbox.revoke(made.sandbox.api_key)
        status, problem = await made.call(person(2))
        assert (status, problem["code"], problem["retryable"]) == (500, "authentication", False)


async def until(condition) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110  # no event tells what the sandbox has seen
            await anyio.sleep(0.01)
