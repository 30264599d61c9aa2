"""What is done to a store, on each database: contacts belong to one owner, and are paid for once."""

from __future__ import annotations

import asyncio

import pytest

from cleanlist_async import Store
from cleanlist_async.enrich.submit_record import Wanted
from cleanlist_async.errors import ClaimLostError
from cleanlist_async.storage.store import operations
from cleanlist_async.storage.store.audit import note
from cleanlist_async.storage.store.operations import Buyer
from cleanlist_async.storage.store.records import Doubtful, Elsewhere, Freshness, Known, Mine, Orphan
from cleanlist_async.storage.store.statements import Statement
from tests.support.store_owners import PARTIAL, Owner, found, people, workflow

pytestmark = pytest.mark.anyio

FULL = Wanted("full", Freshness(), "enrich")
FRESH = Wanted("partial", Freshness(buy_anew=True), "enrich")
EVE = people(range(1))


def kinds(claims) -> set[type]:
    return {type(claim) for claim in claims}


# -- claiming --------------------------------------------------------------------------------------


async def test_of_two_owners_that_race_each_contact_is_one_owners(store_url):
    contacts = people(range(250))
    async with Store(store_url) as one, Store(store_url) as other:
        ann, bob = await Owner.begin(one, "ann"), await Owner.begin(other, "bob")
        chunks = [(owner, contacts[at : at + 50]) for at in range(0, 250, 50) for owner in (ann, bob)]
        claims = await asyncio.gather(*(owner.claim(chunk) for owner, chunk in chunks))
    owned: dict[int, list[str]] = {contact.index: [] for contact in contacts}
    for (owner, chunk), found_ in zip(chunks, claims, strict=True):
        for contact, claim in zip(chunk, found_, strict=True):
            if isinstance(claim, Mine):
                owned[contact.index].append(owner.buyer.owner)
    assert {len(owners) for owners in owned.values()} == {1}


async def test_a_contact_that_stands_twice_in_a_call_is_claimed_once(ann):
    twin = people([7, 8])
    twin[1] = people([7])[0]
    twin[1].index = 8
    assert [type(claim) for claim in await ann.claim(twin)] == [Mine, Elsewhere]


async def test_claims_of_one_who_lives_are_waited_for(ann, bob):
    await ann.claim(EVE)
    assert await bob.claim(EVE) == [Elsewhere()]


async def test_claims_that_are_released_are_the_next_ones(ann, bob):
    await ann.claim(EVE)
    await ann.purchases.release(EVE, "partial")
    assert await bob.claims_all(EVE)


async def test_full_serves_partial_and_partial_does_not_serve_full(ann, bob):
    record = await ann.buy(EVE, "wf-1", FULL)
    await record.settle([found(EVE[0])])
    assert kinds(await bob.claim(EVE)) == {Known}
    other = people([1])
    record = await ann.buy(other, "wf-2")
    await record.settle([found(other[0])])
    assert await bob.claims_all(other, FULL)


async def test_organizations_are_not_served_by_each_other(ann, store):
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0])])
    stranger = await Owner.begin(store, "cat", organization="org-2@api.example")
    assert await stranger.claims_all(EVE)


async def test_what_was_bought_under_a_key_is_the_organizations_once_that_is_known(store, bob):
    ann = await Owner.begin(store, "ann", organization="digest-of-a-key")
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0])])
    await store.run(operations.name_organization("digest-of-a-key", bob.buyer.organization))
    assert await store.run(operations.find_organization("digest-of-a-key")) == bob.buyer.organization
    assert kinds(await bob.claim(EVE)) == {Known}


async def test_a_workflow_under_way_can_be_settled_after_its_organization_is_known(store, bob):
    ann = await Owner.begin(store, "ann", organization="digest-of-a-key")
    record = await ann.buy(EVE, "wf-1")
    await store.run(operations.name_organization("digest-of-a-key", bob.buyer.organization))
    await record.settle([found(EVE[0])])
    assert kinds(await bob.claim(EVE)) == {Known}


# -- sending ---------------------------------------------------------------------------------------


