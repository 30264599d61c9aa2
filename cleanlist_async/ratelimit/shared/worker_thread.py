"""A thread with an event loop of its own, started when there is work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any


class WorkerThread:
    """Runs *serve* in a daemon thread until it returns; the next `wake` starts it again.

    *lock* guards what the thread shares with its callers, who may be in any thread. An exception that ends
    it, or keeps it from starting, is given to *failed*, once *close* is done and the next call can start
    another.
    """

    def __init__(
        self,
        serve: Callable[[], Coroutine[Any, Any, None]],
        close: Callable[[], Coroutine[Any, Any, None]],
        failed: Callable[[Exception], None],
        lock: threading.RLock,
    ) -> None:
        self.woken = asyncio.Event()
        self._serve = serve
        self._close = close
        self._failed = failed
        self._lock = lock
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Wake it; start it if it does not run."""
        with self._lock:
            if self._thread is None:
                self._start()
            elif self._loop is not None:
                with suppress(RuntimeError):  # it has just ended, and whoever waited was told
                    self._loop.call_soon_threadsafe(self.woken.set)

    def retire(self) -> None:
        """Let the next `wake` start another. For *serve*, which then returns, with the lock."""
        self._thread = self._loop = None

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="cleanlist-limits", daemon=True)
        try:
            thread.start()  # it waits for the lock
        except (RuntimeError, MemoryError) as error:  # the system allows no more threads
            self._failed(error)
        else:
            self._thread = thread

    def _run(self) -> None:
        failure: Exception | None = None
        try:
            with self._lock:  # until the thread is known by its name
                pass
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001  # whatever it is, no caller may wait for ever
            failure = error
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self.retire()
        if failure is not None:
            self._failed(failure)

    async def _main(self) -> None:
        self.woken, self._loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            await self._serve()
        except BaseException:
            with suppress(Exception):  # connections belong to this event loop
                await self._close()
            raise
