"""AsyncCleanlist: wires the floors below into one object."""

from __future__ import annotations

import copy
import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from cleanlist_async import facts
from cleanlist_async.bulk.collect import Collector
from cleanlist_async.bulk.dedupe import Dedupe
from cleanlist_async.bulk.plan import ContactSource, Plan, make_plan
from cleanlist_async.bulk.report import EnrichmentReport, EnrichmentResult, Progress
from cleanlist_async.bulk.run import BulkRun, RunSpec
from cleanlist_async.bulk.settle import without_row
from cleanlist_async.bulk.stream import ResultStream
from cleanlist_async.contacts import Contact
from cleanlist_async.credentials import find_credentials
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.identity import ContactLike, Invalid, prepare
from cleanlist_async.pipeline import CallOptions, Pipeline
from cleanlist_async.polling import PollScheduler
from cleanlist_async.ratelimit import BucketState, Pace, RateLimiter, RateLimits, Route
from cleanlist_async.ratelimit.registry import attach, detach, shared_limiter
from cleanlist_async.resources.public import PublicAPI, check_enrichment_type, check_webhook_url
from cleanlist_async.root_task import RootTask
from cleanlist_async.transport import HTTPClient, Transport


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a client has done so far, and the state of its buckets.

    ``waited_s`` is the sum of the seconds that requests waited for the rate limit. ``retries`` counts
    repeated attempts, ``detached_workflows`` submits that were accepted after their caller had gone.
    """

    requests: int
    answered: int
    rejected_429: int
    retries: int
    waited_s: float
    waiting: int
    status_requests: int
    detached_workflows: tuple[str, ...]
    buckets: tuple[BucketState, ...]


class AsyncCleanlist:
    """The Cleanlist API at its full rate, without a 429, and without a credit spent twice.

    Parameters
    ----------
    api_key
        One key, several keys of one organization, or a JWT; by default ``$CLEANLIST_API_KEY``, where
        several keys are separated by commas.
    base_url
        By default ``$CLEANLIST_BASE_URL``, else the real API. Must be https unless it is a loopback address.
    organization
        Clients that name the same organization share its rate limit even before an answer shows that
        they belong together.
    rate_limits
        The limits to keep to, when they are not the published ones. `limiter` brings its own instead.
    limiter
        A limiter to share; by default all clients of this process share one per `base_url`.
    pace
        ``"burst"`` spends tokens as they are there, ``"smooth"`` evenly, ``"auto"`` bursts while that
        hurts nobody.
    request_timeout_s, deadline_s
        Seconds for one attempt, and for a whole call with its waits and retries (None: no limit).
    max_retries
        Attempts after the first, for calls that may be repeated.
    proxy
        Address of an HTTP proxy. Proxies of the environment are not used.
    http_client
        An httpx client of yours for reads. It is never closed here; submits use connections of their own.

    Raises ConfigurationError for options that cannot work. No method raises anything but the errors of
    :mod:`cleanlist_async.errors`.

    """

    def __init__(
        self,
        api_key: str | Sequence[str] | None = None,
        *,
        base_url: str | None = None,
        organization: str | None = None,
        rate_limits: RateLimits | None = None,
        limiter: RateLimiter | None = None,
        pace: Pace = "auto",
        request_timeout_s: float = 60.0,
        deadline_s: float | None = None,
        max_retries: int = facts.MAX_RETRIES,
        proxy: str | None = None,
        http_client: HTTPClient | None = None,
    ) -> None:
        if limiter is not None and rate_limits is not None:
            raise ConfigurationError("limiter brings its own rate limits: give it or rate_limits, not both.")
        self._options = _checked(CallOptions(deadline_s, request_timeout_s, max_retries, pace))
        secrets = find_credentials(api_key, os.environ)
        base_url = base_url or os.environ.get(facts.BASE_URL_VARIABLE) or facts.DEFAULT_BASE_URL
        origin = urlsplit(base_url).netloc
        names = {f"{secret!r}@{origin}": secret for secret in secrets}
        is_jwt = secrets[0].is_jwt
        home = f"{organization or 'organization of ' + repr(secrets[0])}@{origin}"
        route = Route(() if is_jwt else tuple(names), home)
        limiter = limiter or shared_limiter(base_url, rate_limits or RateLimits(), route)
        self._transport = self._open_transport(base_url, limiter, proxy, http_client)
        self._root = RootTask()
        self._pipeline = Pipeline(
            keys={"": secrets[0]} if is_jwt else names,
            route=route,
            limiter=limiter,
            transport=self._transport,
            root=self._root,
        )
        self._polls = PollScheduler(self._pipeline)
        self._abandoned: list[EnrichmentResult] = []
        attach(limiter, self._pipeline, route)

    def _open_transport(
        self, base_url: str, limiter: RateLimiter, proxy: str | None, http_client: HTTPClient | None
    ) -> Transport:
        return Transport(base_url, clock=limiter.clock, proxy=proxy, http_client=http_client)

    def with_options(
        self,
        *,
        deadline_s: float | None = None,
        request_timeout_s: float | None = None,
        max_retries: int | None = None,
        pace: Pace | None = None,
    ) -> Self:
        """Return the same client, pool and limiter with other options for its calls; None keeps one."""
        now = self._options
        twin = copy.copy(self)
        twin._options = _checked(
            CallOptions(
                now.deadline_s if deadline_s is None else deadline_s,
                now.request_timeout_s if request_timeout_s is None else request_timeout_s,
                now.max_retries if max_retries is None else max_retries,
                now.pace if pace is None else pace,
            )
        )
        return twin

    @property
    def public(self) -> PublicAPI:
        """The five operations of the Public API."""
        return PublicAPI(self._pipeline, self._options)

    # -- bulk ----------------------------------------------------------------------------------

    async def plan(self, contacts: ContactSource, *, enrichment_type: EnrichmentType = "partial") -> Plan:
        """Say what enriching *contacts* would take: requests, minutes, credits. Free; sends nothing."""
        check_enrichment_type(enrichment_type)
        limits, keys = self._pipeline.limiter.limits, len(self._pipeline.route.keys)
        return await make_plan(_checked_source(contacts), enrichment_type, limits, keys)

    async def enrich(
        self,
        contacts: Iterable[ContactLike] | AsyncIterable[ContactLike],
        *,
        enrichment_type: EnrichmentType = "partial",
        max_credits: float | None = None,
        webhook_url: str | None = None,
        dedupe: Dedupe = "all",
        progress: Callable[[Progress], None] | None = None,
    ) -> EnrichmentReport:
        """Enrich all *contacts* and return one result for each, in input order. Spends credits.

        `max_credits` is a wall in credits: the worst case is set aside before each submit. An error that
        ends the run before anything was accepted is raised; after that the report comes back whatever
        happens, with the error in ``stopped_by``. A call that is cancelled leaves what it had in
        :attr:`abandoned`.
        """
        source = _checked_source(contacts)
        given = [c async for c in source] if isinstance(source, AsyncIterable) else list(source)
        stream = self._stream(
            given,
            RunSpec(enrichment_type, self._options, max_credits, webhook_url, dedupe, progress),
            find_repeated=False,
        )
        results: dict[int, EnrichmentResult] = {}
        stopped_by: CleanlistError | None = None
        try:
            async with stream:
                async for result in stream:
                    results[result.index] = result
        except CleanlistError as error:
            stopped_by = error
        except BaseException:
            self._abandoned += [*results.values(), *stream.leftover]
            raise
        undecided = any(result.status == "unknown" for result in results.values())
        if stopped_by is not None and not stream.accepted and not undecided:
            raise stopped_by
        for index, contact in enumerate(given):
            if index not in results:
                results[index] = _never_read(index, contact, stopped_by)
                stream.summary.count(results[index])
        ordered = [results[index] for index in range(len(given))]
        return EnrichmentReport(ordered, stream.summary, stopped_by)

    def stream(
        self,
        contacts: ContactSource,
        *,
        enrichment_type: EnrichmentType = "partial",
        max_credits: float | None = None,
        webhook_url: str | None = None,
        dedupe: Dedupe | None = None,
        progress: Callable[[Progress], None] | None = None,
        max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS,
    ) -> ResultStream:
        """Enrich *contacts* in flat memory, yielding each result as its workflow finishes. Spends credits.

        *contacts* may be any sync or async iterable, also an endless one: it is read at most 4,000
        contacts ahead of what was submitted, and at most `max_open_workflows` workflows are open.
        `dedupe` is ``"all"`` by default for a source with a length, which is read twice, and ``"window"``
        (its last 50,000 identities) for any other.
        """
        source = _checked_source(contacts)
        has_length = isinstance(source, Sized)
        spec = RunSpec(
            enrichment_type,
            self._options,
            max_credits,
            webhook_url,
            dedupe or ("all" if has_length else "window"),
            progress,
            max_open_workflows,
        )
        return self._stream(source, spec, find_repeated=has_length and spec.dedupe == "all")

    async def collect(self, pending: Iterable[EnrichmentResult]) -> EnrichmentReport:
        """Fetch results that were pending, for free: they were submitted before.

        Returns them in the order given; what is still not there stays pending.
        """
        await self._root.ensure()
        return await Collector(self._pipeline, self._polls, self._options).collect(list(pending))

    @property
    def abandoned(self) -> list[EnrichmentResult]:
        """Results of `enrich` calls that were cancelled: found ones, and pending ones for `collect`."""
        return self._abandoned

    def _stream(self, source: ContactSource, spec: RunSpec, *, find_repeated: bool) -> ResultStream:
        check_enrichment_type(spec.enrichment_type)
        check_webhook_url(spec.webhook_url)
        total = len(source) if isinstance(source, Sized) else None
        run = BulkRun(self._pipeline, self._polls, spec, source, total=total, find_repeated=find_repeated)

        async def start() -> BulkRun:
            await self._root.ensure()
            self._root.spawn(run.main)
            return run

        return ResultStream(start)

    # -- life ----------------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        """Return what this client has done so far, and the state of its buckets."""
        counters, limiter = self._pipeline.counters, self._pipeline.limiter
        return Statistics(
            requests=counters.requests,
            answered=counters.answered,
            rejected_429=counters.rejected_429,
            retries=counters.retries,
            waited_s=counters.waited_s,
            waiting=limiter.waiting(),
            status_requests=self._polls.status_requests,
            detached_workflows=tuple(counters.detached_workflows),
            buckets=limiter.states(),
        )

    async def __aenter__(self) -> Self:
        await self._root.ensure()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client. Waits for paid requests that are on their way, each within its timeout."""
        detach(self._pipeline.limiter, self._pipeline)
        await self._root.aclose()
        await self._transport.aclose()

    def __repr__(self) -> str:
        return f"<AsyncCleanlist {self._transport.base_url}>"


def _checked(options: CallOptions) -> CallOptions:
    if not options.request_timeout_s > 0 or (options.deadline_s is not None and not options.deadline_s > 0):
        raise ConfigurationError("request_timeout_s and deadline_s must be more than 0 seconds.")
    if options.max_retries < 0:
        raise ConfigurationError("max_retries must not be negative.")
    if options.pace not in {"auto", "burst", "smooth"}:
        raise ConfigurationError(f"pace is 'auto', 'burst' or 'smooth', not {options.pace!r}.")
    return options


def _checked_source(contacts: ContactSource) -> ContactSource:
    if isinstance(contacts, Contact | Mapping | str | bytes) or not isinstance(contacts, Iterable | AsyncIterable):
        raise ConfigurationError(
            f"contacts must be an iterable of Contact or mappings, not a {type(contacts).__name__}.",
            fix="For one contact, pass a list of one.",
        )
    return contacts


def _never_read(index: int, contact: ContactLike, error: CleanlistError | None) -> EnrichmentResult:
    checked = prepare(index, contact)
    if isinstance(checked, Invalid):
        return EnrichmentResult(index, checked.contact, "invalid", key=checked.contact.key, error=checked.reason)
    return without_row(checked, "failed", f"never sent: {error}")
