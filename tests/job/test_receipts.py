"""Receipts: one for each contact, and together what the server charged."""

from collections import Counter
from itertools import product

import pytest

from cleanlist_async.sandbox import Fault, Shape
from tests.job.worlds import SUBMIT, Bench, mixed, open_world, people, states, total
from tests.support.cases import each_case
from tests.support.examples import some

READINGS = ("each", "full")
BOTH_READINGS = pytest.mark.parametrize("half_full_price", READINGS)
PRICE = {"partial": 1, "phone_only": 10, "full": 11}


@pytest.mark.scaled
@each_case(("half_full_price", "kind", "mode"), some(product(READINGS, PRICE, ["plain", "exact"])))
async def test_receipts_come_to_what_the_server_took(half_full_price, kind, mode, tmp_path):
    async with open_world(half_full_price=half_full_price) as world:
        reading = {"half_full_price": half_full_price} if mode == "plain" else {}
        options = {"enrichment_type": kind, "submit_mode": mode, **reading}
        bench = Bench(world, tmp_path, mixed(60), chunk=10, **options)
        await bench.run()
        async with await bench.open() as job:
            receipts = [receipt async for receipt in job.receipts()]
            assert await total(job) == world.ledger.credits_charged
            assert (await job.status()).credits_spent == await total(job)
        assert [receipt.place for receipt in receipts] == list(range(60))
        assert [receipt.key for receipt in receipts] == [contact.key for contact in bench.contacts]
        rules = Counter(receipt.rule for receipt in receipts)
        assert rules["duplicate"] == 6
        assert all(receipt.workflow_id for receipt in receipts if receipt.status in {"found", "not_found"})
        assert sum(receipt.status == "invalid" for receipt in receipts) == 6
        bench.check(unknown_at_most=0)


async def test_receipts_of_an_unfinished_job_name_the_state_and_cost_nothing(world, tmp_path):
    bench = Bench(world, tmp_path, people(15))
    world.sandbox.add_fault(Fault(SUBMIT, status=402, nth=2))
    await bench.run()
    async with await bench.open() as job:
        found = [(receipt.status, receipt.rule) async for receipt in job.receipts()][5:]
    assert found == [("planned", "none")] * 10


@pytest.mark.world(shape=Shape(failed_workflows=1.0))
async def test_a_failed_workflow_costs_nothing_and_is_reported(world, tmp_path):
    bench = Bench(world, tmp_path, people(10))
    results = await bench.results()
    assert {result.status for result in results} == {"failed"}
    assert states(bench.path) == ["remote_failed"] * 2
    async with await bench.open() as job:
        assert await total(job) == world.ledger.credits_charged == 0
    bench.check(unknown_at_most=0)
