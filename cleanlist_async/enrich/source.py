"""Reads a source of contacts, and tells where each was first seen."""

from __future__ import annotations

import time
from array import array
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import aclosing
from queue import SimpleQueue
from threading import Thread
from typing import Final, ParamSpec, TypeVar

import anyio.lowlevel

from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared, prepare
from cleanlist_async.http.root_task import running_loop
from cleanlist_async.tables.input_options import ContactRows, Prepare

T = TypeVar("T")
P = ParamSpec("P")

_BLOCKS_AFTER_S: Final = 0.05
"""A step of a source that takes longer holds up everything else in the event loop."""
_AT_ONCE: Final = 250

_TABLES: Final = 256
"""One for each value of a byte. Each grows on its own, so that no event loop waits for the growth of all."""
_FIRST_SIZE: Final = 16


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


async def prepared(
    contacts: ContactRows, prepare: Prepare = prepare
) -> AsyncGenerator[Prepared | Invalid, None]:
    """Yield contacts checked, each with its index."""
    index = 0
    async with aclosing(each(contacts)) as given:
        async for contact in given:
            yield prepare(index, contact)
            index += 1


async def each(contacts: ContactRows) -> AsyncGenerator[ContactLike, None]:
    """Yield contacts, and let other tasks run now and then."""
    if isinstance(contacts, AsyncIterable):
        async for contact in contacts:
            yield contact
        return
    async with aclosing(read(contacts)) as given:  # it may have a thread, which ends then
        async for contact in given:
            yield contact


async def repeated_identities(contacts: Iterable[ContactLike], prepare: Prepare = prepare) -> set[bytes]:
    """Read *contacts* once and return the identities that occur more than once."""
    seen, repeated = FirstSeen(), set[bytes]()
    async for one in prepared(contacts, prepare):
        if isinstance(one, Prepared) and seen.setdefault(one.identity, one.index) != one.index:
            repeated.add(one.identity)
    return repeated


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


class FirstSeen:
    """The index at which each identity was first seen: 33 to 67 bytes an entry, of 200 in a dict."""

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        self._tables = [_Table() for _ in range(_TABLES)]

    def __len__(self) -> int:
        return sum(table.count for table in self._tables)

    def setdefault(self, identity: bytes, index: int) -> int:
        """Return the index of the first contact with *identity*, which is *index* if it is new."""
        # Identities are digests, so they spread evenly over the tables.
        return self._tables[identity[15]].setdefault(identity, index)


class _Table:
    """Open addressing over flat arrays of 20 bytes a slot, at most three fifths of them taken."""

    __slots__ = ("_high", "_index", "_low", "_mask", "count")

    def __init__(self) -> None:
        self.count = 0
        self._allocate(_FIRST_SIZE)

    def setdefault(self, identity: bytes, index: int) -> int:
        low = int.from_bytes(identity[:8], "little")
        high = int.from_bytes(identity[8:16], "little")
        slot = self._slot(low, high)
        if found := self._index[slot]:  # stored plus one, as 0 marks a free slot
            return found - 1
        self._low[slot], self._high[slot], self._index[slot] = low, high, index + 1
        self.count += 1
        # Beyond three fifths, the runs of taken slots that a lookup walks through grow fast.
        if self.count * 5 > (self._mask + 1) * 3:
            self._grow()
        return index

    def _slot(self, low: int, high: int) -> int:
        slot = low & self._mask
        while self._index[slot] and (self._low[slot] != low or self._high[slot] != high):
            slot = (slot + 1) & self._mask
        return slot

    def _allocate(self, size: int) -> None:
        self._mask = size - 1  # sizes are powers of two
        self._low = array("Q", bytes(8 * size))
        self._high = array("Q", bytes(8 * size))
        self._index = array("I", bytes(4 * size))

    def _grow(self) -> None:
        entries = zip(self._low, self._high, self._index, strict=True)
        self._allocate((self._mask + 1) * 2)
        for low, high, index in entries:
            if index:
                slot = self._slot(low, high)
                self._low[slot], self._high[slot], self._index[slot] = low, high, index
