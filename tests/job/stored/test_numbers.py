"""Numbers that reach the database of a store: what does not fit is refused by us, or has no rows."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cleanlist_async import Budget, CleanlistError, ConfigurationError, JobPurgedError, Store, StoreError
from cleanlist_async.types import StoredJobReader
from tests.job.stored.test_in_each_database import opened
from tests.support.virtual_sandbox import people

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

EXTREMES = [
    *(sign * (base + by) for sign in (1, -1) for base in (2**31, 2**32, 2**63, 2**64) for by in (-1, 0, 1)),
    *(10**30, 10**400, -(10**400), math.inf, -math.inf, math.nan, 1e308, 5e-324),
]
FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001  # of no zone, too
PLACES = (-1, 0, 2, 3, 2**31 - 1, 2**31, sys.maxsize, sys.maxsize + 1, 10**400)
ZONES = [None, UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))]
TIMES = [time.replace(tzinfo=zone) for time in (FIRST, LAST) for zone in ZONES]


async def outcome(call, *args, **options):
    """What a call returns, or our own error; anything else is raised."""
    try:
        return await call(*args, **options)
    except CleanlistError as error:
        return error


async def test_a_page_beyond_the_end_is_empty_and_one_that_cannot_be_is_refused(store_url):
    async with opened(store_url) as here:
        async with await (await here.client()).job("crm", people(3)) as job:
            await job.run()
        reader = await StoredJobReader.find(here.store, "crm")
        assert [len(await reader.page(after)) for after in PLACES] == [*(3, 2, 0, 0, 0, 0, 0, 0, 0)]
        for after in (-2, -(10**400), 1.5, True, None, "1", math.inf):
            with pytest.raises(ConfigurationError, match="after"):
                await reader.page(after)


@pytest.mark.slow
async def test_no_number_of_a_caller_is_the_database_s_own_error(store_url):
    async with opened(store_url) as here:
        client = await here.client()
        async with await client.job("crm", people(3)) as job:
            await job.run()
            for number in EXTREMES:
                await outcome(job.resolve, number, absent=True)
                await outcome(job.pilot, number)
        reader = await StoredJobReader.find(here.store, "crm")
        for number in EXTREMES:
            await outcome(reader.page, number)
            await outcome(client.job, f"j{number!r}"[:40], people(1), max_credits=number)
            await outcome(here.store.purge, number)
            if isinstance(budget := await outcome(budget_of, number), Budget):
                await outcome(client.budget.set, budget, actor="ada")
                await outcome(client.budget.show)
            await outcome(open_with, store_url, number)
            assert [job.name for job in await here.store.jobs()]


async def budget_of(number):
    return Budget(per_day=number, per_month=number)


async def open_with(store_url, keep_s):
    async with Store(store_url, keep_s=keep_s):
        pass


@pytest.mark.slow
async def test_any_time_may_be_the_first_of_the_audit_trail(store_url):
    async with opened(store_url) as here:
        await (await here.client()).enrich_one(people(1)[0])
        for since in TIMES:
            lines = [line async for line in here.store.audit(since)]
            assert bool(lines) == (since.year == 1)


# -- what was purged -------------------------------------------------------------------------------------


async def test_a_purged_job_says_so_at_every_door(store_url):
    async with opened(store_url) as here:
        client = await here.client()
        async with await client.job("crm", people(3)) as job:
            await job.run()
            await job.purge()
            assert (await job.status()).state == "purged"
        reader = await StoredJobReader.find(here.store, "crm")

        async def results():
            return [result async for result in reader.results()]

        async def receipts():
            return [receipt async for receipt in reader.receipts()]

        for look in (reader.page, results, receipts, lambda: client.job("crm")):
            with pytest.raises(JobPurgedError, match="removed from the store") as purged:
                await look()
            assert isinstance(purged.value, StoreError)
        status = await reader.status()
        assert (status.state, status.contacts) == ("purged", 3)
