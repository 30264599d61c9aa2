"""A submit that expects a webhook. It is made before the request is sent, so no webhook comes too early."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import anyio

from cleanlist_async.api.models.public import BulkStatus
from cleanlist_async.events import identifier
from cleanlist_async.polling.open_workflow import WebhookSignal
from cleanlist_async.webhooks.event import Event

log: Final = logging.getLogger("cleanlist_async")
_CLOSED_KEPT: Final = 10_000
"""Closed submissions that are remembered: those of almost three hours at 60 submits a minute."""
_NAMES_KEPT: Final = 4
"""Workflows that events may name for one submission. Only one is right; more of them are guesses."""


@dataclass(slots=True)
class WebhookStatistics:
    """Counts of a receiver's events.

    `expected` is the number of submits, also of jobs, that asked for one. Each of those `received` has one
    outcome, at the latest once its submit is over: it was `believed`, or `confirmed` by a status request, or
    `repeated` another, or was `passed_on` to another worker, or `dropped` because no submit waits for it any
    more. Who takes an event out of a mailbox has received it as well. Those `refused` were answered with an
    error.
    """

    expected: int = 0
    received: int = 0
    believed: int = 0
    confirmed: int = 0
    repeated: int = 0
    passed_on: int = 0
    dropped: int = 0
    refused: int = 0


class Submission:
    """One submit, its webhook address, and the events that came to that address.

    Call `accepted` with the server's answer, and `close` at the end, which leaving a ``with`` block does.
    """

    def __init__(
        self,
        webhook_url: str | None = None,
        *,
        is_expected: bool = True,
        confirm_always: bool = False,
        statistics: WebhookStatistics | None = None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.webhook_url = webhook_url
        self.signal: WebhookSignal[BulkStatus] = WebhookSignal(is_expected=is_expected)
        self._confirm_always = confirm_always
        self._statistics = statistics or WebhookStatistics()
        self._on_close = on_close
        self._workflow_id: str | None = None
        self._task_ids: frozenset[str] = frozenset()
        # Webhooks may overtake the answer to the submit, and cannot be judged without its ids.
        self._early: list[bytes] = []
        self._named: dict[str, None] = {}
        self._arrival = anyio.Event()

    def accepted(self, workflow_id: str, task_ids: Sequence[str | None]) -> None:
        """Note the server's answer, and judge the events that came before it.

        *task_ids* has the id of each contact. If one of them is None, no event is believed: no row would
        certainly be that contact's.
        """
        known = [id_ for id_ in task_ids if id_ is not None]
        self._workflow_id = workflow_id
        self._task_ids = frozenset(known) if len(known) == len(task_ids) else frozenset()
        early, self._early = self._early, []
        for body in early:
            self._judge(Event.read(body))

    @property
    def is_lost(self) -> bool:
        """Whether neither an answer nor an event has named its workflow."""
        return self._workflow_id is None and not self._named

    async def workflow_named(self, within_s: float) -> str | None:
        """Wait for an event, and return the workflow that it names, for a submit whose answer was lost.

        Anyone who knows the token can name any workflow: confirm it with an authenticated request.
        """
        with anyio.move_on_after(within_s):
            await self._arrival.wait()
        if self._early:  # the first of them is the one that is asked about
            del self._early[0]
            self._statistics.confirmed += 1
        return next(iter(self._named), None)

    def receive(self, event: Event) -> None:
        """Handle an event that came with the token of this submission."""
        # A workflow is noted once, so that replays and guesses cannot grow the memory or the requests.
        is_news = event.workflow_id not in self._named
        if self.signal.answer is not None or (is_news and len(self._named) >= _NAMES_KEPT):
            self._statistics.repeated += 1
            return
        self._named[event.workflow_id] = None
        self._arrival.set()
        if self._workflow_id is None:
            if is_news:
                self._early.append(event.body)  # the parsed event can take thirty times the memory
            else:
                self._statistics.repeated += 1
        else:
            self._judge(event, is_news=is_news)

    def _judge(self, event: Event, *, is_news: bool = True) -> None:
        if not self._confirm_always and event.completes(self._workflow_id or "", self._task_ids):
            self._statistics.believed += 1
            self.signal.believe(event.status)
        elif is_news:  # one question for each workflow named: replays must not spend tokens
            self._statistics.confirmed += 1
            self.signal.hint()
        else:
            self._statistics.repeated += 1

    def close(self) -> None:
        """Stop expecting events."""
        self._statistics.dropped += len(self._early)  # of a submit that was not accepted, for all we know
        self._early.clear()
        self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ClosedSubmissions:
    """Submissions that are closed, whose late and repeated events are recognised."""

    def __init__(self) -> None:
        # Whether a late event is told, because nothing else shows what became of the submit.
        self._is_lost: OrderedDict[str, bool] = OrderedDict()

    def __contains__(self, submission_id: object) -> bool:
        return submission_id in self._is_lost

    def add(self, submission_id: str, submission: Submission) -> None:
        """Note one that is closed."""
        self._is_lost[submission_id] = submission.is_lost
        if len(self._is_lost) > _CLOSED_KEPT:
            self._is_lost.popitem(last=False)

    def note_late(self, submission_id: str, event: Event) -> None:
        """Tell which workflow a lost submit has become; once, for the same event may come again."""
        if self._is_lost.get(submission_id):
            self._is_lost[submission_id] = False
            log.warning(
                "a webhook came too late for a submit whose answer was lost: workflow %s (rows: %d)",
                identifier(event.workflow_id),
                len(event.payload.rows),
            )
