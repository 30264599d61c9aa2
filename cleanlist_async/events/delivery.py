"""Delivery of events: to the log, and to the listener of the client."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

from cleanlist_async.events.kinds import Event
from cleanlist_async.events.log_lines import write

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
