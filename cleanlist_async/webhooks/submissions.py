"""The submits of one client that expect webhooks."""

from __future__ import annotations

import anyio

from cleanlist_async.http.root_task import RootTask
from cleanlist_async.webhooks.event import LOOK_AGAIN_S, LOOK_EVERY_S, EventStore, look_into
from cleanlist_async.webhooks.receiver import WebhookReceiver
from cleanlist_async.webhooks.submission import Submission


class Submissions:
    """Makes a submission for each submit. Without a *receiver* they have no address and expect no events."""

    def __init__(self, root: RootTask, receiver: WebhookReceiver | None) -> None:
        self.receiver = receiver
        self._root = root
        self._open: set[str] = set()
        self._following = False

    def begin(self, own_url: str | None = None) -> Submission:
        """Make the submission of a submit that is about to be sent.

        Send its ``webhook_url``, then call ``accepted`` with the answer, and ``close`` at the end.
        With *own_url*, the caller's own address, no events are expected.
        Raises ConfigurationError unless the client is open.
        """
        if self.receiver is None or own_url is not None:  # events for the caller's address never come here
            return Submission(own_url, is_expected=False)
        # One task for all submissions of the client, which ends when none is open.
        if self.receiver.mailbox is not None and not self._following:
            # First: where the client is closed this raises, and no submission may be left open then.
            self._root.spawn(self._follow, self.receiver, self.receiver.mailbox)
            self._following = True
        id_, submission = self.receiver.begin(on_close=self._open.discard)
        self._open.add(id_)
        return submission

    async def _follow(self, receiver: WebhookReceiver, store: EventStore) -> None:
        """Fetch events from the store while submissions are open."""
        try:
            while self._open:
                is_readable = await look_into(store, tuple(self._open), receiver.take_over)
                await anyio.sleep(LOOK_EVERY_S if is_readable else LOOK_AGAIN_S)
        finally:
            self._following = False
