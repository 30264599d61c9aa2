"""Base of `AsyncCleanlist`: its options and life cycle, and clients of it with other options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Never, Self, TypedDict

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
from cleanlist_async.events.log_setup import set_up_logging
from cleanlist_async.facts import ApiVersion
from cleanlist_async.http.calls import BeforeSpend
from cleanlist_async.http.credentials import Credentials, KeyReader, KeysGiven, TenantKeys, find_credentials
from cleanlist_async.http.options import CallOptions, checked_options
from cleanlist_async.http.transport import (
    ConnectionOptions,
    HTTPClient,
    Transport,
    Verify,
    check_base_url,
)
from cleanlist_async.ratelimit import Pace, RateLimiter, RateLimits
from cleanlist_async.ratelimit.limiter import shared_limiter
from cleanlist_async.runtime.runtime import Resources, Runtime
from cleanlist_async.storage.store.chosen import chosen_store

if TYPE_CHECKING:
    from cleanlist_async.events import Listener, Statistics
    from cleanlist_async.storage.store.store import Store
    from cleanlist_async.webhooks.receiver import WebhookReceiver


class ClientOptions(TypedDict, total=False):
    """What `AsyncCleanlist` takes besides the key, and documents."""

    base_url: str | None
    api_version: ApiVersion
    organization: str | None
    rate_limits: RateLimits | None
    limiter: RateLimiter | None
    pace: Pace
    request_timeout_s: float
    deadline_s: float | None
    max_retries: int
    give_up_after_s: float
    max_queued: int
    proxy: str | None
    verify: Verify
    trust_env: bool
    default_headers: Mapping[str, str] | None
    http_client: HTTPClient | None
    webhooks: WebhookReceiver | None
    on_event: Listener | None
    store: Store | str | PathLike[str] | None
    before_spend: BeforeSpend | None


class BaseClient:
    """The options of a client; `AsyncCleanlist` adds the operations."""

    _runtime: Runtime
    _base_url = ""  # shown by repr, which a traceback may ask for in the middle of __init__

    def __init__(
        self,
        api_key: KeysGiven = None,
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
        give_up_after_s: float = facts.GIVE_UP_AFTER_S,
        max_queued: int = facts.MAX_QUEUED_CONTACTS,
        proxy: str | None = None,
        verify: Verify = True,
        trust_env: bool = True,
        default_headers: Mapping[str, str] | None = None,
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
            One key, several keys of one organization, a JWT, or a plain function that returns any of these;
            by default ``$CLEANLIST_API_KEY``, where commas separate keys, or the file that
            ``$CLEANLIST_API_KEY_FILE`` names. When the server refuses a key (401), a function or a file is
            read again, and the call made again.
        base_url
            By default ``$CLEANLIST_BASE_URL``, else the real API. Must be https unless it is a loopback
            address.
        api_version
            Prefix of the modern operations: ``"v2"`` is ``/api/v2``, ``"v1"`` is ``/api/v1/public``.
        organization
            Clients that name the same one share its rate limit before an answer shows that they do.
        rate_limits
            The limits to keep to, where they are not the published ones. A `limiter` has its own.
        limiter
            A limiter to share; by default all clients of this process share one per `base_url`.
        pace
            ``"burst"`` spends tokens as soon as they are free, ``"smooth"`` evenly, ``"auto"`` bursts unless
            others share the limit.
        request_timeout_s
            Seconds for one attempt.
        deadline_s
            Seconds for a whole call with its waits and retries; None for no limit. `enrich_one` has one of
            its own.
        max_retries
            Attempts after the first, for calls that may be repeated. After a 429 `enrich`, `stream` and `job`
            wait their turn again, and it does not count: a busy organization must not end a run that has
            bought something (`deadline_s` and `give_up_after_s` do).
        give_up_after_s
            Seconds of nothing but 429s after which `enrich` and `stream` stop; a job stops after 15 minutes.
        max_queued
            Contacts that may wait for their request in `enrich_one` before OverloadedError.
        proxy
            Address of a proxy, for a `base_url` with https: over http it would read the key.
        verify
            Whose certificates to trust: an `ssl.SSLContext`, or the path of a file or folder. By default
            those of ``$SSL_CERT_FILE`` and ``$SSL_CERT_DIR``, else public authorities.
        trust_env
            Whether these variables count, and ``$HTTPS_PROXY``, ``$ALL_PROXY`` and ``$NO_PROXY`` where no
            `proxy` is given. No proxy of the environment is used for this machine's own addresses.
        default_headers
            Headers of every request to the API, for a gateway or for tracing. They may replace
            ``User-Agent``, and none that the client needs, such as ``Authorization``.
        http_client
            An httpx or httpx2 client of yours that carries every request, with its own proxy and
            certificates. It is never closed here.
        webhooks
            The receiver of your application: submits then ask the server to push their results there.
        on_event
            A function that is called with each event; see :mod:`cleanlist_async.events`.
        store
            Where purchases are remembered: a `Store`, which stays open when the client is closed, the path of
            a file, or an address (``sqlite:///path``, ``postgresql://host/name``); by default
            ``$CLEANLIST_STORE``, else nothing is remembered.
        before_spend
            A function, async or not, that is called with a `Spend` before each paid request leaves. It
            refuses the call by returning False or raising CleanlistError: SpendVetoedError.

        Raises
        ------
        ConfigurationError
            For options that cannot work.

        """
        try:
            secrets, reader = find_credentials(api_key, os.environ), KeyReader.of(api_key, os.environ)
            if base_url is None:  # an empty one is a mistake, not the default
                base_url = os.environ.get(facts.BASE_URL_VARIABLE) or facts.DEFAULT_BASE_URL
            home = check_base_url(base_url)
            connection = ConnectionOptions.checked(
                home, proxy=proxy, verify=verify, trust_env=trust_env, default_headers=default_headers
            )
            opened_store, owns_store = chosen_store(store)
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # its frames hold the key and passwords
        finally:
            # A traceback that shows local variables must not show them.
            del api_key, proxy, base_url, store, default_headers
        set_up_logging(os.environ)
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
        self._options = checked_options(
            CallOptions(deadline_s, request_timeout_s, max_retries, pace, give_up_after_s)
        )
        check_whole("max_queued", max_queued, "a number of contacts", at_least=1)
        self._base_url = home
        credentials = Credentials(secrets, organization, home, reader)
        limiter = limiter or shared_limiter(home, rate_limits or RateLimits())
        resources = Resources(
            limiter=limiter,
            transport=self._open_transport(home, limiter, connection, http_client),
            webhooks=webhooks,
            max_queued=max_queued,
            on_event=on_event,
            store=opened_store,
            owns_store=owns_store,
            before_spend=before_spend,
        )
        # Under the name that `with_options` makes of the same key, so that both share one runtime.
        self._runtime = resources.tenant((secrets, reader), lambda: credentials)

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
        api_key: TenantKeys = ...,
        deadline_s: float | None = None,
        request_timeout_s: float | None = None,
        max_retries: int | None = None,
        give_up_after_s: float | None = None,
        pace: Pace | None = None,
    ) -> Self:
        """Return the same client, pool and limiter with other options for its calls; None keeps one.

        `api_key` is that of another tenant. Its calls have the limits, the purchases and the budget of its
        own organization, on the same connections. All these clients are closed together. Raises
        ConfigurationError where it is None, as of a tenant that is not known.
        """
        options: dict[str, Any] = {
            "deadline_s": deadline_s,
            "request_timeout_s": request_timeout_s,
            "max_retries": max_retries,
            "give_up_after_s": give_up_after_s,
            "pace": pace,
        }
        given = {name: value for name, value in options.items() if value is not None}
        # Not __init__: a second runtime would open connections of its own, and queue apart from the first.
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._options = checked_options(replace(self._options, **given))
        if api_key is not ...:
            twin._runtime = self._tenant(api_key)
        return twin

    def _tenant(self, api_key: KeysGiven) -> Runtime:
        if api_key is None:  # never the key of this client or of the environment: another would pay
            raise ConfigurationError(
                "api_key is None, which is no tenant's key.", fix="Leave it out to keep this client's own."
            )
        try:
            secrets, reader = find_credentials(api_key, {}), KeyReader.of(api_key, {})
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # its frames hold the key
        finally:
            del api_key
        return self._runtime.shared.tenant(
            (secrets, reader), lambda: Credentials(secrets, None, self._base_url, reader)
        )

    @property
    def webhooks(self) -> WebhookReceiver | None:
        """The receiver that was given."""
        return self._runtime.shared.webhooks

    def statistics(self) -> Statistics:
        """Return what this client has done so far, and the state of its buckets."""
        return self._runtime.statistics()

    async def __aenter__(self) -> Self:
        try:
            await self._runtime.shared.root.ensure()
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
        end with ConfigurationError; `drain` first answers those of `enrich_one`. Raises WrongEventLoopError
        in another event loop or process.
        """
        await self._runtime.shared.aclose()

    def __repr__(self) -> str:
        return f"<AsyncCleanlist {self._base_url}>"

    def __reduce__(self) -> Never:
        raise TypeError(
            "a client cannot be pickled or copied: open one where it is needed, or use with_options"
        )


def _check_receiver(name: str, webhooks: object) -> None:
    from cleanlist_async.webhooks.receiver import WebhookReceiver

    check_instance(name, webhooks, WebhookReceiver)
