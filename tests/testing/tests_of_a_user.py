"""Tests as somebody writes them who has installed the package; see `test_pytest_plugin`."""

from __future__ import annotations

import asyncio

import pytest

from cleanlist_async import ConfigurationError, Contact
from cleanlist_async.testing import no_double_charge

PEOPLE = [Contact(first_name=f"Ada{n}", last_name="Lovelace", company_domain="a.example") for n in range(300)]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_a_list_is_bought_once(cleanlist_client, cleanlist_sandbox):
    report = await cleanlist_client.enrich(PEOPLE)
    assert len(report.results) == 300
    assert len(cleanlist_sandbox.ledger.accepted_contacts()) == 300
    no_double_charge(cleanlist_sandbox)


@pytest.mark.anyio
async def test_a_stream_is_left_early(cleanlist_client):
    async with cleanlist_client.stream(PEOPLE) as results:
        assert (await anext(results)).contact in PEOPLE


@pytest.mark.anyio
async def test_virtual_time_is_for_plain_functions(cleanlist_virtual):
    async def main(client):
        return await client.enrich(PEOPLE)

    with pytest.raises(ConfigurationError, match="plain function"):
        cleanlist_virtual.run(main)


def test_forty_calls_do_not_take_a_minute(cleanlist_client, cleanlist_sandbox):
    async def main():
        async with cleanlist_client as client:
            for _ in range(40):
                await client.public.credits_balance()

    asyncio.run(main())
    assert cleanlist_sandbox.ledger.count(429) == 0


@pytest.mark.cleanlist(hit_rate=1.0, workflow_s=0)
def test_the_marker_has_options(cleanlist_sandbox):
    assert cleanlist_sandbox.hit_rate == 1.0


@pytest.mark.cleanlist(hitrate=1.0)
@pytest.mark.parametrize("fixture", ["cleanlist_sandbox", "cleanlist_virtual"])
def test_an_unknown_option_is_refused_with_a_guess(request, fixture):
    with pytest.raises(ConfigurationError, match="unknown option 'hitrate'; did you mean hit_rate"):
        request.getfixturevalue(fixture)


@pytest.mark.cleanlist(1.0)
def test_an_option_without_a_name_is_refused(request):
    with pytest.raises(ConfigurationError, match="options by name"):
        request.getfixturevalue("cleanlist_sandbox")


@pytest.mark.cleanlist(workflow_s=600)
def test_hours_pass_in_a_moment(cleanlist_virtual):
    async def main(client):
        async with client.stream(PEOPLE * 20) as results:
            return [result async for result in results]

    assert len(cleanlist_virtual.run(main)) == 6000
    assert cleanlist_virtual.now > 600
    no_double_charge(cleanlist_virtual)


def test_a_second_purchase_is_noticed(cleanlist_virtual):
    async def main(client):
        await client.enrich(PEOPLE[:3])
        await client.enrich(PEOPLE[:3])

    cleanlist_virtual.run(main)
    with pytest.raises(AssertionError, match=r"more than once: 3\n  2 times: Ada"):
        no_double_charge(cleanlist_virtual)
