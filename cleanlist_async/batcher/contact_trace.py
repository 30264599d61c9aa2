"""Reports one call of `enrich_one` to the listeners, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Final, Self

from cleanlist_async.events import ContactFinished, ContactStarted, Events, identifier
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import EnrichmentResult

_numbers: Final = count(1)


class ContactTrace:
    """Emits the events of one call; use it as ``with ContactTrace(...) as trace``."""

    __slots__ = ("_clock", "_enrichment_type", "_events", "_is_wanted", "_number", "_result", "_started_at")

    def __init__(self, events: Events, enrichment_type: EnrichmentType, clock: Callable[[], float]) -> None:
        self._events = events
        self._enrichment_type: EnrichmentType = enrichment_type
        self._clock = clock
        # Asked once: if the level of the log changes meanwhile, there are both events of a call or none.
        self._is_wanted = events.are_all_wanted
        self._number = next(_numbers)
        self._result: EnrichmentResult | None = None
        self._started_at = clock()

    def __enter__(self) -> Self:
        if self._is_wanted:
            self._events.emit(ContactStarted(self._number, self._enrichment_type))
        return self

    def returned(self, result: EnrichmentResult) -> EnrichmentResult:
        """Note what the call returns, and return it."""
        self._result = result
        return result

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_wanted:
            return
        result = self._result
        workflow_id = getattr(error, "workflow_id", None) if result is None else result.workflow_id
        self._events.emit(
            ContactFinished(
                self._number,
                None if result is None else result.status,
                identifier(workflow_id) if workflow_id else None,
                0.0 if result is None else result.credits,
                self._clock() - self._started_at,
                None if kind is None else kind.__name__,
            )
        )