async def test_an_owner_that_paused_beyond_its_lease_cannot_send_what_another_took(ann, bob, store):
    await ann.claim(EVE)
    await ann.pause()
    assert await bob.claims_all(EVE)
    with pytest.raises(ClaimLostError):
        await ann.submit(EVE).intend()
    assert [line.event async for line in store.audit()] == []
    await bob.submit(EVE).intend()


async def test_nor_can_it_send_a_chunk_of_which_another_took_one(ann, bob, store):
    chunk = people(range(5))
    await ann.claim(chunk)
    await ann.pause()
    await bob.claim(chunk[:1])
    with pytest.raises(ClaimLostError):
        await ann.submit(chunk).intend()
    assert await bob.claims_all(chunk[1:])


async def test_a_submit_that_was_on_its_way_when_its_owner_vanished_is_doubtful(ann, bob):
    record = await ann.send(EVE)
    assert await bob.claim(EVE) == [Elsewhere()]
    await ann.pause()
    assert await bob.claim(EVE) == [Doubtful(record.submission)]


async def test_a_submit_that_was_refused_leaves_its_contacts_claimed(ann, bob):
    record = await ann.send(EVE)
    await record.refused("BadRequestError")
    assert await bob.claim(EVE) == [Elsewhere()]
    await ann.submit(EVE).intend()


async def test_a_refusal_of_a_submit_that_is_not_recorded_leaves_no_trace(ann, store):
    await ann.claim(EVE)
    await ann.submit(EVE).refused("the store was away")
    assert [line.event async for line in store.audit()] == []


async def in_doubt(owner: Owner, contacts):
    record = await owner.send(contacts)
    await record.unknown("ConnectionError")
    return record


async def test_what_was_to_be_bought_fresh_and_is_given_back_is_as_doubtful_as_before(ann, bob):
    doubt = await in_doubt(ann, EVE)
    assert await bob.claims_all(EVE, FRESH)
    assert await ann.claim(EVE) == [Elsewhere()]
    await bob.purchases.release(EVE, "partial")
    assert await ann.claim(EVE) == [Doubtful(doubt.submission)]


async def test_what_was_to_be_bought_fresh_by_one_who_vanished_is_as_doubtful_as_before(ann, bob, store):
    doubt = await in_doubt(ann, EVE)
    assert await bob.claims_all(EVE, FRESH)
    await bob.pause()
    await store.purge()
    assert await ann.claim(EVE) == [Doubtful(doubt.submission)]
    assert await ann.claims_all(EVE, FRESH)


async def test_what_was_bought_fresh_and_did_not_arrive_is_as_doubtful_as_before(ann, bob, store):
    doubt = await in_doubt(ann, EVE)
    record = await bob.send(EVE, FRESH)
    await record.unknown("ConnectionError")
    assert await ann.claim(EVE) == [Doubtful(record.submission)]
    await store.resolve(record.submission, absent=True)
    assert await ann.claim(EVE) == [Doubtful(doubt.submission)]
    await store.resolve(doubt.submission, absent=True)
    assert await ann.claims_all(EVE)


async def test_what_is_bought_fresh_and_does_not_arrive_leaves_the_result_before_it(ann, bob):
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0])])
    record = await bob.send(EVE, FRESH)
    await record.unknown("ConnectionError")
    assert kinds(await ann.claim(EVE)) == {Known}
    too_old = Wanted("partial", Freshness.of(0.0, fresh=False), "enrich")
    assert await ann.claim(EVE, too_old) == [Doubtful(record.submission)]


async def test_a_result_of_what_is_bought_fresh_ends_the_doubt(ann, bob):
    await in_doubt(ann, EVE)
    record = await bob.send(EVE, FRESH)
    await record.accepted(workflow("wf-2", EVE))
    await record.settle([found(EVE[0])])
    assert kinds(await ann.claim(EVE)) == {Known}
    assert await ann.claims_all(EVE, FRESH)
    await ann.purchases.release(EVE, "partial")
    assert kinds(await bob.claim(EVE)) == {Known}


async def test_what_an_unclaimed_submit_took_returns_to_its_workflow_when_that_is_refused(ann, bob, store):
    theirs = await ann.buy(EVE, "wf-1")
    record = bob.purchases.submit(EVE, PARTIAL, is_unclaimed=True)
    await record.intend()
    await record.refused("InsufficientCreditsError")
    assert kinds(await bob.claim(EVE)) == {Orphan}
    await theirs.settle([found(EVE[0])])
    assert kinds(await bob.claim(EVE)) == {Known}


