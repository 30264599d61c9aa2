"""How a chunk is submitted and its results are read: a class for each submit mode, one state machine.

Webhooks of tracked submits are received by the job while it is open, or by other workers, which put them into
a store. Exact submits have a file of their own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Final, Protocol
from uuid import uuid4

import anyio

from cleanlist_async.api.public import SUBMIT_BULK, VALIDATE_KEY
from cleanlist_async.checks import is_encodable
from cleanlist_async.contacts.chunking import bulk_body
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher, ids_by_position
from cleanlist_async.enrich.submit_record import SubmitRecord
from cleanlist_async.events import report_failure
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.calls import Call, Spend
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import SETTLED, Acceptance, Attempt, ChunkRow
from cleanlist_async.polling.estimator import DurationEstimator
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.event import (
    LOOK_AGAIN_S,
    LOOK_EVERY_S,
    Event,
    EventStore,
    RefusedEventError,
    look_into,
)
from cleanlist_async.webhooks.receiver import WebhookReceiver
from cleanlist_async.webhooks.submission import Submission, WebhookStatistics


class JobWebhooks:
    """Writes each event to the journal, then passes it to the task that waits for its workflow.

    `expected` has the submission of each chunk whose results are awaited. An event for any other chunk is
    counted in *counts*.
    """

    def __init__(self, journal: Journal, counts: WebhookStatistics) -> None:
        self.expected: dict[int, Submission] = {}
        self._journal = journal
        self._counts = counts

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
        if is_evidence := self._journal.takes_word_of_webhook(chunk.number, event.workflow_id):
            self._journal.prove(chunk.number, "webhook", event.workflow_id)
        # After the journal: what the waiting task does with the event must survive a crash.
        if (submission := self.expected.get(chunk.number)) is not None:
            submission.receive(event)
        elif chunk.state in SETTLED:
            self._counts.dropped += 1
        elif is_evidence:  # of which the server will be asked
            self._counts.confirmed += 1
        else:
            self._counts.repeated += 1
        return True


_LONGEST_LOOK_S: Final = 10.0
"""Seconds that closing a job waits for a look into the store, which is not cancelled before."""


class WebhookInbox:
    """Moves the events of a job from the store to its journal.

    An event is on disk when *take* returns. One that was taken out of the store by a process that is killed
    before that is lost, as if it had never come. `was_read`: whether the store could be read at least once.
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


_WEBHOOK_GRACE_S: Final = 60.0
"""Seconds after its workflow within which a webhook comes: five attempts over half a minute, and a margin."""
_KEPT: Final = {"workflow_id", "status", "total_contacts"}
"""Fields of an answer that the journal keeps: any other could hold contact data."""


@dataclass(slots=True)
class Intent:
    """An attempt, recorded before its first byte leaves."""

    journal: Journal
    attempt: Attempt
    contacts: int
    again: bool = False
    """Whether it repeats the import of an unknown chunk under the same idempotency key."""
    record: SubmitRecord | None = None
    """The same submit in the client's store, if there is one."""
    written: bool = False

    async def write(self) -> None:
        """Record it. Raises JournalError or StoreError, and then nothing is sent."""
        if self.again:
            self.journal.intend_again(self.attempt)
        else:
            self.journal.intend(self.attempt, self.contacts)
        # Only now: where the journal raised, nothing was sent, and there is no attempt to close.
        self.written = True
        if self.record is not None:
            await self.record.intend()


class Submitter(Protocol):
    """A way to submit chunks."""

    @property
    def promise(self) -> str:
        """What becomes of a submit whose answer is lost, in one sentence."""
        ...

    async def prepare(self, chunk: ChunkRow, contacts: Sequence[Prepared], /) -> Attempt:
        """Prepare an attempt with everything that can identify it later. Free."""
        ...

    async def submit(self, intent: Intent, chunk: ChunkRow, contacts: Sequence[Prepared], /) -> Acceptance:
        """Send it once. Raises CleanlistError."""
        ...

    async def results(
        self, chunk: ChunkRow, contacts: Sequence[Prepared], at: float | None, finished: Callable[[], None]
    ) -> list[EnrichmentResult]:
        """Wait for the workflow of an accepted chunk, and return a result for each of its contacts.

        *at* is the time of the submit by the limiter's clock, None for one of an earlier process. *finished*
        is called once the workflow is.
        """
        ...

    async def look(self, chunk: ChunkRow, contacts: Sequence[Prepared], /) -> Acceptance | bool | None:
        """Look for evidence on an unknown chunk: its acceptance, False for proof of absence, else None.

        Returns None at once when it is too early. Raises CleanlistError for what should stop the job.
        """
        ...

    def may_learn(self, chunk: ChunkRow, /) -> bool:
        """Whether another look at an unknown chunk, later in this run, may find what this one did not."""
        ...


