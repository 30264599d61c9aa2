"""With a store, no contact is bought twice by `enrich_one`, whoever asks, when and in which process."""

from __future__ import annotations

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
from tests.support.virtual_sandbox import in_world, people

SUBMIT = "/enrich/bulk"
ONE = people(1)[0]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


def with_store(path, main, **options):
    """Run *main* in a world whose client has a store in *path*."""
    client_options = {"store": path, **options.pop("client_options", {})}
    return in_world(main, client_options=client_options, **options)


async def use_up_tokens(here):
    """Leave no token for a minute."""
    await anyio.sleep(60)
    for _ in range(30):
        await here.client.public.validate_key()


async def audited(store):
    return [line async for line in store.audit()]


# -- what was bought is reused -----------------------------------------------------------------------


def test_a_contact_asked_for_five_times_later_is_bought_once(path):
    async def main(here):
        first = await here.client.enrich_one(ONE)
        later = [await here.client.enrich_one(ONE) for _ in range(5)]
        check_own_results(here, [ONE] * 6, [first, *later])
        assert [one.credits for one in later] == [0] * 5
        assert (first.bought_at is None, {one.bought_at is None for one in later}) == (True, {False})
        assert len(here.ledger.contacts) == 1
        check_nothing_leaks(here)

    with_store(path, main)


def test_a_call_that_timed_out_is_asked_again_when_its_workflow_is_done(path):
    async def main(here):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await here.client.enrich_one(ONE)
        await anyio.sleep(60)
        again = await here.client.enrich_one(ONE)
        check_own_results(here, [ONE], [again])
        assert len(here.ledger.contacts) == 1

    with_store(path, main)


def test_callers_of_another_client_and_another_run_get_what_is_there(path):
    async def main(here):
        async with another_client(here, path) as other:
            got = [await other.enrich_one(one) for one in people(3)]
        return got, len(here.ledger.contacts)

    first, bought = with_store(path, main)
    assert bought == 3
    again, bought = with_store(path, main)
    assert bought == 0
    assert [(one.status, one.email) for one in again] == [(one.status, one.email) for one in first]


def test_known_contacts_need_no_token(path):
    async def main(here):
        await outcomes(start(here, people(300)))
        await use_up_tokens(here)
        began = asyncio.get_running_loop().time()
        got = await outcomes(start(here, people(300)))
        check_own_results(here, people(300), got)
        assert asyncio.get_running_loop().time() == began

    with_store(path, main)


@pytest.mark.parametrize("wanted", ["partial", "phone_only"])
def test_full_serves_the_half_that_is_asked_for(path, wanted):
    async def main(here):
        full = await here.client.enrich_one(ONE, enrichment_type="full")
        half = await here.client.enrich_one(ONE, enrichment_type=wanted)
        truth = here.sandbox.expected(ONE, wanted)
        assert (half.email, half.phones, half.enrichment_type) == (truth.email, truth.phones, wanted)
        assert (full.status, len(here.ledger.contacts)) == ("found", 1)

    with_store(path, main, hit_rate=1.0)


def test_a_half_does_not_serve_full(path):
    async def main(here):
        await here.client.enrich_one(ONE)
        await here.client.enrich_one(ONE, enrichment_type="full")
        assert len(here.ledger.contacts) == 2

    with_store(path, main)


@pytest.mark.parametrize("kind", ["none", "prospecting_only"])
def test_types_that_no_store_remembers_are_recorded_and_asked_for_anew(path, kind):
    async def main(here):
        for _ in range(2):
            await here.client.enrich_one(ONE, enrichment_type=kind)
        assert len(here.ledger.contacts) == 2
        lines = Counter(line.event for line in await audited(here.client.store))
        assert lines["submit"] == lines["accepted"] == 2

    with_store(path, main)


# -- how new it must be ------------------------------------------------------------------------------


def test_fresh_buys_anew_what_is_known(path):
    async def main(here):
        await here.client.enrich_one(ONE)
        anew = await here.client.enrich_one(ONE, fresh=True)
        assert (anew.bought_at, len(here.ledger.contacts)) == (None, 2)

    with_store(path, main)


