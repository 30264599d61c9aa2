"""Contacts whose rows could not be told apart are in requests of their own, and all of them are delivered."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async import Contact
from cleanlist_async.contacts.chunking import Chunker, chunked
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.enrich.people import LookAlikes
from cleanlist_async.sandbox import Shape
from tests.support.cases import each_case
from tests.support.virtual_sandbox import check_against_ledger, check_one_result_each, open_world, people

BO = Contact(first_name="Bo", last_name="Berg", company_name="Beta")
LIKE_BO = {
    "with an e-mail address": replace(BO, email="bo@beta.example"),
    "with a profile": replace(BO, linkedin_url="https://linkedin.com/in/bb-77"),
    "a profile that spells the name": Contact(linkedin_url="https://linkedin.com/in/bo-berg-7b1"),
    "with the domain too": replace(BO, company_domain="beta.example"),
    "with the domain instead": replace(BO, company_name=None, company_domain="beta.example"),
    "the legal form of the company": replace(BO, company_name="Beta GmbH"),
    "a middle name": replace(BO, first_name="Bo Magnus"),
    "names the other way round": replace(BO, first_name="Berg", last_name="Bo"),
    "accents": replace(BO, first_name="Bö"),
}
APART = [
    replace(BO, company_name="Gamma"),
    replace(BO, first_name="Ada"),
    Contact(linkedin_url="https://linkedin.com/in/ada-berg-7"),
]


def prepared(contact: Contact, index: int = 0) -> Prepared:
    one = prepare(index, contact)
    assert isinstance(one, Prepared)
    return one


@each_case("kind", LIKE_BO)
def test_it_is_seen_in_either_order(kind):
    for one, other in permutations((BO, LIKE_BO[kind])):
        there = LookAlikes()
        there.add(prepared(one))
        assert there.has_like(prepared(other))
        there.clear()
        assert not there.has_like(prepared(other))


@each_case("other", APART)
def test_others_may_share_a_request(other):
    there = LookAlikes()
    there.add(prepared(BO))
    assert not there.has_like(prepared(other))


def test_two_spellings_of_one_profile_are_alike_whatever_else_they_say():
    there = LookAlikes()
    there.add(prepared(Contact(linkedin_url="linkedin.com/in/bb-77", first_name="Robert")))
    assert there.has_like(prepared(Contact(linkedin_url="https://de.linkedin.com/in/BB-77/")))


@pytest.mark.slow
@each_case("kind", LIKE_BO)
@pytest.mark.parametrize("dedupe", ["all", "off"])
async def test_both_are_bought_once_and_delivered(kind, dedupe):
    contacts = [BO, LIKE_BO[kind], *people(3)]
    async with open_world(shape=Shape(echo_input=False)) as world:
        report = await world.client.enrich(contacts, dedupe=dedupe)
        check_one_result_each(report.results, contacts)
        check_against_ledger(world, report.results)
        assert not report.pending
        assert len(world.ledger.contacts) == len(contacts)


@each_case(
    "other",
    [
        Contact(first_name="BO", last_name="berg", company_name="BETA"),
        Contact(first_name=" Bo", last_name="Berg\u200b", company_name="Beta "),
        Contact(first_name="Bo", last_name="Berg", company_name="Beta", email="N/A"),
    ],
)
async def test_what_is_one_after_folding_is_bought_once_and_delivered_twice(other):
    async with open_world() as world:
        report = await world.client.enrich([BO, other])
        assert len(world.ledger.contacts) == 1
    assert [result.status for result in report.results] == [report.results[0].status] * 2
    assert report.results[0].status in {"found", "not_found"}
    assert report.results[1].duplicate_of == 0


async def test_callers_of_enrich_one_with_look_alikes_get_a_request_each(world):
    results = []

    async def ask(contact: Contact) -> None:
        results.append(await world.client.enrich_one(contact))

    async with anyio.create_task_group() as group:
        for contact in (BO, *LIKE_BO.values(), *people(5)):
            group.start_soon(ask, contact)
    assert {result.status for result in results} <= {"found", "not_found"}
    check_against_ledger(world, results)
    sent = [json.loads(body)["contacts"] for body in world.bodies]
    assert sum(map(len, sent)) == len(LIKE_BO) + 6


async def test_a_job_puts_them_into_chunks_of_their_own(world, tmp_path):
    contacts = [BO, LIKE_BO["with an e-mail address"], *people(3), replace(BO, first_name="BO")]
    job = await world.client.job(tmp_path / "run.journal", contacts, enrichment_type="partial")
    async with job:
        results = [result async for result in job]
    check_one_result_each(results, contacts)
    assert {result.status for result in results} <= {"found", "not_found"}
    assert len(world.ledger.contacts) == 5
    assert not world.ledger.duplicates()


names = st.sampled_from(["Ada", "Bo", "Cy"])
some = st.lists(
    st.builds(
        Contact,
        first_name=names,
        last_name=st.just("Berg"),
        company_name=st.sampled_from(["Beta", "Gamma"]),
        email=st.sampled_from([None, "a@x.example", "b@x.example"]),
    ),
    max_size=40,
)


@given(some, st.integers(2, 8), st.booleans())
def test_every_contact_is_in_one_chunk_without_another_like_it(contacts, size, in_order):
    given_contacts = [prepared(contact, index) for index, contact in enumerate(contacts)]
    chunker = Chunker(size, apart=LookAlikes(), in_order=in_order)
    chunks = list(chunked(iter(given_contacts), chunker))
    sent = [contact.index for chunk in chunks for contact in chunk]
    assert sorted(sent) == list(range(len(contacts)))
    assert not in_order or sent == sorted(sent)
    for chunk in chunks:
        assert 1 <= len(chunk) <= size
        there = LookAlikes()
        for contact in chunk:
            assert not there.has_like(contact)
            there.add(contact)


def test_a_long_list_of_nothing_but_look_alikes_is_read_in_flat_memory(monkeypatch):
    monkeypatch.setattr("cleanlist_async.contacts.chunking._MOST_HELD", 10)
    chunker = Chunker(apart=LookAlikes())
    sent = 0
    for index in range(100):
        sent += len(chunker.add(prepared(replace(BO, email=f"{index}@x.example"))) or ())
        assert len(chunker) <= 12
    assert sent + sum(map(len, chunker.rest())) == 100
