"""Callers whose batches are pushed: what they cost in status requests, and batches whose answer was lost."""

import math
from random import Random

import anyio
import pytest

from cleanlist_async import UnknownOutcomeError
from cleanlist_async.sandbox import Fault
from tests.support.callers import check_nothing_leaks, check_own_results, outcomes, start
from tests.support.virtual_sandbox import people
from tests.webhooks.couriers import world_with_webhooks

SUBMIT, STATUS = "/enrich/bulk", "/enrich/status"


@pytest.mark.slow
@pytest.mark.parametrize("median_s", [2.0, 20.0])
async def test_ten_thousand_callers_cost_42_submits_and_4_status_requests_at_most(median_s):
    rng = Random(1)
    async with world_with_webhooks(
        workflow_s=lambda _: rng.lognormvariate(math.log(median_s), 0.5), credits=1e6
    ) as (world, receiver, _):
        contacts = people(10_000)
        got = await outcomes(start(world, contacts))
        check_own_results(world, contacts, got)
        assert {one.status for one in got} == {"found", "not_found"}
        assert len(world.ledger.contacts) == 10_000
        assert world.submits() <= 42
        assert world.status_requests() <= 4
        assert world.ledger.count(429) == 0
        assert receiver.statistics().believed == world.submits()
        check_nothing_leaks(world)
        assert not receiver._open


async def test_callers_have_their_answer_as_soon_as_the_push_comes():
    async with world_with_webhooks(workflow_s=5.0, latency=lambda: 0.05) as (world, *_):
        for number in range(3):
            started = anyio.current_time()
            await world.client.enrich_one(people(1, number)[0])
            assert anyio.current_time() - started < 5.5
        assert world.status_requests() == 0


async def test_a_batch_whose_answer_was_lost_is_found_by_its_webhook():
    async with world_with_webhooks(workflow_s=5.0) as (world, receiver, _):
        world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        contacts = people(40)
        got = await outcomes(start(world, contacts))
        check_own_results(world, contacts, got)
        assert {one.status for one in got} == {"found", "not_found"}
        assert world.submits() == 1
        assert not world.ledger.duplicates()
        statistics = world.client.statistics()
        assert statistics.credits_charged + statistics.credits_estimated == world.ledger.credits_charged
        check_nothing_leaks(world)
        assert not receiver._open


async def test_a_lost_batch_that_was_never_processed_is_unknown_to_its_callers():
    async with world_with_webhooks(workflow_s=5.0) as (world, receiver, _):
        world.sandbox.add_fault(Fault(SUBMIT, reset=True))
        [error] = await outcomes(start(world, people(1)))
        assert isinstance(error, UnknownOutcomeError)
        assert error.billed == "unknown"
        assert world.submits() == 1
        assert not world.ledger.contacts
        check_nothing_leaks(world)
        assert not receiver._open


async def test_a_workflow_that_cannot_be_confirmed_is_logged_without_the_server_s_words(caplog):
    async with world_with_webhooks() as (world, *_):
        world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        world.sandbox.add_fault(Fault(STATUS, status=403, body={"detail": "not Ada0 Lovelace0"}))
        [error] = await outcomes(start(world, people(1)))
        assert isinstance(error, UnknownOutcomeError)
    assert "cannot be confirmed: PermissionDeniedError" in caplog.text
    assert "Lovelace0" not in caplog.text