async def test_what_is_bought_fresh_is_taken_from_whoever_has_it(ann, bob, store):
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0])])
    record = bob.purchases.submit(EVE, FRESH, is_unclaimed=True)
    await record.intend()
    await record.accepted(workflow("wf-2", EVE))
    await record.settle([found(EVE[0], price=2.0)])
    assert [line.credits async for line in store.audit() if line.event == "settled"] == [1.0, 2.0]


# -- what became of a submit -----------------------------------------------------------------------


async def test_the_workflow_of_another_submit_leaves_the_outcome_unknown(ann, bob, store):
    await ann.buy(EVE, "wf-1")
    other = people([1])
    record = await bob.send(other)
    await record.accepted(workflow("wf-1", other))
    assert await ann.claim(other) == [Doubtful(record.submission)]
    assert [line.event async for line in store.audit()] == [
        *("reserved", "submit", "accepted"),
        *("reserved", "submit", "unknown"),
    ]


async def test_an_acceptance_that_comes_after_the_outcome_was_unknown_counts(ann, bob):
    record = await ann.send(EVE)
    await record.unknown("APITimeoutError")
    assert await bob.claim(EVE) == [Doubtful(record.submission)]
    await record.accepted(workflow("wf-1", EVE))
    (claim,) = await bob.claim(EVE)
    digest = bob.store.digest(EVE[0].identity)
    assert claim == Orphan(record.submission, "wf-1", "wf-1-0", None, "partial", None, digest)


async def test_ids_with_characters_that_a_database_refuses_are_recorded(ann, bob, store):
    odd = workflow("wf\0-1", EVE)
    await (await ann.send(EVE)).accepted(odd)
    await ann.pause()
    assert kinds(await bob.claim(EVE)) == {Orphan}


async def test_an_acceptance_is_recorded_once(ann, bob, store):
    record = await ann.buy(EVE, "wf-1")
    for workflow_id in ("wf-1", "wf-2"):
        await record.accepted(workflow(workflow_id, EVE))
    assert await bob.claim(EVE) == [Elsewhere("wf-1")]
    assert [line.workflow_id async for line in store.audit() if line.event == "accepted"] == ["wf-1"]


async def test_an_outcome_that_is_unknown_does_not_undo_an_acceptance(ann, bob, store):
    record = await ann.buy(EVE, "wf-1")
    await record.unknown("too late")
    await record.refused("too late")
    assert kinds(await bob.claim(EVE)) == {Elsewhere}
    assert [line.event async for line in store.audit()] == ["reserved", "submit", "accepted"]


async def test_a_workflow_whose_owner_vanished_is_taken_over_once(ann, bob, store):
    await ann.buy(EVE, "wf-1")
    await ann.pause()
    cat = await Owner.begin(store, "cat")
    assert kinds(await bob.claim(EVE)) == {Orphan}
    assert await cat.claim(EVE) == [Elsewhere("wf-1")]


async def test_results_that_come_from_two_owners_are_counted_once(ann, bob, store):
    record = await ann.buy(EVE, "wf-1")
    await ann.pause()
    (orphan,) = await bob.claim(EVE)
    taken_over = bob.submit(EVE)
    taken_over.submission = orphan.submission
    await record.settle([found(EVE[0])])
    await taken_over.settle([found(EVE[0])])
    assert [line.credits async for line in store.audit() if line.event == "settled"] == [1.0]
    assert kinds(await bob.claim(EVE)) == {Known}


async def test_a_result_that_was_found_costs_nothing_for_the_next(ann, bob):
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0], price=3.0)])
    (claim,) = await bob.claim(EVE)
    assert (claim.result.email, claim.result.credits) == ("ada0@a.example", 0.0)
    assert claim.result.bought_at is not None


async def test_a_result_comes_back_as_it_was_whatever_characters_it_holds(ann, bob):
    result = found(EVE[0])
    result.email = "Ångström\0'\"\\:digests %s {pairs} \U0001f469\u200d\U0001f52c"
    result.raw = {result.email: [None, 1.5, True]}
    await (await ann.buy(EVE, "wf-1")).settle([result])
    (claim,) = await bob.claim(EVE)
    assert (claim.result.email, claim.result.raw) == (result.email, result.raw)


