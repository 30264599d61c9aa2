"""A proxy before a server, whose network fails as it is told. Runs in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress

from tests.support.remote_limits import LoopInThread
from tests.support.tcp_server import tcp_server


class TCPProxy:
    """Passes bytes on until it is told otherwise."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.delay_s = 0.0
        """Seconds that the bytes of each direction are late."""
        self.round_trips = 0
        """How often the client sent something after the server had."""
        self._server_was_last = True
        self._server_port = port
        self._open = asyncio.Event()
        self._open.set()
        self._running = AsyncExitStack()
        self._connections: set[asyncio.StreamWriter] = set()
        self._thread = LoopInThread()
        self._thread.run(self._listen())

    def black_hole(self) -> None:
        """Take bytes, and pass none on."""
        self._thread.loop.call_soon_threadsafe(self._open.clear)

    def pass_on(self) -> None:
        """Pass on what was held back, and what comes."""
        self._thread.loop.call_soon_threadsafe(self._open.set)

    def cut(self) -> None:
        """Reset all connections."""
        self._thread.run(self._cut())

    def close(self) -> None:
        self._thread.run(self._running.aclose())
        self._thread.close()

    async def _listen(self) -> None:
        self.port = await self._running.enter_async_context(tcp_server(self._serve))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:  # nobody listens
            writer.transport.abort()
            return
        self._connections |= {writer, ours}
        pipes = [
            asyncio.create_task(self._pipe(reader, ours, is_client=True)),
            asyncio.create_task(self._pipe(theirs, writer, is_client=False)),
        ]
        try:
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pipe in pipes:
                pipe.cancel()
            self._connections -= {writer, ours}
            ours.transport.abort()
            writer.transport.abort()

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_client: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(on_the_way, writer))
        try:
            with suppress(OSError):
                while data := await reader.read(65_536):
                    self.round_trips += is_client and self._server_was_last
                    self._server_was_last = not is_client
                    on_the_way.put_nowait((loop.time() + self.delay_s, data))
            on_the_way.put_nowait((0.0, b""))
            await delivery
        finally:
            delivery.cancel()

    async def _deliver(
        self, on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        """Pass on what was sent, each piece after its delay, to the end, which is an empty one."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while True:
                due, data = await on_the_way.get()
                if not data:
                    return
                await asyncio.sleep(due - loop.time())
                await self._open.wait()
                writer.write(data)
                await writer.drain()

    async def _cut(self) -> None:
        for writer in self._connections:
            writer.transport.abort()


@contextmanager
def tcp_proxy(port: int) -> Iterator[TCPProxy]:
    proxy = TCPProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
