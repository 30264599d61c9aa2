"""``client.budget``: what the organization may spend, for all processes that share the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cleanlist_async.checks import check_actor, check_instance, check_text
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.storage.store import spending
from cleanlist_async.storage.store.budget import Budget, BudgetStatus
from cleanlist_async.storage.store.statements import Operation

T = TypeVar("T")


class BudgetControl:
    """The budget of the client's organization, as it lies in the store.

    It holds for every client that uses this store, at once and whatever the call. All methods raise
    ConfigurationError for a client without a store, and StoreError for one that cannot be used.
    """

    def __init__(self, session: StoreSession | None) -> None:
        self._session = session

    async def show(self) -> BudgetStatus:
        """Return the limits, and what is spent or reserved in the day and month that it is."""
        return await self._run(spending.status)

    async def set(self, budget: Budget, *, actor: str = "") -> None:
        """Replace the limits; ``Budget()`` removes them. `actor` is who does it, for the audit trail.

        Limits that are these already are not set again, and leave no line there.
        """
        check_instance("budget", budget, Budget)
        check_actor(actor)
        await self._run(lambda organization: spending.set_budget(organization, budget, actor))

    async def pause(self, reason: str, *, actor: str = "") -> None:
        """Stop all spending: paid calls raise SpendingPausedError from now on, with this `reason`.

        What is on its way to the server is not called back.
        """
        check_text("reason", reason)
        check_actor(actor)
        await self._run(lambda organization: spending.pause(organization, reason, actor))

    async def resume(self, *, actor: str = "") -> None:
        """Let spending go on. Does nothing if it is not paused."""
        check_actor(actor)
        await self._run(lambda organization: spending.resume(organization, actor))

    async def _run(self, operation: Callable[[str], Operation[T]]) -> T:
        if self._session is None:
            raise ConfigurationError(
                "A budget lies in a store, and this client has none.", fix="Give the client a store=."
            )
        buyer = await self._session.opened()
        return await self._session.store.run(operation(buyer.organization))
