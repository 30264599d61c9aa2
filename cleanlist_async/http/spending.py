"""What a paid call may cost, and the guard that is asked before it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from cleanlist_async.facts import WORST_CASE_CREDITS, EnrichmentType


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


@dataclass(frozen=True, slots=True)
class Charge:
    """What the answer to a paid call says of its price.

    Attributes
    ----------
    workflow_id
        The workflow that is charged until it ends, or the run of a smart agent; None if the call is done.
    credits
        What the call cost, if it is done and the answer says so. Until it is known, the worst case counts.

    """

    workflow_id: str | None = None
    credits: float | None = None


BeforeSpend: TypeAlias = Callable[[Spend], "bool | Awaitable[bool | None] | None"]
"""Is called before a paid request is sent, and refuses it by returning False or raising CleanlistError."""


class Reservation(Protocol):
    """Credits that are set aside for one paid call."""

    @property
    def submission(self) -> str:
        """The name of the call in the store."""
        ...

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

    @property
    def store(self) -> str | None:
        """What a command names the client's store by, if it has one."""
        ...

    async def prepare(self) -> None:
        """Do what takes requests of its own, before the paid call waits for its turn."""
        ...

    async def approve(self, spend: Spend, *, is_recorded: bool) -> Reservation | None:
        """Reserve what the call can cost, unless it *is_recorded* otherwise. Raises what refuses it."""
        ...

    async def settle(self, workflow_id: str, spent: float) -> None:
        """Note what a workflow did cost in the end."""
        ...
