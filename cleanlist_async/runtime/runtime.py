"""The parts that one open client owns, each made on first use.

Modules that need the models are imported on first use: pydantic takes as long to import as httpx.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from cleanlist_async.facts import ApiVersion
from cleanlist_async.http.calls import BeforeSpend
from cleanlist_async.http.credentials import Credentials
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.http.transport import Transport
from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.ratelimit.limiter import attach, detach

if TYPE_CHECKING:
    from cleanlist_async.api.models.base import PartKind
    from cleanlist_async.api.modern import Session
    from cleanlist_async.batcher.batcher import Batcher
    from cleanlist_async.batcher.tally import Tally
    from cleanlist_async.enrich.client_spending import ClientSpending
    from cleanlist_async.enrich.service import BulkService
    from cleanlist_async.events import Listener, Statistics
    from cleanlist_async.polling.scheduler import PollScheduler
    from cleanlist_async.storage.store.store import Store
    from cleanlist_async.webhooks.receiver import WebhookReceiver
    from cleanlist_async.webhooks.submissions import Submissions


@dataclass(eq=False, slots=True, kw_only=True)
class Resources:
    """What a client shares with the clients of other keys that its `with_options` returns.

    `owns_store`: the store is closed with the client. `tenants` are their runtimes by key, for as long as
    something refers to them; those `with_lease` have one in the store, which ends with the client.
    """

    limiter: RateLimiter
    transport: Transport
    webhooks: WebhookReceiver | None
    max_queued: int
    on_event: Listener | None
    store: Store | None
    owns_store: bool
    before_spend: BeforeSpend | None
    root: RootTask = field(init=False)
    tenants: WeakValueDictionary[Hashable, Runtime] = field(
        default_factory=WeakValueDictionary[Hashable, "Runtime"], init=False
    )
    with_lease: set[Runtime] = field(default_factory=set["Runtime"], init=False)

    def __post_init__(self) -> None:
        """Make the root task, which starts with the first call."""
        self.root = RootTask(at_end=self._ended)

    def tenant(self, name: Hashable, credentials: Callable[[], Credentials]) -> Runtime:
        """Return a tenant's runtime: a new one, or the one there is, so that its callers share requests."""
        runtime = self.tenants.get(name)
        if runtime is None:
            runtime = self.tenants[name] = Runtime(credentials(), self)
        return runtime

    async def aclose(self) -> None:
        """End all work, and close the connections."""
        await self.root.aclose()
        self._detach()  # a client that was never used has no end of its root task

    async def _ended(self) -> None:
        self._detach()
        from cleanlist_async.events.delivery import report_undelivered

        for runtime in list(self.tenants.values()):
            # Of parts that were used: to ask for another would make it, and load what it needs.
            used = runtime.__dict__.keys() & {"bulk", "batcher"}
            left = sum((getattr(runtime, part).undelivered() for part in used), Counter[str]())
            if "bulk" in used:
                left -= runtime.bulk.delivered()
            report_undelivered(runtime.pipeline.events, left)
        # Leases after the connections, so that nothing leaves for contacts that others may buy by then.
        await self.transport.aclose()
        for runtime in self.with_lease:
            await runtime.spending.aclose()
        if self.store is not None and self.owns_store:
            await self.store.aclose()

    def _detach(self) -> None:
        for runtime in list(self.tenants.values()):
            detach(self.limiter, runtime.pipeline)


class Runtime:
    """The parts of one open client, shared with the clients of the same key that `with_options` returns."""

    def __init__(self, credentials: Credentials, shared: Resources) -> None:
        self.shared = shared
        guarded = shared.store is not None or shared.before_spend is not None
        self.pipeline = Pipeline(
            credentials=credentials,
            limiter=shared.limiter,
            transport=shared.transport,
            root=shared.root,
            on_event=shared.on_event,
            # At the first paid call: what guards it loads the store and the models.
            guard=(lambda: self.spending.guard) if guarded else None,
            find_unknown=_unknown_parts,
        )
        # Raises if another limiter guards one of the keys, for then neither could keep the limit.
        attach(shared.limiter, self.pipeline, credentials.route)

    @cached_property
    def polls(self) -> PollScheduler:
        """Asks for the status of all workflows that callers wait for."""
        from cleanlist_async.polling.scheduler import PollScheduler

        return PollScheduler(self.pipeline)

    @cached_property
    def submissions(self) -> Submissions:
        """The submits that expect webhooks."""
        from cleanlist_async.webhooks.submissions import Submissions

        return Submissions(self.shared.root, self.shared.webhooks)

    @cached_property
    def bulk(self) -> BulkService:
        """Plans, runs and collects."""
        from cleanlist_async.enrich.service import BulkService

        return BulkService(self.pipeline, self.polls, self.submissions, self.spending.purchases)

    @cached_property
    def spending(self) -> ClientSpending:
        """What the client has to do with money."""
        from cleanlist_async.enrich.client_spending import ClientSpending

        if self.shared.store is not None:
            # Kept there, too: `tenants` forgets it, and then nobody would end its lease.
            self.shared.with_lease.add(self)
        return ClientSpending(self.shared.store, self.shared.before_spend, self.pipeline)

    @cached_property
    def batcher(self) -> Batcher:
        """Joins concurrent calls of `enrich_one` into requests."""
        from cleanlist_async.batcher.batcher import Batcher

        return Batcher(
            self.pipeline,
            self.polls,
            self.submissions,
            self.spending.purchases,
            tally=self.tally,
            max_queued=self.shared.max_queued,
        )

    @cached_property
    def tally(self) -> Tally:
        """What `enrich_one` has done so far."""
        from cleanlist_async.batcher.tally import Tally

        # Apart from the batcher: to ask for statistics must not make one, and load what it needs.
        return Tally()

    def session(self, options: CallOptions, api_version: ApiVersion) -> Session:
        """Return what the groups of operations work with."""
        from cleanlist_async.api.modern import Session

        return Session(self.pipeline, lambda: self.polls, options, api_version)

    def statistics(self) -> Statistics:
        """Return what the client has done so far."""
        from cleanlist_async.events.statistics import statistics_of

        pipeline = self.pipeline
        return statistics_of(pipeline.counters, pipeline.limiter, pipeline.route, self.tally.statistics())


def _unknown_parts(value: object) -> Iterable[tuple[PartKind, str]]:
    from cleanlist_async.api.models.base import unknown_parts

    return unknown_parts(value)
