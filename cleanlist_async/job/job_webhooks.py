"""Webhooks that a job receives while it is open."""

from __future__ import annotations

from cleanlist_async.checks import is_encodable
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import ChunkRow
from cleanlist_async.webhooks.event import Event, RefusedEventError
from cleanlist_async.webhooks.submission import Submission


class JobWebhooks:
    """Writes each event to the journal, then passes it to the task that waits for its workflow.

    Attributes
    ----------
    expected
        For each chunk whose results are awaited, its submission.

    """

    def __init__(self, journal: Journal) -> None:
        self.expected: dict[int, Submission] = {}
        self._journal = journal

    def chunk_of(self, token: str) -> ChunkRow | None:
        """Return the chunk of a token, which a stranger may have made up."""
        # SQLite cannot be asked for a lone surrogate.
        is_text = isinstance(token, str) and is_encodable(token)  # pyright: ignore[reportUnnecessaryIsInstance]
        return self._journal.of_token(token) if is_text else None

    def receive(self, token: str, payload: bytes) -> bool:
        """Process an event. Return whether the token is one of this job's."""
        chunk = self.chunk_of(token)
        if chunk is None:
            return False
        try:
            event = Event.read(payload)
        except RefusedEventError:
            return True  # the token is ours: a 404 would only make the server send the same again
        if self._journal.takes_word_of_webhook(chunk.number, event.workflow_id):
            self._journal.prove(chunk.number, "webhook", event.workflow_id)
        # After the journal: what the waiting task does with the event must survive a crash.
        if (submission := self.expected.get(chunk.number)) is not None:
            submission.receive(event)
        return True
