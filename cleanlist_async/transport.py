"""Bytes out, bytes in: the only file that imports httpx.

`send` never raises for what the network does; it returns what happened. Whether a byte left and when the
answer came is learned from httpcore's trace events, not from exception classes.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import anyio
import httpx

from cleanlist_async import facts
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.redact import Secret, one_line

HTTPClient: TypeAlias = httpx.AsyncClient
HTTPConnections: TypeAlias = httpx.AsyncBaseTransport
Failure: TypeAlias = Literal["timeout", "connection", "too_large", "encoding", "incomplete"]

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to go. `paid` requests get a connection of their own."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes | None = field(default=None, repr=False)
    paid: bool = False
    max_answer_bytes: int = facts.MAX_ANSWER_BYTES


@dataclass(slots=True)
class Exchange:
    """What came of one attempt.

    `sent` is False only when not a byte of the request left. `answered_at` is the time of the answer's
    head, by the clock given. `failure` is None when a whole answer is there.
    """

    sent: bool = False
    answered_at: float | None = None
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    failure: Failure | None = None
    reason: str = ""


def check_base_url(base_url: str) -> str:
    """Return *base_url* without a trailing slash. Raises ConfigurationError unless it is safe for a key."""
    parts = urlsplit(base_url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"base_url must be an http(s) address, not {one_line(base_url)!r}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("base_url must not hold a user, a query or a fragment.")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ConfigurationError(
            f"base_url must be https: a key sent to http://{parts.hostname} can be read on the way.",
            fix="Use https, or a loopback address for a sandbox.",
        )
    return base_url.strip().rstrip("/")


class Transport:
    """Two pools of connections: one kept alive for reads, one of fresh connections for paid requests.

    A server that closes an idle connection at the moment of our POST leaves us not knowing whether it
    was processed; a fresh connection cannot be idle.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Callable[[], float],
        proxy: str | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self._clock = clock
        self._proxy = proxy
        self._injected = http_client
        self._tls: ssl.SSLContext | None = None
        self._reads: _Pool | None = None
        self._submits: _Pool | None = None

    async def send(self, request: Request, key: Secret, timeout_s: float) -> Exchange:
        """Send *request* with *key*, in at most *timeout_s* seconds all in all."""
        exchange = Exchange()
        if self._injected is not None and not request.paid:
            await self._attempt(self._injected, request, key, timeout_s, exchange)
            return exchange
        pool = self._pool(paid=request.paid)
        pool.users += 1
        try:
            await self._attempt(pool.client, request, key, timeout_s, exchange)
            if exchange.failure == "timeout":
                self._retire(pool)
        finally:
            pool.users -= 1
            if pool.retired and not pool.users:
                with anyio.CancelScope(shield=True):
                    await pool.client.aclose()
        return exchange

    async def aclose(self) -> None:
        """Close both pools; an injected client stays open."""
        pools, self._reads, self._submits = (self._reads, self._submits), None, None
        for pool in pools:
            if pool is not None:
                await pool.client.aclose()

    def new_connections(self, *, keepalive: bool) -> HTTPConnections:
        """Open a pool of connections. Tests replace this to bring their own network."""
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        limits = httpx.Limits(
            max_connections=2 * facts.MAX_IN_FLIGHT,
            max_keepalive_connections=facts.MAX_IN_FLIGHT if keepalive else 0,
        )
        return httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=limits, proxy=self._proxy)

    # -- pools ---------------------------------------------------------------------------------

    def _pool(self, *, paid: bool) -> _Pool:
        pool = self._submits if paid else self._reads
        if pool is None:
            connections = self.new_connections(keepalive=not paid)
            pool = _Pool(httpx.AsyncClient(transport=connections, trust_env=False, follow_redirects=False))
            if paid:
                self._submits = pool
            else:
                self._reads = pool
        return pool

    def _retire(self, pool: _Pool) -> None:
        """Replace a pool in which a request was cancelled: httpx 0.28 may keep its connection for ever."""
        pool.retired = True
        if self._reads is pool:
            self._reads = None
        elif self._submits is pool:
            self._submits = None

    # -- one attempt ---------------------------------------------------------------------------

    async def _attempt(
        self, client: httpx.AsyncClient, request: Request, key: Secret, timeout_s: float, exchange: Exchange
    ) -> None:
        trace = _Trace(exchange, self._clock)
        wire = self._wire_request(request, key, trace, timeout_s)
        with anyio.move_on_after(timeout_s) as scope:
            await self._exchange(client, wire, request, exchange)
        if scope.cancelled_caught:
            exchange.failure, exchange.reason = "timeout", f"no answer within {timeout_s:g} s"
        if not trace.seen and (client is self._injected or exchange.status):
            exchange.sent = True  # a transport that shows nothing may have sent everything
        if exchange.status and exchange.answered_at is None:
            exchange.answered_at = self._clock()

    def _wire_request(self, request: Request, key: Secret, trace: _Trace, timeout_s: float) -> httpx.Request:
        wire = httpx.Request(
            request.method,
            self.base_url + request.path,
            params=dict(request.params) or None,
            content=request.content,
            extensions={"trace": trace, "timeout": httpx.Timeout(timeout_s).as_dict()},
        )
        wire.headers.update(_HEADERS)
        if request.content is not None:
            wire.headers["Content-Type"] = "application/json"
        wire.headers["Authorization"] = "Bearer " + key.reveal()
        return wire

    async def _exchange(
        self, client: httpx.AsyncClient, wire: httpx.Request, request: Request, exchange: Exchange
    ) -> None:
        try:
            response = await client.send(wire, stream=True, auth=None, follow_redirects=False)
            try:
                exchange.status = response.status_code
                exchange.headers = {name.lower(): value for name, value in response.headers.items()}
                await _read(response, request.max_answer_bytes, exchange)
            finally:
                with anyio.CancelScope(shield=True):
                    await response.aclose()
        except httpx.TimeoutException:
            exchange.failure, exchange.reason = "timeout", "no answer in time"
        except Exception as problem:  # noqa: BLE001  # an injected client may raise anything
            exchange.failure = "incomplete" if exchange.status else "connection"
            exchange.reason = f"{type(problem).__name__}: {one_line(str(problem))}".rstrip(": ")


