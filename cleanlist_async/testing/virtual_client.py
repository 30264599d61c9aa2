"""A client on an in-memory network: the real code, down to httpcore, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from os import PathLike

from cleanlist_async import facts
from cleanlist_async.checks import check_instance, optional
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.events import Listener
from cleanlist_async.facts import ApiVersion
from cleanlist_async.http.spending import BeforeSpend
from cleanlist_async.http.transport import ConnectionOptions, HTTPClient, HTTPConnections, Transport
from cleanlist_async.ratelimit import Pace, RateLimiter, RateLimits
from cleanlist_async.storage.store.store import Store
from cleanlist_async.testing.memory_network import MemoryNetwork, memory_transport
from cleanlist_async.webhooks.receiver import WebhookReceiver

# Loopback, where alone a client accepts an address without TLS.
BASE_URL = "http://localhost"


class VirtualCleanlist(AsyncCleanlist):
    """An :class:`AsyncCleanlist` whose connections lead into *network* and whose clock is the loop's.

    It has a limiter of its own, so that nothing of one simulation reaches the next. Make it inside a
    running :class:`~cleanlist_async.testing.VirtualTimeLoop`.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        api_key: str | Sequence[str] = "clapi_test",
        *,
        api_version: ApiVersion = "v2",
        rate_limits: RateLimits | None = None,
        limiter: RateLimiter | None = None,
        pace: Pace = "auto",
        request_timeout_s: float = facts.REQUEST_TIMEOUT_S,
        deadline_s: float | None = None,
        max_retries: int = 4,
        webhooks: WebhookReceiver | None = None,
        on_event: Listener | None = None,
        max_queued: int = facts.MAX_QUEUED_CONTACTS,
        store: Store | str | PathLike[str] | None = None,
        before_spend: BeforeSpend | None = None,
    ) -> None:
        check_instance("network", network, MemoryNetwork)
        optional(check_instance, "rate_limits", rate_limits, RateLimits)
        if limiter is None:
            limiter = RateLimiter(rate_limits, clock=asyncio.get_running_loop().time)
            # The limiter has them now, and the client refuses both together.
            rate_limits = None
        self._network = network
        super().__init__(
            api_key,
            base_url=BASE_URL,
            api_version=api_version,
            rate_limits=rate_limits,
            limiter=limiter,
            pace=pace,
            request_timeout_s=request_timeout_s,
            deadline_s=deadline_s,
            max_retries=max_retries,
            webhooks=webhooks,
            on_event=on_event,
            max_queued=max_queued,
            store=store,
            before_spend=before_spend,
        )

    def _open_transport(
        self,
        base_url: str,
        limiter: RateLimiter,
        options: ConnectionOptions,
        http_client: HTTPClient | None,
    ) -> Transport:
        return _MemoryTransport(self._network, base_url, limiter)


class _MemoryTransport(Transport):
    def __init__(self, network: MemoryNetwork, base_url: str, limiter: RateLimiter) -> None:
        super().__init__(base_url, clock=limiter.clock)
        self._network = network

    def new_connections(self, *, keepalive: bool, address: str | None = None) -> HTTPConnections:
        return memory_transport(self._network, keepalive=keepalive)
