"""The store in which workers exchange events: each takes those of its own submissions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

from cleanlist_async.events import report_failure

log: Final = logging.getLogger("cleanlist_async")

LOOK_EVERY_S: Final = 0.5
LOOK_AGAIN_S: Final = 5.0
"""Seconds until the next look after the store could not be read."""


class EventStore(Protocol):
    """Store of events between workers. They hold contact data: keep it private, and events only briefly.

    An event may be deleted after an hour: its owner has asked the server by then. Only a job that lost the
    answer to a submit, and is not resumed within the hour, misses something.
    """

    async def put(self, submission_id: str, event: bytes, /) -> bool | None:
        """Keep an event until its owner takes it. Once this returns, the sender is answered with success.

        Return False if there is no room: the sender is refused, and the owner asks the server. Limit the
        events of one submit: the server and its operators know the address too.
        """
        ...

    async def take(self, submission_ids: Collection[str], /) -> Mapping[str, Sequence[bytes]]:
        """Return the events of these submits so far, and delete them. Does not wait."""
        ...


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
