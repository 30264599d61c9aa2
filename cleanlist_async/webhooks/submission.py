"""A submit that expects a webhook: made before it is sent, so that no webhook can come too early for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import anyio

from cleanlist_async.api.models.public import BulkStatus
from cleanlist_async.polling.webhook_signal import WebhookSignal
from cleanlist_async.webhooks.event import Event

_NAMES_KEPT: Final = 4
"""Workflows that events may name for one submission. Ours is one; whoever sends more knows its token only."""


@dataclass(slots=True)
class WebhookStatistics:
    """What a receiver has done so far.

    Of the events `received`, some were `believed`, some left to a status request that is to `confirm` them,
    some `repeated` others, some were `passed_on` to another worker, and some `dropped`, since nobody waits
    for them any more. Those `refused` were answered with an error.
    """

    received: int = 0
    believed: int = 0
    confirmed: int = 0
    repeated: int = 0
    passed_on: int = 0
    dropped: int = 0
    refused: int = 0


def _close_nothing() -> None:
    pass


class Submission:
    """One submit, its webhook address, and what came to that address.

    Say how the submit ended: `accepted`, or `close` it if it was not, which leaving a ``with`` block does.
    """

    def __init__(
        self,
        webhook_url: str | None = None,
        *,
        is_expected: bool = True,
        confirm_always: bool = False,
        statistics: WebhookStatistics | None = None,
        on_close: Callable[[], None] = _close_nothing,
    ) -> None:
        self.webhook_url = webhook_url
        self.signal: WebhookSignal[BulkStatus] = WebhookSignal(is_expected=is_expected)
        self._confirm_always = confirm_always
        self._statistics = statistics or WebhookStatistics()
        self._on_close = on_close
        self._workflow_id: str | None = None
        self._task_ids: frozenset[str] = frozenset()
        self._early: list[bytes] = []
        self._named: dict[str, None] = {}
        self._arrival = anyio.Event()

    def accepted(self, workflow_id: str, task_ids: Sequence[str | None]) -> None:
        """Say what the server answered. Events that came before are judged now.

        *task_ids* has the id of each contact. While one of them is None no event is believed, since none can
        hold a row that is certainly of that contact.
        """
        known = [id_ for id_ in task_ids if id_ is not None]
        self._workflow_id = workflow_id
        self._task_ids = frozenset(known) if len(known) == len(task_ids) else frozenset()
        early, self._early = self._early, []
        for body in early:
            self._judge(Event.read(body))

    async def workflow_named(self, within_s: float) -> str | None:
        """Wait for an event, and return the workflow that it names: for a submit whose answer was lost.

        Whoever knows the token can name any: believe it no further than an authenticated answer does.
        """
        with anyio.move_on_after(within_s):
            await self._arrival.wait()
        return next(iter(self._named), None)

    def receive(self, event: Event) -> None:
        """Take an event that came with the token of this submission."""
        is_news = event.workflow_id not in self._named
        if self.signal.answer is not None or (is_news and len(self._named) >= _NAMES_KEPT):
            self._statistics.repeated += 1
            return
        self._named[event.workflow_id] = None
        self._arrival.set()
        if self._workflow_id is None:
            if is_news:
                self._early.append(event.body)  # what it parses to can take thirty times the memory
            else:
                self._statistics.repeated += 1
        else:
            self._judge(event, is_news=is_news)

    def _judge(self, event: Event, *, is_news: bool = True) -> None:
        if not self._confirm_always and event.completes(self._workflow_id or "", self._task_ids):
            self._statistics.believed += 1
            self.signal.believe(event.status)
        elif is_news:
            self._statistics.confirmed += 1
            self.signal.hint()
        else:
            self._statistics.repeated += 1

    def close(self) -> None:
        """Expect nothing more."""
        self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
