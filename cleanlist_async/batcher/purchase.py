"""One contact on its way, and the callers that wait for it."""

from __future__ import annotations

from contextvars import Context, copy_context
from copy import copy
from dataclasses import dataclass, field, replace

import anyio

from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.dedupe import copy_for
from cleanlist_async.enrich.row_results import without_row
from cleanlist_async.errors import CleanlistError, WaitTimeoutError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.types import Billed


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
    options, context
        Those of the first caller: what is sent belongs to its trace.
    callers
        Those that wait, in the order in which they came.
    sent
        Whether it is in a request that is not known to be refused.
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
        """Whether it was paid for, which is unknown after the submit: only what is found costs credits."""
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
        """Give each caller the error that its workflow can no longer be waited for, and how to collect it."""
        for caller in self.callers:
            error = self.timeout(caller, f"Its status could not be had: {reason.problem}")
            error.__cause__ = reason
            caller.end(error)

    def timeout(self, caller: Caller, problem: str) -> WaitTimeoutError:
        """Make the error for a caller that waits no longer."""
        if self.workflow_id is None:
            fix = "It may have been bought." if self.sent else "It was not sent, and now will not be."
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
