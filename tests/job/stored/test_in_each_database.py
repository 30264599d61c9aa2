"""A job by name in SQLite, in PostgreSQL, and behind PgBouncer, over real sockets and in real time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from cleanlist_async import (
    AsyncCleanlist,
    BudgetExceededError,
    Contact,
    InputChangedError,
    JobLockedError,
    RateLimiter,
    RateLimits,
    Store,
)
from cleanlist_async.sandbox import Fault, Sandbox
from cleanlist_async.storage.store.operations import Statement
from tests.job.worlds import SUBMIT, mixed
from tests.support.virtual_sandbox import check_against_ledger, check_one_result_each, people

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]


@dataclass
class Here:
    """A server, and clients of one store."""

    sandbox: Sandbox
    store: Store
    stack: AsyncExitStack
    limiter: RateLimiter = field(default_factory=lambda: RateLimiter(RateLimits(org=10**6, key=10**6)))

    @property
    def ledger(self):
        return self.sandbox.ledger

    async def client(self) -> AsyncCleanlist:
        client = AsyncCleanlist(
            self.sandbox.api_keys[0], base_url=self.sandbox.base_url, limiter=self.limiter, store=self.store
        )
        return await self.stack.enter_async_context(client)


@asynccontextmanager
async def opened(store_url: str, **options) -> AsyncIterator[Here]:
    sandbox = Sandbox(org_limit=10**6, key_limit=10**6, **{"workflow_s": 0.3, **options})
    async with sandbox, Store(store_url) as store, AsyncExitStack() as stack:
        yield Here(sandbox, store, stack)


async def test_a_job_is_begun_run_and_read_again(store_url):
    given = mixed(60)
    async with opened(store_url) as here:
        client = await here.client()
        async with await client.job("crm", given) as job:
            results = [result async for result in job]
            again = [result async for result in job]
            receipts = [receipt async for receipt in job.receipts()]
            status = await job.status()
            assert await job.verify() == []
        check_one_result_each(results, given)
        check_one_result_each(again, given)
        check_against_ledger(here, results)
        assert status.state == "complete"
        assert sum(receipt.credits for receipt in receipts) == here.ledger.credits_charged
        assert status.credits_spent == here.ledger.credits_charged


@pytest.mark.slow  # it waits for real workflows; the same in virtual time is in test_stored_job
async def test_a_job_is_taken_over_in_the_middle_and_its_old_runner_sends_nothing(store_url):
    given, ended = people(60), []
    async with opened(store_url, workflow_s=0.5) as here:
        one, other = await here.client(), await here.client()
        job = await one.job("crm", given, max_open_workflows=1)

        async def run():
            ended.append((await job.run()).stopped_by)

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            while not here.ledger.contacts:  # noqa: ASYNC110  # the server sets no event of ours
                await anyio.sleep(0.02)
            with pytest.raises(JobLockedError, match="process"):
                await other.job("crm")
            await here.store.run(statement("UPDATE cleanlist_owners SET lease_until = 0"))
            async with await other.job("crm") as taken:
                report = await taken.run()
        assert [type(error) for error in ended] == [JobLockedError]
        assert report.status.state == "complete"
        assert set(here.ledger.times_accepted().values()) == {1}
        assert report.status.credits_spent == here.ledger.credits_charged


@pytest.mark.slow
async def test_the_limit_holds_and_decisions_and_changes_of_the_input_are_seen(store_url):
    given = people(30)
    async with opened(store_url, hit_rate=1.0) as here:
        client = await here.client()
        here.sandbox.add_fault(Fault(SUBMIT, when="after", reset=True))
        async with await client.job("crm", given, max_credits=28) as job:
            report = await job.run()
            (chunk,) = report.unknown
            assert isinstance(report.stopped_by, BudgetExceededError)
            assert (report.status.credits_at_risk, report.status.credits_spent) == (25, 3)
            await job.resolve(chunk.number, accepted=here.ledger.contacts[0].workflow_id)
        with pytest.raises(InputChangedError, match="contact 30 changed"):
            await client.job("crm", [*given[:-1], *people(1, start=900)])
        async with await client.job("crm", given) as job:
            report = await job.run()
            assert (report.status.state, report.unknown) == ("complete", [])
            assert report.status.credits_spent == here.ledger.credits_charged == 30
            await job.purge()
        assert (await here.store.counts()).results == 0


@pytest.mark.slow
async def test_a_person_is_forgotten_and_a_job_loses_its_contacts_alone(store_url):
    given = people(30)
    name = {"first_name": given[3].first_name, "last_name": given[3].last_name}
    odd = Contact(first_name="Only", email="only@navy.example")
    async with opened(store_url, hit_rate=1.0) as here:
        client = await here.client()
        async with await client.job("crm", [*given, odd]) as job:
            await job.run()
        where = {"company_name": given[3].company_name, "company_domain": given[3].company_domain}
        gone = await here.store.forget({**name, **where}, {"email": "Only@Navy.example"}, actor="dpo")
        assert (gone.results, gone.rows) == (1, 2)
        async with await client.job("crm") as job:
            results = [result async for result in job]
            assert await job.verify() == []
            assert (await job.status()).credits_spent == 30
            await job.purge(keep_results=True)
        assert sorted(result.index for result in results if result.contact == Contact()) == [3, 30]
        assert (await here.store.counts()).results == 29
        bought = await client.enrich_one(given[4])
        assert bought.bought_at is not None
        assert len(here.ledger.contacts) == 30
        lines = [(line.event, line.actor, line.contacts) async for line in here.store.audit()]
        assert lines[-1] == ("forgotten", "dpo", 1)


@pytest.mark.slow
async def test_a_store_of_the_first_version_gets_the_tables_of_jobs(store_url):
    async with Store(store_url) as store:
        for text in (
            "DROP TABLE cleanlist_jobs",
            "DROP TABLE cleanlist_job_rows",
            "DROP INDEX cleanlist_submits_by_job",
            "DROP INDEX cleanlist_purchases_by_earlier",
            "ALTER TABLE cleanlist_submits DROP COLUMN job",
            "ALTER TABLE cleanlist_submits DROP COLUMN number",
            "UPDATE cleanlist_store SET version = 1",
        ):
            await store.run(statement(text))
    async with opened(store_url) as here:
        client = await here.client()
        async with await client.job("crm", people(3)) as job:
            assert (await job.run()).status.state == "complete"


def statement(text: str):
    yield Statement(text)


@pytest.mark.slow
async def test_a_job_that_is_taken_over_goes_on_to_its_limit_in_one_run(store_url):
    async with opened(store_url, hit_rate=0.7, workflow_s=1.0) as here:
        job = await (await here.client()).job("crm", people(100), max_credits=50)
        async with job, anyio.create_task_group() as group:
            group.start_soon(job.run)
            while len(here.ledger.contacts) < 50:  # noqa: ASYNC110  # the server sets no event of ours
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        async with await (await here.client()).job("crm", max_credits=50) as job:
            report = await job.run()
        assert isinstance(report.stopped_by, BudgetExceededError)
        assert (report.stopped_by.max_credits, report.stopped_by.committed_credits) == (50, 50)
        assert report.status.credits_spent == here.ledger.credits_charged == 50
        assert not here.ledger.duplicates()
