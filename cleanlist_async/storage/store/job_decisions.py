"""What people decide about the submits of a job, as transactions."""

from __future__ import annotations

from typing import Literal, TypeAlias

from cleanlist_async.errors import StoreError
from cleanlist_async.storage.store import decisions, jobs
from cleanlist_async.storage.store.audit import note
from cleanlist_async.storage.store.job_records import JobRecord
from cleanlist_async.storage.store.statements import Operation

Decision: TypeAlias = Literal["accepted", "absent", "resubmit", "abandon"]


def decide(
    job: JobRecord, number: int, decision: Decision, actor: str, workflow_id: str | None
) -> Operation[None]:
    """Record a decision about a submit of unknown outcome, by its number in the job.

    Raises StoreError when that is not unknown, ConfigurationError for a workflow that is another submit's.
    """
    doubtful = {row[0]: row[-1] for row in (yield from jobs.unknown(job.id))}
    if (submission := doubtful.get(number)) is None:
        raise StoreError(f"Chunk {number} of the job {job.name!r} is not unknown.", fix="See Job.unknown().")
    if decision == "abandon":
        yield from jobs.give_up(job.id, submission)
        yield from jobs.reopen(submission)
        yield note("decided", job.organization, submission=submission, actor=actor, reason="given up")
    else:
        is_certain = decision != "resubmit"
        yield from decisions.decide(submission, actor, workflow_id=workflow_id, is_certain=is_certain)
