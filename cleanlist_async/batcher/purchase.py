"""One contact on its way, and everybody who waits for it."""

from __future__ import annotations

from contextvars import Context, copy_context
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import anyio

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich import row_results as settle
from cleanlist_async.enrich.dedupe import copy_for
from cleanlist_async.errors import CleanlistError, WaitTimeoutError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.types import Billed

Outcome: TypeAlias = EnrichmentResult | CleanlistError


@dataclass(eq=False, slots=True)
class Caller:
    """Somebody who waits for a contact, from one time of the limiter's clock until another."""

    contact: Prepared
    since: float
    until: float
    done: anyio.Event = field(default_factory=anyio.Event)
    outcome: Outcome | None = None

    def end(self, outcome: Outcome) -> None:
        """Give the caller what it waits for."""
        self.outcome = outcome
        self.done.set()


@dataclass(eq=False, slots=True)
class Purchase:
    """A contact that is bought once for all who ask for it while it is on its way.

    Attributes
    ----------
    options, context
        Those of the caller who asked first: what is sent for them belongs to their trace.
    callers
        Those who wait, in the order in which they came.
    sent
        Whether it is in a request of which nobody knows that it was refused.
    workflow_id, task_id
        The server's ids, once it was accepted.

    """

    contact: Prepared
    enrichment_type: EnrichmentType
    options: CallOptions
    context: Context = field(default_factory=copy_context)
    callers: dict[Caller, None] = field(default_factory=dict[Caller, None])
    sent: bool = False
    workflow_id: str | None = None
    task_id: str | None = None

    @property
    def billed(self) -> Billed:
        """Whether it was paid for: only what is found costs credits, so after the submit nobody knows."""
        return "unknown" if self.sent else "no"

    def accepted(self, workflow_id: str, task_id: str | None) -> None:
        """Note the workflow that it became a part of."""
        self.workflow_id, self.task_id = workflow_id, task_id

    def deliver(self, result: EnrichmentResult) -> None:
        """Give each caller the result as its own; the first one's names the cost."""
        for position, caller in enumerate(self.callers):
            contact = caller.contact
            if position:
                caller.end(copy_for(contact, result))
            else:
                caller.end(replace(result, contact=contact.contact, key=contact.contact.key))

    def fail(self, error: CleanlistError) -> None:
        """Give each caller an error of its own: one that several raise would gather their tracebacks."""
        for caller in self.callers:
            caller.end(_own(error))

    def give_up(self, reason: CleanlistError) -> None:
        """Tell each caller that its workflow can no longer be waited for, and how to collect it."""
        for caller in self.callers:
            error = self.timeout(caller, f"Its status could not be had: {reason.problem}")
            error.__cause__ = reason
            caller.end(error)

    def timeout(self, caller: Caller, problem: str) -> WaitTimeoutError:
        """Make the error of a caller that waits no longer."""
        if self.workflow_id is None:
            fix = "It may have been bought." if self.sent else "It was not sent, and now will not be."
            return WaitTimeoutError(problem, fix=fix, billed=self.billed)
        error = WaitTimeoutError(
            problem,
            fix="Its workflow goes on: client.collect([error.pending]) fetches it for free.",
            billed=self.billed,
        )
        error.workflow_id = self.workflow_id
        error.pending = settle.without_row(
            caller.contact,
            "pending",
            problem,
            workflow_id=self.workflow_id,
            task_id=self.task_id,
            enrichment_type=self.enrichment_type,
        )
        return error


def _own(error: CleanlistError) -> CleanlistError:
    own = copy(error)
    own.__cause__ = error.__cause__
    return own
