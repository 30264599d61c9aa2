"""A job in a journal whose client has a store: what either has is not bought by the other."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import anyio
import pytest

from cleanlist_async import Store, StoreError
from cleanlist_async.contacts.identity import prepare
from cleanlist_async.enrich.submit_record import Wanted
from cleanlist_async.sandbox import Fault
from cleanlist_async.storage.store.records import Freshness
from tests.job.worlds import SUBMIT, Bench, open_world, people, states
from tests.support.stores import another_client, leave_accepted
from tests.support.virtual_sandbox import check_one_result_each

MANY = people(20)
"""Four chunks of them."""


@pytest.fixture
def world(tmp_path):
    return open_world(workflow_s=20.0, store=tmp_path / "store.db")


def times(world) -> set[int]:
    """How often contacts were bought."""
    return set(world.ledger.times_accepted().values())


async def spent_by_the_store(world) -> float:
    return math.fsum([line.credits or 0.0 async for line in world.client.store.audit()])


async def test_what_the_store_knows_is_not_bought_by_a_job(world, tmp_path):
    first = await world.client.enrich(MANY[3:12])

    bench = Bench(world, tmp_path, MANY)
    report = await bench.run()

    assert report.status.state == "complete"
    assert times(world) == {1}
    by_index = {result.index: result for result in await bench.results()}
    assert [by_index[3 + n].email for n in range(9)] == [result.email for result in first.results]
    assert await spent_by_the_store(world) == world.ledger.credits_charged


@pytest.mark.parametrize("submit_mode", ["plain", "tracked", "exact"])
async def test_what_a_job_has_bought_is_known_to_every_door(world, tmp_path, submit_mode):
    webhook = "https://hooks.example/jobs" if submit_mode == "tracked" else None
    await Bench(world, tmp_path, MANY, submit_mode=submit_mode, webhook_url=webhook).run()
    submits = world.submits()

    report = await world.client.enrich(MANY)
    one = await world.client.enrich_one(MANY[7])

    assert {result.status for result in report.results} <= {"found", "not_found"}
    assert one.email == report.results[7].email
    assert world.submits() == submits
    assert await spent_by_the_store(world) == world.ledger.credits_charged


async def test_a_job_and_a_run_at_once_buy_each_contact_once(world, tmp_path):
    bench = Bench(world, tmp_path, MANY)

    async with another_client(world, Store(tmp_path / "store.db")) as other:
        run = asyncio.ensure_future(other.enrich(MANY[5:15]))
        report = await bench.run()
        results = (await run).results

    assert report.status.state == "complete"
    assert {result.status for result in results} <= {"found", "not_found"}
    assert times(world) == {1}


async def test_a_job_that_waits_for_others_holds_up_nobody(world, tmp_path):
    store = tmp_path / "store.db"
    wanted = Wanted("partial", Freshness(), "enrich")
    held = [prepare(2, MANY[2])]
    async with another_client(world, Store(store)) as holder, another_client(world, Store(store)) as third:
        purchases = holder._runtime.spending.purchases
        await purchases.claim(held, wanted)
        run = asyncio.ensure_future(Bench(world, tmp_path, MANY[:5]).run())
        await anyio.sleep(10)
        results = (await third.enrich([MANY[0], MANY[4]])).results
        assert not run.done()
        await purchases.release(held, "partial")
        report = await run

    assert {result.status for result in results} <= {"found", "not_found"}
    assert report.status.state == "complete"
    assert times(world) == {1}


async def test_a_job_of_which_everything_is_known_spends_nothing_under_any_limit(world, tmp_path):
    await world.client.enrich(MANY)
    submits = world.submits()

    report = await Bench(world, tmp_path, MANY, max_credits=1).run()

    assert (report.status.state, report.status.credits_spent) == ("complete", 0)
    assert world.submits() == submits


async def test_a_workflow_that_nobody_waits_for_is_fetched_for_free(world, tmp_path):
    await leave_accepted(world, Store(tmp_path / "store.db"), MANY[:5])
    submits = world.submits()

    report = await Bench(world, tmp_path, MANY[:5]).run()

    assert report.status.state == "complete"
    assert world.submits() == submits


async def test_contacts_in_doubt_are_kept_back_until_that_is_decided(world, tmp_path):
    world.sandbox.add_fault(Fault(SUBMIT, when="before", reset=True))
    await world.client.enrich(MANY[6:9])
    bench = Bench(world, tmp_path, MANY)

    report = await bench.run()

    assert isinstance(report.stopped_by, StoreError)
    assert "3 contacts of chunk 2 were not sent" in str(report.stopped_by)
    assert states(bench.path) == ["done", "planned", "done", "done"]

    (orphan,) = await world.client.store.orphans()
    await world.client.store.resolve(orphan.submission, absent=True)
    report = await bench.run()
    assert (report.stopped_by, report.status.state) == (None, "complete")
    check_one_result_each(await bench.results(), MANY)
    assert times(world) == {1}


async def test_an_unknown_chunk_is_bought_by_nobody_else_until_it_is_decided(world, tmp_path):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    bench = Bench(world, tmp_path, MANY[:5])
    assert len((await bench.run()).unknown) == 1

    before = await world.client.enrich(MANY[:5])
    async with await bench.open() as job:
        (chunk,) = await job.unknown()
        await job.resolve(chunk.number, accepted=world.ledger.accepted_contacts()[0].workflow_id)
        await job.run()
    after = await world.client.enrich(MANY[:5])

    assert {result.status for result in before.results} == {"unknown"}
    assert {result.status for result in after.results} <= {"found", "not_found"}
    assert times(world) == {1}
    assert await spent_by_the_store(world) == world.ledger.credits_charged
    events = [line.event async for line in world.client.store.audit()]
    assert events == ["reserved", "submit", "unknown", "accepted", "settled"]


async def test_what_a_job_had_under_way_is_fetched_by_whoever_asks_when_its_process_is_gone(world, tmp_path):
    bench = Bench(world, tmp_path, MANY[:10])
    store = Store(tmp_path / "store.db")
    async with another_client(world, store) as first:
        bench.world = replace(world, client=first)
        job = await bench.open()
        run = asyncio.ensure_future(job.run())
        await anyio.sleep(2)
    await asyncio.gather(run, return_exceptions=True)
    await job.aclose()
    submits = world.submits()
    assert submits

    results = (await world.client.enrich(MANY[:10])).results
    bench.world = world
    report = await bench.run()

    assert {result.status for result in results} <= {"found", "not_found"}
    assert report.status.state == "complete"
    assert times(world) == {1}
    assert await spent_by_the_store(world) == world.ledger.credits_charged


async def test_an_unknown_chunk_that_was_not_accepted_is_sent_again(world, tmp_path):
    world.sandbox.add_fault(Fault(SUBMIT, when="before", reset=True))
    bench = Bench(world, tmp_path, MANY[:5])
    await bench.run()

    async with await bench.open() as job:
        await job.resolve((await job.unknown())[0].number, absent=True)
        report = await job.run()

    assert (report.stopped_by, report.status.state) == (None, "complete")
    assert times(world) == {1}


async def test_a_contact_that_is_refused_by_name_is_claimed_no_longer(world, tmp_path):
    named = {"type": "value_error", "loc": ["body", "contacts", 1], "msg": "odd", "input": {}}
    world.sandbox.add_fault(Fault(SUBMIT, status=422, body={"detail": [named]}))
    report = await Bench(world, tmp_path, MANY[:5]).run()
    assert report.status.results["invalid"] == 1

    async with another_client(world, Store(tmp_path / "store.db")) as other:
        with anyio.fail_after(60):
            results = (await other.enrich(MANY[:5])).results

    assert {result.status for result in results} <= {"found", "not_found"}
    assert times(world) == {1}


async def test_contacts_of_a_refused_chunk_may_be_bought_by_others(world, tmp_path):
    world.sandbox.add_fault(Fault(SUBMIT, status=402, body={"detail": "Insufficient credits"}))
    report = await Bench(world, tmp_path, MANY[:5]).run()
    assert report.stopped_by is not None

    results = (await world.client.enrich(MANY[:5])).results

    assert {result.status for result in results} <= {"found", "not_found"}
    assert times(world) == {1}
