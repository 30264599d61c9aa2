"""How a chunk is submitted and its results are read: a class for each submit mode, one state machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import uuid4

from cleanlist_async.api.public import SUBMIT_BULK, VALIDATE_KEY
from cleanlist_async.contacts.chunking import bulk_body
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher, ids_by_position
from cleanlist_async.enrich.submit_record import SubmitRecord
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.calls import Call, Spend
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Acceptance, Attempt, ChunkRow
from cleanlist_async.job.submits.webhook_inbox import WebhookInbox
from cleanlist_async.polling.estimator import DurationEstimator
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.receiver import WebhookReceiver
from cleanlist_async.webhooks.submission import Submission

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
        submission = self._expected[chunk.number] = self._submission(workflow)
        if self._journal.workflow_seen(chunk.number) == workflow.workflow_id:
            submission.signal.hint()  # the webhook came earlier, and the journal keeps none of its results
        try:
            return await self._fetcher.fetch(
                replace(workflow, signal=submission.signal), self._enrichment_type, finished=finished
            )
        finally:
            del self._expected[chunk.number]

    def _submission(self, workflow: AcceptedWorkflow) -> Submission:
        # Without a receiver events may still come through `Job.receive`, but polling must not wait for them.
        submission = self._receiver.expect() if self._receiver else Submission(is_expected=False)
        submission.accepted(workflow.workflow_id, workflow.task_ids)
        return submission

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
