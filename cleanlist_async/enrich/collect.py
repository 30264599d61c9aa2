"""Fetching what was submitted earlier and is still pending. Costs no credits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import anyio

from cleanlist_async import facts
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.enrich.dedupe import copy_for
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.enrich.progress import ProgressReporter
from cleanlist_async.enrich.report import EnrichmentReport, RunOutcome
from cleanlist_async.errors import CleanlistError, DeadlineExceededError
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.results import EnrichmentResult


class Collector:
    """One `collect` call: workflow by workflow, each asked for all of its pending contacts at once."""

    def __init__(self, pipeline: Pipeline, polls: PollScheduler, options: CallOptions) -> None:
        self._clock = pipeline.limiter.clock
        self._deadline_s = options.deadline_s
        self._progress = ProgressReporter(pipeline, polls, None, None)
        self._outcome = RunOutcome()
        # Without the deadline: it is that of the whole call, not of each request.
        self._fetcher = Fetcher(
            pipeline,
            polls,
            replace(options, deadline_s=None),
            self._progress.report_lookups,
            self._outcome.note,
        )
        self._room = anyio.Semaphore(facts.MAX_OPEN_WORKFLOWS)
        self._results: list[EnrichmentResult] = []

    async def collect(self, pending: list[EnrichmentResult]) -> EnrichmentReport:
        """Return *pending* in its order, with results where there are some by now."""
        self._results = pending
        workflows: dict[str, _Wanted] = {}
        for position, result in enumerate(self._results):
            if result.workflow_id is not None and result.status in {"pending", "unknown"}:
                workflows.setdefault(result.workflow_id, _Wanted()).add(position, result)
        with anyio.move_on_after(self._deadline_s) as deadline:
            async with anyio.create_task_group() as group:
                for workflow_id, wanted in workflows.items():
                    # Acquired before the task starts, so that there are never more tasks than places.
                    await self._room.acquire()
                    group.start_soon(self._collect_workflow, workflow_id, wanted)
        if deadline.cancelled_caught:
            self._outcome.stopped_by = DeadlineExceededError(
                f"Collecting took longer than deadline_s = {self._deadline_s or 0:g} s.",
                fix="Collect what is still pending again: it is free.",
            )
        return self._report(len(workflows))

    def _report(self, workflows: int) -> EnrichmentReport:
        summary = self._progress.summary
        for result in self._results:
            summary.count(result)
        summary.workflows = workflows
        self._progress.report()
        return EnrichmentReport(tuple(self._results), summary, self._outcome.stopped_by, self._outcome.fault)

    async def _collect_workflow(self, workflow_id: str, wanted: _Wanted) -> None:
        try:
            workflow = wanted.workflow(workflow_id, self._clock())
            fetched = await self._fetcher.fetch(workflow, wanted.enrichment_type)
        except CleanlistError as error:
            self._outcome.stopped_by = error
            self._outcome.note(error)
        else:
            for position, result in wanted.fan_out(fetched):
                self._results[position] = result
        finally:
            self._room.release()


class _Wanted:
    """The pending results of one workflow. Duplicates share a contact, as they did when it was submitted."""

    def __init__(self) -> None:
        self.enrichment_type: facts.EnrichmentType = "partial"
        self._firsts: dict[bytes, Prepared] = {}
        self._task_ids: list[str | None] = []
        self._wanted: dict[bytes, list[tuple[int, EnrichmentResult]]] = {}

    def add(self, position: int, result: EnrichmentResult) -> None:
        """Take a pending result; one whose contact could never have been sent is left as it is."""
        contact = prepare(result.index, result.contact)
        if not isinstance(contact, Prepared):
            return
        self.enrichment_type = result.enrichment_type or self.enrichment_type
        if contact.identity not in self._firsts:
            self._firsts[contact.identity] = contact
            self._task_ids.append(result.task_id)
            self._wanted[contact.identity] = []
        self._wanted[contact.identity].append((position, result))

    def workflow(self, workflow_id: str, now: float) -> AcceptedWorkflow:
        """Describe the workflow, as far as these results know it."""
        known = tuple(task_id for task_id in self._task_ids if task_id is not None)
        contacts = tuple(self._firsts.values())
        ids = tuple(self._task_ids)
        # Without a key: a result does not say with which one its workflow was started.
        return AcceptedWorkflow(workflow_id, contacts, ids, known, None, now, is_new=False, whole=False)

    def fan_out(self, fetched: Sequence[EnrichmentResult]) -> Iterable[tuple[int, EnrichmentResult]]:
        """Yield the position and the new result of each."""
        for first, result in zip(self._firsts.values(), fetched, strict=True):
            for position, old in self._wanted[first.identity]:
                if old.index == first.index:
                    yield position, replace(result, duplicate_of=old.duplicate_of)
                else:
                    own = Prepared(old.index, old.contact, first.payload, first.identity)
                    yield position, copy_for(own, result)
