"""A sandbox in virtual time: the application of the server behind a network in memory, and clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, MutableMapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Never, TypeVar

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.sandbox import Sandbox
from cleanlist_async.sandbox.client import limits_of
from cleanlist_async.testing.memory_network import MemoryNetwork, ServerRequest, ServerResponse
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from cleanlist_async.testing.virtual_time import run

if TYPE_CHECKING:
    from typing import Unpack

    from cleanlist_async.runtime.base_client import ClientOptions
    from cleanlist_async.sandbox.app import Dispatcher

T = TypeVar("T")

LATENCY_S: Final = 0.05
"""Seconds that a request is on its way, there and back."""


class VirtualSandbox(Sandbox):
    """A :class:`~cleanlist_async.sandbox.Sandbox` in virtual time, in which an hour passes in a moment.

    ::

        async def main(client: VirtualCleanlist) -> None:
            report = await client.enrich(people)

        sandbox = VirtualSandbox(workflow_s=60)
        sandbox.run(main)
        assert sandbox.ledger.count(429) == 0

    It takes the options of a sandbox, and opens no socket.
    """

    def __post_init__(self) -> None:
        """Refuse options that cannot work. Raises ConfigurationError."""
        self._now = self._started_at = 0.0
        self.clock = lambda: self.now
        self._network: MemoryNetwork | None = None
        super().__post_init__()

    @property
    def now(self) -> float:
        """Its clock, in seconds from 0; between two runs it stands still."""
        if self._network is not None:
            with suppress(RuntimeError):  # asked in another thread
                self._now = asyncio.get_running_loop().time() + self._started_at
        return self._now

    def run(
        self, main: Callable[[VirtualCleanlist], Coroutine[Any, Any, T]], **options: Unpack[ClientOptions]
    ) -> T:
        """Run ``main(client)`` in virtual time and return what it returns; *options* are those of the client.

        Time goes on from `now`, so that what earlier runs sent still counts. Raises DeadlockError if all
        tasks wait for something that cannot come.
        """
        return run(self._run(main, options))

    def client(self, **options: Unpack[ClientOptions]) -> VirtualCleanlist:
        """Return another client, within `run`, with the keys and limits of this sandbox."""
        if self._network is None:
            raise ConfigurationError("A client in virtual time is made within run().")
        if options.get("limiter") is None:
            options.setdefault("rate_limits", limits_of(self))
        return VirtualCleanlist(self._network, [*self.api_keys] or self.jwts[0], **options)

    async def start(self) -> Never:
        """Raise ConfigurationError: there are no sockets in virtual time."""
        raise ConfigurationError("A sandbox in virtual time has no address: call run().")

    async def _run(
        self, main: Callable[[VirtualCleanlist], Coroutine[Any, Any, T]], options: ClientOptions
    ) -> T:
        self._started_at = self._now - asyncio.get_running_loop().time()
        async with MemoryNetwork(partial(respond, self.app), latency=lambda: LATENCY_S) as network:
            self._network = network
            try:
                async with self.client(**options) as client:
                    return await main(client)
            finally:
                self._now = self.now
                self._network = None


class _Wire:
    """Stands in for uvicorn's connection; hangs up by resetting the one in memory."""

    def __init__(self) -> None:
        self.transport = self
        self.is_gone = False

    def is_closing(self) -> bool:
        return self.is_gone

    def close(self) -> None:
        self.is_gone = True

    def reset(self) -> None:
        self.is_gone = True

    def send_twice(self) -> Never:
        raise NotImplementedError("a doubled answer needs a real socket")


async def respond(app: Dispatcher, request: ServerRequest) -> ServerResponse:
    """Return the answer of a sandbox's application to a request of a `MemoryNetwork`."""
    wire, sent = _Wire(), list[MutableMapping[str, Any]]()
    inbox = [{"type": "http.request", "body": request.body}]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.target.partition("?")[2].encode(),
        "headers": [(name.encode(), value.encode()) for name, value in request.headers.items()],
        "state": {"connection": wire},
    }

    async def receive() -> MutableMapping[str, Any]:
        return inbox.pop() if inbox else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start: MutableMapping[str, Any] = sent[0] if sent else {"status": 200, "headers": []}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    headers: list[tuple[bytes, bytes]] = start["headers"]
    # `MemoryNetwork` adds a content-length of its own.
    shown = tuple((name.decode(), value.decode()) for name, value in headers if name != b"content-length")
    return ServerResponse(start["status"], body, shown, reset_after=0 if wire.is_gone else None)
