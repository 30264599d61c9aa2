"""What a paid call may cost, and the guard that is asked before it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from cleanlist_async.errors import CleanlistError, UnknownOutcomeError
from cleanlist_async.facts import WORST_CASE_CREDITS, EnrichmentType

if TYPE_CHECKING:
    from cleanlist_async.http.calls import Call, Reply


@dataclass(frozen=True, slots=True)
class Spend:
    """What a paid call is about to spend.

    Attributes
    ----------
    door
        The call: ``enrich`` (also of `stream`), ``enrich_one``, ``job``, or the name of the operation
        (``submit_bulk``, ``enrich_list``, ``POST /api/v2/folders``).
    enrichment_type
        What is looked for; None where the call has none.
    contacts
        How many contacts are in it; None where that is not known.
    worst_case_credits
        What it can cost at most, in credits; None where nothing bounds it.

    """

    door: str
    enrichment_type: EnrichmentType | None = None
    contacts: int | None = None
    worst_case_credits: float | None = None

    @classmethod
    def of_contacts(cls, door: str, enrichment_type: EnrichmentType, contacts: int) -> Spend:
        """Return what so many contacts can cost by the price list."""
        price = WORST_CASE_CREDITS.get(enrichment_type)
        return cls(door, enrichment_type, contacts, None if price is None else float(price * contacts))


BeforeSpend: TypeAlias = Callable[[Spend], "bool | Awaitable[bool | None] | None"]
"""Is called before a paid request is sent, and refuses it by returning False or raising CleanlistError."""


class Reservation(Protocol):
    """Credits that are set aside for one paid call."""

    async def accepted(self, workflow_id: str | None, spent: float | None) -> None:
        """Note that the server took the call; *spent* is what it cost, if the answer says so."""
        ...

    async def refused(self, reason: str) -> None:
        """Give them back: the server did not take the call."""
        ...

    async def unknown(self, reason: str) -> None:
        """Keep them: the server may have taken the call."""
        ...


class SpendGuard(Protocol):
    """Is asked before a client spends."""

    async def prepare(self) -> None:
        """Do what takes requests of its own, before the paid call waits for its turn."""
        ...

    async def approve(self, spend: Spend, *, is_recorded: bool) -> Reservation | None:
        """Reserve what the call can cost, unless it *is_recorded* otherwise. Raises what refuses it."""
        ...

    async def settle(self, workflow_id: str, spent: float) -> None:
        """Note what a workflow did cost in the end."""
        ...


class GuardedCall:
    """One paid call on its way: approved before its first byte, and reported when its outcome is known.

    It is approved again for another attempt only if the server did not take the last one.
    """

    def __init__(self, guard: SpendGuard, call: Call[Any]) -> None:
        self._guard = guard
        self._call = call
        self._is_approved = False
        self._is_doubtful = False
        self._reservation: Reservation | None = None

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
                await reservation.accepted(*_answered(outcome.value))
        elif not self._is_doubtful:  # a refusal says nothing of an attempt that was lost
            self._is_approved, self._reservation = False, None
            if reservation is not None:
                await reservation.refused(type(outcome).__name__)


def _answered(answer: object) -> tuple[str | None, float | None]:
    """Return the workflow that an answer names, and what the call cost if that is final."""

    def read(name: str) -> object:
        if isinstance(answer, dict):
            return cast("dict[str, object]", answer).get(name)
        return getattr(answer, name, None)

    workflow_id = read("workflow_id") or read("smart_agent_task_id")
    if isinstance(workflow_id, str) and workflow_id:
        return workflow_id, None
    spent = read("credits_charged")
    return None, float(spent) if isinstance(spent, int | float) else None
