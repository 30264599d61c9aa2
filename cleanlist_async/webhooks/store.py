"""Where a worker leaves the events of another worker's submissions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

_SUBMISSIONS_KEPT: Final = 1_000
_EVENTS_KEPT: Final = 4
"""Of one submission. It has one event; whoever sends more knows its token only."""


class EventStore(Protocol):
    """Events between workers. They hold contact data: keep them private, and not for long.

    An event that nobody takes within an hour may be forgotten: its owner has asked the server by then.
    """

    async def put(self, submission_id: str, event: bytes, /) -> None:
        """Keep an event until its owner takes it. When this returns, the sender is told that we have it."""
        ...

    async def take(self, submission_ids: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these submissions there are by now, and forget them. Does not wait."""
        ...


class MemoryEventStore:
    """Events between receivers of one process. Keeps the latest 1,000 submissions', four of each."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, list[bytes]] = OrderedDict()

    async def put(self, submission_id: str, event: bytes, /) -> None:
        """Keep an event, unless it is there already."""
        kept = self._events.setdefault(submission_id, [])
        if event not in kept and len(kept) < _EVENTS_KEPT:
            kept.append(event)
        while len(self._events) > _SUBMISSIONS_KEPT:
            self._events.popitem(last=False)

    async def take(self, submission_ids: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return and forget the events of these submissions."""
        return {id_: self._events.pop(id_) for id_ in submission_ids if id_ in self._events}
