"""What one client has to do with money: its store, what is asked before it spends, and ``client.budget``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from inspect import isawaitable
from typing import Final, TypeVar
from uuid import uuid4

from cleanlist_async.checks import check_actor, check_instance, check_text
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.store_session import StoreSession
from cleanlist_async.errors import CleanlistError, ConfigurationError, SpendVetoedError, StoreError
from cleanlist_async.events import report_failure
from cleanlist_async.http.calls import BeforeSpend, Spend
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.storage.store import operations, spending
from cleanlist_async.storage.store.budget import Budget, BudgetStatus
from cleanlist_async.storage.store.operations import Buyer, CallIntent
from cleanlist_async.storage.store.records import SubmitState
from cleanlist_async.storage.store.statements import Operation
from cleanlist_async.storage.store.store import Store

log: Final = logging.getLogger("cleanlist_async")
T = TypeVar("T")


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


class ClientSpendGuard:
    """Guards the paid calls of one client."""

    def __init__(self, before_spend: BeforeSpend | None, session: StoreSession | None) -> None:
        self._before_spend = before_spend
        self._session = session

    @property
    def store(self) -> str | None:
        """What a command names the store by, if there is one."""
        return None if self._session is None else self._session.store.address

    async def prepare(self) -> None:
        """Open the store. Raises StoreError, and then nothing is to be sent."""
        if self._session is not None:
            await self._session.opened()

    async def approve(self, spend: Spend, *, is_recorded: bool) -> CallRecord | None:
        """Ask `before_spend`, then reserve the worst case, unless the call *is_recorded* with its contacts.

        Raises SpendVetoedError, BudgetExceededError, or StoreError. What is free needs no approval.
        """
        if spend.worst_case_credits == 0:
            return None
        # First: a call that is refused must reserve nothing.
        if self._before_spend is not None:
            await _ask(self._before_spend, spend)
        if self._session is None or is_recorded:
            return None
        record = CallRecord(self._session, spend)
        await record.intend()
        return record

    async def settle(self, workflow_id: str, spent: float) -> None:
        """Note what a workflow did cost in the end. Raises nothing: until then its worst case counts."""
        if self._session is not None:
            await _record(self._session, lambda buyer: operations.settle_workflow(buyer, workflow_id, spent))


class CallRecord:
    """A paid call in the store that buys no contacts by their identity."""

    def __init__(self, session: StoreSession, spend: Spend) -> None:
        self._session = session
        self._spend = spend
        self.submission = uuid4().hex

    async def intend(self) -> None:
        """Reserve what it can cost. Raises BudgetExceededError or StoreError: nothing is to be sent then."""
        spend = self._spend
        intent = CallIntent(
            self.submission,
            spend.door,
            spend.enrichment_type or "",
            spend.contacts,
            spend.worst_case_credits,
        )
        buyer = await self._session.opened()
        try:
            await self._session.store.run(operations.intend_call(buyer, intent))
        except StoreError:  # it may have been recorded all the same
            await self.refused("the store did not confirm it")
            raise

    async def accepted(self, workflow_id: str | None, spent: float | None) -> None:
        """Record that the server took it; without *spent* its worst case counts until that is known."""
        await _record(
            self._session,
            lambda buyer: operations.accept_call(buyer, self.submission, workflow_id, spent),
        )

    async def refused(self, reason: str) -> None:
        """Give back what was reserved."""
        await self._close("refused", reason)

    async def unknown(self, reason: str) -> None:
        """Keep what was reserved until `Store.resolve`."""
        await self._close("unknown", reason)

    async def _close(self, state: SubmitState, reason: str) -> None:
        await _record(self._session, lambda buyer: operations.close(buyer, self.submission, state, reason))


async def _ask(before_spend: BeforeSpend, spend: Spend) -> None:
    """Raise SpendVetoedError unless *before_spend* lets the call pass; one that fails lets nothing pass."""
    try:
        answer = before_spend(spend)
        if isawaitable(answer):
            answer = await answer
    except CleanlistError as refusal:
        raise SpendVetoedError(f"before_spend refused {spend.door}: {refusal}") from refusal
    except Exception as problem:
        report_failure("before_spend", problem)
        raise SpendVetoedError(
            f"before_spend failed with {type(problem).__name__}, so {spend.door} was not sent."
        ) from problem
    if answer is False:
        raise SpendVetoedError(f"before_spend refused {spend.door}.")


async def _record(session: StoreSession, operation: Callable[[Buyer], Operation[None]]) -> None:
    """Record what came of a call. Raises nothing: where the store fails, the answer still counts."""

    async def write() -> None:
        await session.store.run(operation(await session.opened()))

    try:
        await session.owed.make(write)
    except StoreError as error:  # until it is written, what was reserved stays so
        log.warning("the outcome of a paid call could not be recorded in the store: %s", error)


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
