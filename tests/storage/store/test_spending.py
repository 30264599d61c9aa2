"""What is done to a budget, on each database."""

from __future__ import annotations

import asyncio

import pytest

from cleanlist_async import Budget, BudgetExceededError, ConfigurationError, SpendingPausedError, Store
from cleanlist_async.enrich.submit_record import Wanted
from cleanlist_async.storage.store import operations, spending
from cleanlist_async.storage.store.operations import CallIntent
from cleanlist_async.storage.store.records import Freshness
from tests.support.store_owners import ORGANIZATION, Owner, found, people, workflow

pytestmark = pytest.mark.anyio

EVE = people(range(1))


async def committed(store, organization: str = ORGANIZATION) -> float:
    return (await store.run(spending.status(organization))).day.committed


async def settled(store: Store) -> list[tuple[int | None, float | None]]:
    """Return how many contacts were settled, and for how many credits, each time."""
    return [(line.contacts, line.credits) async for line in store.audit() if line.event == "settled"]


def a_call(number: int, credits_: float | None) -> CallIntent:
    return CallIntent(f"call-{number}", "enrich_list", "", None, credits_)


async def test_of_many_that_reserve_at_once_so_many_pass_as_the_budget_covers(store_url):
    async with Store(store_url) as one, Store(store_url) as other:
        ann, bob = await Owner.begin(one, "ann"), await Owner.begin(other, "bob")
        organization = ann.buyer.organization
        await one.run(spending.set_budget(organization, Budget(per_day=10), "ada"))
        outcomes = await asyncio.gather(
            *(
                owner.store.run(operations.intend_call(owner.buyer, a_call(number, 3.0)))
                for number, owner in enumerate(5 * [ann, bob])
            ),
            return_exceptions=True,
        )
        left = await committed(one, organization)

    assert [type(outcome) for outcome in outcomes if outcome is not None] == 7 * [BudgetExceededError]
    assert left == 9


async def test_what_exceeds_the_budget_leaves_no_trace(ann, store):
    await store.run(spending.set_budget(ann.buyer.organization, Budget(per_month=1), ""))
    with pytest.raises(BudgetExceededError):
        await store.run(operations.intend_call(ann.buyer, a_call(1, 2.0)))
    assert [line.event async for line in store.audit()] == ["budget"]


async def test_a_pause_outlives_the_limits_that_are_set_meanwhile(ann, store):
    organization = ann.buyer.organization
    await store.run(spending.pause(organization, "stop", "ada"))
    await store.run(spending.set_budget(organization, Budget(per_day=5), "ada"))
    with pytest.raises(SpendingPausedError, match="stop"):
        await store.run(operations.intend_call(ann.buyer, a_call(1, 1.0)))
    await store.run(spending.resume(organization, "bob"))
    await store.run(spending.resume(organization, "bob"))
    await store.run(operations.intend_call(ann.buyer, a_call(1, 1.0)))
    events = [line.event async for line in store.audit()]
    assert events == ["paused", "budget", "resumed", "reserved", "submit"]


async def test_what_another_settled_meanwhile_is_not_counted_twice(ann, bob, store):
    record = await ann.buy(EVE, "wf-1")
    for _ in range(2):
        await record.settle([found(EVE[0])])
    settled = [line.credits async for line in store.audit() if line.event == "settled"]
    assert settled == [await committed(store, ann.buyer.organization)]


async def test_the_budget_of_a_key_is_the_organizations_once_that_is_known(store, bob):
    ann = await Owner.begin(store, "ann", organization="digest-of-a-key")
    await store.run(spending.set_budget("digest-of-a-key", Budget(per_day=5), ""))
    for owner, number in ((ann, 1), (bob, 2)):
        await store.run(operations.intend_call(owner.buyer, a_call(number, 2.0)))
    await store.run(operations.name_organization("digest-of-a-key", bob.buyer.organization))
    status = await store.run(spending.status(bob.buyer.organization))
    assert (status.budget, status.day.committed) == (Budget(per_day=5), 4)
    await store.run(operations.settle_call(bob.buyer, "call-1", 1.0))
    assert await committed(store, bob.buyer.organization) == 3


