"""A client on an in-memory network: the real code, down to httpcore, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Unpack

from cleanlist_async.checks import check_instance, optional
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.http.transport import ConnectionOptions, HTTPClient, HTTPConnections, Transport
from cleanlist_async.ratelimit import RateLimiter, RateLimits
from cleanlist_async.runtime.base_client import ClientOptions
from cleanlist_async.testing.memory_network import MemoryNetwork, memory_transport

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
        **options: Unpack[ClientOptions],
    ) -> None:
        check_instance("network", network, MemoryNetwork)
        if options.get("limiter") is None:
            limits = options.pop("rate_limits", None)  # they are the limiter's: both together are refused
            optional(check_instance, "rate_limits", limits, RateLimits)
            options["limiter"] = RateLimiter(limits, clock=asyncio.get_running_loop().time)
        self._network = network
        options.setdefault("base_url", BASE_URL)
        super().__init__(api_key, **options)

    def _open_transport(
        self,
        base_url: str,
        limiter: RateLimiter,
        options: ConnectionOptions,
        http_client: HTTPClient | None,
    ) -> Transport:
        return _MemoryTransport(self._network, base_url, limiter, options)


class _MemoryTransport(Transport):
    def __init__(
        self, network: MemoryNetwork, base_url: str, limiter: RateLimiter, options: ConnectionOptions
    ) -> None:
        super().__init__(base_url, clock=limiter.clock, options=options)
        self._network = network

    def new_connections(self, *, keepalive: bool, address: str | None = None) -> HTTPConnections:
        return memory_transport(self._network, keepalive=keepalive)
