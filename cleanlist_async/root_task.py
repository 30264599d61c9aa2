"""The one root task of a client. It owns the client's only task group; nothing else is ever orphaned."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVarTuple

import anyio
from anyio.abc import TaskGroup

from cleanlist_async.errors import ConfigurationError, WrongEventLoopError

Ts = TypeVarTuple("Ts")


class RootTask:
    """Runs a client's work apart from its callers, in the event loop that first used it.

    A caller's cancellation detaches from the work here instead of reaching into the connection pool,
    which httpx 0.28 does not survive.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._task: asyncio.Task[None] | None = None
        self._group: TaskGroup | None = None
        self._started = asyncio.Event()
        self._closing = asyncio.Event()
        self.closed = False

    async def ensure(self) -> None:
        """Start the root task if need be. Raises WrongEventLoopError in another loop or process."""
        if self._group is not None and self._loop is _running_loop() and self._pid == os.getpid():
            return
        loop = _running_loop()
        if self.closed:
            raise ConfigurationError("This client is closed.", fix="Open a new one.")
        if self._loop is None:
            self._loop, self._pid = loop, os.getpid()
            self._task = loop.create_task(self._run(), name="cleanlist_async")
        elif self._pid != os.getpid():
            raise WrongEventLoopError(
                "This client was opened before a fork, in the parent process.",
                fix="Open one client in each process.",
            )
        elif self._loop is not loop:
            raise WrongEventLoopError(
                "This client was opened in another event loop.",
                fix="Open one client in each event loop; `async with AsyncCleanlist()` inside it is enough.",
            )
        await self._started.wait()

    def spawn(self, work: Callable[[*Ts], Coroutine[Any, Any, object]], *args: *Ts) -> None:
        """Run `work(*args)` in the client's task group. *work* must not raise."""
        if self._group is None or self.closed:
            raise ConfigurationError("This client is closed.", fix="Open a new one.")
        self._group.start_soon(work, *args)

    async def aclose(self) -> None:
        """Cancel what can be cancelled, wait for what cannot, and end the root task."""
        self.closed = True
        task = self._task
        if task is None or self._pid != os.getpid() or self._loop is not _running_loop():
            return
        self._closing.set()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])

    async def _run(self) -> None:
        async with anyio.create_task_group() as group:
            self._group = group
            self._started.set()
            await self._closing.wait()
            group.cancel_scope.cancel()


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "cleanlist_async runs on asyncio only, and no asyncio event loop is running here.",
            fix="Under trio, use anyio's asyncio backend; aiolimiter knows no other event loop.",
        ) from None