async def test_what_the_server_did_not_finish_may_be_bought_again(ann, bob):
    failed = found(EVE[0])
    failed.status = "failed"
    await (await ann.buy(EVE, "wf-1")).settle([failed])
    assert await bob.claims_all(EVE)


async def test_what_is_pending_is_left_to_the_next(ann, bob):
    pending = found(EVE[0])
    pending.status = "pending"
    await (await ann.buy(EVE, "wf-1")).settle([pending])
    assert kinds(await bob.claim(EVE)) == {Orphan}


async def test_a_workflow_that_the_server_forgot_is_doubtful(ann, bob):
    record = await ann.buy(EVE, "wf-1")
    await record.lost("NotFoundError")
    assert await bob.claim(EVE) == [Doubtful(record.submission, "wf-1")]
    assert await bob.claims_all(EVE, FRESH)


# -- forgetting ------------------------------------------------------------------------------------


async def test_what_is_purged_is_bought_again(ann, bob, store):
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0])])
    assert await store.purge(3_600) == 0
    assert kinds(await bob.claim(EVE)) == {Known}
    assert await store.purge() == 1
    assert await store.purge() == 0
    assert await bob.claims_all(EVE)


@pytest.mark.slow
async def test_a_purge_forgets_more_results_than_one_transaction_takes(ann, store):
    contacts = people(range(4_100))
    record = await ann.buy(contacts, "wf-1")
    await record.settle([found(contact) for contact in contacts])
    assert (await store.counts()).results == 4_100
    assert await store.purge() == 4_100
    assert (await store.counts()).results == 0


async def test_a_purge_leaves_what_is_under_way_and_forgets_the_result_before_it(ann, bob, store):
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0])])
    assert await bob.claims_all(EVE, FRESH)
    record = bob.submit(EVE, FRESH)
    await record.intend()
    assert await store.purge() == 1
    await bob.pause()
    assert await ann.claim(EVE) == [Doubtful(record.submission)]
    assert (await store.counts()).results == 0


async def test_a_store_that_keeps_results_for_a_time_forgets_older_ones_when_it_is_opened(
    ann, store, store_url
):
    await (await ann.buy(EVE, "wf-1")).settle([found(EVE[0])])
    async with Store(store_url, keep_s=3_600) as other:
        assert (await other.counts()).results == 1
    async with Store(store_url, keep_s=1e-9) as other:
        assert (await other.counts()).results == 0


# -- the audit trail -------------------------------------------------------------------------------


async def test_the_sums_of_the_audit_trail_are_what_was_bought(ann, bob, store):
    for number, owner in enumerate([ann, bob] * 3):
        contacts = people(range(number * 10, number * 10 + 10))
        record = await owner.buy(contacts, f"wf-{number}")
        await record.settle([found(contact, price=number + 0.5) for contact in contacts])
    lines = [line async for line in store.audit()]
    assert sum(line.credits or 0.0 for line in lines) == sum(10 * (number + 0.5) for number in range(6))
    assert sum(line.contacts or 0 for line in lines if line.event == "submit") == 60
    assert [line.number for line in lines] == sorted({line.number for line in lines})


async def test_a_trail_is_read_from_the_time_of_any_of_its_lines_on(store):
    def written():
        for number in range(20):
            yield note("submit", "org-1@api.example", contacts=number)
        yield Statement("UPDATE cleanlist_audit SET at = 1796000000.0 + contacts * 0.0000007", {})

    await store.run(written())
    for line in [line async for line in store.audit()]:
        assert line in [later async for later in store.audit(since=line.at)]


async def test_a_trail_longer_than_a_page_is_read_whole_and_from_a_time_on(store):
    buyer = Buyer("ann", "org-1@api.example")

    def written():
        for number in range(1_234):
            yield note("submit", buyer.organization, contacts=number)

    await store.run(written())
    read = [line async for line in store.audit()]
    assert [line.contacts for line in read] == [*range(1_234)]
    assert [line async for line in store.audit(since=read[1_100].at)][-1] == read[-1]
