"""A job that was begun with another key: taken over where that bought nothing, and named everywhere else."""

from __future__ import annotations

import pytest

from cleanlist_async import (
    APIConnectionError,
    AsyncCleanlist,
    AuthenticationError,
    ConfigurationError,
    InputChangedError,
    JobLockedError,
    JobNotFoundError,
)
from cleanlist_async.sandbox import Fault, Sandbox
from cleanlist_async.types import StoredJobReader
from tests.job.stored.test_in_each_database import opened
from tests.job.worlds import CHECK
from tests.support.virtual_sandbox import people

pytestmark = [pytest.mark.anyio, pytest.mark.sockets, pytest.mark.slow]  # they wait for real workflows

WRONG, OTHER = "clapi_wrong_0123456789abcdef", "clapi_acme_0123456789abcdef"
GIVEN = people(30)


async def client_of(here, key=None, **options) -> AsyncCleanlist:
    client = AsyncCleanlist(
        key or here.sandbox.api_keys[0],
        base_url=here.sandbox.base_url,
        limiter=here.limiter,
        store=here.store,
        **options,
    )
    return await here.stack.enter_async_context(client)


def with_another_organization(store_url):
    acme = Sandbox(organization_id="org_acme", api_keys=[OTHER], workflow_s=0.3)
    return opened(store_url, organizations=[acme])


async def run(client, *args, **options):
    async with await client.job("w", *args, **options) as job:
        report = await job.run()
        assert await job.verify() == []
    return report


async def begin_with(here, key, **options):
    """Begin a job with a key that the server refuses."""
    report = await run(await client_of(here, key, **options), GIVEN)
    assert isinstance(report.stopped_by, AuthenticationError)
    assert report.status.state == "paused"


async def names(found) -> list[str]:
    return [name async for name in found]


@pytest.mark.parametrize("given", [(), (GIVEN,)])
@pytest.mark.parametrize("organization", [None, "acme"])
@pytest.mark.parametrize("is_used", [False, True])
async def test_a_job_whose_key_never_worked_goes_on_with_one_that_works(
    store_url, given, organization, is_used
):
    async with opened(store_url) as here:
        await begin_with(here, WRONG, organization=organization)
        client = await client_of(here, organization=organization)
        if is_used:
            await client.enrich_one(people(1, start=900)[0])
        assert await names(client.unfinished()) == await names(here.store.unfinished()) == ["w"]
        report = await run(client, *given)
        assert (report.status.state, report.status.results.get("failed")) == ("complete", None)
        assert await names(client.unfinished()) == await names(here.store.unfinished()) == []
        [job] = await here.store.jobs()
        assert (job.state, job.organization.partition("@")[0]) == ("finished", here.sandbox.organization_id)
        [line] = [line async for line in here.store.audit() if line.event == "adopted"]
        assert (line.organization, line.reason) == (job.organization, "the job 'w'")
        assert report.status.credits_spent == job.spent


async def test_other_contacts_under_the_name_of_such_a_job_are_refused_as_of_ones_own(store_url):
    async with opened(store_url) as here:
        await begin_with(here, WRONG)
        with pytest.raises(InputChangedError):
            await run(await client_of(here), people(30, start=100))


async def test_what_an_organization_bought_serves_no_other(store_url):
    async with with_another_organization(store_url) as here:
        await run(await client_of(here), GIVEN)
        acme = await client_of(here, OTHER)
        for adopt in (False, True):
            with pytest.raises(JobNotFoundError, match=here.sandbox.organization_id) as refused:
                await acme.job("w", adopt=adopt)
            assert "what was bought for it serves no other" in str(refused.value)
        assert await names(acme.unfinished()) == []
        report = await run(acme, GIVEN)  # one of its own
        assert report.status.credits_spent > 0
        assert len({job.organization for job in await here.store.jobs()}) == 2


async def test_where_the_store_serves_several_a_job_is_taken_over_only_by_who_says_so(store_url):
    async with with_another_organization(store_url) as here:
        acme, client = await client_of(here, OTHER), await client_of(here)
        for one in (acme, client):
            await one.enrich_one(people(1, start=900)[0])
        await begin_with(here, WRONG)
        assert await names(here.store.unfinished()) == ["w"]
        assert await names(client.unfinished()) == []
        with pytest.raises(JobNotFoundError, match=r"another API key.+adopt=True"):
            await client.job("w")
        report = await run(client, adopt=True)
        assert report.status.state == "complete"
        with pytest.raises(JobNotFoundError, match=here.sandbox.organization_id):
            await acme.job("w")


