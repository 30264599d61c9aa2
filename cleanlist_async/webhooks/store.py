"""Where a worker leaves the events of another worker's submissions, and where that one looks for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

from cleanlist_async.events import report_failure

LOOK_EVERY_S: Final = 0.5
LOOK_AGAIN_S: Final = 5.0
"""After a look into the store that failed."""

_SUBMISSIONS_KEPT: Final = 1_000
_EVENTS_KEPT: Final = 4
"""Of one submission. It has one event; whoever sends more knows its token only."""


class EventStore(Protocol):
    """Events between workers. They hold contact data: keep them private, and not for long.

    An event that nobody takes within an hour may be forgotten: its owner has asked the server by then. Only a
    job that is not resumed within the hour, and lost the answer to a submit, misses something.
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


async def look_into(
    store: EventStore, submission_ids: Collection[str], give: Callable[[str, bytes], object]
) -> bool:
    """Pass on to *give* what other workers left for these submissions. Return whether the store can be read.

    Raises what *give* raises: the event that it did not take is left in the store again, and what follows it.
    """
    try:
        found = await store.take(submission_ids)
        mail = [(id_, event) for id_ in submission_ids for event in found.get(id_, ())]
    except Exception as problem:  # noqa: BLE001  # a store of the caller's own may raise anything
        report_failure("the store of webhook events", problem)
        return False
    given = 0
    try:
        for id_, event in mail:
            give(id_, event)
            given += 1
    except Exception:
        await _put_back(store, mail[given:])
        raise
    return True


async def _put_back(store: EventStore, mail: Sequence[tuple[str, bytes]]) -> None:
    try:
        for id_, event in mail:
            await store.put(id_, event)
    except Exception as problem:  # noqa: BLE001  # see above
        report_failure("leaving an event for later", problem)
