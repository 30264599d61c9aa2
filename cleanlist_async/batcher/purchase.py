"""One contact on its way, and the callers that wait for it."""

from __future__ import annotations

from contextvars import Context, copy_context
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import anyio

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.dedupe import copy_for
from cleanlist_async.enrich.row_results import without_row
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

    Attributes
    ----------
    wanted
        What its callers want of it.
    name
        What it shares with other calls.
    options, context
        Those of the first caller: what is sent belongs to its trace.
    callers
        Those that wait, in the order in which they came.
    is_claimed, is_followed
        Whether the client's store says that it is ours to buy, or that others have bought it.
    sent
        Whether it is in a request that is not known to be refused.
    was_left
        Whether a caller left without its result.
    latest
        How the latest attempt of its request failed.
    workflow_id, task_id
        The server's ids, once it was accepted.

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
