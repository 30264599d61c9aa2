"""Sending the chunks of a bulk run: a short line of requests, each with a webhook address of its own."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Final

import anyio

from cleanlist_async.api.public import submit_call
from cleanlist_async.contacts.chunking import bulk_body
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.chunk import Chunk, RunSpec
from cleanlist_async.enrich.fetch import AcceptedWorkflow
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.submit_record import SubmitRecord
from cleanlist_async.http.calls import Spend
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.webhooks.submissions import Submissions

_SUBMITS_IN_LINE: Final = 4
"""Chunks that wait for a token at once; more would only be read ahead, and age past interactive calls."""


class ChunkSubmitter:
    """Submits the chunks of one run. Each has a place in the line until its request is admitted."""

    def __init__(
        self,
        pipeline: Pipeline,
        submissions: Submissions,
        purchases: Purchases | None,
        spec: RunSpec,
        options: CallOptions,
    ) -> None:
        self._pipeline = pipeline
        self._purchases = purchases
        self._submissions = submissions
        self._spec = spec
        self._options = options
        self._line = anyio.Semaphore(_SUBMITS_IN_LINE)
        self._waiting: set[anyio.CancelScope] = set()

    async def enter_line(self) -> None:
        """Wait for a place in the line."""
        await self._line.acquire()

    @property
    def in_line(self) -> int:
        """Chunks that have a place in the line."""
        return _SUBMITS_IN_LINE - self._line.value

    def leave_line(self, chunk: Chunk) -> None:
        """Give up the place of a chunk, if it has one."""
        # Not twice: each attempt of a request builds its body.
        if chunk.in_line:
            chunk.in_line = False
            self._line.release()

    async def room(self) -> float:
        """Return the credits that the budgets in the store still cover. Raises StoreError."""
        return math.inf if self._purchases is None else await self._purchases.room(self._spec.wanted)

    @property
    def is_collecting(self) -> bool:
        """Whether workflows of earlier submits are being fetched, which may give credits back."""
        return self._purchases is not None and self._purchases.collecting > 0

    def stop(self) -> None:
        """Cancel every submit that is not on its way yet."""
        for scope in self._waiting:
            scope.cancel()

    @property
    def troubles(self) -> int:
        """Unclear outcomes of submits so far; those of submits that were in flight together are one."""
        return self._pipeline.submit_troubles

    async def submit(self, chunk: Chunk, contacts: tuple[Prepared, ...]) -> AcceptedWorkflow | None:
        """Submit contacts of a chunk once; None if `stop` came before that was on its way.

        Raises CleanlistError; `submit_outcome.judge` returns its meaning.
        """
        # An address for each attempt: a late webhook of one that was refused must not be believed.
        self.close(chunk)
        submission = chunk.submission = self._submissions.begin(self._spec.webhook_url)

        def body() -> bytes:  # built when the request gets its token
            self.leave_line(chunk)
            return bulk_body(contacts, self._spec.enrichment_type, submission.webhook_url)

        call = submit_call(
            body,
            RequestClass.SUBMIT,
            shield_answer=True,  # it names what was paid for, which a run that is stopped tells, too
            spend=lambda: Spend.of_contacts(
                self._spec.wanted.door, self._spec.enrichment_type, len(contacts)
            ),
        )
        if (record := self._record(contacts)) is not None:
            chunk.record = record
            refused = partial(record.refused, "the server did not take it")
            call = replace(
                call,
                before=record.intend,
                before_retry=refused,
                is_recorded=True,
                submission=lambda: record.submission,
            )
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                reply = await self._pipeline.call(call, self._options)
            finally:
                self._waiting.discard(scope)
            return AcceptedWorkflow.of(reply, contacts, self._pipeline.limiter.clock(), submission.signal)
        return None

    def _record(self, contacts: tuple[Prepared, ...]) -> SubmitRecord | None:
        if self._purchases is None:
            return None
        return self._purchases.submit(contacts, self._spec.wanted, is_unclaimed=self._spec.is_unclaimed)

    def salvage(self, chunk: Chunk, contacts: tuple[Prepared, ...], workflow_id: str) -> AcceptedWorkflow:
        """Return the workflow that an odd answer to the latest submit of a chunk names."""
        signal = chunk.submission.signal if chunk.submission else None
        return AcceptedWorkflow.salvaged(self._pipeline, workflow_id, contacts, signal)

    def accepted(self, chunk: Chunk, workflow: AcceptedWorkflow) -> None:
        """Note the workflow of a chunk, so that its webhook is known for that of this workflow."""
        if chunk.submission is not None:
            chunk.submission.accepted(workflow.workflow_id, workflow.task_ids)
        chunk.workflow = workflow

    def close(self, chunk: Chunk) -> None:
        """Expect no webhook of a chunk any more."""
        if chunk.submission is not None:
            chunk.submission.close()
            chunk.submission = None
