"""What a server knows of new tables is gathered before it does so itself."""

from __future__ import annotations

import anyio
import pytest

from cleanlist_async import Store
from cleanlist_async.storage.store import jobs, operations, postgres_statistics
from cleanlist_async.storage.store.jobs import NewJob
from tests.support.long_store import ORGANIZATION, contact

pytest.importorskip("psycopg")

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

PATIENCE_S = 60
KNOWN = """
SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = '{}.cleanlist_job_rows'::regclass
"""


async def test_a_job_that_is_new_is_counted_soon(postgres):
    with postgres.schema() as url:
        schema = url.rpartition("%3D")[2]
        async with Store(url) as store:
            job = await store.run(jobs.take("ann", ORGANIZATION, "crm", NewJob("partial", "x", "", None)))
            for start in range(0, 10_000, 1_000):
                places = range(start, start + 1_000)
                rows = [(place, f"d{place}", contact(place), None, None, None) for place in places]
                await store.run(jobs.add_rows(job.lease, rows))
            with anyio.fail_after(PATIENCE_S):
                while not postgres.execute(KNOWN.format(schema))[0][0]:
                    await store.run(operations.renew("ann", "here", 1, 30.0))
            assert postgres.execute(KNOWN.format(schema)) == [(10_000,)]


async def test_nothing_is_gathered_twice_nor_of_what_is_short(postgres):
    with postgres.schema() as url:
        schema = url.rpartition("%3D")[2]
        async with Store(url) as store:
            job = await store.run(jobs.take("ann", ORGANIZATION, "crm", NewJob("partial", "x", "", None)))
            await store.run(jobs.add_rows(job.lease, [(0, "d", contact(0), None, None, None)]))
            await store.run(postgres_statistics.gather())
            assert postgres.execute(KNOWN.format(schema)) == [(0,)]


async def test_who_may_not_gather_works_all_the_same(postgres, monkeypatch):
    monkeypatch.setattr(postgres_statistics, "_OUTDATED", "SELECT no_such_function()")
    with postgres.schema() as url:
        async with Store(url) as store:
            for _ in range(2 * postgres_statistics.WRITES_BETWEEN):
                await store.run(operations.renew("ann", "here", 1, 30.0))
