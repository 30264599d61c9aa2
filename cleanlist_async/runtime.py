"""Base of `AsyncCleanlist`: its options and life cycle, and the parts that one open client owns.

Modules that need the models are imported on first use: pydantic takes as long to import as httpx.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Never, Self

from cleanlist_async import facts
from cleanlist_async.checks import (
    check_callable,
    check_choice,
    check_function,
    check_instance,
    check_text,
    check_whole,
    optional,
)
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import ApiVersion
from cleanlist_async.http.credentials import find_credentials, route_of
from cleanlist_async.http.options import CallOptions, checked_options
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.http.root_task import RootTask
from cleanlist_async.http.spending import BeforeSpend
from cleanlist_async.http.transport import (
    ConnectionOptions,
    HTTPClient,
    Transport,
    Verify,
    check_base_url,
)
from cleanlist_async.ratelimit import Pace, RateLimiter, RateLimits, Route
from cleanlist_async.ratelimit.registry import attach, detach, shared_limiter
from cleanlist_async.redact import Secret
from cleanlist_async.storage.store.chosen import chosen_store

if TYPE_CHECKING:
    from cleanlist_async.api.modern import Session
    from cleanlist_async.api.public import PublicAPI
    from cleanlist_async.batcher.batcher import Batcher
    from cleanlist_async.batcher.tally import Tally
    from cleanlist_async.enrich.client_spending import ClientSpending
    from cleanlist_async.enrich.service import BulkService
    from cleanlist_async.events import Listener, Statistics
    from cleanlist_async.polling.scheduler import PollScheduler
    from cleanlist_async.storage.store.store import Store
    from cleanlist_async.webhooks.receiver import WebhookReceiver
    from cleanlist_async.webhooks.submissions import Submissions


class Runtime:
    """The parts of one open client, shared with the clients that `with_options` returns."""

    def __init__(
        self,
        keys: Mapping[str, Secret],
        route: Route,
        limiter: RateLimiter,
        transport: Transport,
        *,
        webhooks: WebhookReceiver | None,
        max_queued: int,
        on_event: Listener | None,
        store: Store | None,
        owns_store: bool,
        before_spend: BeforeSpend | None,
    ) -> None:
        self.store = store
        self._owns_store = owns_store
        self._before_spend = before_spend
        self.transport = transport
        self.root = RootTask(at_end=self._ended)
        self.pipeline = Pipeline(
            keys=keys,
            route=route,
            limiter=limiter,
            transport=transport,
            root=self.root,
            on_event=on_event,
            guard=None if store is None and before_spend is None else lambda: self.spending.guard,
        )
        self.webhooks = webhooks
        self._max_queued = max_queued
        # Raises if another limiter guards one of the keys, for then neither could keep the limit.
        attach(limiter, self.pipeline, route)

    @cached_property
    def polls(self) -> PollScheduler:
        """Asks for the status of all workflows that callers wait for."""
        from cleanlist_async.polling.scheduler import PollScheduler

        return PollScheduler(self.pipeline)

    @cached_property
    def submissions(self) -> Submissions:
        """The submits that expect webhooks."""
        from cleanlist_async.webhooks.submissions import Submissions

        return Submissions(self.root, self.webhooks)

    @cached_property
    def bulk(self) -> BulkService:
        """Plans, runs and collects."""
        from cleanlist_async.enrich.service import BulkService

        return BulkService(self.pipeline, self.polls, self.submissions, self.spending.purchases)

    @cached_property
    def spending(self) -> ClientSpending:
        """What the client has to do with money."""
        from cleanlist_async.enrich.client_spending import ClientSpending

        return ClientSpending(self.store, self._before_spend, self.pipeline)

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
            max_queued=self._max_queued,
        )

    @cached_property
    def tally(self) -> Tally:
        """What `enrich_one` has done so far."""
        from cleanlist_async.batcher.tally import Tally

        return Tally()

    def public(self, options: CallOptions) -> PublicAPI:
        """Return the operations of the Public API."""
        from cleanlist_async.api.public import PublicAPI

        return PublicAPI(self.pipeline, options)

    def session(self, options: CallOptions, api_version: ApiVersion) -> Session:
        """Return what the groups of modern operations work with."""
        from cleanlist_async.api.modern import Session

        return Session(self.pipeline, lambda: self.polls, options, api_version)

    def statistics(self) -> Statistics:
        """Return what the client has done so far."""
        from cleanlist_async.events.statistics import statistics_of

        pipeline = self.pipeline
        return statistics_of(pipeline.counters, pipeline.limiter, pipeline.route, self.tally.statistics())

    async def aclose(self) -> None:
        """End all work, and close the connections."""
        await self.root.aclose()
        self._detach()  # a client that was never used has no end of its root task

    async def _ended(self) -> None:
        self._detach()
        await self.transport.aclose()
        if "spending" in self.__dict__:  # only if it was used
            await self.spending.aclose()
        if self.store is not None and self._owns_store:
            await self.store.aclose()

    def _detach(self) -> None:
        detach(self.pipeline.limiter, self.pipeline)


class BaseClient:
    """Options, life cycle and statistics of a client; `AsyncCleanlist` adds the operations."""

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
        request_timeout_s: float = facts.REQUEST_TIMEOUT_S,
        deadline_s: float | None = None,
        max_retries: int = facts.MAX_RETRIES,
        max_queued: int = facts.MAX_QUEUED_CONTACTS,
        proxy: str | None = None,
        verify: Verify = True,
        trust_env: bool = True,
        http_client: HTTPClient | None = None,
        webhooks: WebhookReceiver | None = None,
        on_event: Listener | None = None,
        store: Store | str | PathLike[str] | None = None,
        before_spend: BeforeSpend | None = None,
    ) -> None:
        """Make a client. Nothing is sent, and nothing opened, before its first call.

        Parameters
        ----------
        api_key
            One key, several keys of one organization, or a JWT; by default ``$CLEANLIST_API_KEY``, where
            several keys are separated by commas.
        base_url
            By default ``$CLEANLIST_BASE_URL``, else the real API. Must be https unless it is a loopback
            address.
        api_version
            Prefix of the modern operations: ``"v2"`` is ``/api/v2``, ``"v1"`` is ``/api/v1/public``. The
            same handlers answer under both (docs.cleanlist.ai/mcp-api/versioning).
        organization
            Clients that name the same organization share its rate limit even before an answer shows that
            they belong together.
        rate_limits
            The limits to keep to, where they are not the published ones. A `limiter` has its own.
        limiter
            A limiter to share; by default all clients of this process share one per `base_url`.
        pace
            ``"burst"`` spends tokens as soon as they are free, ``"smooth"`` evenly, ``"auto"`` bursts unless
            another client shares the limit.
        request_timeout_s, deadline_s
            Seconds for one attempt, and for a whole call with its waits and retries (None: no limit).
        max_retries
            Attempts after the first, for calls that may be repeated.
        max_queued
            Contacts that may wait for their request in `enrich_one` before OverloadedError.
        proxy
            Address of a proxy, for a `base_url` with https: over http it would read the key.
        verify
            Whose certificates to trust: an `ssl.SSLContext`, or the path of a file or folder of them. By
            default those of ``$SSL_CERT_FILE`` and ``$SSL_CERT_DIR``, else those of public authorities.
        trust_env
            Whether these variables count, and ``$HTTPS_PROXY``, ``$ALL_PROXY`` and ``$NO_PROXY`` where no
            `proxy` is given. No proxy of the environment is used for this machine's own addresses.
        http_client
            An httpx or httpx2 client of yours, with its own proxy and certificates, that carries every
            request. It is never closed here.
        webhooks
            The receiver of your application. Submits then ask the server to push their results there, and
            are only asked about when it does not.
        on_event
            A function that is called with everything that happens, one event at a time; see
            :mod:`cleanlist_async.events`.
        store
            Where purchases are remembered, so that nothing is bought twice: a `Store`, the path of a file, or
            an address (``sqlite:///path``, ``postgresql://host/name``); by default ``$CLEANLIST_STORE``, else
            nothing is remembered. A `Store` that is given stays open when the client is closed.
        before_spend
            A function, async or not, that is called with a `Spend` before the first byte of each paid
            request. It refuses the call by returning False or raising CleanlistError: SpendVetoedError. It is
            asked again before another attempt if the server did not take the first, after a 429 for instance.

        Raises ConfigurationError for options that cannot work.

        """
        try:
            secrets = find_credentials(api_key, os.environ)
            if base_url is None:  # an empty one is a mistake, not the default
                base_url = os.environ.get(facts.BASE_URL_VARIABLE) or facts.DEFAULT_BASE_URL
            home = check_base_url(base_url)
            connection = ConnectionOptions.checked(home, proxy=proxy, verify=verify, trust_env=trust_env)
            opened_store, owns_store = chosen_store(store)
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # its frames hold the key and passwords
        finally:
            del api_key, proxy, base_url, store  # a traceback that shows local variables must not show them
        # From here on, no frame holds a key as text: what is raised may show its local variables.
        if http_client is not None and (connection.proxy is not None or verify is not True):
            raise ConfigurationError("http_client has its own: give proxy and verify to it.")
        if limiter is not None and rate_limits is not None:
            raise ConfigurationError("limiter has its own rate limits: give it or rate_limits, not both.")
        check_choice("api_version", api_version, facts.MODERN_PREFIXES)
        optional(check_instance, "rate_limits", rate_limits, RateLimits)
        optional(check_instance, "limiter", limiter, RateLimiter)
        optional(check_text, "organization", organization)
        optional(check_function, "on_event", on_event)
        optional(check_callable, "before_spend", before_spend)
        optional(_check_receiver, "webhooks", webhooks)
        self._api_version: ApiVersion = api_version
        self._options = checked_options(CallOptions(deadline_s, request_timeout_s, max_retries, pace))
        check_whole("max_queued", max_queued, "a number of contacts", at_least=1)
        self._base_url = home
        keys, route = route_of(secrets, organization, home)
        limiter = limiter or shared_limiter(home, rate_limits or RateLimits(), route)
        self._runtime = Runtime(
            keys,
            route,
            limiter,
            self._open_transport(home, limiter, connection, http_client),
            webhooks=webhooks,
            max_queued=max_queued,
            on_event=on_event,
            store=opened_store,
            owns_store=owns_store,
            before_spend=before_spend,
        )

    def _open_transport(
        self,
        base_url: str,
        limiter: RateLimiter,
        options: ConnectionOptions,
        http_client: HTTPClient | None,
    ) -> Transport:
        return Transport(base_url, clock=limiter.clock, options=options, http_client=http_client)

    def with_options(
        self,
        *,
        deadline_s: float | None = None,
        request_timeout_s: float | None = None,
        max_retries: int | None = None,
        pace: Pace | None = None,
    ) -> Self:
        """Return the same client, pool and limiter with other options for its calls; None keeps one."""
        options: dict[str, Any] = {
            "deadline_s": deadline_s,
            "request_timeout_s": request_timeout_s,
            "max_retries": max_retries,
            "pace": pace,
        }
        given = {name: value for name, value in options.items() if value is not None}
        # Not __init__: a second runtime would open connections of its own, and queue apart from the first.
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._options = checked_options(replace(self._options, **given))
        return twin

    @property
    def webhooks(self) -> WebhookReceiver | None:
        """The receiver that was given."""
        return self._runtime.webhooks

    def statistics(self) -> Statistics:
        """Return what this client has done so far, and the state of its buckets."""
        return self._runtime.statistics()

    async def __aenter__(self) -> Self:
        try:
            await self._runtime.root.ensure()
        except BaseException:  # cancelled before it was entered: __aexit__ will not be called
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def drain(self) -> None:
        """Accept no more calls of `enrich_one`, and wait until those in progress have ended.

        Takes no longer than their deadlines. Call it before `aclose` when a server shuts down.
        """
        await self._runtime.batcher.drain()

    async def aclose(self) -> None:
        """Close the client; may be called from any task, and repeatedly.

        Waits for paid requests in flight, each within its timeout. Calls that wait for their turn or a result
        end with ConfigurationError; calls of `enrich_one` are answered if `drain` is awaited first. Raises
        WrongEventLoopError in another event loop or process.
        """
        await self._runtime.aclose()

    def __repr__(self) -> str:
        return f"<AsyncCleanlist {self._base_url}>"

    def __reduce__(self) -> Never:
        raise TypeError(
            "a client cannot be pickled or copied: open one where it is needed, or use with_options"
        )


def _check_receiver(name: str, webhooks: object) -> None:
    from cleanlist_async.webhooks.receiver import WebhookReceiver

    check_instance(name, webhooks, WebhookReceiver)
