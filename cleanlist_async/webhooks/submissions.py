"""The submits of one client that expect webhooks."""

from __future__ import annotations

from typing import Final

import anyio

from cleanlist_async.events import report_failure
from cleanlist_async.root_task import RootTask
from cleanlist_async.webhooks.receiver import WebhookReceiver
from cleanlist_async.webhooks.store import EventStore
from cleanlist_async.webhooks.submission import Submission

_LOOK_EVERY_S: Final = 0.5
_LOOK_AGAIN_S: Final = 5.0
"""After a look into the store that failed."""


class Submissions:
    """Makes a submission for each submit. Without a *receiver* they have no address, and expect nothing."""

    def __init__(self, root: RootTask, receiver: WebhookReceiver | None) -> None:
        self.receiver = receiver
        self._root = root
        self._open: set[str] = set()
        self._following = False

    def begin(self, own_url: str | None = None) -> Submission:
        """Make the submission of a submit that is about to be sent.

        Send its ``webhook_url`` with it; then call ``accepted``, and ``close`` once nobody waits any more.
        *own_url* is the address that the caller wants events to go to instead: nothing is expected then.
        Raises ConfigurationError unless the client is open.
        """
        if self.receiver is None or own_url is not None:
            return Submission(own_url, is_expected=False)
        if self.receiver.store is not None and not self._following:
            self._root.spawn(self._follow, self.receiver, self.receiver.store)
            self._following = True
        id_, submission = self.receiver.begin(on_close=self._open.discard)
        self._open.add(id_)
        return submission

    async def _follow(self, receiver: WebhookReceiver, store: EventStore) -> None:
        """Take what other workers left in the store, as long as there is something to wait for."""
        try:
            while self._open:  # noqa: ASYNC110  # no event tells of another worker
                await anyio.sleep(await self._look(receiver, store))
        finally:
            self._following = False

    async def _look(self, receiver: WebhookReceiver, store: EventStore) -> float:
        try:
            found = await store.take(tuple(self._open))
        except Exception as problem:  # noqa: BLE001  # a store of the caller's own may raise anything
            report_failure("the store of webhook events", problem)
            return _LOOK_AGAIN_S
        for id_, events in found.items():
            for event in events:
                receiver.take_over(id_, event)
        return _LOOK_EVERY_S
