"""How events reach the function that ``on_event`` names."""

import asyncio
import logging

import pytest

from cleanlist_async import AsyncCleanlist, ConfigurationError
from cleanlist_async.events import (
    CallFinished,
)
from tests.support.clients import ACCEPTED, ADA, ANSWERS, Served, respond, virtual_client

BALANCE = respond(ANSWERS["credits_balance"])


def kinds(told):
    return [type(event) for event in told]


async def test_a_listener_that_raises_is_logged_once_and_disturbs_nothing(caplog):
    def listener(event):
        raise ValueError("Ada Lovelace")

    served = Served(lambda request, number: respond(ACCEPTED))
    async with virtual_client(served, on_event=listener) as client:
        for _ in range(3):
            assert (await client.public.submit_bulk([ADA])).workflow_id == "wf_1"
        statistics = client.statistics()
    assert (statistics.answered, len(served.requests)) == (3, 3)
    assert all(bucket.in_flight == 0 for bucket in statistics.buckets)
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in records] == ["on_event failed with ValueError"]


async def test_a_listener_may_use_the_client():
    seen, tasks = [], []

    def listener(event):
        if isinstance(event, CallFinished) and len(tasks) < 2:
            seen[0].statistics()
            tasks.append(asyncio.ensure_future(seen[0].public.credits_balance()))

    async with virtual_client(lambda request, number: BALANCE, on_event=listener) as client:
        seen.append(client)
        await client.public.credits_balance()
        await asyncio.gather(*tasks)

        assert client.statistics().answered >= 2


@pytest.mark.parametrize("listener", ["text", 7])
def test_what_cannot_be_called_is_refused(listener):
    with pytest.raises(ConfigurationError, match="on_event"):
        AsyncCleanlist("key", on_event=listener)


def test_an_async_listener_is_refused():
    async def listener(event): ...

    with pytest.raises(ConfigurationError, match="plain function"):
        AsyncCleanlist("key", on_event=listener)


async def test_with_options_keeps_the_listener():
    told = []
    async with virtual_client(lambda request, number: BALANCE, on_event=told.append) as client:
        await client.with_options(max_retries=0).public.credits_balance()
    assert kinds(told)[-1] is CallFinished
