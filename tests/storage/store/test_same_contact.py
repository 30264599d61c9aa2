"""A contact with the e-mail address that was found for it is the contact without: on each database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanlist_async import Store
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.enrich.submit_record import Wanted
from cleanlist_async.storage.store import jobs, same_contact
from cleanlist_async.storage.store.job_records import contact_text
from cleanlist_async.storage.store.jobs import NewJob
from cleanlist_async.storage.store.records import Doubtful, Elsewhere, Freshness, Known, Mine, Orphan
from tests.support.store_owners import ORGANIZATION, PARTIAL, Owner, found, full, people

pytestmark = pytest.mark.anyio

PHONE = Wanted("phone_only", Freshness(), "enrich")
FRESH = Wanted("partial", Freshness(buy_anew=True), "enrich")
ADA = people([0])


def given_back(contact: Prepared, email: str | None = None) -> list[Prepared]:
    """The contact with an e-mail address, by default the one that `found` has."""
    email = email or f"ada{contact.index}@a.example"
    prepared = prepare(contact.index, replace(contact.contact, email=email))
    assert isinstance(prepared, Prepared)
    return [prepared]


def phone(contact: Prepared):
    return replace(found(contact, 10.0), email=None, phones=("+15551234567",), enrichment_type="phone_only")


@pytest.fixture
async def bought(ann: Owner) -> None:
    """The e-mail address of the contact is known."""
    await (await ann.buy(ADA, "wf-1")).settle([found(ADA[0])])


# -- results -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["ada0@a.example", "Ada0@A.Example", "  ADA0@a.example "])
async def test_what_was_found_is_known_to_whoever_gives_it_back(bought, bob, email):
    [claim] = await bob.claim(given_back(ADA[0], email))
    assert isinstance(claim, Known)
    assert (claim.result.email, claim.result.bought_for) == ("ada0@a.example", 1.0)
    assert claim.result.contact.email == email


async def test_another_address_makes_another_contact(bought, bob):
    assert await bob.claims_all(given_back(ADA[0], "ada@home.example"))


async def test_so_does_the_address_of_another_contact(bought, bob):
    assert await bob.claims_all(given_back(people([1])[0], "ada0@a.example"))


async def test_full_serves_partial_and_phone_only_of_who_gives_it_back(ann, bob):
    result = replace(found(ADA[0], 11.0), phones=("+15551234567",), enrichment_type="full")
    await (await ann.buy(ADA, "wf-1", full())).settle([result])
    for wanted in (PARTIAL, PHONE, full()):
        [claim] = await bob.claim(given_back(ADA[0]), wanted)
        assert isinstance(claim, Known)


async def test_partial_does_not_serve_full_of_who_gives_it_back(bought, bob):
    assert await bob.claim(given_back(ADA[0]), full()) == [Mine(halves=("partial",))]


async def test_a_result_that_is_too_old_is_too_old_for_both(bought, bob):
    wanted = Wanted("partial", Freshness(0.0, 0.0), "enrich")
    assert await bob.claims_all(given_back(ADA[0]), wanted)


async def test_a_phone_is_bought_once_with_the_address_or_without(bought, ann, bob):
    first = given_back(ADA[0])
    await (await ann.buy(first, "wf-2", PHONE)).settle([phone(first[0])])
    for contacts in (ADA, first):
        [claim] = await bob.claim(contacts, PHONE)
        assert isinstance(claim, Known)
        assert claim.result.phones == ("+15551234567",)


async def test_nor_the_other_way_round(bought, ann, bob):
    await (await ann.buy(ADA, "wf-2", PHONE)).settle([phone(ADA[0])])
    [claim] = await bob.claim(given_back(ADA[0]), PHONE)
    assert isinstance(claim, Known)


async def test_in_one_call_both_are_bought_once(bought, ann):
    both = [*ADA, replace(given_back(ADA[0])[0], index=1)]
    assert await ann.claim(both, PHONE) == [Mine(), Elsewhere()]


async def test_what_was_given_back_stays_known_when_the_other_has_changed(bought, ann, bob):
    await bob.claim(given_back(ADA[0]))
    record = await ann.send(ADA, FRESH)
    await record.settle([replace(found(ADA[0]), email="ada@new.example")])
    [claim] = await bob.claim(given_back(ADA[0]))
    assert isinstance(claim, Known)
    assert claim.result.email == "ada0@a.example"
    [claim] = await bob.claim(ADA)
    assert claim.result.email == "ada@new.example"


async def test_organizations_do_not_share_them(bought, store: Store):
    stranger = await Owner.begin(store, "cat", organization="org-2@api.example")
    assert await stranger.claims_all(given_back(ADA[0]))


# -- under way ---------------------------------------------------------------------------------------


async def test_what_another_buys_under_the_other_name_is_waited_for(bought, ann, bob):
    record = await ann.buy(ADA, "wf-2", PHONE)
    assert await bob.claim(given_back(ADA[0]), PHONE) == [Elsewhere("wf-2")]
    await record.settle([phone(ADA[0])])
    [claim] = await bob.claim(given_back(ADA[0]), PHONE)
    assert isinstance(claim, Known)


async def test_a_submit_of_unknown_outcome_holds_both(bought, ann, bob):
    record = await ann.send(ADA, PHONE)
    await record.unknown("no answer")
    [claim] = await bob.claim(given_back(ADA[0]), PHONE)
    assert isinstance(claim, Doubtful)
    assert claim.submission == record.submission


async def test_what_was_bought_by_one_who_is_gone_is_taken_over(bought, ann, bob, store):
    await ann.buy(ADA, "wf-2", PHONE)
    await ann.pause()
    [claim] = await bob.claim(given_back(ADA[0]), PHONE)
    assert isinstance(claim, Orphan)
    cat = await Owner.begin(store, "cat")
    assert await cat.claim(ADA, PHONE) == [Elsewhere("wf-2")]
    assert await cat.claim(given_back(ADA[0]), PHONE) == [Elsewhere("wf-2")]


async def test_looking_at_what_was_bought_writes_nothing(bought, ann, store):
    before = (await store.counts()).results
    [claim] = (await ann.purchases.look(given_back(ADA[0]), PARTIAL)).values()
    assert isinstance(claim, Known)
    assert (await store.counts()).results == before


# -- forgetting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_job", [ADA, given_back(ADA[0])], ids=["without", "given back"])
async def test_what_a_purge_of_a_job_removes_is_bought_again_by_either_name(bought, ann, bob, store, in_job):
    [claim] = await ann.claim(given_back(ADA[0]))
    assert isinstance(claim, Known)
    job = await store.run(jobs.take("ann", ORGANIZATION, "crm", NewJob("partial", "a list", "", None)))
    row = (0, store.digest(in_job[0].identity), contact_text(in_job[0].contact), None, None, None)
    await store.run(jobs.add_rows(job.lease, [row]))
    while await store.run(same_contact.purge_rows(job.id, ORGANIZATION, store.digest)):
        pass
    assert (await store.counts()).results == 0
    for contacts in (ADA, given_back(ADA[0])):
        assert await bob.claims_all(contacts)


# -- the halves of full ------------------------------------------------------------------------------


async def test_the_half_of_full_that_is_known_is_told(bought, ann, bob):
    assert await ann.claim(ADA, full()) == [Mine(halves=("partial",))]
    await ann.purchases.release(ADA, "full")
    await (await ann.buy(ADA, "wf-2", PHONE)).settle([phone(ADA[0])])
    assert await bob.claim(ADA, full()) == [Mine(halves=("partial", "phone_only"))]


async def test_a_half_that_was_not_found_is_none(ann, bob):
    result = replace(found(ADA[0], 0.0), status="not_found", email=None)
    await (await ann.buy(ADA, "wf-1")).settle([result])
    assert await bob.claim(ADA, full()) == [Mine()]
