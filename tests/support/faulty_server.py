"""A socket server that misbehaves to order: it plays scripted bytes, pauses and endings, nothing else.

It knows just enough HTTP/1.1 to find the end of a request. Answers are raw bytes, so that it can also
say what no HTTP library would let it say.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self

import anyio
from anyio.abc import TaskGroup

Ending = Literal["keep", "fin", "reset", "hang", "fin_on_next", "reset_on_next"]
"""The connection after an answer: kept alive, closed, reset (RST), silent for ever, or closed or reset
at the moment at which the next request arrives on it."""

_RECEIVE_BYTES = 65_536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; header names in lower case; ``connection`` counts from 0."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes to send and seconds to pause, in turn, and the ending."""

    pieces: tuple[bytes | float, ...] = ()
    then: Ending = "keep"

    @property
    def raw(self) -> bytes:
        """All bytes, without the pauses."""
        return b"".join(piece for piece in self.pieces if isinstance(piece, bytes))

    def cut(self, after: int, then: Ending = "fin") -> Answer:
        """Send only the first ``after`` bytes (a negative number leaves that many out), then end."""
        return Answer((self.raw[:after],), then)

    def drip(self, size: int, pause_s: float) -> Answer:
        """Send ``size`` bytes at a time with a pause before each."""
        raw = self.raw
        chunks = (raw[start : start + size] for start in range(0, len(raw), size))
        return replace(self, pieces=tuple(piece for chunk in chunks for piece in (pause_s, chunk)))

    def delayed(self, pause_s: float) -> Answer:
        """Pause before the first byte."""
        return replace(self, pieces=(pause_s, *self.pieces))

    def twice(self) -> Answer:
        """Send the same answer twice for one request."""
        return replace(self, pieces=self.pieces * 2)

    def ending(self, then: Ending) -> Answer:
        """Send the same bytes with another ending."""
        return replace(self, then=then)


def answer(
    status: int = 200,
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    *,
    content_length: int | None = None,
) -> Answer:
    """Make a JSON answer, well formed unless ``headers`` or ``content_length`` make it otherwise."""
    length = len(body) if content_length is None else content_length
    fields = {"content-type": "application/json", "content-length": str(length), **(headers or {})}
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in fields.items())]
    return Answer(("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body,))


def after_informational(final: Answer, *statuses: int) -> Answer:
    """Send 1xx answers before the final one."""
    informational = b"".join(b"HTTP/1.1 %d Wait\r\n\r\n" % status for status in statuses)
    return replace(final, pieces=(informational, *final.pieces))


def redirect(location: str, status: int = 302) -> Answer:
    """Make a redirect."""
    return answer(status, b"", {"location": location})


def garbage() -> Answer:
    """Make bytes that are no HTTP."""
    return Answer((b"\x16\x03\x01\x00\xa5SSH-2.0-nonsense\r\n\r\n",), "fin")


def gzip_bomb(size: int, layers: int = 1) -> Answer:
    """Make an answer of a few bytes that unpacks to ``size`` bytes; ``layers`` of gzip on each other."""
    body = b"\0" * size
    for _ in range(layers):
        body = gzip.compress(body, compresslevel=1)
    return answer(200, body, {"content-encoding": ", ".join(["gzip"] * layers)})


def huge_header(size: int) -> Answer:
    """Make an answer with a header of ``size`` bytes."""
    return answer(200, b"{}", {"x-huge": "x" * size})


NEVER = Answer(then="hang")
"""No answer, though the connection stays open."""
FIN = Answer(then="fin")
"""The connection is closed instead of an answer."""
RESET = Answer(then="reset")
"""The connection is reset instead of an answer."""

Script = Callable[[Request, int], Answer]
"""The answer to a request; the number counts requests from 0."""


class FaultyServer:
    """Listens on loopback and answers each request as ``script`` says. An async context manager.

    ``max_requests`` and ``max_connection_s`` (seconds) bound every test that uses it: a connection
    that passes either is closed.
    """

    def __init__(self, script: Script, *, max_requests: int = 100, max_connection_s: float = 10.0) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._script = script
        self._max_requests = max_requests
        self._max_connection_s = max_connection_s
        self._exit_stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._listener = self._exit_stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._listener.settimeout(0)
        self._tasks: TaskGroup = await self._exit_stack.enter_async_context(anyio.create_task_group())
        self._tasks.start_soon(self._accept)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        return await self._exit_stack.__aexit__(exc_type, exc_value, traceback)

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    async def _accept(self) -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            self._tasks.start_soon(self._serve, connection, self.connections)
            self.connections += 1

    async def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            try:
                with anyio.move_on_after(self._max_connection_s):
                    await self._converse(Wire(connection), number)
            except ConnectionError:
                pass  # the client had enough, as some scripts mean it to

    async def _converse(self, wire: Wire, connection: int) -> None:
        while len(self.requests) < self._max_requests:
            request = await wire.receive_request(connection)
            if request is None:
                return
            self.requests.append(request)
            scripted = self._script(request, len(self.requests) - 1)
            await wire.play(scripted.pieces)
            if not await wire.end(scripted.then):
                return


class Wire:
    """The server's end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._received = b""

    async def receive_request(self, connection: int) -> Request | None:
        """Receive one request with a body of known length, None when the client has hung up."""
        while b"\r\n\r\n" not in self._received:
            if not await self._receive_more():
                return None
        head, _, rest = self._received.partition(b"\r\n\r\n")
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        self._received = rest
        while len(self._received) < length:
            if not await self._receive_more():
                return None
        body, self._received = self._received[:length], self._received[length:]
        method, target, _ = request_line.split(" ")
        return Request(method, target, headers, body, connection)

    async def play(self, pieces: Iterable[bytes | float]) -> None:
        """Send bytes and pause, in turn."""
        for piece in pieces:
            if isinstance(piece, bytes):
                await self._loop.sock_sendall(self._connection, piece)
            else:
                await anyio.sleep(piece)

    async def end(self, then: Ending) -> bool:
        """Do what follows the answer; return whether the connection is still in use."""
        if then == "keep":
            return True
        if then == "hang":
            await anyio.sleep_forever()
        if then in {"fin_on_next", "reset_on_next"}:
            await self._receive_more()
        if then in {"reset", "reset_on_next"}:
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        return False

    async def _receive_more(self) -> bool:
        more = await self._loop.sock_recv(self._connection, _RECEIVE_BYTES)
        self._received += more
        return bool(more)
