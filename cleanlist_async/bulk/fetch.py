"""Waiting for a workflow and reading its results, whole: rows first, single look-ups for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio

from cleanlist_async.bulk import settle
from cleanlist_async.bulk.matching import match_rows
from cleanlist_async.bulk.report import EnrichmentResult
from cleanlist_async.errors import CleanlistError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.identity import Prepared
from cleanlist_async.models.public import BulkStatus, BulkSubmission
from cleanlist_async.models.rows import EnrichmentRow
from cleanlist_async.pipeline import CallOptions, Pipeline, Reply
from cleanlist_async.polling import PollScheduler
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.resources.public import status_call

_LOOKUPS_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Submitted:
    """An accepted workflow: its contacts by position, and the id each may have there."""

    workflow_id: str
    contacts: tuple[Prepared, ...]
    task_ids: tuple[str | None, ...]
    key: str | None
    at: float
    is_new: bool = True

    @classmethod
    def of(cls, reply: Reply[BulkSubmission], contacts: tuple[Prepared, ...], at: float) -> Submitted:
        """Take the ids only where there are as many as contacts, each of them once."""
        ids = reply.value.task_ids
        usable = len(ids) == len(contacts) == len(set(ids))
        return cls(reply.value.workflow_id, contacts, ids if usable else (None,) * len(contacts), reply.key, at)

    def task_id(self, contact: Prepared) -> str | None:
        """Return the id that position gives a contact; it is not certain to be its own."""
        return self.task_ids[self.contacts.index(contact)]


class Fetcher:
    """Gets the results of accepted workflows. Costs requests, never credits."""

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        options: CallOptions,
        note_lookups: Callable[[int], None],
    ) -> None:
        self._pipeline = pipeline
        self._polls = polls
        self._options = options
        self._note_lookups = note_lookups

    async def fetch(self, submitted: Submitted, enrichment_type: EnrichmentType) -> list[EnrichmentResult]:
        """Wait for a workflow and return a result for each of its contacts, in their order."""
        status = await self._polls.finished(
            submitted.workflow_id,
            key=submitted.key,
            submitted_at=submitted.at,
            options=self._options,
            is_new=submitted.is_new,
        )
        rows = list(status.rows)
        if not status.failed:
            rows = await self._complete(submitted, rows)
        contacts = [contact.contact for contact in submitted.contacts]
        final = [row for row in rows if row.is_final]
        matched = match_rows(contacts, submitted.task_ids, final)
        return [
            self._result(submitted, position, matched.get(position), rows, status, enrichment_type)
            for position in range(len(contacts))
        ]

    def _result(
        self,
        submitted: Submitted,
        position: int,
        row: EnrichmentRow | None,
        rows: Sequence[EnrichmentRow],
        status: BulkStatus,
        enrichment_type: EnrichmentType,
    ) -> EnrichmentResult:
        contact, task_id = submitted.contacts[position], submitted.task_ids[position]
        workflow_id = submitted.workflow_id
        if row is not None and (row.has_findings or not status.failed):
            return settle.found(contact, row, workflow_id, task_id, enrichment_type)
        if status.failed:
            reason = f"the server ended the workflow as {status.status!r}; failed enrichments cost nothing"
            return settle.without_row(contact, "failed", reason, workflow_id=workflow_id, task_id=task_id)
        doubtful = next((other for other in rows if task_id is not None and other.task_id == task_id), None)
        if doubtful is None:
            reason = "the finished workflow has no row for it"
        elif doubtful.is_final:
            reason = "the row at its place cannot be told to be its own; see raw"
        else:
            reason = f"its row is still {doubtful.status!r} in the finished workflow"
        return settle.without_row(
            contact,
            "pending",
            reason,
            workflow_id=workflow_id,
            task_id=task_id,
            row=doubtful,
            enrichment_type=enrichment_type,
        )

    async def _complete(self, submitted: Submitted, rows: list[EnrichmentRow]) -> list[EnrichmentRow]:
        """Ask for each task that has no finished row in the workflow's answer."""
        there = {row.task_id for row in rows if row.is_final}
        unnamed = sum(row.task_id is None for row in rows)
        missing = [task_id for task_id in submitted.task_ids if task_id is not None and task_id not in there]
        if not missing or unnamed >= len(missing):
            return rows
        self._note_lookups(len(missing))
        found = await self._look_up(missing, submitted.key)
        return [row for row in rows if row.task_id not in found] + list(found.values())

    async def _look_up(self, task_ids: Sequence[str], key: str | None) -> dict[str, EnrichmentRow]:
        found: dict[str, EnrichmentRow] = {}
        line = anyio.Semaphore(_LOOKUPS_AT_ONCE)

        async def ask(task_id: str) -> None:
            call = status_call(task_id=task_id, kind=RequestClass.STATUS, key=key)
            async with line:
                try:
                    status = (await self._pipeline.call(call, self._options)).value
                except CleanlistError:
                    return  # it stays pending
                finally:
                    self._polls.status_requests += 1
            row = next((row for row in status.rows if row.task_id in {None, task_id}), None)
            if row is not None:
                found[task_id] = replace(row, task_id=task_id)

        async with anyio.create_task_group() as group:
            for task_id in task_ids:
                group.start_soon(ask, task_id)
        return found
