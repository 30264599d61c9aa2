"""The questions that the checks put to the server, and its answers."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cleanlist_async.api.models.public import BulkStatus, CreditsBalance, KeyValidation, Whoami
from cleanlist_async.cli.doctor.watching import Observation, WatchedCleanlist
from cleanlist_async.errors import APIConnectionError, AuthenticationError, CleanlistError, RateLimitError
from cleanlist_async.events import UnknownPart
from cleanlist_async.events.statistics import Statistics
from cleanlist_async.facts import PUBLIC_PREFIX
from cleanlist_async.types import JSON

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# The next request would meet the same: no server, no good key, or no token left.
_POINTLESS_AFTER = (APIConnectionError, AuthenticationError, RateLimitError)


_NO_WORKFLOW = "doctor_asks_for_no_workflow"


@dataclass(frozen=True, slots=True)
class Reply(Generic[T_co]):
    """An answer, or the error in its place; neither if the question was not asked."""

    value: T_co | None = None
    error: CleanlistError | None = None

    @property
    def why_not(self) -> str:
        """Why there is no answer, in a few words."""
        return str(self.error) if self.error else "not asked, because of the problem above."


@dataclass(slots=True)
class Evidence:
    """All replies, and every exchange that was seen."""

    base_url: str
    key: Reply[KeyValidation] = Reply()
    whoami: Reply[Whoami] = Reply()
    whoami_v1: Reply[JSON] = Reply()
    balance: Reply[CreditsBalance] = Reply()
    status: Reply[BulkStatus] = Reply()
    """Of a workflow that nobody has: asking for it is free."""
    seen: list[Observation] = field(default_factory=list[Observation])
    unknown_parts: list[UnknownPart] = field(default_factory=list[UnknownPart])
    statistics: Statistics | None = None

    @property
    def replies(
        self,
    ) -> tuple[Reply[KeyValidation] | Reply[Whoami] | Reply[JSON] | Reply[CreditsBalance], ...]:
        """Every reply, in the order of asking."""
        return (self.key, self.whoami, self.whoami_v1, self.balance)


async def gather(client: WatchedCleanlist) -> Evidence:
    """Ask the questions one after another; only the first if its error would meet the others too."""
    evidence = Evidence(client.base_url, seen=client.seen, unknown_parts=client.unknown_parts)
    async with client:
        evidence.key = await _reply(client.public.validate_key())
        if not isinstance(evidence.key.error, _POINTLESS_AFTER):
            evidence.whoami = await _reply(client.workspace.whoami())
            # Raw, since the client itself speaks only one of the two versions.
            evidence.whoami_v1 = await _reply(client.request("GET", f"{PUBLIC_PREFIX}/whoami"))
            evidence.balance = await _reply(client.public.credits_balance())
            evidence.status = await _reply(client.public.bulk_status(workflow_id=_NO_WORKFLOW))
        evidence.statistics = client.statistics()
    return evidence


async def _reply(question: Awaitable[T]) -> Reply[T]:
    try:
        return Reply(await question)
    except CleanlistError as error:
        return Reply(error=error)
