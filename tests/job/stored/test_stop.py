"""A job that another process stops: nothing more is sent, what was sent is kept, and the job can go on."""

import anyio
import pytest

from cleanlist_async import JobLockedError
from cleanlist_async.types import StoredJobReader
from tests.support.stores import FaultyStore, another_client
from tests.support.virtual_sandbox import check_against_ledger, open_world, people


@pytest.mark.slow
async def test_a_job_is_stopped_from_outside_and_another_process_goes_on_with_it(tmp_path):
    contacts, reports = people(2_000), []
    store = FaultyStore(tmp_path / "store.db")

    async def run(job):
        reports.append(await job.run())

    async with open_world(workflow_s=20.0, client_options={"store": store}) as world:
        async with await world.client.job("crm", contacts) as job, anyio.create_task_group() as group:
            group.start_soon(run, job)
            await anyio.sleep(70)
            assert await store.stop("crm", reason="the user stopped it")
        (report,) = reports
        sent = len(world.ledger.contacts)
        assert isinstance(report.stopped_by, JobLockedError)
        assert 0 < sent < len(contacts)
        reader = await StoredJobReader.find(store, "crm")
        status = await reader.status()
        assert (status.state, status.paused_by) == ("paused", "the user stopped it")
        assert status.results.get("found", 0) + status.results.get("not_found", 0) == sent
        async with another_client(world, store) as other, await other.job("crm") as again:
            results = [result async for result in again]
        assert len(results) == len(world.ledger.contacts) == len(contacts)
        check_against_ledger(world, results)


async def test_a_job_that_is_finished_or_not_there_is_not_stopped(tmp_path):
    store = FaultyStore(tmp_path / "store.db")
    async with open_world(client_options={"store": store}) as world:
        async with await world.client.job("crm", people(3)) as job:
            await job.run()
        assert not await store.stop("crm")
        assert not await store.stop("another")


async def test_results_are_read_page_by_page_while_the_job_runs(tmp_path):
    store = FaultyStore(tmp_path / "store.db")
    async with open_world(workflow_s=20.0, client_options={"store": store}) as world:
        async with await world.client.job("crm", people(600)) as job, anyio.create_task_group() as group:
            group.start_soon(job.run)
            await anyio.sleep(10)
            reader = await StoredJobReader.find(store, "crm")
            first, second = await reader.page(), await reader.page(499)
            assert [result.index for result in (*first, *second)] == list(range(600))
            assert await reader.page(599) == []
            assert {result.status for result in first} <= {"pending", "failed"}
        assert {result.status for result in await reader.page()} == {"found", "not_found"}
