"""Callers over real sockets, against the sandbox with a shorter window."""

import asyncio
from random import Random

import anyio
import pytest

from cleanlist_async import AsyncCleanlist, RateLimits
from cleanlist_async.sandbox import Sandbox
from tests.support.callers import outcomes
from tests.support.virtual_sandbox import people

pytestmark = pytest.mark.sockets


async def callers_in(window_s=3.0):
    rng = Random(3)
    async with (
        Sandbox(window_s=window_s, workflow_s=0.3) as sandbox,
        AsyncCleanlist(
            sandbox.api_key, base_url=sandbox.base_url, rate_limits=RateLimits(window_s=window_s)
        ) as client,
    ):
        contacts = people(1_500)

        async def come(number, contact):
            await anyio.sleep(rng.uniform(0, 1.5))
            with anyio.move_on_after(rng.uniform(0, 1) if number % 3 == 0 else None):
                return await client.enrich_one(contact)

        got = await outcomes([asyncio.ensure_future(come(*one)) for one in enumerate(contacts)])
        await client.drain()
        for number, (contact, one) in enumerate(zip(contacts, got, strict=True)):
            if number % 3:
                assert (one.contact, one.email) == (contact, sandbox.expected(contact, "partial").email)
        assert not sandbox.ledger.duplicates()
        assert sandbox.ledger.count(429) == 0
        submits = sandbox.ledger.requests_of("/enrich/bulk")
        batches = client.statistics().enrich_one
        assert batches.batches == len(submits) < 1_500 / 20
        assert batches.mean_batch > 20


@pytest.mark.slow
def test_callers_over_real_sockets_share_requests_and_have_their_own_answers():
    asyncio.run(callers_in())
