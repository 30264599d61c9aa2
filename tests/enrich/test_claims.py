"""A bulk run whose store has contacts of others, or fails in between."""

import asyncio

import anyio
import pytest

from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case
from tests.support.stores import FaultyStore, another_client, end_leases, leave_accepted
from tests.support.virtual_sandbox import check_against_ledger, open_world, people

pytestmark = pytest.mark.world(with_store=True)

STATUS = "/enrich/status"


async def test_orphans_whose_status_is_refused_are_pending_and_collected_later(world, store_path):
    await leave_accepted(world, store_path, people(20))
    world.sandbox.add_fault(Fault(STATUS, status=403, body={"detail": "No."}))
    report = await world.client.enrich(people(20))
    assert {one.status for one in report.results} == {"pending"}
    again = await world.client.enrich(people(20))
    check_against_ledger(world, again.results)
    assert {one.status for one in again.results} <= {"found", "not_found"}
    assert world.submits() == 1


@each_case("first_is_fresh", [False, True])
async def test_fresh_shares_a_purchase_that_is_under_way(first_is_fresh, tmp_path):
    async with open_world(store=tmp_path / "store.db") as world:
        async with another_client(world, tmp_path / "store.db") as other:
            first = asyncio.ensure_future(other.enrich(people(20), fresh=first_is_fresh))
            await anyio.sleep(1)
            second = await world.client.enrich(people(20), fresh=not first_is_fresh)
            check_against_ledger(world, [*(await first).results, *second.results])
        assert len(world.ledger.contacts) == 20


async def test_a_run_that_lost_one_of_its_claims_buys_the_others(world, store_path):
    await world.client.enrich(people(1, 99))
    await anyio.sleep(60)
    for _ in range(30):  # for a minute nothing is sent
        await world.client.public.validate_key()
    run = asyncio.ensure_future(world.client.enrich(people(10)))
    await anyio.sleep(1)
    end_leases(store_path)
    async with another_client(world, store_path) as other:
        theirs = asyncio.ensure_future(other.enrich(people(1)))
        check_against_ledger(world, [*(await run).results, *(await theirs).results])
    assert len(world.ledger.contacts) == 11


@each_case("failing", [{"accept"}, {"settle"}, {"release", "intend"}])
async def test_the_next_run_is_not_held_up_by_what_the_store_did_not_take(failing, tmp_path):
    async with open_world(store=FaultyStore(tmp_path / "store.db")) as world:
        store = world.client.store
        await store.open()
        store.failing = failing
        try:
            await world.client.enrich(people(20))
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "StoreUnavailableError"
        store.failing = set()
        again = await world.client.enrich(people(20))
        check_against_ledger(world, again.results)
        assert len(world.ledger.contacts) == 20
