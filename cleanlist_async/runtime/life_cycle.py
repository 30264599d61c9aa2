"""How a client is opened, drained and closed."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from cleanlist_async.events import Statistics
    from cleanlist_async.runtime.runtime import Runtime
    from cleanlist_async.webhooks.receiver import WebhookReceiver


class LifeCycle:
    """Opens a client with its first call, and closes it when all that was paid for has been answered."""

    _runtime: Runtime

    @property
    def webhooks(self) -> WebhookReceiver | None:
        """The receiver that was given."""
        return self._runtime.shared.webhooks

    def statistics(self) -> Statistics:
        """Return what this client has done so far, and the state of its buckets."""
        return self._runtime.statistics()

    async def __aenter__(self) -> Self:
        try:
            await self._runtime.shared.root.ensure()
        except BaseException:  # cancelled before it was entered: __aexit__ will not be called
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def drain(self) -> None:
        """Accept no more calls of `enrich_one`, and wait until those in progress have ended.

        Takes no longer than their deadlines. Call it before `aclose` when a server shuts down.
        """
        await self._runtime.batcher.drain()

    async def aclose(self) -> None:
        """Close the client; may be called from any task, and repeatedly.

        Waits for paid requests in flight, each within its timeout. Calls that wait for their turn or a result
        end with ConfigurationError; calls of `enrich_one` are answered if `drain` is awaited first. Raises
        WrongEventLoopError in another event loop or process.
        """
        await self._runtime.shared.aclose()
