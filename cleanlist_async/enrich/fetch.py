"""Waiting for a workflow and reading its results, whole: rows first, single look-ups for what is missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import anyio

from cleanlist_async import facts
from cleanlist_async.api.models.public import BulkStatus, BulkSubmission
from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.api.public import BULK_STATUS, status_call
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.matching import Match, ids_before_the_end
from cleanlist_async.enrich.normalize import linkedin_slug
from cleanlist_async.enrich.row_results import found, without_row
from cleanlist_async.errors import CleanlistError, NotFoundError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.calls import Reply
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.open_workflow import WebhookSignal
from cleanlist_async.polling.scheduler import PollScheduler, wait_for_good
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.webhooks.submission import Submission

log: Final = logging.getLogger("cleanlist_async")

_LOOKUPS_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class AcceptedWorkflow:
    """An accepted workflow.

    Attributes
    ----------
    contacts, task_ids
        Its contacts by position, and the id that each has if ids follow their order.
    all_ids
        Every id the server gave, also where there are not as many as contacts.
    key
        The key it was submitted with; None if that is not known.
    at
        Time of the submit's answer, by the limiter's clock.
    is_new
        Whether we submitted it just now.
    whole
        Whether these are all contacts of the workflow, as far as we know.
    signal
        What its webhook brings, if it has one.

    """

    workflow_id: str
    contacts: tuple[Prepared, ...]
    task_ids: tuple[str | None, ...]
    all_ids: tuple[str, ...]
    key: str | None
    at: float
    is_new: bool = True
    whole: bool = True
    signal: WebhookSignal[BulkStatus] | None = None

    @property
    def ids_before_the_end(self) -> tuple[str | None, ...]:
        """The id by which each contact may be collected, if nobody waits for the end."""
        return ids_before_the_end([contact.sent for contact in self.contacts], self.task_ids)

    @classmethod
    def of(
        cls,
        reply: Reply[BulkSubmission],
        contacts: tuple[Prepared, ...],
        at: float,
        signal: WebhookSignal[BulkStatus] | None = None,
    ) -> AcceptedWorkflow:
        """Take the ids by position only where there are as many as contacts, each of them once."""
        ids = reply.value.task_ids
        by_position = ids_by_position(ids, len(contacts))
        return cls(reply.value.workflow_id, contacts, by_position, ids, reply.key, at, signal=signal)

    @classmethod
    def named(
        cls,
        workflow_id: str,
        contacts: tuple[Prepared, ...],
        at: float,
        *,
        key: str | None = None,
        is_new: bool = False,
        signal: WebhookSignal[BulkStatus] | None = None,
    ) -> AcceptedWorkflow:
        """Describe a workflow of which only the id is known, so that rows must prove whose they are."""
        ids = (None,) * len(contacts)
        return cls(workflow_id, contacts, ids, (), key, at, is_new=is_new, whole=False, signal=signal)

    @classmethod
    def salvaged(
        cls,
        pipeline: Pipeline,
        workflow_id: str,
        contacts: tuple[Prepared, ...],
        signal: WebhookSignal[BulkStatus] | None,
    ) -> AcceptedWorkflow:
        """Describe the workflow that a torn or odd answer named a moment ago."""
        origin, now = pipeline.origin(workflow_id), pipeline.limiter.clock()
        return cls.named(
            workflow_id, contacts, now, key=origin.key if origin else None, is_new=True, signal=signal
        )


def ids_by_position(ids: tuple[str, ...], contacts: int) -> tuple[str | None, ...]:
    """Return the id of each contact: None for all unless there are as many ids, each of them once."""
    return ids if len(ids) == contacts == len(set(ids)) else (None,) * contacts


class Fetcher:
    """Gets the results of accepted workflows. Costs requests, never credits."""

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        options: CallOptions,
        note_lookups: Callable[[int], None],
        note_failure: Callable[[CleanlistError], None] = lambda _: None,
        *,
        kind: RequestClass = RequestClass.STATUS,
    ) -> None:
        self._pipeline = pipeline
        self._polls = polls
        self._options = options
        self._note_lookups = note_lookups
        self._kind = kind
        self.note_failure = note_failure
        """Is told of an error that keeps contacts from a result, and is not raised."""

    async def fetch(
        self,
        workflow: AcceptedWorkflow,
        enrichment_type: EnrichmentType,
        *,
        finished: Callable[[], None] = lambda: None,
        until: Callable[[], float | None] = wait_for_good,
    ) -> list[EnrichmentResult]:
        """Wait for a workflow and return a result for each of its contacts, in their order.

        *finished* is called once the workflow is, before its rows are completed. *until* returns the time by
        which a caller needs the results: see `PollScheduler.finished`.
        """
        status, key = await self._finished(workflow, until)
        finished()
        rows = list(status.rows)
        if not status.failed:
            rows += await self._look_up(_missing(workflow, rows), key)
        match = partial(
            Match,
            [contact.sent for contact in workflow.contacts],
            workflow.task_ids,
            [row for row in rows if row.is_final],
            whole=workflow.whole or _is_whole(workflow, status),
        )
        if len(rows) <= facts.MAX_CONTACTS_PER_REQUEST:
            matched = match()
        else:  # more than there should be, which may take longer than an event loop can wait
            matched = await asyncio.get_running_loop().run_in_executor(None, match)
        return _FinishedWorkflow(workflow, status, rows, enrichment_type).results(matched)

    def hurry(self, workflow_ids: Collection[str]) -> None:
        """Have workflows that are waited for already asked about as urgently as these results are."""
        if self._kind is RequestClass.INTERACTIVE and workflow_ids:
            self._polls.hurry(workflow_ids)

    async def fetch_lost(
        self, submission: Submission, contacts: tuple[Prepared, ...], enrichment_type: EnrichmentType
    ) -> list[EnrichmentResult] | None:
        """Wait for the webhook of a submit whose answer was lost, and return the results of its workflow.

        None if no webhook comes in time, or if what it names cannot be confirmed.
        """
        if not submission.signal.is_expected:
            return None
        patience = self._polls.estimator(BULK_STATUS.name)
        workflow_id = await submission.workflow_named(patience.silent_at(0.0))
        if workflow_id is None:
            return None
        named = AcceptedWorkflow.named(workflow_id, contacts, self._pipeline.limiter.clock())
        try:
            fetched = await self.fetch(named, enrichment_type)
        except CleanlistError as error:
            log.warning("a webhook names a workflow that cannot be confirmed: %s", type(error).__name__)
            return None
        # Anybody who knows the token can name any workflow. So it is the one only if the server, asked with
        # our key, has a row for every contact.
        return fetched if all(result.status in {"found", "not_found"} for result in fetched) else None

    async def _finished(
        self, workflow: AcceptedWorkflow, until: Callable[[], float | None]
    ) -> tuple[BulkStatus, str | None]:
        """Wait for the end. Lists and rights are per user: where its key is not known, try each."""
        keys = (workflow.key,) if workflow.key else self._pipeline.route.keys or (None,)
        for key in keys:
            try:
                status = await self._polls.finished(
                    status_call(workflow_id=workflow.workflow_id, kind=self._kind, key=key),
                    submitted_at=workflow.at,
                    options=self._options,
                    is_new=workflow.is_new,
                    until=until,
                    signal=workflow.signal,
                )
            except NotFoundError:
                if key == keys[-1]:
                    raise
            else:
                return status, key
        raise AssertionError  # there is always a key to try

    async def _look_up(self, task_ids: Sequence[str], key: str | None) -> list[EnrichmentRow]:
        rows_found: list[EnrichmentRow] = []
        line = anyio.Semaphore(_LOOKUPS_AT_ONCE)

        async def ask(task_id: str) -> None:
            async with line:
                self._pipeline.counters.status_requests += 1
                try:
                    call = status_call(task_id=task_id, kind=self._kind, key=key)
                    status = (await self._pipeline.call(call, self._options)).value
                except CleanlistError as error:
                    self.note_failure(error)
                    return  # its contact stays pending, and can be collected later
            # A row without an id can only be that of the task that was asked for.
            rows = (row for row in status.rows if row.task_id in {None, task_id})
            rows_found.extend(row.but(task_id=task_id) for row in (next(rows, None),) if row)

        if task_ids:
            self._note_lookups(len(task_ids))
            async with anyio.create_task_group() as group:
                for task_id in task_ids:
                    group.start_soon(ask, task_id)
        return rows_found


def _missing(workflow: AcceptedWorkflow, rows: Sequence[EnrichmentRow]) -> list[str]:
    """Return the ids that have no row, unless rows without an id may be theirs."""
    there = {row.task_id for row in rows}
    missing = [task_id for task_id in dict.fromkeys(workflow.all_ids) if task_id not in there]
    unnamed = sum(row.task_id is None for row in rows)
    return missing if unnamed < len(missing) else []


def _is_whole(workflow: AcceptedWorkflow, status: BulkStatus) -> bool:
    """Whether the answer says that a workflow has no more contacts than these.

    Its rows are no proof, since an answer may lack some. And of two contacts of one profile the server may
    have made one task.
    """
    slugs = [linkedin_slug(one.sent.linkedin_url) for one in workflow.contacts]
    known = [slug for slug in slugs if slug]
    return len(known) == len(set(known)) and (status.summary or {}).get("total") == len(slugs)


class _FinishedWorkflow:
    """The final answer of one workflow, with the rows that were looked up one by one."""

    def __init__(
        self,
        workflow: AcceptedWorkflow,
        status: BulkStatus,
        rows: Iterable[EnrichmentRow],
        enrichment_type: EnrichmentType,
    ) -> None:
        self._workflow = workflow
        self._status = status
        self._by_id = {row.task_id: row for row in rows if row.task_id is not None}
        self._enrichment_type: EnrichmentType = enrichment_type

    def results(self, match: Match) -> list[EnrichmentResult]:
        """Return a result for each contact. A row that several share was charged once."""
        results: list[EnrichmentResult] = []
        paid: set[int] = set()
        for position, contact in enumerate(self._workflow.contacts):
            row, task_id = match.given.get(position), self._workflow.task_ids[position]
            if row is None or (self._status.failed and not row.has_findings):
                result = self._without_row(contact, self._at_place(task_id, match))
                results.append(replace(result, task_id=match.trusted_ids[position]))
                continue
            result = found(contact, row, self._workflow.workflow_id, task_id, self._enrichment_type)
            # The server merged contacts of one person: it made one task, and charged once.
            if id(row) in paid:
                result.credits_estimated = 0.0
                result.credits_charged = None if result.credits_charged is None else 0.0
            paid.add(id(row))
            results.append(result)
        return results

    def _at_place(self, task_id: str | None, match: Match) -> EnrichmentRow | None:
        """Return the row of an id, unless it is certainly another's."""
        row = self._by_id.get(task_id) if task_id is not None else None
        return None if any(row is given for given in match.given.values()) else row

    def _without_row(self, contact: Prepared, doubtful: EnrichmentRow | None) -> EnrichmentResult:
        failed = self._status.failed and not (doubtful and doubtful.has_findings)
        if failed:
            word = self._status.status
            reason = f"the server ended the workflow as {word!r}; failed enrichments cost nothing"
        elif doubtful is None:
            reason = "the finished workflow has no row that is certainly its own"
        elif doubtful.is_final:
            reason = "the row at its place is not certainly its own; see raw"
        else:
            reason = f"its row is still {doubtful.status!r} in the finished workflow"
        return without_row(
            contact,
            "failed" if failed else "pending",
            reason,
            workflow_id=self._workflow.workflow_id,
            row=doubtful,
            enrichment_type=self._enrichment_type,
        )
