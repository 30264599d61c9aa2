"""Through every door: a contact with the e-mail address that was found for it is not bought again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import anyio
import pytest

from cleanlist_async import ConfigurationError, Contact
from tests.support.stores import another_client
from tests.support.virtual_sandbox import people

pytestmark = pytest.mark.world(with_store=True)


def given_back(results):
    return [replace(result.contact, email=result.email) for result in results]


async def enrich(client, contacts, _folder, kind):
    return list((await client.enrich(contacts, enrichment_type=kind)).results)


async def stream(client, contacts, _folder, kind):
    async with client.stream(contacts, enrichment_type=kind) as results:
        return [result async for result in results]


async def enrich_one(client, contacts, _folder, kind):
    results = [await client.enrich_one(contact, enrichment_type=kind) for contact in contacts]
    return [replace(result, index=index) for index, result in enumerate(results)]


async def named_job(client, contacts, _folder, kind):
    async with await client.job("again", contacts, enrichment_type=kind) as job:
        await job.run()
        assert await job.verify() == []
        return [result async for result in job]


async def journal(client, contacts, folder, kind):
    async with await client.job(folder / "run.journal", contacts, enrichment_type=kind) as job:
        await job.run()
        return [result async for result in job]


DOORS = [enrich, stream, enrich_one, named_job, journal]
EACH_DOOR = pytest.mark.parametrize("door", DOORS)


@EACH_DOOR
async def test_what_was_found_is_known(world, tmp_path, door):
    first = (await world.client.enrich(people(30))).results
    contacts = given_back(first)

    plan = await world.client.plan(contacts)
    again = await door(world.client, contacts, tmp_path, "partial")

    assert (plan.known, plan.credits_max) == (30, 0)
    assert len(world.ledger.contacts) == 30
    assert sorted((one.index, one.email) for one in again) == [(one.index, one.email) for one in first]
    assert [one.status for one in sorted(again, key=lambda one: one.index)] == [one.status for one in first]
    assert sum(one.credits for one in again) == 0


@EACH_DOOR
@pytest.mark.world(hit_rate=1.0)
async def test_a_phone_is_bought_once_whoever_asks(world, tmp_path, door):
    contacts = given_back((await world.client.enrich(people(30))).results)
    first = await door(world.client, contacts, tmp_path, "phone_only")
    again = (await world.client.enrich(people(30), enrichment_type="phone_only")).results

    assert len(world.ledger.contacts) == 60
    assert {one.index: one.phones for one in first} == {one.index: one.phones for one in again}


@EACH_DOOR
@pytest.mark.world(hit_rate=1.0, workflow_s=20.0)
async def test_what_a_client_that_is_gone_has_bought_is_fetched(world, store_path, tmp_path, door):
    contacts = given_back((await world.client.enrich(people(30))).results)
    async with another_client(world, store_path) as other:
        run = asyncio.ensure_future(other.enrich(people(30), enrichment_type="phone_only"))
        await anyio.sleep(2)
    with suppress(ConfigurationError):
        await run
    bought = len(world.ledger.contacts)
    results = await door(world.client, contacts, tmp_path, "phone_only")

    assert (bought, len(world.ledger.contacts)) == (60, 60)
    assert {one.status for one in results} == {"found"}
    assert all(one.phones for one in results)


@EACH_DOOR
@pytest.mark.world(hit_rate=1.0)
async def test_the_same_contact_twice_in_a_call_is_bought_once(world, tmp_path, door):
    contacts = given_back((await world.client.enrich(people(3))).results)
    results = await door(world.client, [*people(3), *contacts], tmp_path, "phone_only")

    assert len(results) == 6
    assert {one.status for one in results} == {"found"}
    assert len(world.ledger.contacts) == 6


@pytest.mark.world(hit_rate=1.0)
async def test_within_a_chunk_of_a_journal_none_waits_for_the_other(world, tmp_path):
    handle = Contact(
        linkedin_url="ada-lovelace"
    )  # a chunk keeps those apart whose names or addresses are alike
    contacts = given_back((await world.client.enrich([handle])).results)
    results = await journal(world.client, [handle, *contacts], tmp_path, "phone_only")

    assert len(results) == 2
    assert len(world.ledger.contacts) == 3
