"""The rows of a job, on each database."""

import pytest

from cleanlist_async.errors import BudgetExceededError
from cleanlist_async.storage.store import jobs
from cleanlist_async.storage.store.jobs import NewJob

pytestmark = pytest.mark.anyio


async def test_texts_with_characters_that_a_database_refuses_are_recorded(ann, store):
    new = NewJob("partial", "a list", "", None)
    job = await store.run(jobs.take(ann.buyer.owner, ann.buyer.organization, "crm", new))
    invalid, open_ = (0, None, "{}", None, "invalid", "no name: \0"), (1, "00", "{}", None, None, None)
    await store.run(jobs.add_rows(job.lease, [invalid, open_]))

    await store.run(jobs.record(job.id, [(1, "failed", "the server said \0", "wf\0", "none")]))

    rows = await store.run(jobs.rows(job.id, -1, 10))
    assert [row.status for row in rows] == ["invalid", "failed"]


async def test_a_limit_covers_what_it_is_the_sum_of(ann, store):
    new = NewJob("partial", "a list", "", 0.6)
    job = await store.run(jobs.take(ann.buyer.owner, ann.buyer.organization, "crm", new))
    for _ in range(3):  # 0.6000000000000001 in all
        await store.run(jobs.admit(ann.buyer.owner, job.lease, 0.2))

    with pytest.raises(BudgetExceededError):
        await store.run(jobs.admit(ann.buyer.owner, job.lease, 0.2))
