"""What one client has to do with money: its session with the store, and what works with that."""

from __future__ import annotations

from cleanlist_async.enrich.budget_control import BudgetControl
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.spend_guard import ClientSpendGuard
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.http.calls import BeforeSpend
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.storage.store.store import Store


class ClientSpending:
    """Holds one of each. `session` and `purchases` are None without a store."""

    def __init__(self, store: Store | None, before_spend: BeforeSpend | None, pipeline: Pipeline) -> None:
        self.session = None if store is None else StoreSession(store, pipeline)
        self.purchases = None if self.session is None else Purchases(self.session)
        self.guard = ClientSpendGuard(before_spend, self.session)
        self.budget = BudgetControl(self.session)

    async def aclose(self) -> None:
        """End the session."""
        if self.session is not None:
            await self.session.aclose()
