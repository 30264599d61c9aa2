"""A blocking client for synchronous code: scripts, notebooks, Celery, Flask, Django, Airflow.

::

    with Cleanlist() as client:  # CLEANLIST_API_KEY
        report = client.enrich(contacts, enrichment_type="partial", max_credits=5_000)

All calls run in one event loop in a thread of its own, so threads share its limits, its connections, and the
requests of `enrich_one`. Each method takes what its async namesake takes, and raises the same errors.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.enrich.frame_stream import FrameStream
from cleanlist_async.enrich.report import Summary
from cleanlist_async.enrich.result_stream import ResultStream
from cleanlist_async.events.statistics import Statistics
from cleanlist_async.job.job import Job
from cleanlist_async.job.status import JobStatus, Receipt
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.runtime.blocking import (
    SyncBudget,
    SyncEnrichment,
    SyncExport,
    SyncLeadLists,
    SyncPages,
    SyncPublicAPI,
    SyncRawEnrichment,
    SyncRawExport,
    SyncRawLeadLists,
    SyncRawPublicAPI,
    SyncRawResponses,
    SyncRawSearchAPI,
    SyncRawSmartAgents,
    SyncRawWorkspace,
    SyncSearchAPI,
    SyncSmartAgents,
    SyncStore,
    SyncWorkspace,
)
from cleanlist_async.runtime.loop_thread import Blocking, Front, LoopThread, Making, Opening

if TYPE_CHECKING:
    from cleanlist_async.errors import CleanlistError
    from cleanlist_async.http.credentials import KeysGiven, TenantKeys
    from cleanlist_async.job.journal.records import SubmitMode
    from cleanlist_async.job.status import WaitsFor
    from cleanlist_async.ratelimit import Pace
    from cleanlist_async.runtime.base_client import ClientOptions

__all__ = [
    "Cleanlist",
    "SyncBudget",
    "SyncEnrichment",
    "SyncExport",
    "SyncFrames",
    "SyncJob",
    "SyncLeadLists",
    "SyncPages",
    "SyncPublicAPI",
    "SyncRawEnrichment",
    "SyncRawExport",
    "SyncRawLeadLists",
    "SyncRawPublicAPI",
    "SyncRawResponses",
    "SyncRawSearchAPI",
    "SyncRawSmartAgents",
    "SyncRawWorkspace",
    "SyncResults",
    "SyncSearchAPI",
    "SyncSmartAgents",
    "SyncStore",
    "SyncWorkspace",
]


R_co = TypeVar("R_co", bound=ResultStream | FrameStream, covariant=True)


class _Run(Front[R_co]):
    @property
    def summary(self) -> Summary:
        """Counts so far."""
        return self.async_object.summary

    @property
    def stopped_by(self) -> CleanlistError | None:
        """The error that stopped the run, or None."""
        return self.async_object.stopped_by

    @property
    def fault(self) -> CleanlistError | None:
        """The first error that kept contacts from a result, also of one after which the run went on."""
        return self.async_object.fault

    @property
    def is_for_nothing(self) -> bool:
        """Whether no contact has an outcome, from a store either, or was accepted, or refused by name."""
        return self.async_object.is_for_nothing

    @property
    def pending(self) -> list[EnrichmentResult]:
        """What was accepted and not finished when the run was stopped; ``client.collect`` fetches it free."""
        return self.async_object.pending

    def __enter__(self) -> Self:
        self.loop_thread.call(self.async_object.__aenter__)
        return self


class SyncResults(_Run[ResultStream]):
    """Yields each result as soon as it is there: ``with client.stream(...) as results: ...``."""

    close = Blocking(ResultStream.aclose)

    @property
    def leftover(self) -> list[EnrichmentResult]:
        """What was found or accepted and not taken, once the block is left."""
        return self.async_object.leftover

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[EnrichmentResult]:
        # One by one: what is taken ahead would be lost when the loop over it is left.
        while (result := self.loop_thread.call(lambda: anext(self.async_object, None))) is not None:
            yield result


class SyncFrames(_Run[FrameStream]):
    """Yields the parts of a frame: ``with client.stream_frame(...) as parts: ...``; see `FrameStream`."""

    @property
    def leftover(self) -> list[EnrichmentResult]:
        """Results that are in no part that was read, once the block is left."""
        return self.async_object.leftover

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.loop_thread.call(self.async_object.__aexit__, kind, error, traceback)

    def __iter__(self) -> Iterator[Any]:
        while (part := self.loop_thread.call(lambda: anext(self.async_object, None))) is not None:
            yield part


class SyncJob(Front[Job]):
    """A durable job: ``with client.job("crm", "contacts.csv") as job``; iterate over it for all results.

    `Job` documents what it has; `on_progress` is called in the client's thread.
    """

    run = Blocking(Job.run)
    plan = Blocking(Job.plan)
    pilot = Blocking(Job.pilot)
    status = Blocking(Job.status)
    unknown = Blocking(Job.unknown)
    report = Blocking(Job.report)
    verify = Blocking(Job.verify)
    resolve = Blocking(Job.resolve)
    purge = Blocking(Job.purge)
    close = Blocking(Job.aclose)

    @property
    def submit_mode(self) -> SubmitMode:
        """The submit mode that was chosen."""
        return self.async_object.submit_mode

    @property
    def promise(self) -> str:
        """What becomes of a submit whose answer is lost, in this submit mode, in one sentence."""
        return self.async_object.promise

    @property
    def waits_for(self) -> WaitsFor | None:
        """Why nothing is sent right now, besides the rate limit and the workflows that are open."""
        return self.async_object.waits_for

    @property
    def lists_to_create(self) -> int:
        """How many lead lists the job makes in your workspace: one for each chunk in mode `exact`."""
        return self.async_object.lists_to_create

    @property
    def on_progress(self) -> Callable[[JobStatus], None] | None:
        """A function that is called with the `JobStatus` as the job proceeds; None for none."""
        return self.async_object.on_progress

    @on_progress.setter
    def on_progress(self, function: Callable[[JobStatus], None] | None) -> None:
        self.async_object.on_progress = function

    def receipts(self) -> Iterator[Receipt]:
        """Yield for each contact what it cost, and by which rule."""
        return self.loop_thread.iterate(self.async_object.receipts)

    def receive(self, token: str, payload: bytes) -> bool:
        """Process a webhook; return whether it is for this job, as `Job.receive` does."""
        # In the loop: what a webhook brings wakes tasks there.
        return self.loop_thread.call(_received, self.async_object, token, payload)

    def __enter__(self) -> Self:
        self.loop_thread.call(self.async_object.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[EnrichmentResult]:
        return self.loop_thread.iterate(self.async_object.__aiter__)


class Cleanlist(Front[AsyncCleanlist]):
    """The blocking front of an `AsyncCleanlist`, which documents every option and method.

    Threads may share it, and should: `enrich_one` of all of them goes in shared requests. Functions that are
    passed in (`progress`, `on_event`, `before_spend`) are called in its own thread. A process that was forked
    needs a client of its own; one that was not used before the fork may be used in either.
    """

    enrich_one = Blocking(AsyncCleanlist.enrich_one)
    plan = Blocking(AsyncCleanlist.plan)
    enrich = Blocking(AsyncCleanlist.enrich)
    stream = Making(AsyncCleanlist.stream, SyncResults)
    collect = Blocking(AsyncCleanlist.collect)
    plan_frame = Blocking(AsyncCleanlist.plan_frame)
    enrich_frame = Blocking(AsyncCleanlist.enrich_frame)
    stream_frame = Making(AsyncCleanlist.stream_frame, SyncFrames)
    job = Opening(AsyncCleanlist.job, SyncJob)
    request = Blocking(AsyncCleanlist.request)
    drain = Blocking(AsyncCleanlist.drain)

    def __init__(self, api_key: KeysGiven = None, **options: Unpack[ClientOptions]) -> None:
        """Make a client. Nothing is sent, and no thread started, before its first call."""
        super().__init__(AsyncCleanlist(api_key, **options), LoopThread())
        # At the end of the process, too: what was paid for and is on its way is still answered.
        self._finalizer = weakref.finalize(self, _close, self.async_object, self.loop_thread)

    def with_options(
        self,
        *,
        api_key: TenantKeys = ...,
        deadline_s: float | None = None,
        request_timeout_s: float | None = None,
        max_retries: int | None = None,
        give_up_after_s: float | None = None,
        pace: Pace | None = None,
    ) -> Self:
        """Return the same client with other options for its calls; see `AsyncCleanlist.with_options`."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__, _made_by=self)  # whose end would close both
        twin.async_object = self.async_object.with_options(
            api_key=api_key,
            deadline_s=deadline_s,
            request_timeout_s=request_timeout_s,
            max_retries=max_retries,
            give_up_after_s=give_up_after_s,
            pace=pace,
        )
        return twin

    @property
    def public(self) -> SyncPublicAPI:
        """The operations of the Public API."""
        return SyncPublicAPI(self.async_object.public, self.loop_thread)

    @property
    def workspace(self) -> SyncWorkspace:
        """The owner of the key, credits and prices, keys, usage."""
        return SyncWorkspace(self.async_object.workspace, self.loop_thread)

    @property
    def lead_lists(self) -> SyncLeadLists:
        """Lists, the leads in them, and imports."""
        return SyncLeadLists(self.async_object.lead_lists, self.loop_thread)

    @property
    def enrichment(self) -> SyncEnrichment:
        """Enrichment of persons, companies, cohorts and lists."""
        return SyncEnrichment(self.async_object.enrichment, self.loop_thread)

    @property
    def smart_agents(self) -> SyncSmartAgents:
        """Agents that fill a column of a list."""
        return SyncSmartAgents(self.async_object.smart_agents, self.loop_thread)

    @property
    def export(self) -> SyncExport:
        """Lists as CSV files and as JSON."""
        return SyncExport(self.async_object.export, self.loop_thread)

    @property
    def search(self) -> SyncSearchAPI:
        """Searches of people and companies. Provisional."""
        return SyncSearchAPI(self.async_object.search, self.loop_thread)

    @property
    def with_raw_response(self) -> SyncRawResponses:
        """The operations of the API, each returning a `RawResponse`; see `AsyncCleanlist`."""
        return SyncRawResponses(self.async_object.with_raw_response, self.loop_thread)

    @property
    def store(self) -> SyncStore | None:
        """Where what is bought is remembered, if anywhere."""
        store = self.async_object.store
        return None if store is None else SyncStore(store, self.loop_thread)

    @property
    def budget(self) -> SyncBudget:
        """What the organization may spend in a day and a month, for all that share the store."""
        return SyncBudget(self.async_object.budget, self.loop_thread)

    @property
    def abandoned(self) -> list[EnrichmentResult]:
        """Results of `enrich` calls that were interrupted, and of streams that were left: pending too."""
        return self.async_object.abandoned

    def unfinished(self) -> Iterator[str]:
        """Yield the names of stored jobs that this client can go on with, and that no process runs."""
        return self.loop_thread.iterate(self.async_object.unfinished)

    def statistics(self) -> Statistics:
        """Return what this client has done so far, and the state of its buckets."""
        return self.async_object.statistics()

    def close(self) -> None:
        """Close the client, after the answers to paid requests; may be called from any thread, and again."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if "async_object" not in vars(self):  # a traceback may ask for it in the middle of __init__
            return "<Cleanlist>"
        return repr(self.async_object).replace("AsyncCleanlist", "Cleanlist", 1)


def _close(client: AsyncCleanlist, thread: LoopThread) -> None:
    thread.close(before=client.aclose)


async def _received(job: Job, token: str, payload: bytes) -> bool:
    return job.receive(token, payload)
