"""The bulk tools of one client: what stands behind its `plan`, `enrich`, `stream` and `collect`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Iterable,
    Mapping,
    Sequence,
    Sized,
)
from dataclasses import replace
from functools import partial
from typing import Final, cast

import anyio

from cleanlist_async import facts
from cleanlist_async.checks import a_type, is_any, wrong
from cleanlist_async.contacts.checks import check_form
from cleanlist_async.contacts.identity import Invalid, Prepared, prepare
from cleanlist_async.enrich.chunk import RunSpec
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.enrich.plan import Look, Plan, make_plan
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.report import EnrichmentReport, RunOutcome
from cleanlist_async.enrich.result_sink import ProgressReporter
from cleanlist_async.enrich.result_stream import ResultStream
from cleanlist_async.enrich.row_results import copy_for, never_read
from cleanlist_async.enrich.run import NOTHING_REPEATED, BulkRun, RepeatedIn
from cleanlist_async.enrich.source import each, prepared
from cleanlist_async.errors import CleanlistError, ConfigurationError, DeadlineExceededError
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables.input_options import (
    ContactRows,
    ContactSource,
    Prepare,
    open_source,
    preparation,
)
from cleanlist_async.webhooks.submissions import Submissions

log: Final = logging.getLogger("cleanlist_async")


class BulkService:
    """Starts runs on one pipeline; all of them share one poll scheduler."""

    def __init__(
        self,
        pipeline: Pipeline,
        polls: PollScheduler,
        submissions: Submissions,
        purchases: Purchases | None,
    ) -> None:
        self.polls = polls
        self._purchases = purchases
        self.abandoned: list[EnrichmentResult] = []
        self._left = set[BulkRun]()
        self._remembered = set[str]()
        self._collected = set[tuple[str, str | None]]()  # workflow and task of what callers asked for again
        self.pipeline = pipeline
        self._submissions = submissions

    async def plan(self, contacts: ContactSource, spec: RunSpec) -> Plan:
        """Say what enriching *contacts* would take."""
        source, prepare = _opened(contacts, spec)
        await spec.input.load()
        purchases = self._purchases
        look: Look | None = None
        if purchases is not None and not spec.is_unclaimed:
            await self.pipeline.root.ensure()
            look = partial(purchases.look, wanted=spec.wanted)
        limits, keys = self.pipeline.limiter.limits, len(self.pipeline.route.keys)
        return await make_plan(source, spec.enrichment_type, limits, keys, look, prepare=prepare)

    async def enrich(self, contacts: ContactSource, spec: RunSpec) -> EnrichmentReport:
        """Run *contacts* to the end, and return a result for each in their order."""
        source, prepare = _opened(contacts, spec)
        await spec.input.load()
        given = [contact async for contact in each(source)]
        check_form(given, prepare)
        stream = self.stream_rows(prepared(given, prepare), spec, len(given), None)
        results: dict[int, EnrichmentResult] = {}
        stopped_by: CleanlistError | None = None
        try:
            async with stream:
                async for result in stream:
                    results[result.index] = result
        except CleanlistError as error:
            stopped_by = error
        except BaseException:
            self.keep_abandoned([*results.values(), *stream.leftover], spec)
            raise
        # An error has no results, so it is raised only where none would be lost.
        if stopped_by is not None and stream.is_for_nothing:
            raise stopped_by
        if len(results) < len(given):
            follow = spec.dedupe != "off"
            for result in never_read(given, results, stopped_by, follow=follow, prepare=prepare):
                results[result.index] = result
                stream.summary.count(result)
        ordered = [results[index] for index in range(len(given))]
        return EnrichmentReport(ordered, stream.summary, stopped_by, stream.fault)

    def keep_abandoned(self, results: list[EnrichmentResult], spec: RunSpec) -> None:
        """Keep all results of the latest cancelled run, and of those before as many as have room."""
        if self._purchases is not None and not spec.is_unclaimed:  # the same call finds them again
            self._remembered.update(one.workflow_id for one in results if one.workflow_id is not None)
        kept = max(facts.MAX_ABANDONED_RESULTS, len(results))
        if (dropped := len(self.abandoned) + len(results) - kept) > 0:
            log.warning("%d results of cancelled runs were dropped: collect client.abandoned sooner", dropped)
        self.abandoned[:] = [*self.abandoned, *results][-kept:]  # in place: the caller may hold this list
        self._remembered.intersection_update(one.workflow_id for one in self.abandoned)

    def delivered(self) -> Counter[str]:
        """Count the contacts by workflow that a caller asked for again by a result that it was given."""
        return Counter(workflow_id for workflow_id, _ in self._collected)

    def undelivered(self) -> Counter[str]:
        """Count the contacts by workflow whose results are in `abandoned`, and in no store."""
        bought = (one.workflow_id for one in self.abandoned if one.status in {"found", "pending"})
        return Counter(id_ for id_ in bought if id_ is not None and id_ not in self._remembered)

    def stream(self, contacts: ContactSource, spec: RunSpec) -> ResultStream:
        """Run *contacts* as they are read, yielding results as they come."""
        source, prepare = _opened(contacts, spec)
        total = len(source) if isinstance(source, Sized) else None
        is_read_twice = total is not None and spec.dedupe == "all"
        repeated_in = None
        if is_read_twice and not isinstance(source, AsyncIterable):
            repeated_in = (source, prepare)
        return self.stream_rows(prepared(source, prepare), spec, total, repeated_in, is_streamed=True)

    async def collect(self, pending: Iterable[EnrichmentResult], options: CallOptions) -> EnrichmentReport:
        """Fetch what was submitted before."""
        results = _checked_pending(pending)
        await self.pipeline.root.ensure()
        self._collected.update((one.workflow_id, one.task_id) for one in results if one.workflow_id)
        return await Collector(self.pipeline, self.polls, options).collect(results)

    def stream_rows(
        self,
        rows: AsyncGenerator[Prepared | Invalid, None],
        spec: RunSpec,
        total: int | None,
        repeated_in: RepeatedIn | None = NOTHING_REPEATED,
        *,
        is_streamed: bool = False,
    ) -> ResultStream:
        """Run contacts that were checked, by default of which each is given once, as they are read.

        *is_streamed*: somebody reads the first results while others are still to come.
        """
        root = self.pipeline.root

        async def start() -> BulkRun:
            await spec.input.load()
            await root.ensure()
            run = BulkRun(
                self.pipeline,
                self.polls,
                self._submissions,
                spec,
                rows,
                purchases=self._purchases,
                total=total,
                is_streamed=is_streamed,
                repeated_in=repeated_in,
            )
            root.spawn(self._run, run, spec)
            return run

        # The garbage collector may run in any thread.
        return ResultStream(start, lambda run: root.call_soon(self._leave, run, spec))

    async def _run(self, run: BulkRun, spec: RunSpec) -> None:
        await run.main()
        if run in self._left:
            self._left.discard(run)
            self.keep_abandoned(run.results.drain(), spec)

    def _leave(self, run: BulkRun, spec: RunSpec) -> None:
        """Stop a run whose stream nobody holds any more, and keep what was not read."""
        log.warning(
            "a stream was left before its end, outside of `async with`, and is stopped:"
            " what was not read is in client.abandoned"
        )
        if run.finished.is_set():
            self.keep_abandoned(run.results.drain(), spec)
        else:
            self._left.add(run)
            run.cancel()


def _opened(contacts: ContactSource, spec: RunSpec) -> tuple[ContactRows, Prepare]:
    source, read = open_source(contacts, spec.input.rows, "contacts")
    return source, preparation(spec.input.suppression, read)


def _checked_pending(pending: object) -> list[EnrichmentResult]:
    expected = "an iterable of EnrichmentResult"
    if isinstance(pending, EnrichmentReport):
        raise wrong("pending", expected, pending, fix="Pass its pending results: report.pending.")
    if is_any(pending, str, bytes, Mapping) or not is_any(pending, Iterable):
        raise wrong("pending", expected, pending)
    results = list(cast("Iterable[EnrichmentResult]", pending))
    for result in results:
        if not isinstance(result, EnrichmentResult):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"pending must be {expected}; {a_type(result)} is in it.")
    return results


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
        summary = self._progress.summary
        for result in self._results:
            summary.count(result)
        summary.workflows = len(workflows)
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
        """Take a pending result; one whose contact could never have been sent stays."""
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
        known = tuple(task_id for task_id in self._task_ids if task_id is not None)
        contacts = tuple(self._firsts.values())
        ids = tuple(self._task_ids)
        # Without a key: a result does not say with which one its workflow was started.
        return AcceptedWorkflow(workflow_id, contacts, ids, known, None, now, is_new=False, whole=False)

    def fan_out(self, fetched: Sequence[EnrichmentResult]) -> Iterable[tuple[int, EnrichmentResult]]:
        for first, result in zip(self._firsts.values(), fetched, strict=True):
            for position, old in self._wanted[first.identity]:
                if old.index == first.index:
                    yield position, replace(result, duplicate_of=old.duplicate_of)
                else:
                    own = Prepared(old.index, old.contact, first.payload, first.identity)
                    yield position, copy_for(own, result)
