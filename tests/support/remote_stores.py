"""Places for shared pools on a server: each test gets an empty one, and opens it as several processes do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
import redis

from cleanlist_async.ratelimit import RateLimiter, RateLimits
from tests.support.hand_clock import HandClock
from tests.support.redis_server import wait_until_old_enough
from tests.support.remote_limits import (
    BlockingBackend,
    ClockedPostgres,
    ClockedRedis,
    ClockedServer,
    LoopInThread,
)
from tests.support.shared_stores import finish

TWO = RateLimits(org=2, key=2)


@dataclass
class RemoteStore(ABC):
    """One place. `clock` is that of all processes and of the server, unless a test gives others."""

    url: str
    namespace: str
    thread: LoopInThread
    clock: HandClock = field(default_factory=HandClock)
    opened: list[BlockingBackend] = field(default_factory=list)

    def open(
        self,
        limits: RateLimits = TWO,
        *,
        ours: Callable[[], float] | None = None,
        servers: Callable[[], float] | None = None,
    ) -> BlockingBackend:
        """Open the same pools once more, as another process does."""
        backend = self.backend(limits, ours or self.clock)
        backend.server_clock = servers or self.clock
        self.opened.append(BlockingBackend(backend, self.thread))
        return self.opened[-1]

    def close(self) -> None:
        while self.opened:
            finish(self.opened.pop().aclose())

    @abstractmethod
    def backend(self, limits: RateLimits, clock: Callable[[], float]) -> ClockedServer: ...

    @abstractmethod
    def limiter(self, limits: RateLimits) -> RateLimiter:
        """A limiter by the real clock of a server that is not suspected of having lost anything."""

    @abstractmethod
    def forget(self) -> None:
        """Remove all pools, behind the back of who uses them."""

    @abstractmethod
    def content(self) -> bytes:
        """All that is stored."""


class RedisStore(RemoteStore):
    def backend(self, limits: RateLimits, clock: Callable[[], float]) -> ClockedServer:
        return ClockedRedis(self.url, limits, clock, self.namespace)

    def limiter(self, limits: RateLimits) -> RateLimiter:
        wait_until_old_enough(self.url, limits)
        return RateLimiter.redis(self.url, limits, namespace=self.namespace)

    def forget(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.delete(*client.keys(f"{{{self.namespace}}}*"))

    def content(self) -> bytes:
        with redis.Redis.from_url(self.url) as client:
            keys = client.keys(f"{{{self.namespace}}}*")
            pools = [b"".join(client.hgetall(key).values()) for key in keys if b":pool:" in key]
            return b"".join([*keys, *pools])


class PostgresStore(RemoteStore):
    def backend(self, limits: RateLimits, clock: Callable[[], float]) -> ClockedServer:
        return ClockedPostgres(self.url, limits, clock)

    def limiter(self, limits: RateLimits) -> RateLimiter:
        return RateLimiter.postgres(self.url, limits)

    def forget(self) -> None:
        self.execute("DELETE FROM cleanlist_limit_pools")

    def content(self) -> bytes:
        rows = [*self.execute("TABLE cleanlist_limit_pools"), *self.execute("TABLE cleanlist_limit_names")]
        return repr(rows).encode()

    def execute(self, text: str) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True, prepare_threshold=None) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []
