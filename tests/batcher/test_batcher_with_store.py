"""With a store, no contact is bought twice by `enrich_one`, whoever asks, when and in which process."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from random import Random

import anyio
import pytest

from cleanlist_async import (
    Budget,
    BudgetExceededError,
    ConfigurationError,
    OverloadedError,
    SpendingPausedError,
    StoreError,
    UnknownOutcomeError,
    WaitTimeoutError,
)
from cleanlist_async.sandbox import Fault
from tests.support.callers import (
    PATIENT_S,
    cancel,
    check_nothing_leaks,
    check_own_results,
    outcomes,
    start,
)
from tests.support.cases import each_case
from tests.support.stores import FaultyStore, another_client, end_leases, make_older
from tests.support.virtual_sandbox import open_world, people

pytestmark = pytest.mark.world(with_store=True)

SUBMIT = "/enrich/bulk"
ONE = people(1)[0]


async def use_up_tokens(here):
    """Leave no token for a minute."""
    await anyio.sleep(60)
    for _ in range(30):
        await here.client.public.validate_key()


async def audited(store):
    return [line async for line in store.audit()]


# -- what was bought is reused -----------------------------------------------------------------------


async def test_a_contact_asked_for_five_times_later_is_bought_once(world):
    first = await world.client.enrich_one(ONE)
    later = [await world.client.enrich_one(ONE) for _ in range(5)]
    check_own_results(world, [ONE] * 6, [first, *later])
    assert [one.credits for one in later] == [0] * 5
    assert (first.bought_at is None, {one.bought_at is None for one in later}) == (True, {False})
    assert len(world.ledger.contacts) == 1
    check_nothing_leaks(world)


async def test_a_call_that_timed_out_is_asked_again_when_its_workflow_is_done(world):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await world.client.enrich_one(ONE)
    await anyio.sleep(60)
    again = await world.client.enrich_one(ONE)
    check_own_results(world, [ONE], [again])
    assert len(world.ledger.contacts) == 1


async def test_callers_of_another_client_and_another_run_get_what_is_there(store_path):
    async with open_world() as world, another_client(world, store_path) as client:
        first = [await client.enrich_one(one) for one in people(3)]
    assert len(world.ledger.contacts) == 3

    async with open_world() as world, another_client(world, store_path) as client:
        again = [await client.enrich_one(one) for one in people(3)]
    assert len(world.ledger.contacts) == 0
    assert [(one.status, one.email) for one in again] == [(one.status, one.email) for one in first]


@pytest.mark.slow
async def test_known_contacts_need_no_token(world):
    await outcomes(start(world, people(300)))
    await use_up_tokens(world)
    began = asyncio.get_running_loop().time()
    got = await outcomes(start(world, people(300)))
    check_own_results(world, people(300), got)
    assert asyncio.get_running_loop().time() == began


@pytest.mark.parametrize("wanted", ["partial", "phone_only"])
@pytest.mark.world(hit_rate=1.0)
async def test_full_serves_the_half_that_is_asked_for(world, wanted):
    full = await world.client.enrich_one(ONE, enrichment_type="full")
    half = await world.client.enrich_one(ONE, enrichment_type=wanted)
    truth = world.sandbox.expected(ONE, wanted)
    assert (half.email, half.phones, half.enrichment_type) == (truth.email, truth.phones, wanted)
    assert (full.status, len(world.ledger.contacts)) == ("found", 1)


async def test_a_half_does_not_serve_full(world):
    await world.client.enrich_one(ONE)
    await world.client.enrich_one(ONE, enrichment_type="full")
    assert len(world.ledger.contacts) == 2


@pytest.mark.parametrize("kind", ["none", "prospecting_only"])
async def test_types_that_no_store_remembers_are_recorded_and_asked_for_anew(world, kind):
    for _ in range(2):
        await world.client.enrich_one(ONE, enrichment_type=kind)
    assert len(world.ledger.contacts) == 2
    lines = Counter(line.event for line in await audited(world.client.store))
    assert lines["submit"] == lines["accepted"] == 2


@pytest.mark.slow
@pytest.mark.world(with_store=True, workflow_s=8.0)
@pytest.mark.parametrize("after_s", [1, 3, 5])
async def test_a_caller_need_not_wait_until_a_running_list_has_tokens_to_spare(world, after_s):
    """The list asks about its workflows last of all: it has submits to make until the end of the minute."""
    for place in (20_000, 30_000, 40_000):  # a client that has run for a while
        await world.client.enrich(people(3, place))
    await anyio.sleep(60)
    everybody, asked = people(5_000), world.status_requests()
    async with anyio.create_task_group() as group:
        group.start_soon(world.client.enrich, everybody)
        await anyio.sleep(after_s)
        given = [everybody[place] for place in (100, 1_500, 4_900)]
        results = await asyncio.gather(*(world.client.enrich_one(one, deadline_s=20) for one in given))
        check_own_results(world, given, results)
        assert world.status_requests() - asked < 10  # the list still waits for most of its workflows
        group.cancel_scope.cancel()
    assert not world.ledger.duplicates()


# -- how new it must be ------------------------------------------------------------------------------


async def test_fresh_buys_anew_what_is_known(world):
    await world.client.enrich_one(ONE)
    anew = await world.client.enrich_one(ONE, fresh=True)
    assert (anew.bought_at, len(world.ledger.contacts)) == (None, 2)


@each_case("first_is_fresh", [False, True])
async def test_fresh_shares_a_purchase_that_is_under_way(first_is_fresh, tmp_path):
    async with open_world(store=tmp_path / "store.db") as world:
        async with another_client(world, tmp_path / "store.db") as other:
            tasks = start(world, [ONE] * 2, fresh=first_is_fresh)
            await anyio.sleep(1)
            tasks += start(world, [ONE], fresh=not first_is_fresh)
            tasks.append(asyncio.ensure_future(other.enrich_one(ONE, fresh=not first_is_fresh)))
            check_own_results(world, [ONE] * 4, await outcomes(tasks))
        assert len(world.ledger.contacts) == 1


async def test_fresh_and_other_callers_at_once_share_one_purchase(world):
    tasks = [*start(world, people(20)), *start(world, people(20), fresh=True)]
    check_own_results(world, people(20) * 2, await outcomes(tasks))
    assert len(world.ledger.contacts) == 20


async def test_max_age_s_says_how_old_a_result_may_be(world, store_path):
    await world.client.enrich_one(ONE)
    make_older(store_path, 3_600)
    assert (await world.client.enrich_one(ONE, max_age_s=3_700)).bought_at is not None
    assert (await world.client.enrich_one(ONE, max_age_s=3_500)).bought_at is None
    assert len(world.ledger.contacts) == 2


@pytest.mark.parametrize(("hit_rate", "bought"), [(1.0, 1), (0.0, 2)])
async def test_what_was_not_found_is_looked_for_again_after_30_days(store_path, hit_rate, bought):
    async with open_world(store=store_path, hit_rate=hit_rate) as world:
        await world.client.enrich_one(ONE)
        make_older(store_path, 31 * 86_400)
        await world.client.enrich_one(ONE)
        assert len(world.ledger.contacts) == bought


# -- callers who leave, clients that close -----------------------------------------------------------


@pytest.mark.slow
async def test_callers_who_hang_up_and_come_back_to_any_of_four_clients_buy_nothing_twice(world, store_path):
    rng, contacts = Random(4), people(400)

    async def call(contact):
        await anyio.sleep(rng.uniform(0, 10))
        with anyio.move_on_after(rng.uniform(0, 8)):
            return await rng.choice(clients).enrich_one(contact, deadline_s=PATIENT_S)
        await anyio.sleep(rng.uniform(0, 10))
        return await rng.choice(clients).enrich_one(contact, deadline_s=PATIENT_S)

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(another_client(world, store_path)) for _ in range(4)]
        got = await outcomes([asyncio.ensure_future(call(contact)) for contact in contacts])
    check_own_results(world, contacts, got)
    assert len(world.ledger.contacts) == 400


@pytest.mark.slow
async def test_four_clients_and_a_thousand_callers_for_200_contacts_make_200_purchases(world, store_path):
    rng, wanted = Random(5), people(200) * 5
    rng.shuffle(wanted)

    async def call(contact):
        await anyio.sleep(rng.uniform(0, 6))
        return await rng.choice(clients).enrich_one(contact, deadline_s=PATIENT_S)

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(another_client(world, store_path)) for _ in range(4)]
        got = await outcomes([asyncio.ensure_future(call(contact)) for contact in wanted])
    check_own_results(world, wanted, got)
    assert len(world.ledger.contacts) == 200


@each_case("at_s", [0.12, 0.3, 3.0])
async def test_what_callers_of_a_closed_client_waited_for_is_collected_for_free(at_s, tmp_path):
    async with open_world(store=tmp_path / "store.db", hit_rate=1.0) as world:
        contacts = people(5)
        tasks = start(world, contacts)
        await anyio.sleep(at_s)
        await world.client.aclose()
        assert {type(one) for one in await outcomes(tasks)} == {ConfigurationError}
        async with another_client(world, tmp_path / "store.db") as other:
            got = [await other.enrich_one(contact) for contact in contacts]
        check_own_results(world, contacts, got)
        assert {one.status for one in got} == {"found"}
        assert len(world.ledger.contacts) == 5


async def test_a_client_that_is_closed_when_its_claim_is_answered_ends_quietly(store_path):
    class ClosingStore(FaultyStore):
        closing = None

        async def run(self, operation, *, commit_unless=None):
            is_claim = operation.gi_code.co_name == "_claim"
            value = await super().run(operation, commit_unless=commit_unless)
            if is_claim:
                self.closing = asyncio.ensure_future(self.close_client())
                await asyncio.sleep(0)
            return value

    async with open_world(store=ClosingStore(store_path)) as world:
        store = world.client.store
        store.close_client = world.client.aclose
        async with another_client(world, store_path) as other:
            theirs = asyncio.ensure_future(other.enrich_one(ONE))
            await anyio.sleep(1)
            await world.client.public.validate_key()
            root = world.client._runtime.shared.root._task
            with pytest.raises(ConfigurationError, match="closed"):
                await world.client.enrich_one(ONE)
            await store.closing
            assert root.exception() is None
            check_own_results(world, [ONE], [await theirs])


async def test_a_claim_that_nobody_waits_for_is_given_back(world, store_path):
    await world.client.enrich_one(people(1, 1)[0])
    await use_up_tokens(world)
    tasks = start(world, [ONE])
    await anyio.sleep(1)
    async with another_client(world, store_path) as other:
        waiting = asyncio.ensure_future(other.enrich_one(ONE, deadline_s=PATIENT_S))
        await anyio.sleep(1)
        await cancel(*tasks)
        check_own_results(world, [ONE], [await waiting])
    assert len(world.ledger.contacts) == 2
    check_nothing_leaks(world)


async def test_a_deadline_while_another_client_buys_says_so(world, store_path):
    async with another_client(world, store_path) as other:
        buying = asyncio.ensure_future(other.enrich_one(ONE))
        await anyio.sleep(1)
        with pytest.raises(WaitTimeoutError) as caught:
            await world.client.enrich_one(ONE, deadline_s=2)
        pending = (await world.client.collect([caught.value.pending])).results[0]
        assert (caught.value.billed, pending.email) == ("unknown", (await buying).email)


# -- what becomes of a submit ------------------------------------------------------------------------


async def test_an_unknown_outcome_is_never_bought_again_until_it_is_decided(world):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    for _ in range(3):
        with pytest.raises(UnknownOutcomeError):
            await world.client.enrich_one(ONE)
    assert world.submits() == 1
    (doubtful,) = await world.client.store.orphans()
    await world.client.store.resolve(
        doubtful.submission, workflow_id=world.ledger.contacts[0].workflow_id, actor="Ada"
    )
    check_own_results(world, [ONE], [await world.client.enrich_one(ONE)])
    assert world.submits() == 1


async def test_fresh_buys_what_is_doubtful_knowingly(world):
    world.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
    await outcomes(start(world, [ONE]))
    assert (await world.client.enrich_one(ONE, fresh=True)).bought_at is None
    assert world.submits() == 2


@each_case(
    "fault",
    [
        Fault(SUBMIT, status=429, headers=[("Retry-After", "3")]),
        Fault(SUBMIT, status=413, body={"detail": "Too large."}),
        Fault(SUBMIT, status=402, body={"detail": "No credits."}),
        Fault(
            SUBMIT,
            status=422,
            body={"detail": [{"loc": ["body", "contacts", 1], "msg": "no", "type": "value_error"}]},
        ),
        Fault(SUBMIT, when="before", reset=True),
    ],
)
async def test_a_refused_contact_is_free_for_the_next_caller(fault, tmp_path):
    async with open_world(store=tmp_path / "store.db") as world:
        world.sandbox.add_fault(fault)
        got = await outcomes(start(world, people(4)))
        unknown = [one for one in got if isinstance(one, UnknownOutcomeError)]
        async with another_client(world, tmp_path / "store.db") as other:
            for contact in people(0 if unknown else 4):
                assert (await other.enrich_one(contact)).status in {"found", "not_found"}
        assert not world.ledger.duplicates()
        assert (await world.client.store.counts()).under_way == len(unknown)
        check_nothing_leaks(world)


async def test_claims_that_another_client_took_over_are_not_sent(world, store_path):
    await world.client.enrich_one(people(1, 9)[0])
    await use_up_tokens(world)
    tasks = start(world, people(3))
    await anyio.sleep(1)
    end_leases(store_path)  # as if this process had stood still
    async with another_client(world, store_path) as other:
        theirs = asyncio.ensure_future(other.enrich_one(ONE, deadline_s=PATIENT_S))
        got = await outcomes([*tasks, theirs])
    check_own_results(world, [*people(3), ONE], got)
    assert len(world.ledger.contacts) == 4
    check_nothing_leaks(world)


@pytest.mark.world(client_options={"max_queued": 2})
async def test_a_caller_that_is_refused_for_overload_holds_no_claim(world, store_path):
    await use_up_tokens(world)
    got = await outcomes(start(world, people(5)))
    refused = [number for number, one in enumerate(got) if isinstance(one, OverloadedError)]
    assert refused == [2, 3, 4]
    async with another_client(world, store_path) as other:
        for number in refused:
            assert (await other.enrich_one(people(1, number)[0], deadline_s=PATIENT_S)).status != "failed"
    assert not world.ledger.duplicates()
    check_nothing_leaks(world)


async def test_the_audit_trail_adds_up_to_the_ledger(world):
    await outcomes(start(world, people(300)))
    await outcomes(start(world, people(350)))
    lines = await audited(world.client.store)
    assert sum(line.credits or 0 for line in lines) == world.ledger.credits_charged
    assert sum(line.contacts or 0 for line in lines if line.event == "settled") == 350


# -- a budget ----------------------------------------------------------------------------------------


@pytest.mark.world(hit_rate=1.0)
async def test_of_callers_that_share_a_request_so_many_are_served_as_the_budget_covers(world):
    await world.client.budget.set(Budget(per_day=3))
    got = await outcomes(start(world, people(5)))
    check_own_results(world, people(3), got[:3])
    assert [(type(one), one.billed) for one in got[3:]] == 2 * [(BudgetExceededError, "no")]
    assert len({id(one) for one in got[3:]}) == 2
    assert world.ledger.credits_charged == (await world.client.budget.show()).day.committed == 3
    await world.client.budget.set(Budget())
    check_own_results(world, people(5), await outcomes(start(world, people(5))))
    assert world.ledger.credits_charged == 5
    check_nothing_leaks(world)


async def test_a_pause_refuses_callers_and_leaves_their_contacts_to_the_next(world, store_path):
    await world.client.budget.pause("stop")
    got = await outcomes(start(world, people(3)))
    assert {type(one) for one in got} == {SpendingPausedError}
    async with another_client(world, store_path) as other:
        await other.budget.resume()
        assert (await other.enrich_one(ONE, deadline_s=PATIENT_S)).status != "pending"
    check_nothing_leaks(world)


# -- a store that fails ------------------------------------------------------------------------------


@each_case("failing", ["claim", "intend"])
async def test_nothing_is_sent_where_the_store_fails_before_the_submit(failing, tmp_path):
    async with open_world(store=FaultyStore(tmp_path / "store.db")) as world:
        store = world.client.store
        store.failing = {failing, "release", "close"}
        got = await outcomes(start(world, people(3)))
        assert {(type(one).__base__, one.billed) for one in got} == {(StoreError, "no")}
        assert len({id(one) for one in got}) == 3
        assert world.submits() == 0
        store.failing = set()
        async with another_client(world, tmp_path / "store.db") as other:
            theirs = asyncio.ensure_future(other.enrich_one(ONE, deadline_s=PATIENT_S))
            check_own_results(world, people(3), await outcomes(start(world, people(3))))
            check_own_results(world, [ONE], [await theirs])
        assert len(world.ledger.contacts) == 3
        check_nothing_leaks(world)


@each_case("failing", [{"accept"}, {"settle"}, {"accept", "settle"}])
async def test_results_come_also_where_the_store_fails_after_the_answer(failing, tmp_path):
    async with open_world(store=FaultyStore(tmp_path / "store.db")) as world:
        store = world.client.store
        await store.open()
        store.failing = failing
        got = await outcomes(start(world, people(3)))
        check_own_results(world, people(3), got)
        store.failing = set()
        again = await outcomes(start(world, people(3)))
        check_own_results(world, people(3), again)
        assert {one.credits for one in again} == {0}
        assert len(world.ledger.contacts) == 3


async def test_claims_are_given_back_once_the_store_is_there_again_also_if_nobody_calls(store_path):
    async with open_world(store=FaultyStore(store_path)) as world:
        store = world.client.store
        store.failing = {"intend", "release", "close"}
        await outcomes(start(world, [ONE]))
        store.failing = set()
        await anyio.sleep(30)
        async with another_client(world, store_path) as other:
            check_own_results(world, [ONE], [await other.enrich_one(ONE, deadline_s=10)])


# -- at scale ----------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_ten_thousand_callers_cost_42_submits_at_most(world):
    contacts = people(10_000)
    got = await outcomes(start(world, contacts))
    check_own_results(world, contacts, got)
    assert len(world.ledger.contacts) == 10_000
    assert world.submits() <= 42
    check_nothing_leaks(world)
