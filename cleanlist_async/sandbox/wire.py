"""Below HTTP: resets, cut, slow, doubled and endless answers, which need the connection itself."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, cast

import anyio
import anyio.lowlevel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from .options import Fault
from .responses import json_response

PIECE: Final = b" " * 65_536
LINGER_0: Final = struct.pack("ii", 1, 0)
"""On, 0 s: closing sends RST and drops what was not yet sent."""


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 connection, which an application can reach as ``scope["state"]["connection"]``."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)
        self.access_log = False  # uvicorn's own switch would silence every other server of the process

    def reset(self) -> None:
        """Send a TCP RST."""
        connection: socket.socket = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        self.transport.abort()

    def send_twice(self) -> None:
        """Put the answer that is now to be sent on the wire twice, in one write."""
        self.cycle.transport = _Doubler(self.transport, is_complete=lambda: self.cycle.response_complete)


class _Doubler(asyncio.Transport):
    """Holds back what is written until the answer is complete."""

    def __init__(self, transport: asyncio.Transport, *, is_complete: Callable[[], bool]) -> None:
        super().__init__()
        self._transport = transport
        self._is_complete = is_complete
        self._held = b""

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        # Kept until the answer is complete, so that both copies leave in one write.
        self._held += bytes(data)
        if self._is_complete():
            self._transport.write(self._held * 2)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()


class FaultyResponse(Response):
    """Sends an answer the way a fault wants it: cut, slowly, twice, without end or not at all."""

    def __init__(self, fault: Fault, answer: Response) -> None:
        super().__init__(bytes(answer.body), answer.status_code)
        # The length too: an answer that is cut short still promises the whole body.
        self.raw_headers = answer.raw_headers
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        connection = cast("Connection", scope["state"]["connection"])
        fault = self._fault
        if fault.truncate is not None:
            await self._send_part(send, bytes(self.body)[: fault.truncate])
        elif fault.drip is not None:
            await self._send_dripping(connection, send, *fault.drip)
        elif fault.size is not None:
            await self._send_large(connection, send, fault.size)
        elif not (fault.reset or fault.close):
            if fault.duplicate:
                connection.send_twice()
            await super().__call__(scope, receive, send)
        if fault.reset or fault.close or fault.truncate is not None:
            await _hang_up(connection, receive, reset=fault.reset)

    async def _send_part(self, send: Send, part: bytes) -> None:
        await self._start(send)
        # Never ended with more_body=False, which uvicorn refuses before the promised length.
        await send({"type": "http.response.body", "body": part, "more_body": True})

    async def _send_dripping(self, connection: Connection, send: Send, size: int, tick_s: float) -> None:
        await self._start(send)
        body = bytes(self.body)
        for at in range(0, len(body), size):
            if connection.transport.is_closing():
                return
            await send({"type": "http.response.body", "body": body[at : at + size], "more_body": True})
            await anyio.sleep(tick_s)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_large(self, connection: Connection, send: Send, size: float) -> None:
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        # Without a length uvicorn sends chunks, and those need no end.
        if math.isfinite(size):
            self.raw_headers.append((b"content-length", str(int(size)).encode()))
        await self._start(send)
        # uvicorn drops what is sent after the client has left, so an endless answer would not end.
        while size > 0 and not connection.transport.is_closing():
            piece = PIECE if size >= len(PIECE) else PIECE[: int(size)]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            # send() itself gives way only when the buffer is full.
            await anyio.lowlevel.checkpoint()
            size -= len(piece)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


async def _hang_up(connection: Connection, receive: Receive, *, reset: bool) -> None:
    if reset:
        connection.reset()
    else:
        connection.transport.close()
    # uvicorn logs an error when an application returns in the middle of an answer.
    while (await receive())["type"] != "http.disconnect":
        pass


def answer_of(fault: Fault, original: Response) -> Response:
    """Return ``original`` with what the fault puts in its place."""
    answer = original
    if fault.body is not None:
        answer = _with_body(fault.body, fault.status or original.status_code)
    elif fault.size is not None:
        answer = json_response(b"", fault.status or 200)
    elif fault.status is not None:
        answer.status_code = fault.status
    for name, value in fault.headers:
        answer.headers[name] = value
    return FaultyResponse(fault, answer)


def _with_body(body: object, status: int) -> Response:
    if isinstance(body, str | bytes):
        return Response(body, status, media_type="application/json")
    return json_response(body, status)
