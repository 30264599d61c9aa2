"""A sandbox in a thread of its own, for synchronous code and for tests of any framework."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from .server import Sandbox


class ThreadedSandbox(Sandbox):
    """A :class:`Sandbox` that runs in a thread: ``with ThreadedSandbox(workflow_s=0.1) as sandbox: ...``.

    Its methods may be called from any thread. It takes the options of :class:`Sandbox`.
    """

    def __post_init__(self) -> None:
        """Refuse options that cannot work. Raises ConfigurationError."""
        self._portal: BlockingPortal | None = None
        self._thread = 0
        self._running = ExitStack()
        super().__post_init__()

    def __enter__(self) -> Self:
        """Start; raises OSError if the port is taken."""
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal())
            self._thread = self._portal.call(threading.get_ident)
            stack.enter_context(self._portal.wrap_async_context_manager(self))
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._running.close()
        self._portal = None

    async def settle(self) -> None:
        """Wait until every workflow is finished and charged, and every webhook delivered or given up."""
        await super().settle()

    def _advance(self) -> None:
        # In the thread of the server, whose requests change the same workflows.
        if self._portal is None or threading.get_ident() == self._thread:
            super()._advance()
        else:
            self._portal.call(super()._advance)
