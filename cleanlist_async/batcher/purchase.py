"""One contact on its way, the callers that wait for it, and results that they left behind."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import anyio

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.row_results import copy_for, without_row
from cleanlist_async.enrich.submit_record import Wanted
from cleanlist_async.errors import CleanlistError, WaitTimeoutError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions, LatestFailure
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import Freshness
from cleanlist_async.types import Billed

Name: TypeAlias = tuple[EnrichmentType, bytes, Freshness | None]
"""What is bought, of which person, and how new it must be where a store may have it.

Calls with the same name share a purchase.
"""


@dataclass(eq=False, slots=True)
class Caller:
    """A call that waits for a contact, from one time of the limiter's clock until another."""

    contact: Prepared
    since: float
    until: float
    done: anyio.Event = field(default_factory=anyio.Event)
    outcome: EnrichmentResult | CleanlistError | None = None

    def end(self, outcome: EnrichmentResult | CleanlistError) -> None:
        """Give the caller what it waits for."""
        self.outcome = outcome
        self.done.set()


@dataclass(eq=False, slots=True)
class Purchase:
    """A contact that is bought once for all callers that ask for it while it is on its way.

    `options` and `context` are those of the first caller: what is sent belongs to its trace. `callers` stand
    in the order in which they came. `is_claimed` says that the client's store lets us buy it, `is_followed`
    that others have bought it, `sent` that it is in a request that is not known to be refused, and `was_left`
    that a caller left without its result. `latest` is how the latest attempt of its request failed.
    """

    contact: Prepared
    wanted: Wanted
    name: Name
    options: CallOptions
    context: Context = field(default_factory=copy_context)
    callers: dict[Caller, None] = field(default_factory=dict[Caller, None])
    is_claimed: bool = False
    is_followed: bool = False
    sent: bool = False
    was_left: bool = False
    latest: LatestFailure = field(default_factory=LatestFailure)
    workflow_id: str | None = None
    task_id: str | None = None

    @property
    def enrichment_type(self) -> EnrichmentType:
        """Which type of enrichment it is."""
        return self.wanted.enrichment_type

    @property
    def billed(self) -> Billed:
        """Whether it was paid for, which is unknown after the submit: only what is found costs credits."""
        return "unknown" if self.sent or self.is_followed else "no"

    def follow(self, workflow_id: str | None, task_id: str | None) -> None:
        """Note that others have bought it, in a workflow that may be known."""
        self.is_followed = True
        self.workflow_id, self.task_id = workflow_id, task_id

    def accepted(self, workflow_id: str, task_id: str | None) -> None:
        """Note the workflow that it became a part of."""
        self.workflow_id, self.task_id = workflow_id, task_id

    def deliver(self, result: EnrichmentResult) -> None:
        """Give each caller the result as its own; the first one's names the cost."""
        first: EnrichmentResult | None = None
        for caller in self.callers:
            contact = caller.contact
            if first is None:
                first = replace(result, index=contact.index, contact=contact.contact, key=contact.contact.key)
                caller.end(first)
            else:
                caller.end(copy_for(contact, first))

    def fail(self, error: CleanlistError) -> None:
        """Give each caller an error of its own: one that several raise would gather their tracebacks."""
        for caller in self.callers:
            caller.end(_own(error))

    def give_up(self, reason: CleanlistError) -> None:
        """Give each caller the error that its workflow can no longer be waited for, and how to collect it."""
        for caller in self.callers:
            error = self.timeout(caller, f"Its status could not be had: {reason.problem}")
            error.__cause__ = reason
            caller.end(error)

    def timeout(self, caller: Caller, problem: str) -> WaitTimeoutError:
        """Make the error for a caller that waits no longer."""
        if self.workflow_id is None:
            fix = "It may have been bought." if self.sent else "It was not sent, and now will not be."
            if self.is_followed:
                fix = "Another call or process is buying it: call again, and its result costs nothing."
            return WaitTimeoutError(problem, fix=fix, billed=self.billed)
        error = WaitTimeoutError(
            problem,
            fix="Its workflow goes on: client.collect([error.pending]) fetches it for free.",
            billed=self.billed,
        )
        error.workflow_id = self.workflow_id
        error.pending = without_row(
            caller.contact,
            "pending",
            problem,
            workflow_id=self.workflow_id,
            task_id=self.task_id,
            enrichment_type=self.enrichment_type,
        )
        return error


def _own(error: CleanlistError) -> CleanlistError:
    own = copy(error)  # which drops the cause
    own.__cause__ = error.__cause__
    return own


@dataclass(slots=True)
class _Leftover:
    result: EnrichmentResult
    since: float
    is_taken: bool


class Leftovers:
    """The latest 10,000 of a day, for the same client: a caller whose call was cancelled may come back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[Name, _Leftover] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: Name) -> bool:
        return name in self._kept

    def untaken(self) -> list[EnrichmentResult]:
        """Return those that nobody has taken yet, the latest last."""
        self._drop_old()
        return [kept.result for kept in self._kept.values() if not kept.is_taken]

    def keep(self, name: Name, result: EnrichmentResult, *, is_taken: bool) -> None:
        """Keep a result; *is_taken* if another caller has it, whose result names the cost."""
        self._kept.pop(name, None)  # so that it stands last
        self._kept[name] = _Leftover(result, self._clock(), is_taken)
        if len(self._kept) > facts.MAX_UNTAKEN_RESULTS:
            del self._kept[next(iter(self._kept))]

    def take(self, name: Name, contact: Prepared, freshness: Freshness) -> EnrichmentResult | None:
        """Return a result that may be reused, as that of *contact*. The first taker's names the cost."""
        self._drop_old()
        kept = self._kept.get(name)
        if kept is None or not freshness.allows(kept.result.status, self._clock() - kept.since):
            return None
        if kept.is_taken:
            return copy_for(contact, kept.result)
        kept.is_taken = True
        return replace(kept.result, contact=contact.contact, key=contact.contact.key)

    def _drop_old(self) -> None:
        oldest = self._clock() - facts.UNTAKEN_KEPT_S
        while self._kept and next(iter(self._kept.values())).since < oldest:
            del self._kept[next(iter(self._kept))]

    def discard(self, name: Name) -> None:
        """Forget a result that everybody who asked for it has taken."""
        self._kept.pop(name, None)
