"""A server of a test on a real socket, which ends with all of its connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

Conversation: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

TURNS_TO_ACCEPT = 3
"""Turns of the event loop after which a connection that was accepted is one of the server's."""


@asynccontextmanager
async def tcp_server(converse: Conversation, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run *converse* for each connection, until its client leaves; yield the port."""
    conversations: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def until_it_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await converse(reader, writer)
        writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(until_it_ends(reader, writer))
        conversations[task] = writer

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    (listener,) = server.sockets
    try:
        yield listener.getsockname()[1]
    finally:
        # Not `server.close()` at once, which leaves open what was accepted in the turn before.
        asyncio.get_running_loop().remove_reader(listener.fileno())
        for _ in range(TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        server.close()
        for task, writer in conversations.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*conversations, return_exceptions=True)
    for task in conversations:
        if not task.cancelled():
            task.result()
