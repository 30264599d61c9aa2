"""One server, several organizations: each has its own keys, credits, limits and ledger."""

import pytest

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
def acme():
    return Sandbox(organization_id="org_acme", api_keys=["clapi_acme"], credits=5, workflow_s=0, key_limit=2)


@pytest.fixture
async def server(acme):
    async with Sandbox(organizations=[acme], workflow_s=0) as sandbox:
        yield sandbox


async def test_each_request_goes_to_the_organization_of_its_key(server, acme, connect, people):
    async with connect(server) as first, connect(acme) as second:
        ours = (await first.get("/auth/validate-key")).json()
        theirs = (await second.get("/auth/validate-key")).json()
        await second.run(people(3))
    assert (ours["organization_id"], theirs["organization_id"]) == ("org_sandbox", "org_acme")
    assert len(acme.ledger.contacts) == 3
    assert not server.ledger.contacts
    assert acme.balance < 5
    assert server.balance == 1_000_000


async def test_each_has_its_own_limits(server, acme, connect):
    async with connect(server) as first, connect(acme) as second:
        statuses = [(await second.get("/credits/balance")).status_code for _ in range(3)]
        assert (await first.get("/credits/balance")).status_code == 200
    assert statuses == [200, 200, 429]


async def test_a_workflow_of_another_organization_is_not_there(server, acme, connect, people):
    async with connect(server) as first, connect(acme) as second:
        submitted = (await first.submit(people(1))).json()
        assert (await second.status(workflow_id=submitted["workflow_id"])).status_code == 404


async def test_an_unknown_key_is_refused(server, connect):
    async with connect(server, "clapi_unknown") as caller:
        assert (await caller.get("/credits/balance")).status_code == 401


async def test_an_exported_file_is_found_without_a_key(server, acme, tmp_path):
    acme.key_limit = 30
    async with acme.client() as client:
        made = await client.lead_lists.create_list("Leads")
        exported = await client.export.download_csv(made.list_id, tmp_path / "leads.csv")
    assert exported.download_url.startswith(server.base_url)
    assert (tmp_path / "leads.csv").read_text().startswith("lead_id,")


def test_a_key_belongs_to_one_organization():
    with pytest.raises(ConfigurationError, match="another organization"):
        Sandbox(organizations=[Sandbox()])


NESTED = Sandbox(api_keys=["a"], organizations=[Sandbox(api_keys=["b"])])


@pytest.mark.parametrize("wrong", [["acme"], [NESTED]])
def test_an_organization_is_a_sandbox_without_others(wrong):
    with pytest.raises(ConfigurationError, match="organizations"):
        Sandbox(organizations=wrong)
