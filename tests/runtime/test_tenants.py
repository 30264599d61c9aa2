"""``with_options(api_key=...)``: the clients of several organizations, on the same connections."""

import asyncio
import gc

import pytest

from cleanlist_async import AsyncCleanlist, AuthenticationError, ConfigurationError
from tests.support.clients import KEY
from tests.support.virtual_sandbox import people

ACME, GLOBEX = "clapi_acme_key", "clapi_globex_key"


pytestmark = pytest.mark.world(others=[{"organization_id": "org_acme", "api_keys": [ACME]}])


async def test_a_tenant_buys_for_its_own_organization(world):
    (acme,), client = world.sandbox.organizations, world.client
    report = await client.with_options(api_key=ACME).enrich(people(20))
    assert report.summary.statuses["pending"] == 0
    assert len(acme.ledger.contacts) == 20
    assert not world.ledger.contacts


async def test_a_tenant_has_its_own_limit(world):
    (acme,), client = world.sandbox.organizations, world.client
    tenant = client.with_options(api_key=ACME)
    await asyncio.gather(*(one.public.credits_balance() for one in [client, tenant] * 30))
    assert asyncio.get_running_loop().time() < 5
    assert (world.ledger.count(429), acme.ledger.count(429)) == (0, 0)


async def test_callers_of_one_tenant_share_requests(world):
    (acme,), client = world.sandbox.organizations, world.client
    calls = [client.with_options(api_key=ACME).enrich_one(person) for person in people(40)]
    await asyncio.gather(*calls)
    assert len(acme.ledger.requests_of("/enrich/bulk")) < 20


async def test_tenants_are_closed_with_their_client(world):
    client = world.client
    tenant = client.with_options(api_key=ACME)
    await tenant.public.credits_balance()
    await client.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await tenant.public.credits_balance()


async def test_a_tenant_with_a_bad_key_hurts_only_itself(world):
    client = world.client
    with pytest.raises(AuthenticationError):
        await client.with_options(api_key="clapi_nobody").public.credits_balance()
    await client.public.credits_balance()


async def test_a_tenant_keeps_the_other_options(world):
    client = world.client
    tenant = client.with_options(deadline_s=5).with_options(api_key=ACME)
    assert tenant._options.deadline_s == 5
    assert tenant.with_options(max_retries=0)._runtime is tenant._runtime


def test_the_same_key_is_the_same_tenant_and_another_is_another():
    client = AsyncCleanlist(KEY, base_url="http://[::1]")
    acme = client.with_options(api_key=ACME)
    assert client.with_options(api_key=ACME)._runtime is acme._runtime
    assert acme.with_options(api_key=GLOBEX)._runtime is not acme._runtime
    assert acme.with_options(api_key=KEY)._runtime is client._runtime


def test_a_tenant_that_nobody_refers_to_is_forgotten():
    client = AsyncCleanlist(KEY, base_url="http://[::1]")
    client.with_options(api_key=ACME)
    gc.collect()
    assert len(client._runtime.shared.tenants) == 1


def test_no_key_is_not_the_key_of_another_who_would_pay(monkeypatch):
    monkeypatch.setenv("CLEANLIST_API_KEY", GLOBEX)
    client = AsyncCleanlist(KEY, base_url="http://[::1]")
    keys = {"acme": ACME}
    with pytest.raises(ConfigurationError, match="no tenant's key"):
        client.with_options(api_key=keys.get("acmee"))


def test_a_bad_key_is_refused_and_not_shown():
    client = AsyncCleanlist(KEY, base_url="http://[::1]")
    with pytest.raises(ConfigurationError) as refused:
        client.with_options(api_key="CANARY\n")
    assert "CANARY" not in str(refused.value)
