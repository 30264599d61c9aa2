"""The rows of a job, on each database."""

from __future__ import annotations

import pytest

from cleanlist_async.storage.store import jobs
from cleanlist_async.storage.store.jobs import NewJob

pytestmark = pytest.mark.anyio


async def test_texts_with_characters_that_a_database_refuses_are_recorded(ann, store):
    new = NewJob("partial", "a list", "", None)
    job = await store.run(jobs.take(ann.buyer.owner, ann.buyer.organization, "crm", new))
    invalid, open_ = (0, None, "{}", None, "invalid", "no name: \0"), (1, "00", "{}", None, None, None)
    await store.run(jobs.add_rows(job.lease, [invalid, open_]))

    await store.run(jobs.record(job.id, [(1, "failed", "the server said \0", "wf\0", "none")], []))

    rows = await store.run(jobs.rows(job.id, -1, 10))
    assert [row.status for row in rows] == ["invalid", "failed"]
