"""Tests that use `every_store` run once for each kind of store that a limiter can have."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import pytest

from cleanlist_async.ratelimit import RateLimiter, RateLimits
from tests.support.limited_wire import make_limiter, memory_limiter
from tests.support.redis_limits import LoopInThread
from tests.support.redis_server import redis_server, skip_without
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