async def test_where_the_store_serves_several_an_input_begins_a_job_of_ones_own(store_url):
    async with with_another_organization(store_url) as here:
        for key in (OTHER, None):
            await (await client_of(here, key)).enrich_one(people(1, start=900)[0])
        await begin_with(here, WRONG)
        report = await run(await client_of(here), people(5, start=50))
        assert (report.status.state, report.status.contacts) == ("complete", 5)
        with pytest.raises(ConfigurationError, match=r"Several organizations .+ Store.jobs") as several:
            await StoredJobReader.find(here.store, "w")
        assert not isinstance(several.value, JobNotFoundError)


async def test_a_key_that_is_refused_does_not_open_the_job_of_another_and_that_is_said(store_url):
    async with opened(store_url, api_keys=["clapi_one_0123456789abcdef", OTHER]) as here:
        await run(await client_of(here), GIVEN)
        with pytest.raises(AuthenticationError):
            await (await client_of(here, WRONG)).job("w")
        here.sandbox.add_fault(Fault(CHECK, reset=True, times=1e9))
        with pytest.raises(APIConnectionError):
            await (await client_of(here, OTHER)).job("w")


async def test_a_planned_job_of_another_that_sent_nothing_is_taken_over_by_who_says_so(store_url):
    async with with_another_organization(store_url) as here:
        client, acme = await client_of(here), await client_of(here, OTHER)
        async with await client.job("w", GIVEN):
            assert [name async for name in acme.unfinished()] == []
            with pytest.raises(JobLockedError):
                await acme.job("w", adopt=True)
        with pytest.raises(JobNotFoundError, match="adopt=True"):
            await acme.job("w")
        assert (await run(acme, adopt=True)).status.state == "complete"
        with pytest.raises(JobNotFoundError, match="org_acme"):
            await client.job("w")


async def test_a_job_that_took_its_results_from_earlier_purchases_is_not_taken_over(store_url):
    async with with_another_organization(store_url) as here:
        client = await client_of(here)
        await client.enrich(GIVEN)
        report = await run(client, GIVEN)
        assert report.status.credits_spent == 0
        with pytest.raises(JobNotFoundError, match="serves no other"):
            await (await client_of(here, OTHER)).job("w", adopt=True)


async def test_a_key_whose_organization_was_not_told_keeps_what_it_bought_until_it_is(store_url):
    """The question failed, and the submits did not: the key stands for its organization."""
    async with with_another_organization(store_url) as here:
        here.sandbox.add_fault(Fault(CHECK, status=503, times=1e9))
        client = await client_of(here)
        await run(client, GIVEN)
        await client.aclose()
        with pytest.raises(JobNotFoundError, match="another API key"):
            await (await client_of(here, OTHER)).job("w", adopt=True)
        here.sandbox.clear_faults()
        async with await (await client_of(here)).job("w") as job:
            assert (await job.status()).state == "complete"


async def test_of_two_jobs_of_a_name_that_become_one_organization_s_none_is_out_of_reach(store_url):
    async with opened(
        store_url, api_keys=["clapi_one_0123456789abcdef", "clapi_two_0123456789abcdef"]
    ) as here:
        first, second = here.sandbox.api_keys
        await run(await client_of(here, first), GIVEN)
        here.sandbox.add_fault(Fault(CHECK, status=503, times=1e9))
        client = await client_of(here, second)
        async with await client.job("w", people(5, start=50)):
            pass
        await client.aclose()
        here.sandbox.clear_faults()
        client = await client_of(here, second)
        [name] = await names(client.unfinished())
        assert name.startswith("w (")
        async with await client.job(name) as job:
            assert ((await job.run()).status.contacts, (await job.status()).state) == (5, "complete")


async def test_a_name_that_nobody_has_is_not_found_at_any_door(store_url):
    async with opened(store_url) as here:
        client = await client_of(here)
        with pytest.raises(JobNotFoundError, match=r"no job 'crm' .+ Begin it with an input"):
            await client.job("crm")
        for name in ("crm", "", "k\ud800", "x\0y"):
            with pytest.raises(JobNotFoundError, match="no job"):
                await StoredJobReader.find(here.store, name)
        with pytest.raises(ConfigurationError):
            await StoredJobReader.find(here.store, 5)


async def test_a_client_without_a_store_has_no_unfinished_jobs_to_name():
    async with AsyncCleanlist("clapi_x") as client:
        with pytest.raises(ConfigurationError, match="store"):
            await names(client.unfinished())
