"""A network in memory: the real httpcore on one side, an in-process HTTP/1.1 server on the other.

Because httpcore itself runs, its connection pool, its timeouts and its trace events are the real ones.
Latency is simulated, so in virtual time a run is exact and repeatable.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http.client import responses as phrases
from types import TracebackType
from typing import Literal, Protocol, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import anyio
import h11
import httpcore
import httpx
from anyio.abc import TaskGroup

Latency = Callable[[], float]
"""Seconds that the next message takes one way."""

ConnectOutcome = Literal["accept", "refuse", "ignore"]
"""``ignore``: the server never answers the handshake, so only a timeout ends the attempt."""
_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class Pipe:
    """One direction of a connection: bytes that arrive late, in order, until it finishes or is reset."""

    def __init__(self, latency: Latency) -> None:
        self._latency = latency
        self._message_latency: float | None = None
        self._last_arrival = 0.0
        self._in_flight: deque[Callable[[], None]] = deque()
        self._arrived = bytearray()
        self._finished = False
        self.was_reset = False
        self._something_arrived = asyncio.Event()

    def begin_message(self) -> None:
        """From now on another message is sent, which has its own latency."""
        self._message_latency = None

    def send(self, data: bytes) -> None:
        """Send bytes; never waits."""
        self._deliver_later(lambda: self._arrived.extend(data))

    def finish(self) -> None:
        """Send the end of the stream."""
        self._deliver_later(lambda: setattr(self, "_finished", True))

    def reset(self) -> None:
        """Send a reset; what was sent before still arrives."""
        self._deliver_later(lambda: setattr(self, "was_reset", True))

    @property
    def readable(self) -> bool:
        """Whether :meth:`receive` would return at once."""
        return bool(self._arrived) or self._finished or self.was_reset

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        """Return what has arrived, waiting if nothing has; empty at the end.

        Raises ConnectionResetError if the other side reset the connection.
        """
        while not self.readable:
            # Cleared only while nothing is readable, so no arrival is missed.
            self._something_arrived.clear()
            await self._something_arrived.wait()
        # What arrived before the reset can still be read.
        if not self._arrived and self.was_reset:
            raise ConnectionResetError("Connection reset by peer")
        data = bytes(self._arrived[:max_bytes])
        del self._arrived[:max_bytes]
        return data

    def _deliver_later(self, deliver: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        if self._message_latency is None:
            self._message_latency = self._latency()
        # Not before anything that was sent earlier: the bytes of a connection stay in order.
        self._last_arrival = max(self._last_arrival, loop.time() + self._message_latency)
        self._in_flight.append(deliver)
        loop.call_at(self._last_arrival, self._deliver_next)

    def _deliver_next(self) -> None:
        # The oldest, whichever timer fires: only a virtual loop keeps the order of equal timers.
        self._in_flight.popleft()()
        self._something_arrived.set()


class MemoryStream(httpcore.AsyncNetworkStream):
    """The client's end of a connection, with the errors of a real socket under httpcore."""

    def __init__(self, *, incoming: Pipe, outgoing: Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Receive bytes, or none at the end.

        Raises httpcore.ReadTimeout if nothing came in ``timeout`` seconds, and ReadError if the connection is
        closed or was reset.
        """
        if self._closed:
            raise httpcore.ReadError("The connection is closed")
        # A client that reads has sent its request; what it writes next is another message.
        self._outgoing.begin_message()
        try:
            with anyio.fail_after(timeout):
                return await self._incoming.receive(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(f"Nothing received for {timeout} s") from error
        except ConnectionResetError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes; never waits. Raises httpcore.WriteError if the connection is closed or was reset."""
        # As on a real socket, a reset fails a write only once it has arrived.
        if self._closed or self._incoming.was_reset:
            raise httpcore.WriteError("The connection is closed")
        if buffer:
            self._outgoing.send(buffer)

    async def aclose(self) -> None:
        """Close the connection. The server sees it one latency later."""
        if not self._closed:
            self._closed = True
            self._outgoing.finish()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raise httpcore.UnsupportedProtocol: a memory network speaks plain HTTP."""
        raise httpcore.UnsupportedProtocol("MemoryNetwork has no TLS: use an http:// address")

    def get_extra_info(self, info: str) -> object:
        """``is_readable`` lets httpcore notice that an idle connection was closed by the server."""
        return self._incoming.readable if info == "is_readable" else None


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """A request as the server sees it. Header names are lower case; ``arrived_at`` in loop seconds.

    ``target`` is path and query as they were on the wire; ``query`` has the last value of a repeated key.
    """

    method: str
    """The HTTP method."""
    path: str
    """The path, without the query."""
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    """The headers; of a repeated one, the last."""
    body: bytes = field(repr=False)
    """The whole body."""
    arrived_at: float
    target: str = ""


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """An answer; ``content-length`` is added.

    ``reset_after``: bytes of the answer (head included) after which the connection is reset instead.
    """

    status: int
    """The HTTP status."""
    body: bytes = b""
    """The whole body."""
    headers: tuple[tuple[str, str], ...] = ()
    """Pairs of name and value."""
    reset_after: int | None = None


class Handler(Protocol):
    """The server."""

    def __call__(self, request: ServerRequest, /) -> Awaitable[ServerResponse]:
        """Answer one request. To never answer, await ``anyio.sleep_forever()``."""
        ...


class MemoryNetwork(httpcore.AsyncNetworkBackend):
    """Connects httpcore to ``handler`` whatever the host and port (``http://`` only, no TLS).

    An asynchronous context manager: it owns the server's tasks, and an exception in ``handler`` ends
    the context. Requests of a client that has gone are still carried out, as a real server would.

    Parameters
    ----------
    handler
        The server.
    latency
        Seconds one way, drawn separately for each message: each handshake half, each request, each answer.
        Within a connection messages never overtake each other.
    connect_round_trips
        Round trips before a connection is usable (1 for TCP).
    on_connect
        What becomes of the n-th attempt to connect, from 0.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        latency: Latency = lambda: 0.0,
        connect_round_trips: int = 1,
        on_connect: Callable[[int], ConnectOutcome] = lambda _attempt: "accept",
    ) -> None:
        self.connect_attempts = 0
        self.connections = 0
        self.requests = 0
        self._handler = handler
        self._latency = latency
        self._connect_round_trips = connect_round_trips
        self._on_connect = on_connect
        self._server_tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._server_tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        tasks, self._server_tasks = self._server_tasks, None
        if tasks is None:
            return None
        # A connection that is still open would wait for its next request for ever.
        tasks.cancel_scope.cancel()
        return await tasks.__aexit__(exc_type, exc_value, traceback)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> MemoryStream:
        """Open a connection. Raises httpcore.ConnectTimeout and ConnectError, as a real network does."""
        outcome = self._on_connect(self.connect_attempts)
        self.connect_attempts += 1
        try:
            with anyio.fail_after(timeout):
                await self._shake_hands(outcome)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"Connecting to {host}:{port} took over {timeout} s") from error
        return self._open_connection()

    async def _shake_hands(self, outcome: ConnectOutcome) -> None:
        if outcome == "ignore":
            await anyio.sleep_forever()
        # Each half of a round trip has a latency of its own.
        for _ in range(2 * self._connect_round_trips):
            await anyio.sleep(self._latency())
        if outcome == "refuse":
            raise httpcore.ConnectError("Connection refused")

    def _open_connection(self) -> MemoryStream:
        if self._server_tasks is None:
            raise RuntimeError("MemoryNetwork is an asynchronous context manager: enter it first")
        to_server, to_client = Pipe(self._latency), Pipe(self._latency)
        self.connections += 1
        self._server_tasks.start_soon(self._serve, to_server, to_client)
        return MemoryStream(incoming=to_client, outgoing=to_server)

    async def _serve(self, incoming: Pipe, outgoing: Pipe) -> None:
        connection = h11.Connection(h11.SERVER)
        while (request := await _next_request(connection, incoming)) is not None:
            self.requests += 1
            response = await self._handler(request)
            # An answer is one message, whatever the latency of the one before it was.
            outgoing.begin_message()
            if not _answer(connection, response, outgoing):
                return
        outgoing.finish()


