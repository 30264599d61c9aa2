"""What ``client.statistics()`` says of the rate limit."""

from contextlib import suppress

import anyio

from cleanlist_async import RateLimits, errors
from tests.support.clients import ANSWERS, respond, virtual_client

BALANCE = respond(ANSWERS["credits_balance"])


async def test_statistics_tell_the_use_of_each_bucket_and_when_the_last_in_line_will_go():
    async with virtual_client(
        lambda request, number: BALANCE, rate_limits=RateLimits(), pace="burst", latency=lambda: 0.1
    ) as client:
        async with anyio.create_task_group() as group:
            for _ in range(95):
                group.start_soon(client.public.credits_balance)
            await anyio.sleep(10)
            statistics = client.statistics()
            began = anyio.current_time()
        took_s = anyio.current_time() - began
    use = {bucket.limit: bucket.use for bucket in statistics.buckets}
    assert use == {30: 1.0, 60: 0.5}
    assert statistics.waiting == 65
    assert abs(statistics.eta_s - took_s) < 2


async def test_an_idle_client_expects_nothing():
    async with virtual_client(lambda request, number: BALANCE) as client:
        with suppress(errors.CleanlistError):
            await client.public.credits_balance()
        statistics = client.statistics()
    assert (statistics.eta_s, statistics.credits_charged, statistics.credits_estimated) == (0.0, 0.0, 0.0)
