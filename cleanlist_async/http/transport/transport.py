"""Two pools of connections, and one attempt on them.

`send` never raises for what the network does; it returns what happened. Whether a byte left and when the
answer came is learned from httpcore's trace events, not from exception classes.
"""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
import httpx

from cleanlist_async import facts
from cleanlist_async.checks import shown
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.http.transport.addresses import check_base_url
from cleanlist_async.http.transport.body import drop_if_more_follows, read_body
from cleanlist_async.http.transport.download import Download, Vantage, download
from cleanlist_async.http.transport.exchange import Exchange, Request
from cleanlist_async.redact import Secret, one_line

if TYPE_CHECKING:
    import httpx2

HTTPClient: TypeAlias = "httpx.AsyncClient | httpx2.AsyncClient"
HTTPConnections: TypeAlias = httpx.AsyncBaseTransport

_ADDRESSES_KEPT: Final = 64
_SHORTEST_SECRET: Final = 8
"""Characters from which on a key is blotted out of answers; shorter ones are no keys, but words."""


class Transport:
    """Two pools of connections: one kept alive for reads, one of fresh connections for paid requests.

    A server that closes an idle connection at the moment of our POST leaves us not knowing whether it
    was processed; a fresh connection cannot be idle. Nor can it bring the answer to another request, so it
    also serves the reads whose answers do not tell whose they are.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Callable[[], float],
        proxy: Secret | None = None,
        http_client: HTTPClient | None = None,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self._clock = clock
        self._proxy = proxy
        self._injected = None if http_client is None else _carrier_of(http_client)
        if self.base_url.startswith("http:") and (proxy or _has_proxy(http_client, self.base_url)):
            raise ConfigurationError(
                "A proxy would read the key: it is sent to it as it is where base_url is http.",
                fix="Leave the proxy out: http is for a server on this machine.",
            )
        # Most addresses come again, and to parse one takes as long as all of a pipeline. They hold ids, and
        # maybe more that is somebody's, so they are kept no longer than the client.
        self._address = lru_cache(maxsize=_ADDRESSES_KEPT)(_address)
        self._tls: ssl.SSLContext | None = None
        self._reads: _Pool | None = None
        self._fresh: _Pool | None = None

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
        pool = self._pool(fresh=request.paid or request.own_connection)
        if request.before is not None and not pool.carrier.shows_trace:
            exchange.halted = ConfigurationError(
                "A durable job needs to see its requests leave, and this transport does not show it."
            )
            return
        pool.users += 1
        try:
            await self._attempt(pool.carrier, request, key, timeout_s, exchange)
            if exchange.failure == "timeout":
                self._retire(pool)
        finally:
            pool.users -= 1
            if pool.retired and not pool.users:
                await pool.aclose()

    async def download(self, wanted: Download) -> int:
        """Fetch a file without a key, on connections of its own; see :func:`download`."""
        async with self.new_connections(keepalive=False) as connections:
            return await download(connections, wanted, Vantage(self.base_url, self._proxy is not None))

    def renew(self) -> None:
        """Let later reads use new connections; those that are open end with the requests on them."""
        if self._reads is not None:
            self._retire(self._reads)

    async def aclose(self) -> None:
        """Close both pools; an injected client stays open."""
        pools, self._reads, self._fresh = (self._reads, self._fresh), None, None
        for pool in pools:
            if pool is not None:
                await pool.aclose()

    def new_connections(self, *, keepalive: bool) -> HTTPConnections:
        """Open a pool of connections. Tests replace this to bring their own network."""
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        limits = httpx.Limits(
            max_connections=4 * facts.MAX_IN_FLIGHT,
            max_keepalive_connections=facts.MAX_IN_FLIGHT if keepalive else 0,
        )
        proxy = None if self._proxy is None else self._proxy.reveal()
        return httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=limits, proxy=proxy)

    # -- pools ---------------------------------------------------------------------------------

    def _pool(self, *, fresh: bool) -> _Pool:
        pool = self._fresh if fresh else self._reads
        if pool is None:
            connections = self.new_connections(keepalive=not fresh)
            pool = _Pool(connections)
            if fresh:
                self._fresh = pool
            else:
                self._reads = pool
        return pool

    def _retire(self, pool: _Pool) -> None:
        """Replace a pool in which a request was cancelled: httpx 0.28 may keep its connection for ever."""
        pool.retired = True
        if self._reads is pool:
            self._reads = None
        elif self._fresh is pool:
            self._fresh = None

    # -- one attempt ---------------------------------------------------------------------------

    async def _attempt(
        self, carrier: _Carrier, request: Request, key: Secret, timeout_s: float, exchange: Exchange
    ) -> None:
        trace = _Trace(exchange, self._clock, request.before)
        try:
            wire = self._wire_request(carrier.library, request, key, trace, timeout_s)
            with anyio.move_on_after(timeout_s) as scope:
                surplus = await self._exchange(carrier, wire, request, exchange)
                if surplus and not _is_credible(request, exchange, trace):
                    exchange.disown()
                    self.renew()
            if scope.cancelled_caught:
                exchange.failure, exchange.reason = "timeout", f"no answer within {timeout_s:g} s"
        finally:
            if not (trace.seen or carrier.shows_trace):
                exchange.sent = True  # a transport that shows nothing may have sent everything
            if exchange.status and exchange.answered_at is None:
                exchange.answered_at = self._clock()

    def _wire_request(
        self, library: Any, request: Request, key: Secret, trace: _Trace, timeout_s: float
    ) -> httpx.Request:
        headers = _HEADERS if request.content is None else _HEADERS_WITH_BODY
        wire: httpx.Request = library.Request(
            request.method,
            self._address(library, self.base_url + request.path),
            params=dict(request.params) or None,
            headers=[*headers, ("Authorization", "Bearer " + key.reveal())],
            content=request.content,
            extensions={"trace": trace, "timeout": dict.fromkeys(_TIMEOUTS, timeout_s)},
        )
        return wire

    async def _exchange(
        self, carrier: _Carrier, wire: httpx.Request, request: Request, exchange: Exchange
    ) -> bool:
        """Send a request and read its answer; return whether more bytes came than that."""
        try:
            response = await carrier.send(wire)
            try:
                exchange.take_head(response)
                await read_body(response, request.max_answer_bytes, exchange)
                # What follows a body that was read in part is the rest of it, and goes with its connection.
                return exchange.failure is None and await drop_if_more_follows(response)
            finally:
                with anyio.CancelScope(shield=True):
                    await response.aclose()
        except carrier.library.TimeoutException:
            exchange.failure, exchange.reason = "timeout", "no answer in time"
        except (
            carrier.library.HTTPStatusError
        ) as problem:  # of an injected client's event hook, for every 4xx
            exchange.take_head(problem.response)
            exchange.failure, exchange.reason = "incomplete", _describe(problem)
        except Exception as problem:  # noqa: BLE001  # an injected client may raise anything
            exchange.failure = "incomplete" if exchange.status else "connection"
            exchange.reason = _describe(problem)
        return False


def _address(library: Any, text: str) -> Any:
    return library.URL(text)


_HEADERS: Final = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),  # a compressed answer of 2 kB can become 1 GiB
    ("User-Agent", "cleanlist-async"),
)
_HEADERS_WITH_BODY: Final = (*_HEADERS, ("Content-Type", "application/json"))
_TIMEOUTS: Final = ("connect", "read", "write", "pool")


@dataclass(frozen=True, slots=True)
class _Carrier:
    """What takes a request to the server: how it sends, and httpx or httpx2, whose objects it knows."""

    library: Any
    send: Callable[[Any], Awaitable[Any]]
    shows_trace: bool


class _Pool:
    """Connections of our own; no client before them, which would add cookies, redirects and log lines."""

    def __init__(self, connections: HTTPConnections) -> None:
        shows_trace = isinstance(connections, httpx.AsyncHTTPTransport)
        self.carrier = _Carrier(httpx, connections.handle_async_request, shows_trace)
        self.users = 0
        self.retired = False
        self._connections = connections

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._connections.aclose()


class _Trace:
    """Watches httpcore at work on one request."""

    __slots__ = ("_before", "_clock", "_exchange", "reuses", "seen")

    def __init__(
        self, exchange: Exchange, clock: Callable[[], float], before: Callable[[], None] | None
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._before = before
        self.seen = False
        self.reuses = True  # a connection that others used, unless it is seen to be made

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        self.seen = True
        if event.endswith("send_request_headers.started"):
            if not _is_to_proxy(info):
                self._leave()
        elif event.endswith(("connect_tcp.complete", "connect_unix_socket.complete")):
            self.reuses = False
        elif event.endswith("receive_response_headers.complete") and self._exchange.sent:
            self._exchange.answered_at = self._clock()

    def _leave(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            try:
                before()
            except CleanlistError as refusal:
                self._exchange.halted = refusal
                raise
        self._exchange.sent = True


def _is_credible(request: Request, exchange: Exchange, trace: _Trace) -> bool:
    """Whether an answer that more bytes follow is the answer to this request.

    On a connection that others used it may be theirs, sent twice. The first on its connection is not; but who
    has nothing else to tell by is on the safe side with two answers that are the same.
    """
    if request.paid:
        return True
    return exchange.body == request.doubted or not (trace.reuses or request.own_connection)


def _is_to_proxy(info: Mapping[str, Any]) -> bool:
    """Whether this is the CONNECT with which a proxy is asked for a tunnel: nothing of ours is in it."""
    return getattr(info.get("request"), "method", None) == b"CONNECT"


def _hide(key: Secret, exchange: Exchange) -> None:
    """Blot the key out of an answer that echoes it: models keep every field, and print what they keep."""
    secret = key.reveal()
    if len(secret) >= _SHORTEST_SECRET:
        for form in {secret, json.dumps(secret)[1:-1]}:
            exchange.body = exchange.body.replace(form.encode(), b"***")


def _describe(problem: Exception) -> str:
    return f"{type(problem).__name__}: {one_line(str(problem))}".rstrip(": ")


def _library_of(client: object) -> Any:
    """Return the module a client is from: httpx, or httpx2, which has the same names. None for neither."""
    if isinstance(client, httpx.AsyncClient):
        return httpx
    other = sys.modules.get("httpx2")  # who made one of its clients has imported it
    return other if other is not None and isinstance(client, other.AsyncClient) else None


def _carrier_of(client: HTTPClient) -> _Carrier:
    library = _library_of(client)
    if library is None:
        raise ConfigurationError(
            f"http_client must be an httpx.AsyncClient or httpx2.AsyncClient, not {shown(client)}."
        )
    send: Any = partial(client.send, stream=True, auth=None, follow_redirects=False)
    return _Carrier(library, send, shows_trace=False)


def _has_proxy(client: HTTPClient | None, base_url: str) -> bool:
    """Whether a client of the caller's would send to *base_url* through a proxy, as far as httpx shows it."""
    choose = getattr(client, "_transport_for_url", None)
    library = _library_of(client)
    if choose is None or library is None:
        return False
    connections = getattr(choose(library.URL(base_url)), "_pool", None)
    return getattr(connections, "_proxy_url", None) is not None
