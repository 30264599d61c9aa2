"""A client that records every exchange: status, headers, seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.in_flight import in_flight
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.events import Event, UnknownPart
from cleanlist_async.http.transport import ConnectionOptions, Exchange, HTTPClient, Request, Transport
from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.redact import Secret

REQUEST_TIMEOUT_S = 20.0
_follow = in_flight.follow(1, REQUEST_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class Observation:
    """One request and its answer. `sent_at` is epoch seconds of our clock, `seconds` includes connecting."""

    method: str
    path: str
    sent_at: float
    seconds: float
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def answered_at(self) -> float:
        """When the answer had arrived, in epoch seconds of our clock."""
        return self.sent_at + self.seconds


class WatchedCleanlist(AsyncCleanlist):
    """An ordinary client that records its exchanges in `seen`, in order of time, and what is new in answers.

    No request is retried, so that the first failure is seen.
    """

    def __init__(self, api_key: str, connection: Connection) -> None:
        self.seen: list[Observation] = []
        self.unknown_parts: list[UnknownPart] = []
        # The shared limiter: the checks count against the same limit as everything else on this machine.
        limiter = connection.limiter()
        super().__init__(
            api_key,
            base_url=connection.base_url,
            rate_limits=None if limiter else connection.limits,
            limiter=limiter,
            request_timeout_s=REQUEST_TIMEOUT_S,
            max_retries=0,
            proxy=connection.proxy,
            verify=connection.ca_bundle or True,
            on_event=self._listen,
        )

    def _listen(self, event: Event) -> None:
        _follow(event)
        if isinstance(event, UnknownPart):
            self.unknown_parts.append(event)

    @property
    def base_url(self) -> str:
        """The address it talks to."""
        return self._base_url

    def _open_transport(
        self,
        base_url: str,
        limiter: RateLimiter,
        options: ConnectionOptions,
        http_client: HTTPClient | None,
    ) -> Transport:
        return _WatchedTransport(
            base_url, clock=limiter.clock, options=options, http_client=http_client, seen=self.seen
        )


class _WatchedTransport(Transport):
    def __init__(self, base_url: str, *, seen: list[Observation], **options: object) -> None:
        super().__init__(base_url, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self._seen = seen

    async def send(
        self,
        request: Request,
        key: Secret,
        timeout_s: float,
        exchange: Exchange,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> None:
        """Send, and record the exchange."""
        # The wall clock is compared with the server's; the other one measures, since nobody can set it.
        sent_at, started = time.time(), time.perf_counter()
        try:
            await super().send(request, key, timeout_s, exchange, may_leave)
        finally:  # a request without an answer is evidence too
            seconds = time.perf_counter() - started
            self._seen.append(
                Observation(
                    request.method,
                    request.path,
                    sent_at,
                    seconds,
                    exchange.status,
                    exchange.headers,
                    exchange.body,
                )
            )
