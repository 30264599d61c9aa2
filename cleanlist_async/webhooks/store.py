"""The store in which workers exchange events: each takes those of its own submissions."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

from cleanlist_async.events import report_failure
from cleanlist_async.facts import MAX_WAITING_BYTES
from cleanlist_async.webhooks.mailbox import has_room

log: Final = logging.getLogger("cleanlist_async")

LOOK_EVERY_S: Final = 0.5
LOOK_AGAIN_S: Final = 5.0
"""Seconds until the next look after the store could not be read."""

_SUBMISSIONS_KEPT: Final = 1_000
_BYTES_KEPT: Final = 64 * MAX_WAITING_BYTES
"""Of all submissions: some hundreds of events of the documented size."""


class EventStore(Protocol):
    """Store of events between workers. They hold contact data: keep it private, and events only briefly.

    An event may be deleted after an hour: its owner has asked the server by then. Only a job that lost the
    answer to a submit, and is not resumed within the hour, misses something.
    """

    async def put(self, submission_id: str, event: bytes, /) -> bool | None:
        """Keep an event until its owner takes it. Once this returns, the sender is answered with success.

        Return False if there is no room: the sender is refused, and the owner asks the server. Limit the
        events of one submission: the server and its operators know the address too.
        """
        ...

    async def take(self, submission_ids: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these submissions so far, and delete them. Does not wait."""
        ...


class MemoryEventStore:
    """Events between receivers of one process.

    Keeps at most four events of each submission (2 MiB together), and the latest 1,000 submissions (128 MiB).
    """

    def __init__(self) -> None:
        self._events: OrderedDict[str, list[bytes]] = OrderedDict()
        self._bytes = 0

    async def put(self, submission_id: str, event: bytes, /) -> bool:
        """Keep an event; a repeated one only once. Return whether it is kept."""
        kept = self._events.get(submission_id, [])
        if event in kept:
            return True
        if not has_room(event, len(kept), sum(map(len, kept))):
            return False
        self._events.setdefault(submission_id, kept).append(event)
        self._bytes += len(event)
        # The oldest go first: their owners are most likely to have asked the server by now.
        while len(self._events) > _SUBMISSIONS_KEPT or self._bytes > _BYTES_KEPT:
            self._bytes -= sum(map(len, self._events.popitem(last=False)[1]))
        return True

    async def take(self, submission_ids: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these submissions, and delete them."""
        taken = {id_: self._events.pop(id_) for id_ in submission_ids if id_ in self._events}
        self._bytes -= sum(len(event) for events in taken.values() for event in events)
        return taken


async def look_into(
    store: EventStore, submission_ids: Collection[str], give: Callable[[str, bytes], object]
) -> bool:
    """Pass stored events of these submissions to *give*. Return whether the store could be read.

    Raises what *give* raises: the event that it failed on, and those after it, go back into the store.
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
            if await store.put(id_, event) is False:
                log.warning("an event that could not be processed was dropped: too many are waiting")
    except Exception as problem:  # noqa: BLE001  # see above
        report_failure("storing an event again", problem)
