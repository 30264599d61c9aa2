"""The requests of a command that are at the server: a note where one takes long, and what an end cuts off."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import partial
from typing import Final

from cleanlist_async.events import AttemptFinished, AttemptStarted, Event, Listener, WorkflowAccepted

_NOTE_AFTER_S: Final = 5.0
_SECONDS_BETWEEN_NOTES: Final = 10.0

log: Final = logging.getLogger("cleanlist_async.cli")


class InFlight:
    """Follows the requests of all clients of a command."""

    def __init__(self) -> None:
        self._started: dict[int, AttemptStarted] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._next_note_at = 0.0
        self._accepted: set[str] = set()

    def follow(self, attempts: int, timeout_s: float) -> Listener:
        """Return a listener for a client whose calls take so many attempts of so many seconds at most."""
        return partial(self._note, attempts, timeout_s)

    def accepted_from_now(self) -> set[str]:
        """Return a set to which each workflow is added that the server accepts from now on."""
        self._accepted = set()
        return self._accepted

    @property
    def summary(self) -> str:
        """What is at the server now, such as ``2 submit_bulk, 1 bulk_status``; empty if nothing is."""
        counts = Counter(event.operation for event in self._started.values())
        return ", ".join(f"{count} {operation}" for operation, count in counts.items())

    def _note(self, attempts: int, timeout_s: float, event: Event) -> None:
        match event:
            case AttemptStarted() if event.operation != "download":  # which may well take long
                loop = asyncio.get_running_loop()
                self._started[event.call] = event
                self._timers[event.call] = loop.call_later(
                    _NOTE_AFTER_S, self._tell, event, attempts, timeout_s
                )
            case AttemptFinished():
                self._started.pop(event.call, None)
                if timer := self._timers.pop(event.call, None):
                    timer.cancel()
            case WorkflowAccepted():
                self._accepted.add(event.workflow_id)
            case _:
                pass

    def _tell(self, event: AttemptStarted, attempts: int, timeout_s: float) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_note_at:  # of many submits that take long, one note is enough
            return
        self._next_note_at = now + _SECONDS_BETWEEN_NOTES
        log.warning(
            "no answer yet to %s after %g s: attempt %d of %d, each at most %g s",
            event.operation,
            _NOTE_AFTER_S,
            event.attempt,
            attempts,
            timeout_s,
        )


in_flight: Final = InFlight()
"""Those of this process, which runs one command."""
