"""Reads a synchronous source: in the event loop while it is quick, in a thread of its own once it blocks."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from threading import Thread
from typing import Final, ParamSpec, TypeVar

import anyio.lowlevel

from cleanlist_async.http.root_task import running_loop

T = TypeVar("T")
P = ParamSpec("P")

_BLOCKS_AFTER_S: Final = 0.05
"""A step of a source that takes longer holds up everything else in the event loop."""
_AT_ONCE: Final = 250


async def read(source: Iterable[T]) -> AsyncGenerator[T]:
    """Yield the items of *source*, letting other tasks run now and then."""
    items, loop = iter(source), running_loop()
    started = loop.time()
    for count, item in enumerate(items, 1):
        blocks = loop.time() - started > _BLOCKS_AFTER_S
        yield item
        if blocks:
            break
        if count % _AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
        started = loop.time()
    else:
        return
    thread = _OneThread()
    try:
        while True:
            taken, problem = await loop.run_in_executor(thread, _take, items)
            for item in taken:
                yield item
            if problem is not None:
                raise problem
            if not taken:
                return
    finally:
        thread.shutdown(wait=False)


def _take(items: Iterator[T]) -> tuple[list[T], Exception | None]:
    """Return what comes next within a moment, and what the source raised after it."""
    taken: list[T] = []
    until = time.perf_counter() + _BLOCKS_AFTER_S
    try:
        while len(taken) < _AT_ONCE and (not taken or time.perf_counter() < until):
            taken.append(next(items))
    except StopIteration:
        pass
    except Exception as problem:  # noqa: BLE001  # the source is the caller's, and so is what it raises
        return taken, problem
    return taken, None


class _OneThread(Executor):
    """One thread, which neither keeps the process alive nor is waited for at its end.

    A source may block for ever, and may be bound to the thread that read it first.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._run, name="cleanlist_async source", daemon=True).start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as problem:  # noqa: BLE001  # it belongs to whoever awaits it
                    future.set_exception(problem)

        self._work.put(work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        del wait, cancel_futures
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
