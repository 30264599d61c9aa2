"""What a plan says of contacts that the client's store knows."""

from __future__ import annotations

import asyncio

import pytest

from cleanlist_async import AsyncCleanlist, RateLimits
from cleanlist_async.sandbox import Fault, Sandbox
from tests.support.virtual_sandbox import people

pytestmark = pytest.mark.sockets


def with_store(main, tmp_path, **options):
    """Run *main* with a sandbox, and a function that opens a client of it with a store."""

    async def whole():
        async with Sandbox(window_s=0.5, workflow_s=0.02, **options) as sandbox:

            def connect():
                limits = RateLimits(window_s=0.5)
                return AsyncCleanlist(
                    sandbox.api_key,
                    base_url=sandbox.base_url,
                    rate_limits=limits,
                    store=tmp_path / "store.db",
                )

            return await main(sandbox, connect)

    return asyncio.run(whole())


def test_what_was_bought_costs_nothing_in_the_plan_and_in_the_run(tmp_path):
    async def main(sandbox, connect):
        async with connect() as client:
            await client.enrich(people(300)[:100])
            plan = await client.plan(people(300))
            fresh = await client.plan(people(300), fresh=True)
            report = await client.enrich(people(300))
        return plan, fresh, report, sandbox.ledger

    plan, fresh, report, ledger = with_store(main, tmp_path)
    assert (plan.contacts, plan.unique, plan.known, plan.to_buy) == (300, 300, 100, 200)
    assert (plan.chunks, plan.credits_max) == (1, 200)
    assert (fresh.known, fresh.credits_max) == (0, 300)
    assert len(ledger.contacts) == 300
    known = report.results[:100]
    assert [result.credits for result in known] == [0.0] * 100
    assert sum(result.bought_for for result in known) == sum(
        contact.credits for contact in ledger.contacts[:100]
    )
    assert {result.bought_for for result in report.results[100:]} == {None}


def test_a_plan_claims_nothing(tmp_path):
    async def main(sandbox, connect):
        async with connect() as one, connect() as other:
            await one.plan(people(10))
            return await asyncio.wait_for(other.enrich(people(10)), 30)

    report = with_store(main, tmp_path)
    assert {result.status for result in report.results} <= {"found", "not_found"}


def test_contacts_of_an_unknown_submit_are_doubtful(tmp_path):
    async def main(sandbox, connect):
        async with connect() as client:
            report = await client.enrich(people(10))
            assert len(report.unknown) == 10
        async with connect() as client:
            return await client.plan(people(12))

    plan = with_store(main, tmp_path, faults=[Fault("/enrich/bulk", when="after", reset=True)])
    assert (plan.known, plan.doubtful, plan.to_buy, plan.credits_max) == (0, 10, 2, 2)


def test_types_that_are_not_remembered_are_planned_whole(tmp_path):
    async def main(sandbox, connect):
        async with connect() as client:
            await client.enrich(people(5))
            return await client.plan(people(5), enrichment_type="none")

    assert with_store(main, tmp_path).known == 0


def test_a_run_that_is_stopped_while_its_submit_is_answered_leaves_its_workflow_in_the_store(tmp_path):
    async def main(sandbox, connect):
        async with connect() as client, client.stream(people(10)):
            while not sandbox.ledger.contacts:  # noqa: ASYNC110  # the ledger has no event
                await asyncio.sleep(0)
        async with connect() as client:
            report = await client.enrich(people(10))
        return report, sandbox.ledger

    report, ledger = with_store(main, tmp_path, latency_s=0.05)
    assert {result.status for result in report.results} <= {"found", "not_found"}
    assert len(ledger.contacts) == 10
