"""The bulk tools of one client: what stands behind its `plan`, `enrich`, `stream` and `collect`."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence, Sized
from functools import partial
from typing import Final, cast

from cleanlist_async import facts
from cleanlist_async.checks import a_type, is_any, wrong
from cleanlist_async.contacts.checks import check_contacts, check_form
from cleanlist_async.contacts.identity import ContactLike, Invalid, Prepared
from cleanlist_async.enrich.chunk import RunSpec
from cleanlist_async.enrich.collect import Collector
from cleanlist_async.enrich.plan import ContactSource, Look, Plan, make_plan, prepared
from cleanlist_async.enrich.purchases import Purchases
from cleanlist_async.enrich.report import EnrichmentReport
from cleanlist_async.enrich.row_results import never_read
from cleanlist_async.enrich.run import BulkRun
from cleanlist_async.enrich.stream import ResultStream
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.polling.scheduler import PollScheduler
from cleanlist_async.results import EnrichmentResult
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
        self.pipeline = pipeline
        self._submissions = submissions

    async def plan(self, contacts: ContactSource, spec: RunSpec) -> Plan:
        """Say what enriching *contacts* would take."""
        source, purchases = _checked_source(contacts), self._purchases
        look: Look | None = None
        if purchases is not None and not spec.is_unclaimed:
            await self.pipeline.root.ensure()
            look = partial(purchases.look, wanted=spec.wanted)
        limits, keys = self.pipeline.limiter.limits, len(self.pipeline.route.keys)
        return await make_plan(source, spec.enrichment_type, limits, keys, look)

    async def enrich(self, contacts: ContactSource, spec: RunSpec) -> EnrichmentReport:
        """Run *contacts* to the end, and return a result for each in their order."""
        source = _checked_source(contacts)
        given = [c async for c in source] if isinstance(source, AsyncIterable) else list(source)
        check_form(given)
        stream = self._start(given, spec, find_repeated=False)
        results: dict[int, EnrichmentResult] = {}
        stopped_by: CleanlistError | None = None
        try:
            async with stream:
                async for result in stream:
                    results[result.index] = result
        except CleanlistError as error:
            stopped_by = error
        except BaseException:
            self._keep_abandoned([*results.values(), *stream.leftover])
            raise
        undecided = any(result.status == "unknown" for result in results.values())
        if stopped_by is not None and not stream.accepted and not undecided:
            raise stopped_by
        if len(results) < len(given):
            for result in never_read(given, results, stopped_by, follow=spec.dedupe != "off"):
                results[result.index] = result
                stream.summary.count(result)
        ordered = [results[index] for index in range(len(given))]
        return EnrichmentReport(ordered, stream.summary, stopped_by, stream.fault)

    def _keep_abandoned(self, results: list[EnrichmentResult]) -> None:
        """Keep all results of the latest cancelled run, and of those before it as many as have room."""
        kept = max(facts.MAX_ABANDONED_RESULTS, len(results))
        if (dropped := len(self.abandoned) + len(results) - kept) > 0:
            log.warning("%d results of cancelled runs were dropped: collect client.abandoned sooner", dropped)
        self.abandoned[:] = [*self.abandoned, *results][-kept:]

    def stream(self, contacts: ContactSource, spec: RunSpec) -> ResultStream:
        """Run *contacts* as they are read, yielding results as they come."""
        source = _checked_source(contacts)
        return self._start(source, spec, find_repeated=isinstance(source, Sized) and spec.dedupe == "all")

    async def collect(self, pending: Iterable[EnrichmentResult], options: CallOptions) -> EnrichmentReport:
        """Fetch what was submitted before."""
        results = _checked_pending(pending)
        await self.pipeline.root.ensure()
        return await Collector(self.pipeline, self.polls, options).collect(results)

    def stream_rows(
        self, rows: AsyncGenerator[Prepared | Invalid, None], spec: RunSpec, total: int
    ) -> ResultStream:
        """Run contacts that were checked, and of which each is given once, as they are read."""
        return self._stream(rows, spec, total, ())

    def _start(self, source: ContactSource, spec: RunSpec, *, find_repeated: bool) -> ResultStream:
        total = len(source) if isinstance(source, Sized) else None
        repeated_in = source if find_repeated and not isinstance(source, AsyncIterable) else None
        return self._stream(prepared(source), spec, total, repeated_in)

    def _stream(
        self,
        rows: AsyncGenerator[Prepared | Invalid, None],
        spec: RunSpec,
        total: int | None,
        repeated_in: Iterable[ContactLike] | None,
    ) -> ResultStream:
        async def start() -> BulkRun:
            await self.pipeline.root.ensure()
            run = BulkRun(
                self.pipeline,
                self.polls,
                self._submissions,
                spec,
                rows,
                purchases=self._purchases,
                total=total,
                repeated_in=repeated_in,
            )
            self.pipeline.root.spawn(run.main)
            return run

        return ResultStream(start)


def _checked_source(contacts: ContactSource) -> ContactSource:
    check_contacts(contacts, Iterable, AsyncIterable)
    if isinstance(contacts, Sequence):
        check_form(contacts)
    return contacts


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
