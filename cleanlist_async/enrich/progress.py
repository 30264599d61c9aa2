"""Where a run stands, for the caller."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from cleanlist_async import facts
from cleanlist_async.api.public import BULK_STATUS
from cleanlist_async.enrich.report import Progress, Summary
from cleanlist_async.errors import CleanlistError
from cleanlist_async.events import Events, RunFinished, RunKind, report_failure
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler

log: Final = logging.getLogger("cleanlist_async")


class ProgressReporter:
    """Keeps the time and the counts of a run, and calls the progress callback."""

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        callback: Callable[[Progress], None] | None,
        total: int | None,
    ) -> None:
        self.summary = Summary()
        self.open_workflows = 0
        self.accepted: dict[str, int] = {}
        self._waiting_for_credits = 0
        self._pipeline = pipeline
        self._polls = polls
        self._callback = callback
        self._total = total
        self._clock = pipeline.limiter.clock
        self.start()

    def start(self) -> None:
        """Count time and requests from here."""
        self._started_at = self._clock()
        self._requests_before = self._pipeline.counters.requests

    def report(self, note: str | None = None) -> None:
        """Update the summary and call the progress callback; what that raises is only logged."""
        self.summary.elapsed_s = self._clock() - self._started_at
        self.summary.requests = self._pipeline.counters.requests - self._requests_before
        if self._callback is None:
            return
        try:
            self._callback(self._progress(note))
        except Exception as problem:  # noqa: BLE001  # a failing display must not end the run
            report_failure("the progress callback", problem)

    @contextmanager
    def short_of_credits(self) -> Generator[None]:
        """Report within the block that credits are waited for."""
        self._waiting_for_credits += 1
        try:
            self.report()
            yield
        finally:
            self._waiting_for_credits -= 1

    def report_end(self, kind: RunKind, error: Exception | None) -> None:
        """Emit the event that the run is over."""
        summary = self.summary
        total = None if kind == "job" else self._total  # other runs of a job did the rest
        report_end(self._pipeline.events, kind, summary, summary.elapsed_s, error, total=total)

    def report_lookups(self, count: int) -> None:
        """Report the requests that the rows missing from an answer take."""
        self.summary.lookups += count
        log.warning("%d results are not in their workflow's answer: asking for each", count)
        note = f"{count} results are not in their workflow's answer: asking for each, one request apiece"
        self.report(note)

    def _progress(self, note: str | None) -> Progress:
        summary = self.summary
        return Progress(
            done=summary.contacts,
            total=self._total,
            found=summary.statuses["found"],
            credits=summary.credits,
            requests=summary.requests,
            open_workflows=self.open_workflows,
            elapsed_s=summary.elapsed_s,
            eta_s=self._eta_s(),
            note=note,
            at_server=self._polls.open_workflows,
            oldest_s=self._polls.oldest_s,
            accepted_workflows=len(self.accepted),
            accepted_contacts=sum(self.accepted.values()),
            waits_for_credits=self._waiting_for_credits > 0,
        )

    def _eta_s(self) -> float | None:
        if self._total is None or self._waiting_for_credits:  # credits come back at no known time
            return None
        limits = self._pipeline.limiter.limits
        rate = limits.per_window(len(self._pipeline.route.keys))
        left = max(0, self._total - self.summary.contacts)
        chunks = math.ceil(left / facts.MAX_CONTACTS_PER_REQUEST)
        # Each chunk takes a submit and a status request; open workflows have had the first.
        to_send = max(0, 2 * chunks - self.open_workflows - rate // 2)
        wait_s = (self._polls.estimator(BULK_STATUS.name).due_age_s or 0.0) if left else 0.0
        return to_send / rate * limits.window_s + wait_s


def report_end(
    events: Events,
    kind: RunKind,
    summary: Summary,
    elapsed_s: float,
    error: CleanlistError | Exception | None,
    *,
    total: int | None = None,
) -> None:
    """Emit the event that a run of *total* contacts is over; *error* is what stopped it, if anything did."""
    statuses = summary.statuses
    events.emit(
        RunFinished(
            kind,
            summary.contacts,
            statuses["found"],
            summary.credits,
            elapsed_s,
            None if error is None else type(error).__name__,
            pending=statuses["pending"],
            unknown=statuses["unknown"],
            failed=statuses["failed"],
            total=total,
        )
    )
