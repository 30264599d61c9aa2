"""What people decide of submits, on each database: their contacts may be bought, or results be fetched."""

import pytest

from cleanlist_async import ConfigurationError
from cleanlist_async.storage.store import spending
from cleanlist_async.storage.store.records import Doubtful, Known, Mine, Orphan
from tests.support.store_owners import found, people

pytestmark = pytest.mark.anyio

EVE = people(range(1))


async def test_contacts_of_a_submit_that_never_arrived_may_be_bought_once_that_is_decided(ann, bob, store):
    record = await ann.send(EVE)
    await ann.pause()
    (orphan,) = await store.orphans()
    assert (orphan.submission, orphan.state, orphan.contacts) == (record.submission, "sending", 1)
    await store.resolve(record.submission, absent=True, actor="Grace")
    assert await store.orphans() == []
    assert await bob.claims_all(EVE)
    assert [line.actor async for line in store.audit() if line.event == "decided"] == ["Grace"]


async def test_results_of_a_workflow_that_was_decided_are_fetched_for_free(ann, bob, store):
    record = await ann.send(EVE)
    await record.unknown("APITimeoutError")
    await store.resolve(record.submission, workflow_id="wf-9")
    (claim,) = await bob.claim(EVE)
    digest = store.digest(EVE[0].identity)
    assert claim == Orphan(record.submission, "wf-9", None, None, "partial", None, digest)


async def test_nothing_is_decided_of_a_submit_whose_owner_waits_or_that_is_settled_or_unheard_of(
    ann, bob, store
):
    on_its_way = await ann.send(EVE)
    accepted = await bob.buy(people([1]), "wf-1")
    settled = await bob.buy(people([2]), "wf-2")
    await settled.settle([found(people([2])[0])])
    for submission in (on_its_way.submission, accepted.submission, settled.submission, "0" * 32):
        with pytest.raises(ConfigurationError, match="knows no such submit"):
            await store.resolve(submission, absent=True)


async def test_an_accepted_submit_whose_owner_is_gone_can_be_given_up(ann, bob, store):
    contacts = people([0, 1])
    record = await ann.buy(contacts, "wf-1")
    await record.settle([found(contacts[0])])
    await ann.pause()
    with pytest.raises(ConfigurationError, match="has a workflow already"):
        await store.resolve(record.submission, workflow_id="wf-2")
    await store.resolve(record.submission, absent=True)
    assert await store.orphans() == []
    assert [type(claim) for claim in await bob.claim(contacts)] == [Known, Mine]
    assert (await store.run(spending.status(ann.buyer.organization))).day.committed == 1.0


async def test_a_decision_cannot_name_the_workflow_of_another_submit(ann, bob, store):
    await bob.buy(people([1]), "wf-1")
    record = await ann.send(EVE)
    await record.unknown("APITimeoutError")
    with pytest.raises(ConfigurationError, match="another submit"):
        await store.resolve(record.submission, workflow_id="wf-1")
    assert await bob.claim(EVE) == [Doubtful(record.submission)]