class PlainSubmitter:
    """Bulk submits of the Public API. If the answer is lost, nothing shows the outcome."""

    promise = "a submit whose answer is lost stays unknown until you decide; at most one chunk per crash"

    def __init__(
        self,
        pipeline: Pipeline,
        fetcher: Fetcher,
        options: CallOptions,
        enrichment_type: EnrichmentType,
    ) -> None:
        self._pipeline = pipeline
        self._fetcher = fetcher
        self._options = options
        self._enrichment_type: EnrichmentType = enrichment_type

    async def prepare(self, chunk: ChunkRow, _contacts: Sequence[Prepared], /) -> Attempt:
        """Name the attempt."""
        return Attempt(submission=uuid4().hex, chunk=chunk.number)

    async def submit(self, intent: Intent, _chunk: ChunkRow, contacts: Sequence[Prepared], /) -> Acceptance:
        """Send the contacts."""
        webhook_url = self._webhook_url(intent.attempt)
        call = Call(
            SUBMIT_BULK,
            RequestClass.SUBMIT,
            content=lambda: bulk_body(contacts, self._enrichment_type, webhook_url),
            own_workflow=True,
            check=Call(VALIDATE_KEY),
            shield_answer=True,  # a cancelled run still gets the workflow id onto the disk
            # After the waits for a token and a connection: only what is about to leave counts as sent.
            before=intent.write,
            spend=lambda: Spend.of_contacts("job", self._enrichment_type, len(contacts)),
            is_recorded=intent.record is not None,
            # An attempt on disk for each request on the wire: the engine makes the next one.
            single_attempt=True,
        )
        reply = await self._pipeline.call(call, self._options)
        done = reply.value
        return Acceptance(
            done.workflow_id, done.task_ids, reply.key, reply.request_id, done.model_dump_json(include=_KEPT)
        )

    def _webhook_url(self, _attempt: Attempt) -> str | None:
        return None

    async def results(
        self, chunk: ChunkRow, contacts: Sequence[Prepared], at: float | None, finished: Callable[[], None]
    ) -> list[EnrichmentResult]:
        """Ask until the workflow is finished, and match its rows."""
        return await self._fetcher.fetch(
            self._workflow(chunk, contacts, at), self._enrichment_type, finished=finished
        )

    def _workflow(self, chunk: ChunkRow, contacts: Sequence[Prepared], at: float | None) -> AcceptedWorkflow:
        ids = chunk.task_ids
        keys = self._pipeline.route.keys
        return AcceptedWorkflow(
            chunk.workflow_id or "",
            tuple(contacts),
            ids_by_position(ids, len(contacts)),
            ids,
            # A key that was rotated since is of no use: then each of the client's keys is tried.
            chunk.key_name if chunk.key_name in keys else None,
            self._pipeline.limiter.clock() if at is None else at,
            is_new=at is not None,
            whole=at is not None or bool(ids),  # without ids, a webhook named the workflow
        )

    async def look(self, _chunk: ChunkRow, _contacts: Sequence[Prepared], /) -> Acceptance | bool | None:
        """Nothing to look at."""
        return None

    def may_learn(self, _chunk: ChunkRow, /) -> bool:
        """Nothing to wait for."""
        return False


class TrackedSubmitter(PlainSubmitter):
    """Bulk submits with a webhook address each, so that a webhook shows which of them was accepted."""

    promise = "a submit whose answer is lost is known as soon as its webhook comes"

    def __init__(
        self,
        pipeline: Pipeline,
        fetcher: Fetcher,
        options: CallOptions,
        enrichment_type: EnrichmentType,
        *,
        webhook: str,
        journal: Journal,
        patience: DurationEstimator,
        expected: dict[int, Submission],
        receiver: WebhookReceiver | None,
        inbox: WebhookInbox | None,
    ) -> None:
        super().__init__(pipeline, fetcher, options, enrichment_type)
        self._webhook = webhook.rstrip("/")
        self._journal = journal
        self._patience = patience
        self._expected = expected
        self._receiver = receiver
        self._inbox = inbox
        self._first_looks: dict[int, float] = {}

    async def prepare(self, chunk: ChunkRow, _contacts: Sequence[Prepared], /) -> Attempt:
        """Name the attempt, with a token that cannot be guessed, and that every worker recognizes."""
        # Made before the submit and stored with its intent: no webhook can come before its token is on disk.
        token = uuid4().hex if self._receiver is None else self._receiver.new_token()
        return Attempt(submission=uuid4().hex, chunk=chunk.number, token=token)

    def _webhook_url(self, attempt: Attempt) -> str | None:
        return f"{self._webhook}/{attempt.token}"

    async def results(
        self, chunk: ChunkRow, contacts: Sequence[Prepared], at: float | None, finished: Callable[[], None]
    ) -> list[EnrichmentResult]:
        """Wait for the webhook, ask where it stays away, and match the rows of the workflow."""
        workflow = self._workflow(chunk, contacts, at)
        # Without a receiver events may still come through `Job.receive`, but polling must not wait for them.
        submission = self._receiver.expect() if self._receiver else Submission(is_expected=False)
        submission.accepted(workflow.workflow_id, workflow.task_ids)
        self._expected[chunk.number] = submission
        if self._journal.workflow_seen(chunk.number) == workflow.workflow_id:
            submission.signal.hint()  # the webhook came earlier, and the journal keeps none of its results
        try:
            return await self._fetcher.fetch(
                replace(workflow, signal=submission.signal), self._enrichment_type, finished=finished
            )
        finally:
            del self._expected[chunk.number]

    async def look(self, chunk: ChunkRow, _contacts: Sequence[Prepared], /) -> Acceptance | bool | None:
        """Return the workflow that a webhook has named, perhaps even before the answer was lost."""
        workflow_id = self._journal.workflow_seen(chunk.number)
        return Acceptance(workflow_id) if workflow_id else None

    def may_learn(self, chunk: ChunkRow) -> bool:
        """Whether its webhook may still come: up to three times as long as workflows take, plus a minute."""
        clock = self._pipeline.limiter.clock()
        age_s = clock - self._first_looks.setdefault(chunk.number, clock)
        # Until the store was read once, only this run's time counts: the event may have been there for long.
        if self._inbox is None or self._inbox.was_read:
            age_s = max(age_s, age_of(chunk.since))
        return age_s < 3 * (self._patience.due_age_s or 0.0) + _WEBHOOK_GRACE_S


def age_of(moment: str | None) -> float:
    """Return the seconds since a time in the journal, by the system clock; 0 if that was set back."""
    # Only the system clock goes on from one process to the next.
    if moment is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
