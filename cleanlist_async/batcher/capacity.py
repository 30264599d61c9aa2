"""How fast batches can be sent: whether another caller still has a chance, and how to space requests."""

from __future__ import annotations

import math

from cleanlist_async import facts
from cleanlist_async.api.public import BULK_STATUS
from cleanlist_async.batcher.batch import Batch
from cleanlist_async.batcher.purchase import Caller
from cleanlist_async.errors import OverloadedError
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.ratelimit import Pace
from cleanlist_async.webhooks.submissions import Submissions


class Capacity:
    """What the limits allow, for the contacts that wait."""

    def __init__(
        self, pipeline: Pipeline, polls: PollScheduler, submissions: Submissions, max_queued: int
    ) -> None:
        self._pipeline = pipeline
        self._polls = polls
        self._submissions = submissions
        self._max_queued = max_queued

    def refusal(self, caller: Caller, waiting: int) -> OverloadedError | None:
        """Return the error for a caller that finds too many waiting, or whose contact would come too late."""
        batches = waiting // facts.MAX_CONTACTS_PER_REQUEST
        ahead_s = self._seconds_for(batches)
        workflow_s = self._polls.estimator(BULK_STATUS.name).due_age_s or 0.0
        # With tokens for everything that waits nothing queues, however long a window would take.
        too_late = caller.since + ahead_s + workflow_s > caller.until and not self._has_tokens_for(batches)
        if waiting < self._max_queued and not too_late:
            return None
        error = OverloadedError(
            f"{waiting:,} contacts wait for their request already.",
            fix="Call again later; for lists there is client.enrich.",
        )
        error.retry_after_s = max(ahead_s, self._seconds_for(1))
        return error

    def pace(self, batch: Batch) -> Pace:
        """Return the pace of a batch: even, so that it grows instead of spending a token on a few contacts.

        Full ones need not grow: they go at once if there are tokens for all that wait, and for the status
        requests that follow. If there are not, callers that come later would find none for a whole window.
        """
        waiting = len(batch.lane.waiting)
        batches = math.ceil(waiting / facts.MAX_CONTACTS_PER_REQUEST)
        if waiting >= facts.MAX_CONTACTS_PER_REQUEST and self._has_tokens_for(batches):
            return batch.options.pace
        return evenly(batch.options.pace)

    def _seconds_for(self, batches: int) -> float:
        limits = self._pipeline.limiter.limits
        rate = limits.per_window(len(self._pipeline.route.keys))
        return batches * self._requests_per_batch * limits.window_s / rate

    def _has_tokens_for(self, batches: int) -> bool:
        free = self._pipeline.limiter.available(self._pipeline.route)
        return batches * self._requests_per_batch <= free

    @property
    def _requests_per_batch(self) -> int:
        """A submit, and a status request unless a webhook brings what that would."""
        return 2 if self._submissions.receiver is None else 1


def evenly(pace: Pace) -> Pace:
    """Return *pace*, or even spacing where the caller left the choice."""
    return "smooth" if pace == "auto" else pace
