"""Tests that use `every_store` run once for each kind of store that a limiter can have."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator

import pytest

from cleanlist_async.ratelimit import RateLimiter, RateLimits
from tests.support.limited_wire import make_limiter, memory_limiter
from tests.support.redis_server import redis_server, skip_without
from tests.support.remote_limits import LoopInThread
from tests.support.remote_stores import PostgresStore, RedisStore, RemoteStore
from tests.support.shared_stores import PoolBackend, shared_limiter


def pool_limiter(limits: RateLimits | None) -> RateLimiter:
    clock = asyncio.get_running_loop().time
    return shared_limiter(PoolBackend(limits or RateLimits(), clock), clock)


@pytest.fixture(params=["memory", "shared"])
def every_store(request: pytest.FixtureRequest) -> Iterator[str]:
    token = make_limiter.set(memory_limiter if request.param == "memory" else pool_limiter)
    yield request.param
    make_limiter.reset(token)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """One Redis for all tests that do not harm it; each takes a namespace of its own."""
    skip_without("redis-server")
    with redis_server() as server:
        yield server.url


@pytest.fixture
def namespace() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture(scope="session")
def loop_in_thread() -> Iterator[LoopInThread]:
    thread = LoopInThread()
    yield thread
    thread.close()


@pytest.fixture(
    params=[
        "redis",
        pytest.param("postgres", marks=pytest.mark.slow),
        pytest.param("pgbouncer", marks=pytest.mark.slow),
    ]
)
def remote(
    request: pytest.FixtureRequest, namespace: str, loop_in_thread: LoopInThread
) -> Iterator[RemoteStore]:
    """An empty place for pools on each server in turn."""
    if request.param == "redis":
        store: RemoteStore = RedisStore(request.getfixturevalue("redis_url"), namespace, loop_in_thread)
        yield store
        store.close()
        return
    server = request.getfixturevalue("postgres")
    port = server.port if request.param == "postgres" else request.getfixturevalue("pgbouncer_port")
    with server.database() as name:
        store = PostgresStore(server.url(name, port), namespace, loop_in_thread)
        yield store
        store.close()


@pytest.fixture
def wait_for_workers() -> Callable[[], None]:
    """Wait until no sync worker of this test has a connection open: the server goes next."""
    of_earlier_tests = set(threading.enumerate())

    def wait() -> None:
        for thread in set(threading.enumerate()) - of_earlier_tests:
            if thread.name == "cleanlist-limits":
                thread.join(60)
                assert not thread.is_alive()

    return wait
