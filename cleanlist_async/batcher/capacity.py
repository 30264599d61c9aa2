"""How fast batches can be sent: whether another caller still has a chance, and how to space requests."""

from __future__ import annotations

import math
from typing import Final

from cleanlist_async import facts
from cleanlist_async.api.public import BULK_STATUS
from cleanlist_async.batcher.batch import Batch
from cleanlist_async.batcher.purchase import Caller
from cleanlist_async.errors import OverloadedError
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.ratelimit import Pace
from cleanlist_async.webhooks.submissions import Submissions

_BACKLOG: Final = 2
"""More batches than this wait because callers need more than the tokens carry, or came all at once."""


class Capacity:
    """What the limits allow, for the contacts that wait."""

    def __init__(
        self, pipeline: Pipeline, polls: PollScheduler, submissions: Submissions, max_queued: int
    ) -> None:
        self._pipeline = pipeline
        self._polls = polls
        self._submissions = submissions
        self._clock = pipeline.limiter.clock
        self._max_queued = max_queued
        self._sent_at = -math.inf  # so that the first batch goes at once

    def note_contact(self) -> None:
        """Note that a contact has come to wait for a request."""
        self._polls.rhythms.note_contact()

    def note_sent(self, contacts: int) -> None:
        """Note that a batch leaves with so many contacts."""
        self._polls.rhythms.note_batch(contacts)
        self._sent_at = self._clock()

    def wait_s(self, waiting: int) -> float:
        """Return for how long the next batch is to gather contacts, so that tokens are left for questions.

        The fewer tokens are free, the longer: with all of them it goes at once, as it does when it is full.
        """
        limiter, route = self._pipeline.limiter, self._pipeline.route
        # During a pause nothing is sent, and callers must be told so.
        if waiting >= facts.MAX_CONTACTS_PER_REQUEST or limiter.store.paused_for_s(route, self._clock()):
            return 0.0
        return self._until_next_s()

    def _until_next_s(self) -> float:
        limits = self._pipeline.limiter.limits
        even_s = limits.window_s / max(1, limits.per_window(max(1, len(self._pipeline.route.keys))) - 1)
        rhythm = self._polls.rhythms.of(self._polls.estimator(BULK_STATUS.name))
        return self._sent_at + max(even_s, rhythm.gap_s) - self._clock()

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
        """Return the pace of a batch: its own where its turn has come, so that no token is left lying.

        Full ones do not wait for their turn. They go at once if there are tokens for all that wait, and for
        all status requests to come. If there are not, they go evenly, since callers that come later would
        find none for a whole window.
        """
        waiting = len(batch.lane.waiting)
        batches = math.ceil(waiting / facts.MAX_CONTACTS_PER_REQUEST)
        to_come = self._polls.open_workflows * (self._requests_per_batch - 1)
        is_turn = batches <= _BACKLOG and self._until_next_s() <= 0
        is_full = waiting >= facts.MAX_CONTACTS_PER_REQUEST
        if is_turn or (is_full and self._has_tokens_for(batches, to_come)):
            return batch.options.pace
        return "smooth" if batch.options.pace == "auto" else batch.options.pace

    def _seconds_for(self, batches: int) -> float:
        limits = self._pipeline.limiter.limits
        rate = limits.per_window(len(self._pipeline.route.keys))
        return batches * self._requests_per_batch * limits.window_s / rate

    def _has_tokens_for(self, batches: int, others: int = 0) -> bool:
        free = self._pipeline.limiter.available(self._pipeline.route)
        return batches * self._requests_per_batch + others <= free

    @property
    def _requests_per_batch(self) -> int:
        """A submit, and a status request unless a webhook brings what that would."""
        return 2 if self._submissions.receiver is None else 1
