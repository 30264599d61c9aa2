"""The one root task of a client. It owns the client's only task group, so no task is ever orphaned."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

import anyio
from anyio.abc import TaskGroup

from cleanlist_async.errors import ConfigurationError, WrongEventLoopError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class RootTask:
    """Runs a client's work apart from its callers, in the event loop that first used it.

    Cancelling a caller does not reach the connection pool: cancelled requests can block the pool of httpx
    0.28 for good. *at_end* runs once all work has ended.
    """

    def __init__(self, at_end: Callable[[], Awaitable[None]]) -> None:
        self._at_end = at_end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._task: asyncio.Task[None] | None = None
        self._group: TaskGroup | None = None
        self._started = asyncio.Event()
        self._closing = asyncio.Event()
        self._waits: set[anyio.CancelScope] = set()
        self.closed = False

    async def ensure(self) -> None:
        """Start the root task if need be.

        Raises WrongEventLoopError, or ConfigurationError once closed or where asyncio does not run.
        """
        loop = self._checked_loop()
        if self.closed:
            raise client_is_closed()
        if self._group is not None:
            return
        if self._task is None:  # made by the first of several concurrent calls; the others wait below
            self._loop, self._pid = loop, os.getpid()
            self._task = loop.create_task(self._run(), name="cleanlist_async")
        await self._started.wait()

    def spawn(self, work: Callable[[*Ts], Coroutine[Any, Any, object]], *args: *Ts) -> None:
        """Run `work(*args)` in the client's task group. *work* must not raise."""
        if self._group is None or self.closed:
            raise client_is_closed()
        self._group.start_soon(work, *args)

    async def unless_closed(self, wait: Coroutine[Any, Any, T]) -> T:
        """Await *wait*; raises ConfigurationError if the client is closed meanwhile."""
        # A scope of its own: the wait runs in the caller's task, which closing the client must not cancel.
        with anyio.CancelScope() as scope:
            self._waits.add(scope)
            try:
                return await wait
            finally:
                self._waits.discard(scope)
        raise client_is_closed()

    def call_soon(self, function: Callable[[*Ts], object], *args: *Ts) -> None:
        """Call `function(*args)` in the client's event loop, from any thread; do nothing if none runs."""
        if self._loop is not None and self._pid == os.getpid():
            with suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(function, *args)

    async def aclose(self) -> None:
        """Cancel what can be cancelled, wait for what cannot, and end the root task.

        May be called again. Raises WrongEventLoopError, unless all work has ended already.
        """
        task = self._task
        if task is None or task.done():
            self.closed = True
            return
        self._checked_loop()
        self._close()
        # A cancelled `aclose` still waits: the caller may end the loop next, in the middle of a paid request.
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])

    async def _run(self) -> None:
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                self._started.set()
                await self._closing.wait()
                group.cancel_scope.cancel()  # paid requests are shielded: the group waits for them
        finally:
            self._close()  # the loop may have cancelled this task, as asyncio.run does at its end
            await self._at_end()

    def _close(self) -> None:
        self.closed = True
        self._closing.set()
        for scope in tuple(self._waits):  # a copy: a wait that ends removes itself
            scope.cancel()

    def _checked_loop(self) -> asyncio.AbstractEventLoop:
        loop = running_loop()
        if self._loop is None:
            return loop
        if self._pid != os.getpid():  # a fork copies the client with the sockets of its parent
            raise WrongEventLoopError(
                "This client was opened before a fork, in the parent process.",
                fix="Open one client in each process.",
            )
        if self._loop is not loop:
            raise WrongEventLoopError(
                "This client was opened in another event loop.",
                fix="Open one client in each event loop; `async with AsyncCleanlist()` inside it is enough.",
            )
        return loop


def client_is_closed() -> ConfigurationError:
    """Make the error of a call on a closed client."""
    return ConfigurationError("This client is closed.", fix="Open a new one.")


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop. Raises ConfigurationError where asyncio does not run."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "cleanlist_async runs on asyncio only, and no asyncio event loop is running here.",
            fix="Under trio, use anyio's asyncio backend; aiolimiter supports no other event loop.",
        ) from None
