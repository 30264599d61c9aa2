from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from cleanlist_async.sandbox import Sandbox
from tests.support.modern_caller import ModernCaller

PREFIX = "/api/v1/public"


class Caller(httpx.AsyncClient):
    """A plain HTTP client with the sandbox's first key; it knows nothing of the package under test."""

    def __init__(self, sandbox: Sandbox, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key or sandbox.api_key}"}
        super().__init__(base_url=sandbox.base_url + PREFIX, headers=headers, trust_env=False, verify=False)

    async def submit(self, contacts, enrichment_type="partial", **more):
        body = {"contacts": contacts, "enrichment_type": enrichment_type, **more}
        return await self.post("/enrich/bulk", json=body)

    async def status(self, **query):
        return await self.get("/enrich/status", params=query)

    async def run(self, contacts, enrichment_type="partial", **more):
        """Submit a batch to a sandbox without workflow time; returns the submit's and the final answer."""
        submitted = (await self.submit(contacts, enrichment_type, **more)).json()
        return submitted, (await self.status(workflow_id=submitted["workflow_id"])).json()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox as it is without options."""
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[ModernCaller]:
    """A caller of the modern surface of that sandbox."""
    async with ModernCaller(sandbox) as caller:
        yield caller


@pytest.fixture
def connect():
    return Caller


@pytest.fixture
def until():
    async def wait(condition):
        with anyio.fail_after(60):
            while not condition():  # noqa: ASYNC110 - the server under test sets no event of ours
                await anyio.sleep(0.005)

    return wait


@pytest.fixture
def people():
    def make(count, **more):
        return [
            {"first_name": f"Ada{i}", "last_name": "Lovelace", "company_domain": "analytical.example", **more}
            for i in range(count)
        ]

    return make