_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # a compressed answer of 2 kB can become 1 GiB
    "User-Agent": "cleanlist-async",
}


@dataclass(eq=False, slots=True)
class _Pool:
    client: httpx.AsyncClient
    users: int = 0
    retired: bool = False


class _Trace:
    """Watches httpcore at work on one request."""

    __slots__ = ("_clock", "_exchange", "seen")

    def __init__(self, exchange: Exchange, clock: Callable[[], float]) -> None:
        self._exchange = exchange
        self._clock = clock
        self.seen = False

    async def __call__(self, event: str, _info: Mapping[str, Any]) -> None:
        self.seen = True
        if event.endswith("send_request_headers.started"):
            self._exchange.sent = True
            self._exchange.answered_at = None  # what was answered before was a proxy's CONNECT
        elif event.endswith("receive_response_headers.complete"):
            self._exchange.answered_at = self._clock()


async def _read(response: httpx.Response, limit: int, exchange: Exchange) -> None:
    """Read the body within *limit* bytes, on the wire and decoded; stacked encodings are refused."""
    encoding = exchange.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip"}:
        exchange.failure, exchange.reason = "encoding", f"unexpected Content-Encoding {one_line(encoding, 40)!r}"
        return
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding == "gzip" else None
    parts: list[bytes] = []
    size = 0
    try:
        async for received in response.aiter_raw():
            part = inflate.decompress(received, limit + 1 - size) if inflate else received
            size += len(part)
            if size > limit or (inflate and inflate.unconsumed_tail):
                exchange.failure, exchange.reason = "too_large", f"the answer is larger than {limit:,} bytes"
                return
            parts.append(part)
    except zlib.error:
        exchange.failure, exchange.reason = "encoding", "the answer is not the gzip it claims to be"
    finally:
        exchange.body = b"".join(parts)  # a torn answer may still name a workflow that was paid for
