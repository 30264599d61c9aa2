"""Calls async functions from threads: an event loop in a thread of its own, and fronts of async objects."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import ExitStack, suppress
from functools import wraps
from typing import Concatenate, Final, Generic, ParamSpec, Self, TypeVar, overload

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.streams.memory import MemoryObjectReceiveStream

from cleanlist_async.errors import CleanlistError, ConfigurationError, WrongEventLoopError
from cleanlist_async.http.root_task import client_is_closed

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
T = TypeVar("T")
F = TypeVar("F")
P = ParamSpec("P")

_AHEAD: Final = 250
"""Items of an iterator that wait for the thread that takes them."""


class LoopThread:
    """An event loop in a thread, started by the first call. Any thread may call; calls run side by side."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = ExitStack()
        self._portal: BlockingPortal | None = None
        self._thread = 0
        self._pid = 0
        self._is_closed = False

    def call(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the async function returns. A KeyboardInterrupt cancels it.

        Raises WrongEventLoopError after a fork, ConfigurationError in a callback.
        """

        # The portal passes on no keyword arguments, and takes only functions that return a coroutine.
        async def run() -> T:
            return await function(*args, **kwargs)

        future = self._started().start_task_soon(run)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, start: Callable[[], AsyncIterator[T]]) -> Generator[T]:
        """Yield the items of an async iterator, which runs in one task. Closing the generator cancels it."""
        items: MemoryObjectReceiveStream[T]
        send, items = anyio.create_memory_object_stream[T](_AHEAD)

        async def produce() -> None:
            # Closed also when the iterator raises, or `take` would wait for ever.
            with send:
                async for item in start():
                    await send.send(item)

        async def take() -> list[T]:
            try:
                # As many as there are: to pass from thread to thread takes longer than to read an item.
                taken = [await items.receive()]
            except anyio.EndOfStream:
                return []
            while items.statistics().current_buffer_used:
                taken.append(items.receive_nowait())
            return taken

        producer = self._started().start_task_soon(produce)
        try:
            while taken := self.call(take):
                yield from taken
            producer.result()  # raises what ended the iterator early
        finally:
            producer.cancel()
            with suppress(CleanlistError):  # the client may be closed by now
                self.call(items.aclose)

    def close(self, *, before: Callable[[], Awaitable[None]]) -> None:
        """Await *before* in the loop, if it was started in this process, and end the thread."""
        with self._lock:
            # Its end is awaited without the lock: a callback that calls meanwhile needs it to be refused.
            portal, self._portal, self._is_closed = self._portal, None, True
        # A fork has no copy of the thread, and the connections are the parent's.
        if portal is None or self._pid != os.getpid():
            return

        def end() -> None:
            portal.call(before)
            self._running.close()

        # The last reference to a client may be dropped in the loop itself, which cannot wait for its end.
        if self._thread == threading.get_ident():
            threading.Thread(target=end, name="cleanlist_async closing").start()
        else:
            end()

    def _started(self) -> BlockingPortal:
        with self._lock:
            if self._is_closed:
                raise client_is_closed()
            if self._portal is None:
                self._portal = self._running.enter_context(start_blocking_portal(name="cleanlist_async"))
                self._thread, self._pid = self._portal.call(threading.get_ident), os.getpid()
            elif self._pid != os.getpid():
                raise WrongEventLoopError(
                    "This client was used before a fork, in the parent process.",
                    fix="Open one client in each process.",
                )
            elif self._thread == threading.get_ident():
                raise ConfigurationError(
                    "A blocking client cannot be called in its own callbacks.",
                    fix="Pass the work to a thread.",
                )
            return self._portal


class Front(Generic[A_co]):
    """Base of the blocking front of `async_object`, whose calls run in `loop_thread`."""

    def __init__(self, async_object: A_co, loop_thread: LoopThread, /) -> None:
        self.async_object = async_object
        self.loop_thread = loop_thread


class Blocking(Generic[A, P, T]):
    """A method of a front that waits for an async method of its object, with the same signature."""

    def __init__(self, operation: Callable[Concatenate[A, P], Awaitable[T]]) -> None:
        self._name = operation.__name__
        self.__doc__ = operation.__doc__
        self.__wrapped__ = operation

    @overload
    def __get__(self, front: None, owner: object = None) -> Self: ...
    @overload
    def __get__(self, front: Front[A], owner: object = None) -> Callable[P, T]: ...
    def __get__(self, front: Front[A] | None, owner: object = None) -> Callable[P, T] | Self:
        if front is None:
            return self
        # By name: a subclass of the object may override it.
        method: Callable[P, Awaitable[T]] = getattr(front.async_object, self._name)

        @wraps(method)
        def block(*args: P.args, **kwargs: P.kwargs) -> T:
            return front.loop_thread.call(method, *args, **kwargs)

        return block


class Making(Generic[A, P, T, F]):
    """A method of a front that makes another front: of what a method of its object makes."""

    def __init__(
        self, operation: Callable[Concatenate[A, P], T], new_front: Callable[[T, LoopThread], F]
    ) -> None:
        self._name = operation.__name__
        self._new_front = new_front
        self.__doc__ = operation.__doc__
        self.__wrapped__ = operation

    @overload
    def __get__(self, front: None, owner: object = None) -> Self: ...
    @overload
    def __get__(self, front: Front[A], owner: object = None) -> Callable[P, F]: ...
    def __get__(self, front: Front[A] | None, owner: object = None) -> Callable[P, F] | Self:
        if front is None:
            return self
        method: Callable[P, T] = getattr(front.async_object, self._name)

        @wraps(method)
        def make(*args: P.args, **kwargs: P.kwargs) -> F:
            return self._new_front(method(*args, **kwargs), front.loop_thread)

        return make


class Opening(Making[A, P, Awaitable[T], F], Generic[A, P, T, F]):
    """A method of a front that makes another front: of what an async method of its object returns."""

    def __init__(
        self, operation: Callable[Concatenate[A, P], Awaitable[T]], new_front: Callable[[T, LoopThread], F]
    ) -> None:
        def opened(opening: Awaitable[T], thread: LoopThread) -> F:
            async def wait() -> T:
                return await opening

            return new_front(thread.call(wait), thread)

        super().__init__(operation, opened)
