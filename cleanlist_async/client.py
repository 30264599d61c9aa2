"""AsyncCleanlist: wires the floors below into one object."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from functools import cache as once
from functools import partial
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Never, Self

from cleanlist_async import facts
from cleanlist_async.batcher.tally import Tally
from cleanlist_async.checks import (
    check_choice,
    check_function,
    check_instance,
    check_text,
    check_whole,
    checked_path,
    optional,
)
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.events.statistics import Statistics, statistics_of
from cleanlist_async.facts import ApiVersion, EnrichmentType
from cleanlist_async.http.credentials import find_credentials
from cleanlist_async.http.options import CallOptions, checked_deadline, checked_options
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.http.transport import HTTPClient, Transport, check_base_url, checked_proxy
from cleanlist_async.ratelimit import Pace, RateLimiter, RateLimits, Route
from cleanlist_async.ratelimit.registry import attach, detach, shared_limiter
from cleanlist_async.redact import Secret
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from cleanlist_async.api.enrichment import Enrichment
    from cleanlist_async.api.export import Export
    from cleanlist_async.api.groups import ModernAPI
    from cleanlist_async.api.lead_lists import LeadLists
    from cleanlist_async.api.public import PublicAPI
    from cleanlist_async.api.search import SearchAPI
    from cleanlist_async.api.smart_agents import SmartAgents
    from cleanlist_async.api.workspace import Workspace
    from cleanlist_async.batcher.batcher import Batcher
    from cleanlist_async.contacts.identity import ContactLike
    from cleanlist_async.enrich.chunk import RunSpec
    from cleanlist_async.enrich.dedupe import Dedupe
    from cleanlist_async.enrich.plan import ContactSource, Plan
    from cleanlist_async.enrich.report import EnrichmentReport, Progress
    from cleanlist_async.enrich.service import BulkService
    from cleanlist_async.enrich.stream import ResultStream
    from cleanlist_async.events import Listener
    from cleanlist_async.job.job import Job
    from cleanlist_async.job.journal.records import HalfFullPrice
    from cleanlist_async.job.source import JobSource
    from cleanlist_async.job.spec import ChosenMode
    from cleanlist_async.job.unknown import OnUnknown
    from cleanlist_async.polling.scheduler import PollScheduler
    from cleanlist_async.results import EnrichmentResult
    from cleanlist_async.webhooks.receiver import WebhookReceiver
    from cleanlist_async.webhooks.submissions import Submissions


class AsyncCleanlist:
    """The Cleanlist API at its full rate, without a 429, and without a credit spent twice.

    Parameters
    ----------
    api_key
        One key, several keys of one organization, or a JWT; by default ``$CLEANLIST_API_KEY``, where
        several keys are separated by commas.
    base_url
        By default ``$CLEANLIST_BASE_URL``, else the real API. Must be https unless it is a loopback address.
    api_version
        Prefix of the modern operations: ``"v2"`` is ``/api/v2``, ``"v1"`` is ``/api/v1/public``. The same
        handlers answer under both (docs.cleanlist.ai/mcp-api/versioning).
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
    max_queued
        Contacts that may wait for their request in `enrich_one` before OverloadedError.
    proxy
        Address of an HTTP proxy, for a `base_url` with https: over http it would read the key. Proxies of the
        environment are not used.
    http_client
        An httpx or httpx2 client of yours, for reads. It is never closed here; submits do not go through it.
    webhooks
        The receiver of your application. Submits then ask the server to push their results there, and are
        only asked about when it does not.
    on_event
        A function that is told of everything that happens, one event at a time; see
        :mod:`cleanlist_async.events`.

    Raises ConfigurationError for options that cannot work. No method raises anything but the errors of
    :mod:`cleanlist_async.errors`.

    """

    _base_url = ""  # shown by repr, which a traceback may ask for in the middle of __init__

    def __init__(
        self,
        api_key: str | Sequence[str] | None = None,
        *,
        base_url: str | None = None,
        api_version: ApiVersion = "v2",
        organization: str | None = None,
        rate_limits: RateLimits | None = None,
        limiter: RateLimiter | None = None,
        pace: Pace = "auto",
        request_timeout_s: float = 60.0,
        deadline_s: float | None = None,
        max_retries: int = facts.MAX_RETRIES,
        max_queued: int = facts.MAX_QUEUED_CONTACTS,
        proxy: str | None = None,
        http_client: HTTPClient | None = None,
        webhooks: WebhookReceiver | None = None,
        on_event: Listener | None = None,
    ) -> None:
        try:
            secrets = find_credentials(api_key, os.environ)
            hidden_proxy = checked_proxy(proxy)
            home = check_base_url(
                base_url or os.environ.get(facts.BASE_URL_VARIABLE) or facts.DEFAULT_BASE_URL
            )
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # its frames hold the key and passwords
        finally:
            del api_key, proxy, base_url  # a traceback that shows local variables must not show them
        if limiter is not None and rate_limits is not None:
            raise ConfigurationError("limiter brings its own rate limits: give it or rate_limits, not both.")
        check_choice("api_version", api_version, facts.MODERN_PREFIXES)
        optional(check_instance, "rate_limits", rate_limits, RateLimits)
        optional(check_instance, "limiter", limiter, RateLimiter)
        optional(check_text, "organization", organization)
        optional(check_function, "on_event", on_event)
        optional(_check_receiver, "webhooks", webhooks)
        self._api_version: ApiVersion = api_version
        self._options = checked_options(CallOptions(deadline_s, request_timeout_s, max_retries, pace))
        check_whole("max_queued", max_queued, "a number of contacts", at_least=1)
        self._base_url = home
        names, route = _route(secrets, organization, home)
        limiter = limiter or shared_limiter(home, rate_limits or RateLimits(), route)
        transport = self._open_transport(home, limiter, hidden_proxy, http_client)
        self._root = RootTask(at_end=self._ended)
        self._transport = transport
        self._pipeline = Pipeline(
            keys=names,
            route=route,
            limiter=limiter,
            transport=transport,
            root=self._root,
            on_event=on_event,
        )
        self._polls = once(partial(_open_polls, self._pipeline))
        self._webhooks = webhooks
        self._submissions = once(partial(_open_submissions, self._root, webhooks))
        self._bulk = once(partial(_open_bulk, self._pipeline, self._polls, self._submissions))
        self._tally = Tally()
        self._batcher = once(
            partial(_open_batcher, self._pipeline, self._polls, self._submissions, self._tally, max_queued)
        )
        attach(limiter, self._pipeline, route)

    def _open_transport(
        self, base_url: str, limiter: RateLimiter, proxy: Secret | None, http_client: HTTPClient | None
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
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._options = checked_options(
            CallOptions(
                now.deadline_s if deadline_s is None else deadline_s,
                now.request_timeout_s if request_timeout_s is None else request_timeout_s,
                now.max_retries if max_retries is None else max_retries,
                now.pace if pace is None else pace,
            )
        )
        return twin

    @property
    def webhooks(self) -> WebhookReceiver | None:
        """The receiver that was given."""
        return self._webhooks

    @property
    def public(self) -> PublicAPI:
        """The five operations of the Public API."""
        from cleanlist_async.api.public import PublicAPI  # noqa: PLC0415  # see _open_bulk

        return PublicAPI(self._pipeline, self._options)

    # -- the modern operations -----------------------------------------------------------------

    @property
    def workspace(self) -> Workspace:
        """Who the key belongs to, credits and prices, keys, usage."""
        return self._modern.workspace

    @property
    def lead_lists(self) -> LeadLists:
        """Lists, the leads in them, and imports."""
        return self._modern.lead_lists

    @property
    def enrichment(self) -> Enrichment:
        """Enrichment of persons, companies, cohorts and lists."""
        return self._modern.enrichment

    @property
    def smart_agents(self) -> SmartAgents:
        """Agents that fill a column of a list."""
        return self._modern.smart_agents

    @property
    def export(self) -> Export:
        """Lists as CSV files and as JSON."""
        return self._modern.export

    @property
    def search(self) -> SearchAPI:
        """Searches of people and companies. Provisional."""
        return self._modern.search

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Sequence[str]] | None = None,
        json: JSON = None,
        idempotent: bool | None = None,
    ) -> JSON:
        """Call an operation that has no method here, through the same limits, retries and errors.

        *path* is the whole path (``/api/v2/folders``); it goes to no other host. Unless the call is
        `idempotent`, which by default only GET and HEAD are, it is taken for a paid one: it is sent again
        only on proof that the server did not accept it, and an unclear end is UnknownOutcomeError.
        Returns the decoded JSON, None for an empty answer.
        """
        from cleanlist_async.api.raw import raw_call  # noqa: PLC0415  # see _open_bulk

        call = raw_call(
            method,
            path,
            params={} if params is None else params,
            body=json,
            idempotent=idempotent,
            key=self._pipeline.home_key,
        )
        return (await self._pipeline.call(call, self._options)).value

    @property
    def _modern(self) -> ModernAPI:
        from cleanlist_async.api.groups import ModernAPI  # noqa: PLC0415  # see _open_bulk
        from cleanlist_async.api.modern import Session  # noqa: PLC0415

        return ModernAPI(Session(self._pipeline, self._polls, self._options, self._api_version))

    # -- one contact ---------------------------------------------------------------------------

    async def enrich_one(
        self,
        contact: ContactLike,
        *,
        enrichment_type: EnrichmentType = "partial",
        deadline_s: float = facts.ENRICH_ONE_DEADLINE_S,
    ) -> EnrichmentResult:
        """Enrich one contact, in a request shared with whoever else calls meanwhile. Spends credits.

        A lone caller is sent at once; while tokens are scarce, up to 250 callers share a request. Callers
        with the same contact and type share one purchase while it is on its way: all but the first get
        the result as a duplicate (``duplicate_of`` 0), which cost nothing.

        What is true of the contact is a result, as in `enrich`: ``found``, ``not_found``, ``invalid`` (kept
        back, or refused by the server), ``failed`` or, of a finished workflow without a row that is certainly
        its own, ``pending``. What kept the call from one is raised, to its callers alone:
        WaitTimeoutError after `deadline_s` seconds (or the client's, if that is shorter), whose ``pending``
        can be given to `collect` if the contact was accepted by then, and which is not bought later if it
        was not sent; OverloadedError when so many contacts wait already that its turn would come too late;
        UnknownOutcomeError when nobody can say whether the request was processed; the server's refusal.
        A caller that is cancelled harms nobody, and is bought nothing that was not sent yet.
        """
        deadline_s = checked_deadline(deadline_s, self._options.deadline_s)
        return await self._batcher().enrich_one(contact, enrichment_type, self._options, deadline_s)

    # -- bulk ----------------------------------------------------------------------------------

    async def plan(self, contacts: ContactSource, *, enrichment_type: EnrichmentType = "partial") -> Plan:
        """Say what enriching *contacts* would take: requests, minutes, credits. Free; sends nothing."""
        return await self._bulk().plan(contacts, enrichment_type)

    async def enrich(
        self,
        contacts: ContactSource,
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
        spec = self._spec(
            enrichment_type=enrichment_type,
            max_credits=max_credits,
            webhook_url=webhook_url,
            dedupe=dedupe,
            progress=progress,
        )
        return await self._bulk().enrich(contacts, spec)

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
        contacts ahead of what was submitted, and at most `max_open_workflows` workflows are open (and, of a
        source without a length, 50,000 duplicates of contacts that are on their way).
        `dedupe` is ``"all"`` by default for a source with a length, which is read twice, and ``"window"``
        (its last 50,000 identities) for any other.
        """
        if dedupe is None:
            dedupe = "all" if isinstance(contacts, Sized) else "window"
        spec = self._spec(
            enrichment_type=enrichment_type,
            max_credits=max_credits,
            webhook_url=webhook_url,
            dedupe=dedupe,
            progress=progress,
            max_open_workflows=max_open_workflows,
        )
        return self._bulk().stream(contacts, spec)

    async def collect(self, pending: Iterable[EnrichmentResult]) -> EnrichmentReport:
        """Fetch results that were pending, for free: they were submitted before.

        Returns them in the order given; what is still not there stays pending.
        """
        return await self._bulk().collect(pending, self._options)

    async def job(
        self,
        journal: str | PathLike[str],
        source: JobSource,
        *,
        enrichment_type: EnrichmentType = "partial",
        max_credits: float | None = None,
        webhook: str | None = None,
        submit_mode: ChosenMode = "auto",
        on_unknown: OnUnknown = "hold",
        max_duplicate_credits: float | None = None,
        cache: str | PathLike[str] | None = None,
        cache_ttl_s: float = facts.CACHE_TTL_S,
        half_full_price: HalfFullPrice = "full",
        max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS,
        adopt: bool = False,
    ) -> Job:
        """Begin a durable bulk job, or resume it: the same call does both. Sends nothing yet.

        *journal* is the file that survives; *source* a CSV, TSV or JSON Lines file, or an iterable that can
        be read again. `max_credits` is a hard wall in credits, and may be another one, or none, on resume.
        `webhook` is the public address of your receiver, for `Job.receive`; by default that of `webhooks`,
        which needs no such call. `submit_mode` says how a submit whose answer was lost is found again; see
        `Job.promise`. `on_unknown` holds such a submit, or sends it again at the cost of at most
        `max_duplicate_credits`, or asks a function of yours. `cache` is a file of results that were bought
        before, found again with the same API key (of several, the first) and good for `cache_ttl_s` seconds.
        `half_full_price` is the reading of what
        ``full`` costs where one half was found, which is documented nowhere: ``"full"`` 11 credits,
        ``"each"`` those of the half; the server's own word, where it gives one, counts before it.

        A journal that is older than the last run of its job, a copy of one that is still there, or a new one
        where another had sent contacts, is refused, for it would buy them again; so is one with a hard link.
        What the last run was is recorded in ``$XDG_STATE_HOME/cleanlist-async`` (``~/.local/state``); without
        a record a warning is logged. `adopt` takes such a journal: look at what was bought first, with
        ``cleanlist-async usage``. Other copies are refused from then on.

        Raises JournalLockedError when another process works on the journal, InputChangedError when the source
        or what was asked for is not what the job was begun with, JournalError for a journal that is refused
        or damaged.
        """
        from cleanlist_async.job.job import Job  # noqa: PLC0415  # see _open_bulk
        from cleanlist_async.job.spec import JobSpec  # noqa: PLC0415
        from cleanlist_async.job.unknown import UnknownPolicy  # noqa: PLC0415

        spec = JobSpec(
            enrichment_type=enrichment_type,
            max_credits=max_credits,
            webhook=webhook,
            submit_mode=submit_mode,
            policy=UnknownPolicy(on_unknown, max_duplicate_credits),
            options=self._options,
            cache=None if cache is None else checked_path("cache", cache),
            cache_ttl_s=cache_ttl_s,
            half_full_price=half_full_price,
            max_open_workflows=max_open_workflows,
            adopt=adopt,
            api_version=self._api_version,
            receiver=self._webhooks,
        )
        return await Job.open(self._pipeline, self._polls(), checked_path("journal", journal), source, spec)

    @property
    def abandoned(self) -> list[EnrichmentResult]:
        """Results of `enrich` calls that were cancelled: found ones, and pending ones for `collect`."""
        return self._bulk().abandoned

    def _spec(
        self,
        *,
        enrichment_type: EnrichmentType,
        max_credits: float | None,
        webhook_url: str | None,
        dedupe: Dedupe,
        progress: Callable[[Progress], None] | None,
        max_open_workflows: int = facts.MAX_OPEN_WORKFLOWS,
    ) -> RunSpec:
        from cleanlist_async.enrich.chunk import RunSpec  # noqa: PLC0415  # see _open_bulk

        return RunSpec(
            enrichment_type, self._options, max_credits, webhook_url, dedupe, progress, max_open_workflows
        )

    # -- life ----------------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        """Return what this client has done so far, and the state of its buckets."""
        pipeline = self._pipeline
        return statistics_of(pipeline.counters, pipeline.limiter, pipeline.route, self._tally.statistics())

    async def __aenter__(self) -> Self:
        try:
            await self._root.ensure()
        except BaseException:  # cancelled: nobody will leave what nobody has entered
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def drain(self) -> None:
        """Take no more calls of `enrich_one`, and wait until those that are here have ended.

        Takes as long as their deadlines at most. Call it before `aclose` where a server shuts down.
        """
        await self._batcher().drain()

    async def aclose(self) -> None:
        """Close the client, from any task and as often as you like.

        Waits for paid requests that are on their way, each within its timeout; calls that wait for their
        turn or a result end with ConfigurationError; those of `enrich_one` are answered if `drain` is awaited
        before. Raises WrongEventLoopError in another event loop or process.
        """
        await self._root.aclose()
        detach(self._pipeline.limiter, self._pipeline)

    async def _ended(self) -> None:
        detach(self._pipeline.limiter, self._pipeline)
        await self._transport.aclose()

    def __repr__(self) -> str:
        return f"<AsyncCleanlist {self._base_url}>"

    def __reduce__(self) -> Never:
        raise TypeError(
            "a client cannot be pickled or copied: open one where it is needed, or use with_options"
        )


def _check_receiver(name: str, webhooks: object) -> None:
    from cleanlist_async.webhooks.receiver import WebhookReceiver  # noqa: PLC0415  # see _open_bulk

    check_instance(name, webhooks, WebhookReceiver)


def _route(
    secrets: Sequence[Secret], organization: str | None, base_url: str
) -> tuple[dict[str, Secret], Route]:
    """Name the keys, and the buckets that their requests pass; a JWT passes the organization's alone."""
    origin = base_url.partition("://")[2]
    home = f"{organization or 'organization of ' + repr(secrets[0])}@{origin}"
    if secrets[0].is_jwt:
        return {"": secrets[0]}, Route((), home)
    names = {f"{secret!r}@{origin}": secret for secret in secrets}
    return names, Route(tuple(names), home)


def _open_bulk(
    pipeline: Pipeline, polls: Callable[[], PollScheduler], submissions: Callable[[], Submissions]
) -> BulkService:
    # Loaded when first used, like all that needs the models: pydantic takes as long to import as httpx.
    from cleanlist_async.enrich.service import BulkService  # noqa: PLC0415

    return BulkService(pipeline, polls(), submissions())


def _open_batcher(
    pipeline: Pipeline,
    polls: Callable[[], PollScheduler],
    submissions: Callable[[], Submissions],
    tally: Tally,
    max_queued: int,
) -> Batcher:
    from cleanlist_async.batcher.batcher import Batcher  # noqa: PLC0415  # see _open_bulk

    return Batcher(pipeline, polls(), submissions(), tally, max_queued)


def _open_polls(pipeline: Pipeline) -> PollScheduler:
    from cleanlist_async.polling.scheduler import PollScheduler  # noqa: PLC0415  # see _open_bulk

    return PollScheduler(pipeline)


def _open_submissions(root: RootTask, webhooks: WebhookReceiver | None) -> Submissions:
    from cleanlist_async.webhooks.submissions import Submissions  # noqa: PLC0415  # see _open_bulk

    return Submissions(root, webhooks)
