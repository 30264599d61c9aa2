"""What people see and decide of submits that nobody waits for, each one transaction; see `operations`."""

from __future__ import annotations

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.storage.store import jobs, spending
from cleanlist_async.storage.store import statements as sql
from cleanlist_async.storage.store.audit import note
from cleanlist_async.storage.store.reading import reading
from cleanlist_async.storage.store.records import OrphanedSubmit
from cleanlist_async.storage.store.statements import Operation, Statement, deferred


@reading
def orphans() -> Operation[list[OrphanedSubmit]]:
    """Return the submits of owners that are gone whose results nobody has taken."""
    return [OrphanedSubmit(*row) for row in (yield Statement(sql.LIST_SUBMITS)).rows]


def decide(
    submission: str, actor: str, *, workflow_id: str | None, is_certain: bool = True
) -> Operation[OrphanedSubmit | None]:
    """Record a decision on a submit of unknown outcome: its workflow, or that it was not accepted.

    If that is not certain, what it may have cost stays reserved. One that was accepted, and whose owner is
    gone, can only be given up. None where there is nothing to decide: the submit is not in the store, refused
    or settled, or its owner waits for it. Raises ConfigurationError for a workflow that is another submit's,
    or where there is one already.
    """
    found = (yield Statement(sql.FIND_SUBMIT, {"submission": submission})).rows
    if not found:
        return None
    submit = OrphanedSubmit(*found[0])
    yield from jobs.reopen(submission)
    if workflow_id is not None:
        if submit.state == "accepted":
            raise ConfigurationError(
                "That submit has a workflow already.", fix="Give absent=True if its results cannot be read."
            )
        values = {"submission": submission, "workflow_id": workflow_id}
        if (yield Statement(sql.IS_ANOTHERS, values)).rows:
            raise ConfigurationError("That workflow is another submit's.", fix="See Store.audit().")
        yield Statement(sql.ACCEPT, {**values, "key_name": None})
        yield note(
            "decided", submit.organization, submission=submission, workflow_id=workflow_id, actor=actor
        )
        return submit
    yield deferred(sql.REJECT, {"submission": submission})
    yield deferred(sql.TAKE_BACK, {"submission": submission})
    if is_certain:
        yield from spending.settle_all(submission, spent=0.0)
    reason = "not accepted" if is_certain else "to be sent again at its own risk"
    yield note("decided", submit.organization, submission=submission, actor=actor, reason=reason)
    return submit
