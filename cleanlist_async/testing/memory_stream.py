"""A connection in memory: bytes that arrive late and in order, and httpcore's end of it."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable

import anyio
import httpcore

Latency = Callable[[], float]
"""Seconds that the next message takes one way."""


class Pipe:
    """One direction of a connection: bytes that arrive late, in order, until it finishes or is reset."""

    def __init__(self, latency: Latency) -> None:
        self._latency = latency
        self._message_latency: float | None = None
        self._last_arrival = 0.0
        self._in_flight: deque[Callable[[], None]] = deque()
        self._arrived = bytearray()
        self._finished = False
        self._was_reset = False
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
        self._deliver_later(lambda: setattr(self, "_was_reset", True))

    @property
    def readable(self) -> bool:
        """Whether :meth:`receive` would return at once."""
        return bool(self._arrived) or self._finished or self._was_reset

    @property
    def was_reset(self) -> bool:
        """Whether a reset has arrived."""
        return self._was_reset

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        """Return what has arrived, waiting if nothing has; empty at the end.

        Raises
        ------
        ConnectionResetError
            The other side reset the connection.
        """
        while not self.readable:
            # Cleared only while nothing is readable, so no arrival is missed.
            self._something_arrived.clear()
            await self._something_arrived.wait()
        # What arrived before the reset can still be read.
        if not self._arrived and self._was_reset:
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

        Raises
        ------
        httpcore.ReadTimeout, httpcore.ReadError
            Nothing came in ``timeout`` seconds; the connection is closed or was reset.
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
        """Send bytes; never waits.

        Raises
        ------
        httpcore.WriteError
            The connection is closed or was reset.
        """
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
        """Refuse: a memory network speaks plain HTTP.

        Raises
        ------
        httpcore.UnsupportedProtocol
            Always.
        """
        raise httpcore.UnsupportedProtocol("MemoryNetwork has no TLS: use an http:// address")

    def get_extra_info(self, info: str) -> object:
        """``is_readable`` lets httpcore notice that an idle connection was closed by the server."""
        return self._incoming.readable if info == "is_readable" else None
