"""``client.budget``: what the organization may spend, for all processes that share the store."""

from __future__ import annotations

from cleanlist_async.checks import check_instance, check_text
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.storage.store import spending
from cleanlist_async.storage.store.budget import Budget, BudgetStatus


class BudgetControl:
    """The budget of the client's organization, as it lies in the store. Raises StoreError.

    It holds for every client that uses this store, at once and whatever the call.
    """

    def __init__(self, session: StoreSession) -> None:
        self._session = session

    async def show(self) -> BudgetStatus:
        """Return the limits, and what is spent or reserved in the day and month that it is."""
        buyer = await self._session.opened()
        return await self._session.store.run(spending.status(buyer.organization))

    async def set(self, budget: Budget, *, actor: str = "") -> None:
        """Replace the limits; ``Budget()`` removes them. `actor` is who does it, for the audit trail."""
        check_instance("budget", budget, Budget)
        buyer = await self._session.opened()
        await self._session.store.run(spending.set_budget(buyer.organization, budget, actor))

    async def pause(self, reason: str, *, actor: str = "") -> None:
        """Stop all spending: paid calls raise SpendingPausedError from now on, with this `reason`.

        What is on its way to the server is not called back.
        """
        check_text("reason", reason)
        buyer = await self._session.opened()
        await self._session.store.run(spending.pause(buyer.organization, reason, actor))

    async def resume(self, *, actor: str = "") -> None:
        """Let spending go on. Does nothing if it is not paused."""
        buyer = await self._session.opened()
        await self._session.store.run(spending.resume(buyer.organization, actor))
