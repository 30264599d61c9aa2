"""A server that does nothing but count: plain sockets, an exact log of arrivals, and a 429 past the limit."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.support.tcp_server import tcp_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OK = b'{"valid": true, "organization_id": "org_1"}'
TOO_MANY = b'{"detail": "Rate limit exceeded"}'


class CountingServer:
    """Allows `org` requests of all and `key` requests of one key in any `window_s` seconds, by arrival."""

    def __init__(self, org: int, key: int, window_s: float) -> None:
        self.org = org
        self.key = key
        self.window_s = window_s
        self.arrivals: list[float] = []
        self.arrivals_of: dict[str, list[float]] = defaultdict(list)
        self.rejected = 0
        self.base_url = ""

    def busiest(self, arrivals: list[float]) -> int:
        """Most arrivals in any window of time."""
        return max(
            sum(1 for other in arrivals[start:] if other < begin + self.window_s)
            for start, begin in enumerate(arrivals)
        )

    def _admit(self, key: str) -> bool:
        now = time.monotonic()
        recent = [at for at in self.arrivals if at > now - self.window_s]
        of_key = [at for at in self.arrivals_of[key] if at > now - self.window_s]
        self.arrivals.append(now)
        self.arrivals_of[key].append(now)
        return len(recent) < self.org and len(of_key) < self.key

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            key = head.lower().partition(b"authorization: bearer ")[2].partition(b"\r\n")[0].decode()
            admitted = self._admit(key)
            self.rejected += not admitted
            body = OK if admitted else TOO_MANY
            status = b"200 OK" if admitted else b"429 Too Many Requests"
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()


@asynccontextmanager
async def counting_server(*, org: int, key: int, window_s: float) -> AsyncIterator[CountingServer]:
    counter = CountingServer(org, key, window_s)
    async with tcp_server(counter._serve) as port:
        counter.base_url = f"http://127.0.0.1:{port}"
        yield counter
