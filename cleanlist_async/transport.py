"""Bytes out, bytes in: the only file that imports httpx.

`send` never raises for what the network does; it returns what happened. Whether a byte left and when the
answer came is learned from httpcore's trace events, not from exception classes.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final, Literal, TypeAlias

import anyio
import httpx

from cleanlist_async import facts
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.redact import Secret, one_line

HTTPClient: TypeAlias = httpx.AsyncClient
HTTPConnections: TypeAlias = httpx.AsyncBaseTransport
Failure: TypeAlias = Literal["timeout", "connection", "too_large", "encoding", "incomplete"]

_SHORTEST_SECRET: Final = 8
"""Characters from which on a key is blotted out of answers; shorter ones are no keys, but words."""


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

    def take_head(self, response: httpx.Response) -> None:
        """Note status and headers."""
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    @property
    def ok(self) -> bool:
        """Whether the status says that all went well."""
        return 200 <= self.status < 300


def check_base_url(base_url: str) -> str:
    """Return *base_url* in its one normal form. Raises ConfigurationError unless it is safe for a key."""
    url = _parsed(base_url)
    if url is None or url.scheme not in {"http", "https"} or (url.port or 1) > 65_535:
        raise ConfigurationError(f"base_url must be an http(s) address, not {one_line(str(base_url), 80)!r}.")
    if url.userinfo or url.query or url.fragment:
        raise ConfigurationError("base_url must not hold a user, a query or a fragment.")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ConfigurationError(
            f"base_url must be https: a key sent to http://{url.host} can be read on the way.",
            fix="Use https, or a loopback address for a sandbox.",
        )
    return str(url.copy_with(query=None, fragment=None)).rstrip("/")


def _parsed(address: str) -> httpx.URL | None:
    """Read an address as the parser does that will choose where to connect; None if it names no host."""
    try:
        url = httpx.URL(address.strip())
        return url if url.host and not set(url.host) & set("%[]") else None
    except (httpx.InvalidURL, ValueError, TypeError, AttributeError):
        return None


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


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
        self._proxy = _checked_proxy(proxy)
        self._injected = _checked_client(http_client)
        self._tls: ssl.SSLContext | None = None
        self._reads: _Pool | None = None
        self._submits: _Pool | None = None

    async def send(self, request: Request, key: Secret, timeout_s: float, exchange: Exchange) -> None:
        """Send *request* with *key*, in at most *timeout_s* seconds all in all, and tell *exchange* of it."""
        try:
            if self._injected is not None and not request.paid:
                await self._attempt(self._injected, request, key, timeout_s, exchange)
            else:
                await self._send_on_pool(request, key, timeout_s, exchange)
        except Exception as problem:  # noqa: BLE001  # whatever it is, no caller may wait for ever
            exchange.failure, exchange.reason = "connection", _describe(problem)
        finally:
            _hide(key, exchange)

    async def _send_on_pool(
        self, request: Request, key: Secret, timeout_s: float, exchange: Exchange
    ) -> None:
        pool = self._pool(paid=request.paid)
        pool.users += 1
        try:
            await self._attempt(pool.client, request, key, timeout_s, exchange, shows_trace=pool.shows_trace)
            if exchange.failure == "timeout":
                self._retire(pool)
        finally:
            pool.users -= 1
            if pool.retired and not pool.users:
                await pool.aclose()

    def renew(self) -> None:
        """Let later reads use new connections; those that are open end with the requests on them."""
        if self._reads is not None:
            self._retire(self._reads)

    async def aclose(self) -> None:
        """Close both pools; an injected client stays open."""
        pools, self._reads, self._submits = (self._reads, self._submits), None, None
        for pool in pools:
            if pool is not None:
                await pool.aclose()

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
            client = httpx.AsyncClient(transport=connections, trust_env=False, follow_redirects=False)
            pool = _Pool(client, shows_trace=isinstance(connections, httpx.AsyncHTTPTransport))
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
        self,
        client: httpx.AsyncClient,
        request: Request,
        key: Secret,
        timeout_s: float,
        exchange: Exchange,
        *,
        shows_trace: bool = False,
    ) -> None:
        trace = _Trace(exchange, self._clock)
        try:
            wire = self._wire_request(request, key, trace, timeout_s)
            with anyio.move_on_after(timeout_s) as scope:
                await self._exchange(client, wire, request, exchange)
            if scope.cancelled_caught:
                exchange.failure, exchange.reason = "timeout", f"no answer within {timeout_s:g} s"
        finally:
            if not (trace.seen or shows_trace):
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
                exchange.take_head(response)
                await _read(response, request.max_answer_bytes, exchange)
                await _drop_if_more_follows(response)
            finally:
                with anyio.CancelScope(shield=True):
                    await response.aclose()
        except httpx.TimeoutException:
            exchange.failure, exchange.reason = "timeout", "no answer in time"
        except httpx.HTTPStatusError as problem:  # an injected client's event hook raises it for every 4xx
            exchange.take_head(problem.response)
            exchange.failure, exchange.reason = "incomplete", _describe(problem)
        except Exception as problem:  # noqa: BLE001  # an injected client may raise anything
            exchange.failure = "incomplete" if exchange.status else "connection"
            exchange.reason = _describe(problem)


_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # a compressed answer of 2 kB can become 1 GiB
    "User-Agent": "cleanlist-async",
}


@dataclass(eq=False, slots=True)
class _Pool:
    client: httpx.AsyncClient
    shows_trace: bool
    users: int = 0
    retired: bool = False

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await self.client.aclose()


class _Trace:
    """Watches httpcore at work on one request."""

    __slots__ = ("_clock", "_exchange", "seen")

    def __init__(self, exchange: Exchange, clock: Callable[[], float]) -> None:
        self._exchange = exchange
        self._clock = clock
        self.seen = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        self.seen = True
        if event.endswith("send_request_headers.started"):
            self._exchange.sent = self._exchange.sent or not _is_to_proxy(info)
        elif event.endswith("receive_response_headers.complete") and self._exchange.sent:
            self._exchange.answered_at = self._clock()


def _is_to_proxy(info: Mapping[str, Any]) -> bool:
    """Whether this is the CONNECT with which a proxy is asked for a tunnel: nothing of ours is in it."""
    return getattr(info.get("request"), "method", None) == b"CONNECT"


async def _read(response: httpx.Response, limit: int, exchange: Exchange) -> None:
    """Read the body within *limit* bytes, on the wire and decoded; stacked encodings are refused."""
    encoding = exchange.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip"}:
        exchange.failure = "encoding"
        exchange.reason = f"unexpected Content-Encoding {one_line(encoding, 40)!r}"
        return
    if not exchange.ok:
        limit = min(limit, facts.MAX_SUBMIT_ANSWER_BYTES)
    body = _Body(limit, inflating=encoding == "gzip")
    try:
        async for received in _wire_bytes(response):
            body.add(received)
    except _TooLargeError:
        exchange.failure, exchange.reason = "too_large", f"the answer is larger than {limit:,} bytes"
    except zlib.error:
        exchange.failure, exchange.reason = "encoding", "the answer is not the gzip it claims to be"
    finally:
        exchange.body = b"".join(body.parts)  # a torn answer may still name a workflow that was paid for


class _TooLargeError(Exception):
    pass


class _Body:
    """A body as it arrives, held to a number of bytes both on the wire and decoded."""

    def __init__(self, limit: int, *, inflating: bool) -> None:
        self.parts: list[bytes] = []
        self._limit = limit
        self._on_wire = self._decoded = 0
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if inflating else None

    def add(self, received: bytes) -> None:
        self._on_wire += len(received)
        inflate = self._inflate
        part = inflate.decompress(received, self._limit + 1 - self._decoded) if inflate else received
        self._decoded += len(part)
        if max(self._on_wire, self._decoded) > self._limit or (inflate and inflate.unconsumed_tail):
            raise _TooLargeError
        self.parts.append(part)


def _wire_bytes(response: httpx.Response) -> AsyncIterator[bytes]:
    stream = response.stream  # not aiter_raw(), which a response made in memory refuses
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("the answer cannot be read asynchronously")
    return aiter(stream)


async def _drop_if_more_follows(response: httpx.Response) -> None:
    """Drop a connection that brought bytes beyond its answer: httpcore would take them for the next one.

    No public name leads to them. Where these private ones do not, the check of each answer's ids stands.
    """
    layer: object = response.stream
    for name in ("_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        layer = getattr(layer, name, None)
    surplus: tuple[bytes, bool] = getattr(layer, "trailing_data", (b"", False))
    if surplus[0]:
        await response.extensions["network_stream"].aclose()


def _hide(key: Secret, exchange: Exchange) -> None:
    """Blot the key out of an answer that echoes it: models keep every field, and print what they keep."""
    secret = key.reveal()
    if len(secret) >= _SHORTEST_SECRET:
        for form in {secret, json.dumps(secret)[1:-1]}:
            exchange.body = exchange.body.replace(form.encode(), b"***")


def _describe(problem: Exception) -> str:
    return f"{type(problem).__name__}: {one_line(str(problem))}".rstrip(": ")


def _checked_proxy(proxy: str | None) -> str | None:
    if proxy is None:
        return None
    scheme = url.scheme if (url := _parsed(proxy)) else ""
    if scheme not in {"http", "https", "socks5", "socks5h"}:
        raise ConfigurationError("proxy must be an address like http://proxy.example:3128.")
    if scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError("A SOCKS proxy needs one more package.", fix="pip install 'httpx[socks]'")
    return proxy


def _checked_client(client: object) -> httpx.AsyncClient | None:
    if client is not None and not isinstance(client, httpx.AsyncClient):
        raise ConfigurationError(f"http_client must be an httpx.AsyncClient, not a {type(client).__name__}.")
    return client