async def _next_request(connection: h11.Connection, incoming: Pipe) -> ServerRequest | None:
    """Read one whole request, None when the client has closed the connection."""
    if connection.our_state is h11.DONE:
        # h11 reads the next request of a connection only after this.
        connection.start_next_cycle()
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if not (data := await incoming.receive()):
                return None
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _server_request(head, bytes(body))
        else:
            return None


def _server_request(head: h11.Request, body: bytes) -> ServerRequest:
    raw = head.target.decode("ascii")
    target = urlsplit(raw)
    return ServerRequest(
        method=head.method.decode("ascii"),
        path=unquote(target.path),
        query=dict(parse_qsl(target.query, keep_blank_values=True)),
        # Latin-1 has a character for every byte, so no header can fail to decode.
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
        arrived_at=asyncio.get_running_loop().time(),
        target=raw,
    )


def _answer(connection: h11.Connection, response: ServerResponse, outgoing: Pipe) -> bool:
    """Send an answer; return whether the connection stays open."""
    headers = [*response.headers, ("content-length", str(len(response.body)))]
    head = h11.Response(status_code=response.status, headers=headers, reason=phrases.get(response.status, ""))
    events = (head, h11.Data(data=response.body), h11.EndOfMessage())
    raw = b"".join(connection.send(event) or b"" for event in events)
    # None sends the whole answer.
    outgoing.send(raw[: response.reset_after])
    if response.reset_after is not None:
        outgoing.reset()
        return False
    # One side has asked to close the connection.
    if connection.our_state is not h11.DONE:
        outgoing.finish()
        return False
    return True


class _MemoryTransport(httpx.AsyncHTTPTransport):
    # httpx has no public way to choose httpcore's network backend. Its transport is no more than an
    # adapter around a pool kept in `_pool`, so a pool of ours is all that it takes.
    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool


def memory_transport(network: MemoryNetwork, *, keepalive: bool = True) -> httpx.AsyncBaseTransport:
    """Return an httpx transport over ``network``, for ``httpx.AsyncClient(transport=...)``.

    ``keepalive=False`` opens a connection for each request.
    """
    return _MemoryTransport(
        httpcore.AsyncConnectionPool(
            network_backend=network,
            max_connections=None,
            max_keepalive_connections=None if keepalive else 0,
            # httpcore measures idle time by the machine's clock, which means nothing in virtual time.
            keepalive_expiry=None,
        )
    )
