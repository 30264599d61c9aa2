"""Delivery of events to the log and the listener, and those that report what became of contacts."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from cleanlist_async.events.contact_kinds import ContactsUndelivered, ResultsSettled, RunKind
from cleanlist_async.events.kinds import Event, identifier
from cleanlist_async.events.log_lines import write

if TYPE_CHECKING:
    from cleanlist_async.events.statistics import Counters
    from cleanlist_async.results import EnrichmentResult

Listener: TypeAlias = Callable[[Event], object]
"""What `on_event` takes: it is called with each event, and what it returns is ignored."""

log: Final = logging.getLogger("cleanlist_async")


class Events:
    """Delivers the events of one client."""

    __slots__ = ("_has_failed", "_listener")

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._has_failed = False

    @property
    def are_all_wanted(self) -> bool:
        """Whether events of single requests are delivered, not only milestones and warnings."""
        return self._listener is not None or log.isEnabledFor(logging.DEBUG)

    def emit(self, event: Event) -> None:
        """Deliver *event*. Raises nothing: a broken listener must not break a request."""
        # A log handler of the application may raise.
        with suppress(Exception):
            write(event)
        if self._listener is None:
            return
        try:
            self._listener(event)
        except Exception as problem:  # noqa: BLE001  # the listener is the caller's
            # Logged once: a listener that always raises would fill the log with the same line.
            first, self._has_failed = not self._has_failed, True
            if first:
                with suppress(Exception):
                    report_failure("on_event", problem)


class OpenFailures:
    """Failures that any sender can repeat: each is logged once, and again once it has been cleared."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: set[str] = set()

    def add(self, what: str, problem: BaseException) -> None:
        """Report that *what* failed, unless it did the last time."""
        if what not in self._open:
            self._open.add(what)
            report_failure(what, problem)

    def clear(self, what: str) -> None:
        """Note that *what* works."""
        self._open.discard(what)


def report_failure(what: str, problem: BaseException) -> None:
    """Log that *what* failed; the exception's message, which may quote contacts, only at DEBUG."""
    log.warning("%s failed with %s", what, type(problem).__name__)
    log.debug("%s failed", what, exc_info=problem)


def report_settled(
    events: Events,
    counters: Counters,
    kind: RunKind,
    workflow_id: str | None,
    results: Iterable[EnrichmentResult],
) -> None:
    """Count the credits of the final results of a workflow, and report them."""
    contacts, found, credits_spent = 0, 0, 0.0
    for result in results:
        if result.status != "pending":
            contacts, found = contacts + 1, found + (result.status == "found")
            credits_spent += result.credits
            counters.count_credits(result.credits_charged, result.credits_estimated)
    if contacts:
        named = identifier(workflow_id) if workflow_id else None
        events.emit(ResultsSettled(kind, named, contacts, found, credits_spent))


def report_undelivered(events: Events, left: Counter[str]) -> None:
    """Report contacts that were bought and not handed out, counted by workflow."""
    if left:
        events.emit(ContactsUndelivered(left.total(), tuple(map(identifier, left))))
