"""Limits of single endpoints that several processes share, as those of keys and organizations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
import pytest

from cleanlist_async.ratelimit import RateLimiter, RateLimits, Route
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.ratelimit.test_endpoints import Server
from tests.support.clients import virtual_client
from tests.support.limited_wire import INTERACTIVE
from tests.support.redis_server import wait_until_old_enough
from tests.support.shared_stores import sqlite_limiter

LIMITS = RateLimits(endpoints={"public.credits_balance": 5})
SHORT = RateLimits(window_s=2.0, endpoints={"public.credits_balance": 3})


async def two_processes(stack: AsyncExitStack, server: Server, path: Path) -> list[VirtualCleanlist]:
    return [
        await stack.enter_async_context(
            virtual_client(server, api_key=key, rate_limits=None, limiter=sqlite_limiter(path, LIMITS))
        )
        for key in ("clapi_one", "clapi_two")
    ]


async def test_processes_with_keys_of_one_organization_keep_to_the_limit_together(tmp_path: Path) -> None:
    server = Server(limit=5)
    async with AsyncExitStack() as stack:
        clients = await two_processes(stack, server, tmp_path / "limits.db")
        for client in clients:
            await client.public.validate_key()  # which says that they are of one organization
        async with anyio.create_task_group() as group:
            for client in clients * 6:
                group.start_soon(client.public.credits_balance)
    assert server.refused == 0
    assert server.balance_at[-1] - server.balance_at[0] < 122


async def test_a_429_of_an_endpoint_pauses_it_for_all_processes(tmp_path: Path) -> None:
    server = Server(refuse=1)
    async with AsyncExitStack() as stack:
        one, other = await two_processes(stack, server, tmp_path / "limits.db")
        for client in (one, other):
            await client.public.validate_key()
        async with anyio.create_task_group() as group:
            group.start_soon(one.public.credits_balance)
            await anyio.sleep(1)
            started = anyio.current_time()
            await other.public.validate_key()
            assert anyio.current_time() - started < 1
            await other.public.credits_balance()
            assert anyio.current_time() - started > 28
    assert server.refused == 1


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("redis", marks=pytest.mark.sockets),
        pytest.param("postgres", marks=[pytest.mark.sockets, pytest.mark.slow]),
    ]
)
def open_limiter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], RateLimiter]]:
    if request.param == "sqlite":
        yield partial(RateLimiter.sqlite, tmp_path / "limits.db", SHORT)
    elif request.param == "redis":
        url = request.getfixturevalue("redis_url")
        wait_until_old_enough(url, SHORT)
        yield partial(RateLimiter.redis, url, SHORT, namespace=request.getfixturevalue("namespace"))
    else:
        server = request.getfixturevalue("postgres")
        with server.database() as name:
            yield partial(RateLimiter.postgres, server.url(name), SHORT)


@pytest.mark.slow
def test_what_one_process_holds_another_cannot_have(
    open_limiter: Callable[[], RateLimiter], wait_for_workers: Callable[[], None]
) -> None:
    route = Route(("key",), "organization")

    async def main() -> None:
        one, other = open_limiter(), open_limiter()
        permits = [
            await limiter.acquire(route, INTERACTIVE, operation="credits_balance")
            for limiter in (one, one, other)
        ]
        (state,) = other.endpoints_of(route)
        assert (state.name, state.limit, state.in_flight) == ("credits_balance", 3, 3)
        permits.append(await other.acquire(route, INTERACTIVE, operation="whoami"))
        permits[0].lost()
        permits.append(await other.acquire(route, INTERACTIVE, operation="credits_balance"))
        for permit in permits:
            permit.unsent()

    anyio.run(main)
    wait_for_workers()
