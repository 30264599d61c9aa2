"""What a job may spend, and what it says it spent, when it is resumed or collects what others bought."""

from __future__ import annotations

import math
from collections import Counter

import anyio
import pytest

from cleanlist_async import Budget, BudgetExceededError
from cleanlist_async.events import ResultsSettled, RunFinished
from tests.job.stored.conftest import CHUNK
from tests.job.worlds import Bench
from tests.support.stores import another_client, leave_accepted
from tests.support.virtual_sandbox import people

MANY = people(100)


async def run(client, *args, name="crm", **options):
    async with await client.job(name, *args, **options) as job:
        report = await job.run()
        assert await job.verify() == []
    return report


async def killed_after(here, contacts, **options):
    """Leave a job whose process ends while the workflows of these many contacts are open."""
    async with another_client(here, here.client.store) as other:
        job = await other.job("crm", MANY, **options)
        async with anyio.create_task_group() as group:
            group.start_soon(job.run)
            while len(here.ledger.contacts) < contacts:  # noqa: ASYNC110  # the ledger has no event
                await anyio.sleep(0.1)
            group.cancel_scope.cancel()
        await job.aclose()


BOTH_LIMITS = pytest.mark.parametrize(
    ("max_credits", "budget"), [(50, Budget()), (None, Budget(per_day=50)), (50, Budget(per_month=50))]
)


@pytest.mark.world(hit_rate=0.7)
@BOTH_LIMITS
async def test_a_resumed_job_goes_on_to_the_limit_in_one_run(world, max_credits, budget):
    await world.client.budget.set(budget)
    await killed_after(world, 50, max_credits=max_credits)
    assert (len(world.ledger.contacts), world.ledger.credits_charged) == (50, 0)
    report = await run(world.client, max_credits=max_credits)
    error = report.stopped_by
    assert isinstance(error, BudgetExceededError)
    assert (error.max_credits, error.committed_credits) == (50, 50)
    assert "; 50 are spent" in str(error) or "of which 50 are spent" in str(error)
    assert report.status.credits_spent == world.ledger.credits_charged == 50
    assert set(world.ledger.times_accepted().values()) == {1}


@pytest.mark.world(hit_rate=0.7)
@BOTH_LIMITS
async def test_so_does_one_that_nothing_interrupts(world, max_credits, budget):
    await world.client.budget.set(budget)
    report = await run(world.client, MANY, max_credits=max_credits)
    assert report.stopped_by.committed_credits == 50
    assert report.status.credits_spent == world.ledger.credits_charged == 50


@pytest.mark.world(hit_rate=0.7)
async def test_a_job_in_a_journal_uses_the_budget_of_its_store_up_too(world, tmp_path):
    await world.client.budget.set(Budget(per_day=23))
    report = await Bench(world, tmp_path, people(60)).run()
    assert (report.stopped_by.period, report.stopped_by.committed_credits) == ("day", 23)
    assert report.status.credits_spent == world.ledger.credits_charged == 23


@pytest.mark.world(workflow_s=900.0)
async def test_reservations_of_others_are_not_waited_for(world):
    await world.client.budget.set(Budget(per_day=50))
    async with another_client(world, world.client.store) as other:
        job = await other.job("crm", MANY[:50])
        async with anyio.create_task_group() as group:
            group.start_soon(job.run)
            while len(world.ledger.contacts) < 50:  # noqa: ASYNC110  # the ledger has no event
                await anyio.sleep(0.1)
            mine = await run(world.client, MANY[50:], name="mine")
            assert isinstance(mine.stopped_by, BudgetExceededError)
            assert world.ledger.credits_charged == 0, "it waited for the other's workflow"
            group.cancel_scope.cancel()
        await job.aclose()


@pytest.mark.world(hit_rate=1.0)
async def test_a_job_counts_only_what_it_paid_and_all_jobs_together_what_was_charged(world):
    told = {"a": [], "b": []}
    await killed_after(world, 100)
    async with another_client(world, world.client.store, on_event=told["b"].append) as client:
        b = await run(client, [*MANY[50:], *people(10, start=200)], name="b")
    async with another_client(world, world.client.store, on_event=told["a"].append) as client:
        a = await run(client)
    assert (a.status.credits_spent, b.status.credits_spent) == (100, 10)
    assert _finished(told["b"]).credits == 10
    settled = [
        event.credits for events in told.values() for event in events if isinstance(event, ResultsSettled)
    ]
    assert math.fsum(settled) == world.ledger.credits_charged == 110


async def test_who_enriches_what_a_job_bought_pays_nothing(world):
    await killed_after(world, 100)
    report = await world.client.enrich(MANY)
    assert report.summary.credits == 0
    assert math.fsum(result.bought_for or 0 for result in report.results) == world.ledger.credits_charged > 0


async def test_what_an_enrich_left_is_counted_by_the_one_that_fetches_it(world):
    await leave_accepted(world, world.client.store, MANY)
    report = await world.client.enrich(MANY)
    assert report.summary.credits == world.ledger.credits_charged > 0


def _finished(events):
    [finished] = [event for event in events if isinstance(event, RunFinished)]
    return finished


@pytest.mark.world(hit_rate=0.8)
async def test_the_rest_of_a_budget_goes_out_in_few_submits(world):
    await world.client.budget.set(Budget(per_day=60))
    report = await run(world.client, people(256))
    assert isinstance(report.stopped_by, BudgetExceededError)
    assert report.status.credits_spent == world.ledger.credits_charged == 60
    sizes = list(Counter(contact.workflow_id for contact in world.ledger.contacts).values())
    # Each but the last full ones takes all that came back from the one before.
    ends = sizes[next(n for n, size in enumerate(sizes) if size < CHUNK) :]
    assert ends == sorted(ends, reverse=True)


@pytest.mark.world(hit_rate=0.65)
async def test_where_a_job_stands_is_told_right_while_a_budget_holds_it(world):
    await world.client.budget.set(Budget(per_day=50))
    seen = []

    def look(status):
        seen.append((status.credits_spent + status.credits_held, job.waits_for, status.chunks))

    async with await world.client.job("crm", people(256)) as job:
        job.on_progress = look
        await job.run()
    assert max(committed for committed, _, _ in seen) <= 50
    held = [chunks.get("accepted", 0) for _, waits_for, chunks in seen if waits_for == "credits"]
    assert max(held) == 2
    assert job.waits_for is None or seen[-1][1] is None


@pytest.mark.world(hit_rate=0.65, workflow_s=20.0)
async def test_no_time_is_told_while_a_budget_holds_a_run(world):
    await world.client.budget.set(Budget(per_day=50))
    seen = []
    await world.client.enrich(people(256), progress=seen.append)
    assert {one.eta_s for one in seen if one.waits_for_credits} == {None}