@each_case("first_is_fresh", [False, True])
def test_fresh_shares_a_purchase_that_is_under_way(first_is_fresh, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store.db"

    async def main(here):
        async with another_client(here, path) as other:
            tasks = start(here, [ONE] * 2, fresh=first_is_fresh)
            await anyio.sleep(1)
            tasks += start(here, [ONE], fresh=not first_is_fresh)
            tasks.append(asyncio.ensure_future(other.enrich_one(ONE, fresh=not first_is_fresh)))
            check_own_results(here, [ONE] * 4, await outcomes(tasks))
        assert len(here.ledger.contacts) == 1

    with_store(path, main)


def test_fresh_and_other_callers_at_once_share_one_purchase(path):
    async def main(here):
        tasks = [*start(here, people(20)), *start(here, people(20), fresh=True)]
        check_own_results(here, people(20) * 2, await outcomes(tasks))
        assert len(here.ledger.contacts) == 20

    with_store(path, main)


def test_max_age_s_says_how_old_a_result_may_be(path):
    async def main(here):
        await here.client.enrich_one(ONE)
        make_older(path, 3_600)
        assert (await here.client.enrich_one(ONE, max_age_s=3_700)).bought_at is not None
        assert (await here.client.enrich_one(ONE, max_age_s=3_500)).bought_at is None
        assert len(here.ledger.contacts) == 2

    with_store(path, main)


@pytest.mark.parametrize(("hit_rate", "bought"), [(1.0, 1), (0.0, 2)])
def test_what_was_not_found_is_looked_for_again_after_30_days(path, hit_rate, bought):
    async def main(here):
        await here.client.enrich_one(ONE)
        make_older(path, 31 * 86_400)
        await here.client.enrich_one(ONE)
        assert len(here.ledger.contacts) == bought

    with_store(path, main, hit_rate=hit_rate)


# -- callers who leave, clients that close -----------------------------------------------------------


@pytest.mark.slow
def test_callers_who_hang_up_and_come_back_to_any_of_four_clients_buy_nothing_twice(path):
    async def main(here):
        rng, contacts = Random(4), people(400)

        async def call(contact):
            await anyio.sleep(rng.uniform(0, 10))
            with anyio.move_on_after(rng.uniform(0, 8)):
                return await rng.choice(clients).enrich_one(contact, deadline_s=PATIENT_S)
            await anyio.sleep(rng.uniform(0, 10))
            return await rng.choice(clients).enrich_one(contact, deadline_s=PATIENT_S)

        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(another_client(here, path)) for _ in range(4)]
            got = await outcomes([asyncio.ensure_future(call(contact)) for contact in contacts])
        check_own_results(here, contacts, got)
        assert len(here.ledger.contacts) == 400

    with_store(path, main)


@pytest.mark.slow
def test_four_clients_and_a_thousand_callers_for_200_contacts_make_200_purchases(path):
    async def main(here):
        rng, wanted = Random(5), people(200) * 5
        rng.shuffle(wanted)

        async def call(contact):
            await anyio.sleep(rng.uniform(0, 6))
            return await rng.choice(clients).enrich_one(contact, deadline_s=PATIENT_S)

        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(another_client(here, path)) for _ in range(4)]
            got = await outcomes([asyncio.ensure_future(call(contact)) for contact in wanted])
        check_own_results(here, wanted, got)
        assert len(here.ledger.contacts) == 200

    with_store(path, main)


