"""Webhooks of a job that other workers received and put into the store that they share with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Final

import anyio

from cleanlist_async.events import report_failure
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.webhooks.event import LOOK_AGAIN_S, LOOK_EVERY_S, EventStore, look_into
from cleanlist_async.webhooks.receiver import WebhookReceiver

_LONGEST_LOOK_S: Final = 10.0
"""Seconds that closing a job waits for a look into the store, which is not cancelled before."""


class WebhookInbox:
    """Moves the events of a job from the store to its journal.

    An event is on disk when *take* returns. One that was taken out of the store by a process that is killed
    before that is lost, as if it had never come.

    Attributes
    ----------
    was_read
        Whether the store could be read at least once in this run.

    """

    def __init__(
        self,
        receiver: WebhookReceiver,
        store: EventStore,
        journal: Journal,
        take: Callable[[str, bytes], object],
    ) -> None:
        self.was_read = False
        self._mail_id = cache(receiver.mail_id)  # every look asks for those of all open submits
        self._store = store
        self._journal = journal
        self._take = take

    @asynccontextmanager
    async def receiving(self) -> AsyncGenerator[None]:
        """Process the events that are there before the block begins, and those that come until it ends.

        Raises JournalError, in a group, when an event cannot be written; it is put back into the store.
        """
        # Once before the run begins: what came while no process ran may settle an unknown chunk.
        is_readable = await self._look()

        async def follow() -> None:
            nonlocal is_readable
            while True:
                await anyio.sleep(LOOK_EVERY_S if is_readable else LOOK_AGAIN_S)
                is_readable = await self._look()

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            yield
            group.cancel_scope.cancel()

    async def _look(self) -> bool:
        """Process the events in the store. Return whether it can be read."""
        is_readable = True
        # With nothing open the store is left alone, so that an idle job costs it no requests.
        if tokens := self._tokens():
            # Shielded: what is taken out of the store is nowhere else until it is in the journal.
            with anyio.move_on_after(_LONGEST_LOOK_S, shield=True) as scope:
                is_readable = await look_into(
                    self._store, tokens, lambda mail_id, event: self._take(tokens[mail_id], event)
                )
            if scope.cancelled_caught:
                report_failure("the store of webhook events", TimeoutError())
                is_readable = False
        self.was_read |= is_readable
        return is_readable

    def _tokens(self) -> dict[str, str]:
        """Return the tokens whose events are awaited, by their names in the store."""
        # A token made without a receiver carries no proof, so no other worker can have stored its events.
        named = ((self._mail_id(token), token) for token in self._journal.open_tokens())
        return {mail_id: token for mail_id, token in named if mail_id is not None}
