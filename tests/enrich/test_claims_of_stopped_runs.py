"""Runs that stop, or wait for each other: what they claimed and did not send is free for everybody else."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from cleanlist_async import ConfigurationError, InsufficientCreditsError, StoreError
from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case
from tests.support.stores import FaultyStore, another_client, leave_accepted
from tests.support.virtual_sandbox import check_against_ledger, open_world, people

pytestmark = pytest.mark.world(with_store=True)

SUBMIT = "/enrich/bulk"
STATUS = "/enrich/status"
VALIDATE = "/auth/validate-key"
NO_CREDITS = {"when": "before", "status": 402, "body": {"detail": "no credits"}}


async def test_two_runs_that_stop_do_not_wait_for_what_the_other_did_not_send(world):
    world.sandbox.add_fault(Fault(SUBMIT, times=100, **NO_CREDITS))
    runs = [world.client.enrich(people(500)), world.client.enrich(people(500)[::-1])]
    ended = await asyncio.gather(*runs, return_exceptions=True)
    assert {type(one) for one in ended} == {InsufficientCreditsError}


@each_case("is_known", [False, True])
async def test_what_dedupe_off_was_refused_holds_nobody_up(is_known, tmp_path):
    async with open_world(store=tmp_path / "store.db") as world:
        if is_known:
            await world.client.enrich(people(20))
        world.sandbox.add_fault(Fault(SUBMIT, **NO_CREDITS))
        with pytest.raises(InsufficientCreditsError):
            await world.client.enrich(people(20), dedupe="off")
        report = await world.client.enrich(people(20))
        check_against_ledger(world, report.results)
        assert len(world.ledger.contacts) == 20


async def test_what_may_have_been_bought_stays_so_where_fresh_was_refused(world):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    await world.client.enrich(people(20))
    world.sandbox.add_fault(Fault(SUBMIT, **NO_CREDITS))
    with pytest.raises(InsufficientCreditsError):
        await world.client.enrich(people(20), fresh=True)
    report = await world.client.enrich(people(20))
    assert {result.status for result in report.results} == {"unknown"}
    assert len(world.ledger.contacts) == 20


async def test_what_others_are_buying_stays_theirs_where_dedupe_off_was_refused(world, store_path):
    async with another_client(world, store_path) as other:
        theirs = asyncio.ensure_future(other.enrich(people(20)))
        await anyio.sleep(1)
        world.sandbox.add_fault(Fault(SUBMIT, **NO_CREDITS))
        with pytest.raises(InsufficientCreditsError):
            await world.client.enrich(people(20), dedupe="off")
        await theirs
    report = await world.client.enrich(people(20))
    check_against_ledger(world, report.results)
    assert not report.pending


async def test_workflows_that_were_taken_over_by_a_claim_without_an_answer_are_fetched_by_the_next(
    store_path,
):
    async with open_world(store=FaultyStore(store_path)) as world:
        await leave_accepted(world, store_path, people(20))
        store = world.client.store
        store.losing = {"claim"}
        with pytest.raises(StoreError):
            await world.client.enrich(people(20))
        store.losing = set()
        report = await world.client.enrich(people(20))
        check_against_ledger(world, report.results)
        assert world.submits() == 1
        assert not report.pending


async def test_workflows_that_were_taken_over_by_a_run_cancelled_meanwhile_are_fetched_by_the_next(
    store_path,
):
    class StoreWithHook(FaultyStore):
        def after_claim(self):
            pass

        async def run(self, operation, *, commit_unless=None):
            is_claim = operation.gi_code.co_name == "_claim"
            value = await super().run(operation, commit_unless=commit_unless)
            if is_claim:
                self.after_claim()
                await anyio.lowlevel.checkpoint()
            return value

    async with open_world(store=StoreWithHook(store_path)) as world:
        await leave_accepted(world, store_path, people(20))
        with anyio.CancelScope() as scope:
            world.client.store.after_claim = scope.cancel
            await world.client.enrich(people(20))
        world.client.store.after_claim = lambda: None
        report = await world.client.enrich(people(20))
        check_against_ledger(world, report.results)
        assert (scope.cancelled_caught, world.submits()) == (True, 1)
        assert not report.pending


@pytest.mark.slow
async def test_streams_that_are_read_in_turn_do_not_wait_for_each_other(world):
    known, new = people(2_500), people(100, start=5_000)

    await world.client.enrich(known)
    async with world.client.stream([*new, *known]) as later:
        await anyio.sleep(1)  # it has claimed the new ones, and reads no further than its consumer
        async with world.client.stream(new[::-1]) as first:
            results = [one async for one in first]
        results += [one async for one in later]
    check_against_ledger(world, results)
    assert len(world.ledger.contacts) == 2_600


@pytest.mark.slow
async def test_a_source_that_falls_silent_holds_nobody_up(world):
    known, new = people(200), people(100, start=5_000)

    await world.client.enrich(known)
    heard = asyncio.Event()

    async def source():
        for contact in [*new, *known]:
            yield contact
        await heard.wait()

    async with world.client.stream(source()) as stream:
        await anyio.sleep(1)
        report = await world.client.enrich(new)
        heard.set()
        results = [one async for one in stream]
    check_against_ledger(world, [*report.results, *results])
    assert len(world.ledger.contacts) == len(results) == 300


async def test_clients_of_one_key_buy_once_also_where_one_knows_its_organization_and_one_does_not(
    world, store_path
):
    world.sandbox.add_fault(Fault(VALIDATE, status=503, body={"detail": "Not now."}, times=2))
    async with another_client(world, store_path) as nameless, another_client(world, store_path) as named:
        await nameless.enrich(people(1))
        await named.enrich(people(1, start=1))
        reports = await asyncio.gather(nameless.enrich(people(3)), named.enrich(people(3)[::-1]))
    check_against_ledger(world, [one for report in reports for one in report.results])
    assert len(world.ledger.contacts) == 3


async def test_a_workflow_that_another_key_does_not_see_is_left_to_the_key_that_started_it(store_path):
    one, other = keys = ["clapi_one_0123456789abcdef", "clapi_other_0123456789abcdef"]

    async with open_world(store=store_path, api_keys=keys) as world:
        await leave_accepted(world, store_path, people(5), keys=[one])
        world.sandbox.add_fault(Fault(STATUS, status=404, body={"detail": "no results for ada@c0.example"}))
        async with another_client(world, store_path, keys=[other]) as client:
            assert {result.status for result in (await client.enrich(people(5))).results} == {"pending"}
        async with another_client(world, store_path, keys=[one]) as client:
            report = await client.enrich(people(5))
            check_against_ledger(world, report.results)
            assert "ada@" not in repr([line async for line in client.store.audit()])
        assert not report.pending
        assert world.submits() == 1


async def test_a_workflow_that_is_gone_is_told_to_the_audit_trail_without_the_words_of_the_server(
    world, store_path
):
    await leave_accepted(world, store_path, people(5))
    world.sandbox.add_fault(Fault(STATUS, status=404, body={"detail": "no results for ada@c0.example"}))
    assert {result.status for result in (await world.client.enrich(people(5))).results} == {"unknown"}
    trail = [line async for line in world.client.store.audit()]
    assert (trail[-1].event, trail[-1].reason) == ("lost", "NotFoundError")


@each_case("door", ["enrich", "enrich_one"])
async def test_a_store_that_takes_longer_than_a_request_may_leaves_no_doubt(door, tmp_path):
    class SlowStore(FaultyStore):
        is_slow = True

        async def run(self, operation, *, commit_unless=None):
            value = await super().run(operation, commit_unless=commit_unless)
            if self.is_slow and operation.gi_code.co_name == "intend":
                self.is_slow = False
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(90)
            return value

    async with open_world(store=SlowStore(tmp_path / "store.db")) as world:
        if door == "enrich":
            results = (await world.client.enrich(people(1))).results
        else:
            results = [await world.client.enrich_one(people(1)[0], deadline_s=600)]
        check_against_ledger(world, results)
        assert results[0].status in {"found", "not_found"}


async def test_a_lease_that_cannot_be_prolonged_for_whatever_reason_ends_no_client(store_path):
    class StoreOfTheOtherUser(FaultyStore):
        is_refused = False

        async def run(self, operation, *, commit_unless=None):
            if self.is_refused and operation.gi_code.co_name == "renew":
                operation.close()
                raise ConfigurationError("The store is not for that user.")
            return await super().run(operation, commit_unless=commit_unless)

    async with open_world(store=StoreOfTheOtherUser(store_path)) as world:
        await world.client.enrich(people(1))
        world.client.store.is_refused = True
        await anyio.sleep(60)
        report = await world.client.enrich(people(2))
        check_against_ledger(world, report.results)


async def test_what_an_earlier_run_bought_stays_pending_where_the_next_one_stops_too(world, store_path):
    await leave_accepted(world, store_path, people(20))
    (workflow_id,) = {accepted.workflow_id for accepted in world.ledger.contacts}
    run = asyncio.ensure_future(world.client.enrich(people(25)))
    await anyio.sleep(1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    left = world.client.abandoned
    pending = [result for result in left if result.workflow_id == workflow_id]
    assert [result.status for result in pending] == ["pending"] * 20
    assert all(result.task_id for result in pending)
    report = await world.client.collect(left)
    assert not report.pending
    check_against_ledger(world, (await world.client.enrich(people(25))).results)


async def test_what_another_run_is_buying_is_pending_where_this_one_stops(world, store_path):
    async with another_client(world, store_path) as other:
        theirs = asyncio.ensure_future(other.enrich(people(20)))
        await anyio.sleep(2)
        report = await world.client.with_options(deadline_s=1).enrich(people(20))
        assert {result.status for result in report.results} == {"pending"}
        await theirs
    collected = await world.client.collect(report.pending)
    assert not collected.pending
