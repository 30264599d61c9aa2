"""The stores that processes can share limits through, and the round trips of one call in each."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

from psycopg import AsyncClientCursor

from benchmarks import report
from cleanlist_async.ratelimit import RateLimiter, RateLimits, RequestClass, Route
from cleanlist_async.ratelimit.redis import RedisLimits
from cleanlist_async.storage.sqlite_file import SharedFile
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer, wait_until_old_enough

MakeLimiter: TypeAlias = Callable[[], RateLimiter]
ROUTE = Route(("key",), "organization")
WIDE = RateLimits(org=10_000_000, key=10_000_000, window_s=2.0)


@dataclass(frozen=True)
class Servers:
    """Where stores are: a folder, and the servers that are installed."""

    directory: Path
    redis: RedisServer | None
    postgres: PostgresServer | None

    def stores(self, limits: RateLimits) -> dict[str, MakeLimiter]:
        """Every store that processes can share, by name; each call begins with empty ones."""
        name = uuid.uuid4().hex[:8]
        found: dict[str, MakeLimiter] = {
            "sqlite": partial(RateLimiter.sqlite, self.directory / f"{name}.db", limits)
        }
        if self.redis is not None:
            wait_until_old_enough(self.redis.url, limits)
            found["redis"] = partial(RateLimiter.redis, self.redis.url, limits, namespace=name)
        if self.postgres is not None:
            url = self.postgres.url(self.postgres.new_database())
            found["postgresql"] = partial(RateLimiter.postgres, url, limits)
        return found


async def round_trips(make: MakeLimiter, calls: int) -> float:
    """Return the round trips of one call; of a file, its transactions."""
    limiter, trips = make(), 0

    def counted(ask: Callable[..., Any]) -> Callable[..., Any]:
        def ask_and_count(*args: Any, **options: Any) -> Any:
            nonlocal trips
            trips += 1
            return ask(*args, **options)

        return ask_and_count

    with (
        patch.object(AsyncClientCursor, "execute", counted(AsyncClientCursor.execute)),
        patch.object(RedisLimits, "_script", counted(RedisLimits._script)),
        patch.object(SharedFile, "transaction", counted(SharedFile.transaction)),
    ):
        for _ in range(calls):
            permit = await limiter.acquire(ROUTE, RequestClass.INTERACTIVE)
            permit.answered(limiter.clock())
    return trips / calls


def trips(servers: Servers) -> report.Table:
    rows = [
        (name, f"{asyncio.run(round_trips(make, 300)):.2f}") for name, make in servers.stores(WIDE).items()
    ]
    return report.Table(("store", "round trips"), rows, "One call: its token taken, and its answer reported")