@pytest.mark.parametrize("first", ["limits", "a pause", "nothing"])
async def test_a_pause_under_a_key_holds_once_its_organization_is_known(store, bob, first):
    organization = bob.buyer.organization
    await store.run(spending.set_budget("digest-of-a-key", Budget(per_day=5), ""))
    await store.run(spending.pause("digest-of-a-key", "of the key", "ada"))
    if first == "limits":
        await store.run(spending.set_budget(organization, Budget(per_month=7), ""))
    elif first == "a pause":
        await store.run(spending.pause(organization, "of all", "bob"))

    await store.run(operations.name_organization("digest-of-a-key", organization))

    status = await store.run(spending.status(organization))
    assert status.budget == (Budget(per_month=7) if first == "limits" else Budget(per_day=5))
    wanted = ("of all", "bob") if first == "a pause" else ("of the key", "ada")
    assert status.pause is not None
    assert (status.pause.reason, status.pause.actor) == wanted


# -- what is recorded again -------------------------------------------------------------------------


async def test_a_call_that_is_recorded_again_counts_once(ann, store):
    await store.run(operations.intend_call(ann.buyer, a_call(1, 5.0)))
    for _ in range(2):
        await store.run(operations.accept_call(ann.buyer, "call-1", None, 3.0))
    assert (await committed(store), await settled(store)) == (3.0, [(None, 3.0)])


@pytest.mark.parametrize("worst_case_credits", [5.0, None])
async def test_a_workflow_whose_cost_is_told_again_counts_once(ann, store, worst_case_credits):
    await store.run(operations.intend_call(ann.buyer, a_call(1, worst_case_credits)))
    await store.run(operations.accept_call(ann.buyer, "call-1", "wf-1", None))
    for _ in range(2):
        await store.run(operations.settle_workflow(ann.buyer, "wf-1", 3.0))
    assert (await committed(store), await settled(store)) == (3.0, [(None, 3.0)])


async def test_a_refusal_that_is_recorded_again_gives_back_once(ann, store):
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0])])
    await store.run(operations.intend_call(ann.buyer, a_call(1, 5.0)))
    for _ in range(2):
        await store.run(operations.close(ann.buyer, "call-1", "refused", "BadRequestError"))
    assert await committed(store) == 1.0


@pytest.mark.parametrize("enrichment_type", ["partial", "prospecting_only"])
async def test_results_of_an_unclaimed_submit_that_are_recorded_again_count_once(ann, store, enrichment_type):
    contacts = [*people(range(3)), *people([0])]
    wanted = Wanted(enrichment_type, Freshness(buy_anew=True), "enrich")
    record = ann.purchases.submit(contacts, wanted, is_unclaimed=True)
    await record.intend()
    await record.accepted(workflow("wf-1", contacts))
    results = [found(contact) for contact in contacts]
    results[1].status = "pending"
    for _ in range(2):
        await record.settle(results)
    assert await settled(store) == [(3, 3.0)]
    assert await committed(store) == (4.0 if enrichment_type == "partial" else 3.0)


async def test_results_of_an_unclaimed_submit_that_come_from_two_owners_count_once(ann, bob, store):
    record = ann.purchases.submit(
        EVE, Wanted("partial", Freshness(buy_anew=True), "enrich"), is_unclaimed=True
    )
    await record.intend()
    await record.accepted(workflow("wf-1", EVE))
    await ann.pause()
    (orphan,) = await bob.claim(EVE)
    taken_over = bob.submit(EVE)
    taken_over.submission = orphan.submission
    await taken_over.settle([found(EVE[0])])
    await record.settle([found(EVE[0])])
    assert (await committed(store), await settled(store)) == (1.0, [(1, 1.0)])


async def test_nothing_is_decided_of_a_call_on_its_way(ann, store):
    await store.run(operations.intend_call(ann.buyer, a_call(1, 5.0)))
    with pytest.raises(ConfigurationError, match="knows no such submit"):
        await store.resolve("call-1", absent=True)
    await ann.pause()
    await store.resolve("call-1", absent=True)
    assert await committed(store) == 0
