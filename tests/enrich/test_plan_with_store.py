"""What a plan says of contacts that the client's store knows."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import pytest

from cleanlist_async import AsyncCleanlist, RateLimits
from cleanlist_async.sandbox import Fault, Sandbox
from tests.support.virtual_sandbox import people

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


@asynccontextmanager
async def opened(tmp_path, **options):
    """A sandbox, and a function that opens a client of it with a store."""
    async with Sandbox(window_s=0.5, workflow_s=0.02, **options) as sandbox:
        yield (
            sandbox,
            partial(
                AsyncCleanlist,
                sandbox.api_key,
                base_url=sandbox.base_url,
                rate_limits=RateLimits(window_s=0.5),
                store=tmp_path / "store.db",
            ),
        )


@pytest.mark.slow
async def test_what_was_bought_costs_nothing_in_the_plan_and_in_the_run(tmp_path):
    async with opened(tmp_path) as (sandbox, connect), connect() as client:
        await client.enrich(people(300)[:100])
        plan = await client.plan(people(300))
        fresh = await client.plan(people(300), fresh=True)
        report = await client.enrich(people(300))

    assert (plan.contacts, plan.unique, plan.known, plan.to_buy) == (300, 300, 100, 200)
    assert (plan.chunks, plan.credits_max) == (1, 200)
    assert (fresh.known, fresh.credits_max) == (0, 300)
    bought = sandbox.ledger.contacts
    assert len(bought) == 300
    known = report.results[:100]
    assert [result.credits for result in known] == [0.0] * 100
    assert sum(result.bought_for for result in known) == sum(contact.credits for contact in bought[:100])
    assert {result.bought_for for result in report.results[100:]} == {None}


async def test_a_plan_claims_nothing(tmp_path):
    async with opened(tmp_path) as (_, connect), connect() as one, connect() as other:
        await one.plan(people(10))
        report = await asyncio.wait_for(other.enrich(people(10)), 30)

    assert {result.status for result in report.results} <= {"found", "not_found"}


async def test_contacts_of_an_unknown_submit_are_doubtful(tmp_path):
    async with opened(tmp_path, faults=[Fault("/enrich/bulk", when="after", reset=True)]) as (_, connect):
        async with connect() as client:
            report = await client.enrich(people(10))
            assert len(report.unknown) == 10
        async with connect() as client:
            plan = await client.plan(people(12))

    assert (plan.known, plan.doubtful, plan.to_buy, plan.credits_max) == (0, 10, 2, 2)


async def test_full_says_which_halves_it_would_pay_again(tmp_path):
    async with opened(tmp_path, hit_rate=1.0) as (_, connect), connect() as client:
        await client.enrich(people(5))
        await client.enrich(people(7)[3:], enrichment_type="phone_only")
        plan = await client.plan(people(9), enrichment_type="full")
        cheap = await client.plan(people(9), enrichment_type="phone_only")
        old = await client.plan(people(9), enrichment_type="full", max_age_s=0.0001)
        fresh = await client.plan(people(9), enrichment_type="full", fresh=True)

    assert (plan.to_buy, plan.credits_max) == (9, 99)
    assert (plan.emails_known, plan.phones_known) == (5, 4)
    for other in (cheap, old, fresh):
        assert (other.emails_known, other.phones_known) == (0, 0)


async def test_types_that_are_not_remembered_are_planned_whole(tmp_path):
    async with opened(tmp_path) as (_, connect), connect() as client:
        await client.enrich(people(5))
        plan = await client.plan(people(5), enrichment_type="none")

    assert plan.known == 0


async def test_a_run_that_is_stopped_while_its_submit_is_answered_leaves_its_workflow_in_the_store(tmp_path):
    async with opened(tmp_path, latency_s=0.05) as (sandbox, connect):
        async with connect() as client, client.stream(people(10)):
            while not sandbox.ledger.contacts:  # noqa: ASYNC110  # the ledger has no event
                await asyncio.sleep(0)
        async with connect() as client:
            report = await client.enrich(people(10))

    assert {result.status for result in report.results} <= {"found", "not_found"}
    assert len(sandbox.ledger.contacts) == 10
