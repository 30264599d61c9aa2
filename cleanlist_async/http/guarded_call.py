"""Paid calls on their way, as the guard of their client sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cleanlist_async.errors import CleanlistError, UnknownOutcomeError
from cleanlist_async.http.calls import Call, Reply
from cleanlist_async.http.spending import Charge, Reservation, Spend, SpendGuard


class Spending:
    """Asks the guard of a client, if it has one, which is made when the first paid call needs it."""

    def __init__(self, guard: Callable[[], SpendGuard] | None) -> None:
        self._guard = guard

    async def begin(self, call: Call[Any]) -> GuardedCall | None:
        """Prepare a call for its guard; None for one that needs none."""
        if self._guard is None or not call.operation.paid:
            return None
        guard = self._guard()
        await guard.prepare()
        return GuardedCall(guard, call)

    async def settle(self, workflow_id: str, spent: float | None) -> None:
        """Note what the workflow of a paid call did cost in the end, in credits, if that is known."""
        if self._guard is not None and spent is not None:
            await self._guard().settle(workflow_id, spent)


class GuardedCall:
    """One paid call: approved before its first byte, and reported when its outcome is known.

    It is approved again for another attempt only if the server did not take the last one.
    """

    def __init__(self, guard: SpendGuard, call: Call[Any]) -> None:
        self._guard = guard
        self._call = call
        self._is_approved = False
        self._is_doubtful = False
        self._reservation: Reservation | None = None

    @property
    def submission(self) -> str | None:
        """The name of the call in the client's store, if it has one and is recorded there."""
        return self._call.submission() if self._reservation is None else self._reservation.submission

    @property
    def store(self) -> str | None:
        """What a command names the client's store by, if it has one."""
        return self._guard.store

    async def before(self) -> None:
        """Have the call approved, then do what it asks for itself. Raises CleanlistError to stop it."""
        call = self._call
        if not self._is_approved:
            spend = Spend(call.operation.name) if call.spend is None else call.spend()
            self._reservation = await self._guard.approve(spend, is_recorded=call.is_recorded)
            self._is_approved = True
        if call.before is not None:
            await call.before()

    async def ended(self, outcome: Reply[Any] | CleanlistError) -> None:
        """Report what came of an attempt."""
        reservation = self._reservation
        if isinstance(outcome, UnknownOutcomeError):
            self._is_doubtful = True
            if reservation is not None:
                await reservation.unknown(type(outcome).__name__)
        elif not isinstance(outcome, CleanlistError):
            if reservation is not None:
                read = self._call.operation.charge
                charge = Charge() if read is None else read(outcome.value)
                await reservation.accepted(charge.workflow_id or None, charge.credits)
        elif not self._is_doubtful:  # a refusal says nothing of an attempt that was lost
            self._is_approved, self._reservation = False, None
            if reservation is not None:
                await reservation.refused(type(outcome).__name__)
