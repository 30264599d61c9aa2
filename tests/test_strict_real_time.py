"""In real time, over real sockets: a server that counts arrivals exactly sees the limit reached and kept."""

from __future__ import annotations

import anyio
import pytest

from cleanlist_async import AsyncCleanlist, RateLimits
from cleanlist_async.events import Event, WorkflowFinished
from cleanlist_async.sandbox import Sandbox
from tests.support.counting_server import CountingServer, counting_server

pytestmark = pytest.mark.sockets

WINDOW_S = 0.6
WINDOWS = 5


async def send(server: CountingServer, keys: list[str], limits: RateLimits, requests: int) -> int:
    async with AsyncCleanlist(keys, base_url=server.base_url, rate_limits=limits) as client:
        async with anyio.create_task_group() as group:
            for _ in range(requests):
                group.start_soon(client.public.validate_key)
        return client.statistics().rejected_429


@pytest.mark.slow
@pytest.mark.parametrize("keys", [1, 2, 3])
@pytest.mark.anyio
async def test_the_limit_is_reached_and_never_passed(keys: int) -> None:
    async with counting_server(org=60, key=30, window_s=WINDOW_S) as server:
        limit = min(60, 30 * keys)
        names = [f"clapi_{number}" for number in range(keys)]
        rejected = await send(server, names, RateLimits(window_s=WINDOW_S), WINDOWS * limit)
        assert rejected == server.rejected == 0
        assert limit // 2 < server.busiest(server.arrivals) <= limit
        assert all(server.busiest(log) <= 30 for log in server.arrivals_of.values())


@pytest.mark.anyio
async def test_the_server_would_have_noticed() -> None:
    async with counting_server(org=60, key=30, window_s=60) as server:
        careless = RateLimits(key=40)
        client = AsyncCleanlist("clapi_0", base_url=server.base_url, rate_limits=careless)
        with anyio.fail_after(60):
            async with client, anyio.create_task_group() as group:
                for _ in range(40):
                    group.start_soon(client.public.validate_key)
                while not server.rejected:  # noqa: ASYNC110 - the server sets no event of ours
                    await anyio.sleep(0.005)
                group.cancel_scope.cancel()
        assert len(server.arrivals) > 30


@pytest.mark.sockets
@pytest.mark.anyio
async def test_idle_tokens_are_used_to_ask_also_where_each_look_at_the_clock_is_later():
    ended: list[WorkflowFinished] = []

    def note(event: Event) -> None:
        if isinstance(event, WorkflowFinished):
            ended.append(event)

    async with (
        Sandbox(workflow_s=0.05) as sandbox,
        AsyncCleanlist(sandbox.api_key, base_url=sandbox.base_url, on_event=note) as client,
    ):
        await client.enrich([{"linkedin_url": "linkedin.com/in/ada"}])
    assert ended[0].after_s < 6  # without idle tokens it is asked about after 8 s