@each_case("at_s", [0.12, 0.3, 3.0])
def test_what_callers_of_a_closed_client_waited_for_is_collected_for_free(at_s, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store.db"

    async def main(here):
        contacts = people(5)
        tasks = start(here, contacts)
        await anyio.sleep(at_s)
        await here.client.aclose()
        assert {type(one) for one in await outcomes(tasks)} == {ConfigurationError}
        async with another_client(here, path) as other:
            got = [await other.enrich_one(contact) for contact in contacts]
        check_own_results(here, contacts, got)
        assert {one.status for one in got} == {"found"}
        assert len(here.ledger.contacts) == 5

    with_store(path, main, hit_rate=1.0)


def test_a_claim_that_nobody_waits_for_is_given_back(path):
    async def main(here):
        await here.client.enrich_one(people(1, 1)[0])
        await use_up_tokens(here)
        tasks = start(here, [ONE])
        await anyio.sleep(1)
        async with another_client(here, path) as other:
            waiting = asyncio.ensure_future(other.enrich_one(ONE, deadline_s=PATIENT_S))
            await anyio.sleep(1)
            await cancel(*tasks)
            check_own_results(here, [ONE], [await waiting])
        assert len(here.ledger.contacts) == 2
        check_nothing_leaks(here)

    with_store(path, main)


def test_a_deadline_while_another_client_buys_says_so(path):
    async def main(here):
        async with another_client(here, path) as other:
            buying = asyncio.ensure_future(other.enrich_one(ONE))
            await anyio.sleep(1)
            with pytest.raises(WaitTimeoutError) as caught:
                await here.client.enrich_one(ONE, deadline_s=2)
            pending = (await here.client.collect([caught.value.pending])).results[0]
            assert (caught.value.billed, pending.email) == ("unknown", (await buying).email)

    with_store(path, main)


# -- what becomes of a submit ------------------------------------------------------------------------


def test_an_unknown_outcome_is_never_bought_again_until_it_is_decided(path):
    async def main(here):
        here.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        for _ in range(3):
            with pytest.raises(UnknownOutcomeError):
                await here.client.enrich_one(ONE)
        assert here.submits() == 1
        (doubtful,) = await here.client.store.orphans()
        await here.client.store.resolve(
            doubtful.submission, workflow_id=here.ledger.contacts[0].workflow_id, actor="Ada"
        )
        check_own_results(here, [ONE], [await here.client.enrich_one(ONE)])
        assert here.submits() == 1

    with_store(path, main)


def test_fresh_buys_what_is_doubtful_knowingly(path):
    async def main(here):
        here.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        await outcomes(start(here, [ONE]))
        assert (await here.client.enrich_one(ONE, fresh=True)).bought_at is None
        assert here.submits() == 2

    with_store(path, main)


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
def test_a_refused_contact_is_free_for_the_next_caller(fault, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store.db"

    async def main(here):
        here.sandbox.add_fault(fault)
        got = await outcomes(start(here, people(4)))
        unknown = [one for one in got if isinstance(one, UnknownOutcomeError)]
        async with another_client(here, path) as other:
            for contact in people(0 if unknown else 4):
                assert (await other.enrich_one(contact)).status in {"found", "not_found"}
        assert not here.ledger.duplicates()
        assert (await here.client.store.counts()).under_way == len(unknown)
        check_nothing_leaks(here)

    with_store(path, main)


def test_claims_that_another_client_took_over_are_not_sent(path):
    async def main(here):
        await here.client.enrich_one(people(1, 9)[0])
        await use_up_tokens(here)
        tasks = start(here, people(3))
        await anyio.sleep(1)
        end_leases(path)  # as if this process had stood still
        async with another_client(here, path) as other:
            theirs = asyncio.ensure_future(other.enrich_one(ONE, deadline_s=PATIENT_S))
            got = await outcomes([*tasks, theirs])
        check_own_results(here, [*people(3), ONE], got)
        assert len(here.ledger.contacts) == 4
        check_nothing_leaks(here)

    with_store(path, main)


def test_a_caller_that_is_refused_for_overload_holds_no_claim(path):
    async def main(here):
        await use_up_tokens(here)
        got = await outcomes(start(here, people(5)))
        refused = [number for number, one in enumerate(got) if isinstance(one, OverloadedError)]
        assert refused == [2, 3, 4]
        async with another_client(here, path) as other:
            for number in refused:
                assert (await other.enrich_one(people(1, number)[0], deadline_s=PATIENT_S)).status != "failed"
        assert not here.ledger.duplicates()
        check_nothing_leaks(here)

    with_store(path, main, client_options={"max_queued": 2})


def test_the_audit_trail_adds_up_to_the_ledger(path):
    async def main(here):
        await outcomes(start(here, people(300)))
        await outcomes(start(here, people(350)))
        lines = await audited(here.client.store)
        assert sum(line.credits or 0 for line in lines) == here.ledger.credits_charged
        assert sum(line.contacts or 0 for line in lines if line.event == "settled") == 350

    with_store(path, main)


# -- a budget ----------------------------------------------------------------------------------------


def test_of_callers_that_share_a_request_so_many_are_served_as_the_budget_covers(path):
    async def main(here):
        await here.client.budget.set(Budget(per_day=3))
        got = await outcomes(start(here, people(5)))
        check_own_results(here, people(3), got[:3])
        assert [(type(one), one.billed) for one in got[3:]] == 2 * [(BudgetExceededError, "no")]
        assert len({id(one) for one in got[3:]}) == 2
        assert here.ledger.credits_charged == (await here.client.budget.show()).day.committed == 3
        await here.client.budget.set(Budget())
        check_own_results(here, people(5), await outcomes(start(here, people(5))))
        assert here.ledger.credits_charged == 5
        check_nothing_leaks(here)

    with_store(path, main, hit_rate=1.0)


def test_a_pause_refuses_callers_and_leaves_their_contacts_to_the_next(path):
    async def main(here):
        await here.client.budget.pause("stop")
        got = await outcomes(start(here, people(3)))
        assert {type(one) for one in got} == {SpendingPausedError}
        async with another_client(here, path) as other:
            await other.budget.resume()
            assert (await other.enrich_one(ONE, deadline_s=PATIENT_S)).status != "pending"
        check_nothing_leaks(here)

    with_store(path, main)


# -- a store that fails ------------------------------------------------------------------------------


@each_case("failing", ["claim", "intend"])
def test_nothing_is_sent_where_the_store_fails_before_the_submit(failing, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store.db"

    async def main(here):
        store = here.client.store
        store.failing = {failing, "release", "close"}
        got = await outcomes(start(here, people(3)))
        assert {(type(one).__base__, one.billed) for one in got} == {(StoreError, "no")}
        assert len({id(one) for one in got}) == 3
        assert here.submits() == 0
        store.failing = set()
        async with another_client(here, path) as other:
            theirs = asyncio.ensure_future(other.enrich_one(ONE, deadline_s=PATIENT_S))
            check_own_results(here, people(3), await outcomes(start(here, people(3))))
            check_own_results(here, [ONE], [await theirs])
        assert len(here.ledger.contacts) == 3
        check_nothing_leaks(here)

    with_store(path, main, client_options={"store": FaultyStore(path)})


@each_case("failing", [{"accept"}, {"settle"}, {"accept", "settle"}])
def test_results_come_also_where_the_store_fails_after_the_answer(failing, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store.db"

    async def main(here):
        store = here.client.store
        await store.open()
        store.failing = failing
        got = await outcomes(start(here, people(3)))
        check_own_results(here, people(3), got)
        store.failing = set()
        again = await outcomes(start(here, people(3)))
        check_own_results(here, people(3), again)
        assert {one.credits for one in again} == {0}
        assert len(here.ledger.contacts) == 3

    with_store(path, main, client_options={"store": FaultyStore(path)})


def test_claims_are_given_back_once_the_store_is_there_again_also_if_nobody_calls(path):
    async def main(here):
        store = here.client.store
        store.failing = {"intend", "release", "close"}
        await outcomes(start(here, [ONE]))
        store.failing = set()
        await anyio.sleep(30)
        async with another_client(here, path) as other:
            check_own_results(here, [ONE], [await other.enrich_one(ONE, deadline_s=10)])

    with_store(path, main, client_options={"store": FaultyStore(path)})


# -- at scale ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ten_thousand_callers_cost_42_submits_at_most(path):
    async def main(here):
        contacts = people(10_000)
        got = await outcomes(start(here, contacts))
        check_own_results(here, contacts, got)
        assert len(here.ledger.contacts) == 10_000
        assert here.submits() <= 42
        check_nothing_leaks(here)

    with_store(path, main)
