"""Clients of httpx, ours or the caller's, and one attempt to send a request on one of them.

Whether a byte left and when the answer came is learned from httpcore's trace events, not from exceptions.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import anyio
import httpx

from cleanlist_async import facts
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.http.transport.addresses import check_base_url
from cleanlist_async.http.transport.connection_options import (
    ConnectionOptions,
    GivenClient,
    HTTPClient,
    HTTPConnections,
    Sender,
    own_client,
    proxy_name,
)
from cleanlist_async.http.transport.download import Download, Vantage, download
from cleanlist_async.http.transport.exchange import (
    Exchange,
    Request,
    certificate_problem,
    describe,
    drop_if_more_follows,
    read_body,
)
from cleanlist_async.redact import Secret

_ADDRESSES_KEPT: Final = 64
# In characters. A shorter key would be masked in ordinary words too.
_SHORTEST_SECRET: Final = 8


class Transport:
    """Two pools of connections: one kept alive for reads, one of fresh connections for paid requests.

    If a server closes an idle connection at the moment of our POST, we cannot know whether it was processed;
    a fresh connection is never idle. Nor can it deliver the answer to another request, so reads whose answers
    do not show whose they are use one too. A client of the caller's carries everything on its own
    connections: a submit that meets a closing one has an unknown outcome.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Callable[[], float],
        options: ConnectionOptions | None = None,
        http_client: HTTPClient | None = None,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self._clock = clock
        self._options = options or ConnectionOptions()
        self._injected = None if http_client is None else GivenClient(http_client, self.base_url)
        proxy = None if self._injected else self._options.proxy_for(self.base_url)
        if self.base_url.startswith("http:") and (
            proxy or (self._injected and self._injected.has_proxy_to(self.base_url))
        ):
            raise ConfigurationError(
                "A proxy could read the key, which is sent in clear where base_url is http.",
                fix="Leave out the proxy: http is meant for a server on this machine.",
            )
        self._proxy = proxy
        host = httpx.URL(self.base_url).netloc.decode()  # with a port that is not the usual one
        self._server = f"{host} through the proxy {proxy_name(proxy)}" if proxy else host
        # Most addresses come again, and parsing one costs as much as the whole pipeline. They hold ids and
        # perhaps personal data, so they are kept no longer than the client.
        self._address = lru_cache(maxsize=_ADDRESSES_KEPT)(_address)
        self._tls: ssl.SSLContext | None = None
        self._pools: dict[bool, Sender] = {}  # by whether their connections are fresh

    async def send(
        self,
        request: Request,
        key: Secret,
        timeout_s: float,
        exchange: Exchange,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> None:
        """Send *request* with *key*, in at most *timeout_s* seconds; note the outcome in *exchange*.

        *may_leave* is asked when a connection is there: making it may have taken long.
        """
        exchange.server = self._server
        trace = _Trace(exchange, self._clock, request.before, may_leave)
        try:
            sender = self._injected or self._pool(fresh=request.paid or request.own_connection)
            await self._send_on(sender, request, key, timeout_s, trace)
        except ConfigurationError as refusal:  # such as certificates that cannot be read
            exchange.halted = exchange.halted or refusal
        except Exception as problem:  # noqa: BLE001  # whatever it is, no caller may wait for ever
            exchange.failure, exchange.reason = "connection", describe(problem)
        finally:
            _mask_key(key, exchange)

    async def _send_on(
        self, sender: Sender, request: Request, key: Secret, timeout_s: float, trace: _Trace
    ) -> None:
        sender.users += 1
        try:
            await self._attempt(sender, request, key, timeout_s, trace)
            # The request was cancelled within the pool.
            if trace.exchange.failure == "timeout" and sender is not self._injected:
                self._retire(sender)
        finally:
            sender.users -= 1
            if sender.retired and not sender.users:  # the last of its users closes it
                await sender.aclose()

    async def download(self, wanted: Download) -> int:
        """Fetch a file without a key, on connections of its own or the caller's; see :func:`download`."""
        given = self._injected
        if given is not None and (connections := given.connections_to(wanted.url)) is not None:
            vantage = Vantage(self.base_url, given.has_proxy_to(wanted.url), given.library)
            return await download(connections, wanted, vantage)
        vantage = Vantage(self.base_url, self._options.proxy_for(wanted.url) is not None)
        async with self.new_connections(keepalive=False, address=wanted.url) as own:
            return await download(own, wanted, vantage)

    def renew(self) -> None:
        """Open new connections for later reads; the present ones close with the requests on them."""
        if (reads := self._pools.get(False)) is not None:
            self._retire(reads)

    async def aclose(self) -> None:
        """Close both pools; an injected client stays open."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()

    def new_connections(self, *, keepalive: bool, address: str | None = None) -> HTTPConnections:
        """Open a pool of connections to the API, or to *address*. Tests replace this by their own network."""
        if self._tls is None:
            self._tls = self._options.context()  # reading them takes 20 ms
        # Without a bound, so that no request waits for the pool: `Admission` has bounds.
        limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=facts.MAX_IN_FLIGHT if keepalive else 0
        )
        proxy = self._proxy if address is None else self._options.proxy_for(address)
        way = None if proxy is None else httpx.Proxy(proxy.reveal())
        if way is not None and way.url.scheme == "https":
            way.ssl_context = self._tls  # a proxy is trusted as any server is
        on_close = [_RESET] if address is None else None
        return httpx.AsyncHTTPTransport(
            verify=self._tls, trust_env=False, limits=limits, proxy=way, socket_options=on_close
        )

    # -- pools ---------------------------------------------------------------------------------

    def _pool(self, *, fresh: bool) -> Sender:
        if (pool := self._pools.get(fresh)) is None:
            pool = self._pools[fresh] = own_client(self.new_connections(keepalive=not fresh))
        return pool

    def _retire(self, pool: Sender) -> None:
        """Retire a pool in which a request was cancelled: httpx 0.28 may never free its connection."""
        pool.retired = True
        self._pools = {fresh: one for fresh, one in self._pools.items() if one is not pool}

    # -- one attempt ---------------------------------------------------------------------------

    async def _attempt(
        self, sender: Sender, request: Request, key: Secret, timeout_s: float, trace: _Trace
    ) -> None:
        exchange = trace.exchange
        wire = self._wire_request(sender.library, request, key, trace, timeout_s)
        try:
            with anyio.move_on_after(timeout_s) as scope:
                if not sender.shows_trace:
                    await trace.intend()  # nothing may show when its first byte leaves
                    trace.is_blind = True
                surplus = await _exchange(sender, wire, request, trace)
                if surplus and not _is_credible(request, exchange, trace):
                    exchange.disown()
                    self.renew()
            if scope.cancelled_caught:
                exchange.failure, exchange.reason = "timeout", f"nothing came within {timeout_s:g} s"
        finally:
            # httpx's response and its stream hold each other, and through this would hold the answer.
            wire.extensions.pop("trace", None)
            if trace.is_blind and not trace.seen:
                exchange.sent = True  # without trace events, everything may have been sent
            if exchange.status and exchange.answered_at is None:
                exchange.answered_at = self._clock()

    def _wire_request(
        self, library: Any, request: Request, key: Secret, trace: _Trace, timeout_s: float
    ) -> httpx.Request:
        wire: httpx.Request = library.Request(
            request.method,
            self._address(library, self.base_url + request.path),
            params=dict(request.params) or None,
            headers=self._options.headers.for_request(
                "Bearer " + key.reveal(), has_body=request.content is not None
            ),
            content=request.content,
            extensions={"trace": trace, "timeout": dict.fromkeys(_TIMEOUTS, timeout_s)},
        )
        return wire


async def _exchange(sender: Sender, wire: httpx.Request, request: Request, trace: _Trace) -> bool:
    """Send a request and read its answer; return whether more bytes came than that."""
    library, exchange = sender.library, trace.exchange
    try:
        response = await sender.send(wire)
        try:
            await trace.leave()  # a mock answers without a trace event
            exchange.take_head(response)
            await read_body(response, request.max_answer_bytes, exchange)
            # What follows a body that was read in part is the rest of it, and its connection is closed below.
            # Where a hook has read the body to its end, the pool may already use the connection for another.
            is_whole = exchange.failure is None and not response.is_closed
            return is_whole and await drop_if_more_follows(response)
        finally:
            # Shielded: a connection that is not closed here would stay in the pool for good.
            with anyio.CancelScope(shield=True):
                await response.aclose()
    except library.HTTPStatusError as problem:  # raised by an event hook that calls raise_for_status
        exchange.take_head(problem.response)
        exchange.failure, exchange.reason = "incomplete", describe(problem)
    except Exception as problem:  # noqa: BLE001  # hooks and injected clients may raise anything
        if isinstance(problem, library.TimeoutException):
            exchange.failure, exchange.reason = "timeout", "nothing came in time"
        elif untrusted := certificate_problem(problem):
            exchange.failure, exchange.reason = "certificate", untrusted
        else:
            exchange.failure = "incomplete" if exchange.status else "connection"
            exchange.reason = describe(problem)
        if not (trace.seen or sender.happens_unsent(problem)):
            await trace.leave()  # a mock or a wrapper raised it, and shows nothing of what it did before
    return False


def _address(library: Any, text: str) -> Any:
    return library.URL(text)


_TIMEOUTS: Final = ("connect", "read", "write", "pool")
# Sent on closing: otherwise the operating system goes on sending what was given up, for minutes.
_RESET: Final = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass(eq=False, slots=True)
class _Trace:
    exchange: Exchange
    _clock: Callable[[], float]
    _before: Callable[[], Awaitable[None]] | None
    _may_leave: Callable[[], bool]
    seen: bool = False
    is_blind: bool = False  # whether the request was given to a transport that may show nothing
    reuses: bool = True  # the connection is taken for a used one, unless it is seen to be made

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        self.seen = True
        # "started": once httpcore begins to write, a part of the request may be on its way.
        if event.endswith("send_request_headers.started"):
            # The CONNECT that asks a proxy for a tunnel holds nothing of our request.
            if getattr(info.get("request"), "method", None) != b"CONNECT":
                # Not after `before`, which may have recorded that the request leaves.
                self.exchange.recalled = not self._may_leave()
                if self.exchange.recalled:
                    raise _RecalledError
                await self.leave()
        elif event.endswith(("connect_tcp.complete", "connect_unix_socket.complete")):
            self.reuses = False
        elif event.endswith("receive_response_headers.complete") and self.exchange.sent:
            self.exchange.answered_at = self._clock()
            if event.startswith("http11"):  # the status stays known where a hook or a redirect raises
                self.exchange.status = info["return_value"][1]

    async def leave(self) -> None:
        """Note that the request leaves now, if it has not left before."""
        await self.intend()
        self.exchange.sent = True

    async def intend(self) -> None:
        """Run what is to happen before the first byte leaves."""
        before, self._before = self._before, None  # once, though several events may come to this
        if before is not None:
            try:
                await before()
            except CleanlistError as refusal:
                self.exchange.halted = refusal
                raise
            await anyio.lowlevel.checkpoint_if_cancelled()  # it took too long: nothing is to leave any more


class _RecalledError(Exception):
    """Stops a request before its first byte."""


def _is_credible(request: Request, exchange: Exchange, trace: _Trace) -> bool:
    """Whether an answer that more bytes follow is the answer to this request.

    On a used connection, it may be an earlier request's answer that was sent twice. On a new one it is not;
    but where nothing in the answer shows whose it is, it is believed only when the same comes twice.
    """
    if request.paid:
        return not trace.reuses
    return exchange.body == request.doubted or not (trace.reuses or request.own_connection)


def _mask_key(key: Secret, exchange: Exchange) -> None:
    """Mask the key in an answer that echoes it: models keep every field, and their reprs show them."""
    secret = key.reveal()
    if len(secret) >= _SHORTEST_SECRET:
        escaped = secret.replace("\\", "\\\\").replace('"', '\\"')  # as in JSON: a key is printable ASCII
        for form in {secret, escaped}:
            exchange.body = exchange.body.replace(form.encode(), b"***")
